"""The commands, by name."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from datetime import UTC, datetime
from types import FrameType

from onestep_backup.configuration import Configuration, read_configuration
from onestep_backup.listing import print_backups
from onestep_backup.making import BackupRun
from onestep_backup.problems import BackupError, StoppedError
from onestep_backup.reporting import Report
from onestep_backup.restoring import Restoration
from onestep_backup.scheduling import health_fault, serve
from onestep_backup.status import alone, read_status

CONFIRMATION = "onestep"
COMMANDS = (
    *("serve", "now", "list", "health"),
    *("prepare", "wait", "swap", "swap-back", "former", "live", "cleanup"),
)
# Seconds that a swap waits for another run: meanwhile nobody is served.
SWAP_WAIT_SECONDS = 10


def main() -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="onestep_backup")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--words", action="store_true", help="say it in words instead of JSON lines")
    parser.add_argument("--snapshot", default="latest", help="a backup's id")
    parser.add_argument("--confirm", default="", help=f"{CONFIRMATION}: replace a database that has data")
    parser.add_argument("--table", action="store_true", help="show each table that was compared")
    parser.add_argument("--former", default="", help="the database that is kept, or is to be: onestep_former_…")
    parser.add_argument("--keep-last", action="store_true", help="keep the latest former database")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    os.nice(10)  # what serves goes first
    report = Report(words=arguments.words)
    try:
        return perform(arguments, read_configuration(), report)
    except BackupError as error:
        report.error(error)
        return 1
    except (StoppedError, KeyboardInterrupt):
        report.info("Stopped; what was not finished does not count.")
        return 143


def perform(arguments: argparse.Namespace, configuration: Configuration, report: Report) -> int:
    """Do what the command says. Raises BackupError where it fails."""
    if arguments.command == "serve":
        serve(configuration, report)
    elif arguments.command == "list":
        print_backups(configuration)
    elif arguments.command == "health":
        fault = health_fault(configuration, read_status(), datetime.now(UTC))
        if fault:
            print(fault)
            return 1
    elif arguments.command == "former":
        print(Restoration(configuration, report).last_former())
    elif arguments.command == "live":
        Restoration(configuration, report).say_live(arguments.former)
    else:
        swaps = arguments.command in ("swap", "swap-back")
        wait = min(configuration.wait_seconds, SWAP_WAIT_SECONDS) if swaps else configuration.wait_seconds
        with alone(wait=wait, say=report.info):
            perform_alone(arguments, configuration, report)
    return 0


def perform_alone(arguments: argparse.Namespace, configuration: Configuration, report: Report) -> None:
    """Do what nothing else may be done beside."""
    restoration = Restoration(configuration, report)
    match arguments.command:
        case "now":
            BackupRun(configuration, report).perform()
        case "prepare":
            confirmed = arguments.confirm == CONFIRMATION
            restoration.prepare(arguments.snapshot, confirmed=confirmed, table=arguments.table)
        case "wait":
            pass
        case "swap":
            restoration.swap(arguments.former)
        case "swap-back":
            restoration.swap_back(arguments.former)
        case "cleanup":
            restoration.cleanup(keep_last=arguments.keep_last)


def _stop(number: int, frame: FrameType | None) -> None:
    raise StoppedError


if __name__ == "__main__":
    sys.exit(main())
