"""`onestep sweep_attachments`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from onestep.initiatives.attachments import sweep_files


class Command(BaseCommand):
    """Removes what killed processes have left on the media volume. To be run now and then, daily for instance."""

    help = (
        "Remove files that killed processes have left on the media volume: half-received ones, and those that no "
        "attachment names. Run it only with the database that belongs to the volume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--older-than",
            type=int,
            choices=range(1, 8761),
            default=24,
            metavar="HOURS",
            help="only files that have not been written to for so long, 1 to 8760 hours; 24 if left out",
        )
        parser.add_argument("--dry-run", action="store_true", help="name the files and remove none")

    def handle(self, *, older_than: int, dry_run: bool, **options: Any) -> None:
        """Sweep, and name what was swept."""
        swept = sweep_files(older_than=timedelta(hours=older_than), dry_run=dry_run)
        for name in swept:
            self.stdout.write(name)
        files = f"{len(swept)} file{'' if len(swept) == 1 else 's'}"
        self.stdout.write(f"{files} would be removed." if dry_run else f"{files} removed.")
