"""Runs checkov over the Terraform files and compares its complaints with policy-exceptions.txt.

    python policy_scan.py <path of the checkov program>

Both must agree, resource by resource: an exception covers one resource and not a rule as such, and goes when it is not
needed any more.
"""

import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
EXCEPTIONS = HERE / "policy-exceptions.txt"


def complaints(checkov):
    """Check and resource of every complaint, and the number of checks that passed."""
    command = [checkov, "--skip-download", "--framework", "terraform", "--quiet", "--output", "json", "--directory", str(HERE)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    try:
        report = json.loads(run.stdout)
    except ValueError:
        sys.exit(f"checkov gave no report: {run.stdout[-500:]}{run.stderr[-2000:]}")
    if report["summary"]["parsing_errors"]:
        sys.exit(f"checkov could not read {report['results']['parsing_errors']}")
    # Resources are named as an example sees them (module.owl.…); the same one in both examples counts once.
    failed = {(c["check_id"], re.sub(r"^module\.owl\.", "", c["resource"])): c for c in report["results"]["failed_checks"]}
    return failed, report["summary"]["passed"]


def exceptions():
    """Check and resource of every exception; each must give a reason."""
    found = set()
    for line in EXCEPTIONS.read_text().splitlines():
        if line and not line.startswith("#"):
            check, resource, reason = line.split(" ", 2)
            if len(reason) < 15:
                sys.exit(f"{EXCEPTIONS.name}: {check} {resource} gives no reason")
            found.add((check, resource))
    return found


def main():
    failed, passed = complaints(sys.argv[1])
    kept = exceptions()
    for key in sorted(set(failed) - kept):
        complaint = failed[key]
        print(f"{key[0]} {key[1]}: {complaint['check_name']} ({complaint['file_path']}:{complaint['file_line_range'][0]})")
    for check, resource in sorted(kept - set(failed)):
        print(f"{EXCEPTIONS.name}: {check} {resource} is not complained about any more")
    if set(failed) != kept:
        sys.exit(1)
    if passed < 100:
        sys.exit(f"only {passed} checks ran")
    print(f"{passed} policy checks, {len(kept)} exceptions")


if __name__ == "__main__":
    main()
