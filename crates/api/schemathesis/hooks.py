"""What Schemathesis is told besides the document.

Every request seems to come from another address, so that wrong tokens are not too many of one; with OWL_NOBODY set, no
request has a token, and whatever wants one must say so.
"""

import itertools
import os

import schemathesis

ADDRESSES = itertools.count()


@schemathesis.hook
def before_call(context, case, **kwargs):
    number = next(ADDRESSES)
    case.headers["x-forwarded-for"] = f"198.18.{number // 254 % 256}.{number % 254 + 1}"


@schemathesis.check
def a_stranger_is_sent_away(context, response, case):
    """Before anything else is looked at, the token is: any other answer tells a stranger something."""
    if not os.environ.get("OWL_NOBODY"):
        return
    security = case.operation.definition.raw.get("security", [])
    ours = response.request.method == case.operation.method.upper()
    if ours and security and {} not in security:
        # A path that was made up may be no route, or a header no header.
        assert response.status_code in (400, 401, 404), f"a stranger got {response.status_code}"
