"""The commands, by name."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tools.production.initialise import initialise
from tools.production.stack import CHECKOUT, Production, ProductionError
from tools.production.start import start

COMMANDS = {
    "init": initialise,
    "up": start,
}


def main() -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="tools.production")
    parser.add_argument("command", choices=COMMANDS)
    arguments = parser.parse_args()
    try:
        COMMANDS[arguments.command](Production(Path(os.environ.get("PRODUCTION") or CHECKOUT / "production")))
    except ProductionError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
