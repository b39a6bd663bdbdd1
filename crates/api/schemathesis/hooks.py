"""What Schemathesis is told besides the document.

Every request seems to come from another address, so that wrong tokens are not too many of one. With OWL_TOKEN there is a
campaign with a snapshot and some devices, and every second request is about these; without it no request has a token, and
whatever wants one must say so. Nobody waits for a fleet that is not there.
"""

import itertools
import json
import os
import re
import time
import urllib.request

import schemathesis

TOKEN = os.environ.get("OWL_TOKEN")
# This changes what the others read.
ELSEWHERE = "/audience"
REAL = {"user": "u1", "name": "main.js", "shard": 0, "batch": 0}
FITS = {"user": r"^[\w ]+$", "name": r"^[\w ]+$", "shard": r"^\d+$", "batch": r"^\d+$", "id": r"^[0-9a-f-]{36}$"}
calls = itertools.count()


def ask(method, path, body=None, kind="application/json"):
    request = urllib.request.Request(os.environ["OWL_URL"] + path, body and body.encode(), method=method)
    request.add_header("authorization", f"Bearer {TOKEN}")
    request.add_header("content-type", kind)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def set_up():
    """A campaign whose snapshot is built."""
    rows = [f"u{n},apns,{n:064x},en" for n in range(1, 4)]
    ask("POST", "/v1/devices", "\n".join(["user_id,platform,token,locale", *rows]), "text/csv")
    content = {"texts": {"en": {"title": "Hi"}}}
    path = "/v1/campaigns/" + ask("POST", "/v1/campaigns", json.dumps({"name": "real", "content": content}))["id"]
    ask("PUT", path + "/audience", "u1\nu2\nghost", "text/plain")
    end = time.monotonic() + 30
    while ask("GET", path)["state"] != "ready":
        assert time.monotonic() < end, "the snapshot is not built"
        time.sleep(0.05)
    return path.rsplit("/", 1)[1]


if TOKEN:
    REAL["id"] = set_up()


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """A list becomes a line for each of its things, anything else one line."""
    if isinstance(value, bytes):
        return value
    return "\n".join(json.dumps(one) for one in (value if isinstance(value, list) else [value])).encode()


@schemathesis.hook
def before_call(context, case, **kwargs):
    number = next(calls)
    case.headers["x-forwarded-for"] = f"198.18.{number // 254 % 256}.{number % 254 + 1}"
    wait = case.body.get("wait_ms", 20000) if isinstance(case.body, dict) else None
    if case.path.endswith("/arm") and type(wait) is int and 0 <= wait <= 600000:
        case.body["wait_ms"] = 0
    if not TOKEN or number % 2 or case.path.endswith(ELSEWHERE) or case.path.startswith("/v1/tokens"):
        return
    for name, value in (case.path_parameters or {}).items():
        # What is wrong on purpose stays wrong.
        if name in REAL and re.match(FITS[name], str(value)):
            case.path_parameters[name] = REAL[name]


@schemathesis.check
def a_stranger_is_sent_away(context, response, case):
    """Before anything else is looked at, the token is: any other answer tells a stranger something."""
    security = case.operation.definition.raw.get("security", [])
    ours = response.request.method == case.operation.method.upper()
    if not TOKEN and ours and security and {} not in security:
        # A path that was made up may be no route, or a header no header.
        assert response.status_code in (400, 401, 404), f"a stranger got {response.status_code}"
