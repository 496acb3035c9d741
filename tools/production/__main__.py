"""The commands, by name."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tools.production.backups import back_up, clean_up, restore, show_backups, undo_restore
from tools.production.deploy import deploy, rollback, scale
from tools.production.drill import drill
from tools.production.ending import end_in_order
from tools.production.initialise import initialise
from tools.production.stack import CHECKOUT, Production, ProductionError
from tools.production.start import create_superuser, follow_logs, quiesce, run_compose, start, stop
from tools.production.status import show_status
from tools.production.steps import say

COMMANDS: dict[str, Callable[..., None]] = {
    "init": initialise,
    "up": start,
    "quiesce": quiesce,
    "down": stop,
    "logs": follow_logs,
    "status": show_status,
    "compose": run_compose,
    "createsuperuser": create_superuser,
    "deploy": deploy,
    "rollback": rollback,
    "scale": scale,
    "backup": back_up,
    "backups": show_backups,
    "restore": restore,
    "restore-undo": undo_restore,
    "restore-cleanup": clean_up,
    "drill": drill,
}


def main() -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="tools.production")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        help="of deploy an image, of scale a number, of restore and drill a backup, of compose all of it",
    )
    arguments = parser.parse_args()
    end_in_order()
    try:
        production = Production(Path(os.environ.get("PRODUCTION") or CHECKOUT / "production"))
        COMMANDS[arguments.command](production, *arguments.arguments)
    except ProductionError as error:
        say(str(error), error=True)
        return 1
    except KeyboardInterrupt:
        say("Interrupted. The same command again goes on from here.", error=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
