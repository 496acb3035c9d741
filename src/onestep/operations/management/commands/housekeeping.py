"""`onestep housekeeping`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from onestep.operations.command_errors import database_errors_in_words
from onestep.operations.housekeeping import keep_house


class Command(BaseCommand):
    """Delete what is outdated and print how much; to be run once a day or so, at any time, as often as one likes."""

    help = "Delete expired tokens and sessions, and old records of logging in."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete."""
        with database_errors_in_words():
            counts = keep_house()
        for words, count in counts.items():
            self.stdout.write(f"{count:>8} {words} deleted")
