"""`onestep load_sample_data`."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from onestep.operations import sample_data


class Command(BaseCommand):
    """Stores a believable university: campuses, groups, people and initiatives, the same for the same seed."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the amounts."""
        parser.add_argument("--initiatives", type=int, default=300, metavar="N", help="how many initiatives (300)")
        parser.add_argument("--people", type=int, default=120, metavar="M", help="how many people (120)")
        parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same data (1)")
        parser.add_argument(
            "--today", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the day around which it lies"
        )
        parser.add_argument("--once", action="store_true", help="do nothing where there is data already")
        parser.add_argument("--force", action="store_true", help="also where DEBUG is off")

    def handle(self, **options: Any) -> None:
        """Load, and print what was stored.

        Raises CommandError outside development, and for amounts that make no sense.
        """
        if not settings.DEBUG and not options["force"]:
            raise CommandError(
                "onestep.E201 DEBUG is off, so this may be a production database. Sample data cannot be told from real "
                "data afterwards. Give --force where it is meant."
            )
        amounts = sample_data.Amounts(options["initiatives"], options["people"], options["seed"])
        if amounts.initiatives < 1 or amounts.people < 1:
            raise CommandError("onestep.E202 There is nothing to make: give at least --initiatives 1 and --people 1.")
        if settings.DEBUG:
            sample_data.create_administrator()
        if options["once"] and sample_data.has_data():
            self.stdout.write("There is data already: no sample data was added.")
        else:
            began = time.monotonic()
            written = sample_data.load_sample_data(amounts, today=options["today"] or date.today())  # noqa: DTZ011
            rows = sum(written.values())
            self.stdout.write(
                f"Stored {amounts.initiatives:,} initiatives and {amounts.people:,} people, {rows:,} rows in all, "
                f"in {time.monotonic() - began:.1f} s (seed {amounts.seed})."
            )
        if settings.DEBUG:
            self.stdout.write(
                f"Log in as {sample_data.ADMIN_USERNAME}, password {sample_data.ADMIN_PASSWORD} (development only)."
            )
