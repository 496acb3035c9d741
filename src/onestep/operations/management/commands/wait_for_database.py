"""`onestep wait_for_database`."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from onestep.operations.database import DatabaseUnreachableError, wait_for_database


class Command(BaseCommand):
    """Wait until the database accepts connections; exit with words where it does not, or will not."""

    help = "Wait until the database accepts connections, at most DB_WAIT_TIMEOUT seconds."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the time to wait."""
        parser.add_argument(
            "--timeout", type=float, default=settings.DB_WAIT_TIMEOUT, help="seconds (default: DB_WAIT_TIMEOUT)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait, and say so each time that what is waited for changes."""
        try:
            seconds = wait_for_database(timeout=options["timeout"], say=self.stderr.write)
        except DatabaseUnreachableError as error:
            # 75 (EX_TEMPFAIL): it may be there later. 78 (EX_CONFIG): not before something is corrected.
            raise CommandError(
                str(error), returncode=os.EX_TEMPFAIL if error.fault.transient else os.EX_CONFIG
            ) from error
        self.stdout.write(f"The database accepts connections (after {seconds:.1f} s).")
