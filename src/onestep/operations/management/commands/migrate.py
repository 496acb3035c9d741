"""`onestep migrate`: Django's command, one at a time, and taken back where it fails."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db.migrations.migration import Migration

from onestep.operations.command_errors import database_errors_in_words
from onestep.operations.migrating import MigrationRun


class Command(migrate.Command):
    """Django's migrate in a `MigrationRun`; what only looks (`--plan`, `--check`) is Django's alone."""

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Run the system checks, some of which ask the database."""
        with database_errors_in_words():
            super().check(*args, **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate."""
        if (options["plan"] or options["check_unapplied"]) and not options["prune"]:
            with database_errors_in_words():
                super().handle(*args, **options)
            return
        self.verbosity = options["verbosity"]
        self.run = MigrationRun(
            options["database"],
            migrate=lambda: super(Command, self).handle(*args, **options),
            say=self._say,
            fake=options["fake"],
            fake_initial=options["fake_initial"],
        )
        self.run.perform()

    def migration_progress_callback(self, action: str, migration: Migration | None = None, fake: bool = False) -> None:  # noqa: FBT001, FBT002  (Django's signature)
        """Hand on what Django's executor reports, instead of printing it."""
        self.run.progress(action, migration, fake=fake)

    def _say(self, text: str, ending: str = "\n") -> None:
        if self.verbosity:
            self.stdout.write(text, ending=ending)
            self.stdout.flush()
