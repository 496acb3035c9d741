"""What of a failed run of migrations can be taken back, and what it may have left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from traceback import walk_tb

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration


@dataclass(frozen=True)
class Applied:
    """A migration that a run has begun: `faked` where it is recorded only, `ended` where its end was seen."""

    migration: Migration
    faked: bool
    ended: bool

    @property
    def obstacle(self) -> str:
        """Return which operation keeps the migration from being reversed; empty where none does."""
        if self.faked:
            return ""
        return next((op.describe() for op in self.migration.operations if not op.reversible), "")


def split_reversible(applied: Sequence[Applied]) -> tuple[list[Applied], dict[str, str]]:
    """Return which of the migrations, given in the order they were applied, can be unapplied, the latest first.

    And which cannot, by name with the reason: from the latest irreversible one down.
    """
    newest_first = list(reversed(applied))
    for index, one in enumerate(newest_first):
        if one.obstacle:
            left = {str(below.migration): f"{one.migration} stands on it" for below in newest_first[index + 1 :]}
            return newest_first[:index], {str(one.migration): f'"{one.obstacle}" cannot be reversed'} | left
    return newest_first, {}


def unapply(migrations: Sequence[Applied], using: str, progress: Callable[..., None]) -> None:
    """Unapply the migrations, in this order. Raises what they raise; `progress` hears of each that is done."""
    for faked, group in groupby(migrations, key=lambda one: one.faked):
        executor = MigrationExecutor(connections[using], progress)
        executor.migrate([], plan=[(one.migration, True) for one in group], fake=faked)


def describe_partial(migration: Migration, error: BaseException) -> list[str]:
    """Return lines on what a failed migration that is not atomic may have left behind.

    Which operation failed is known from the error's traceback alone: Django does not report operations.
    """
    frames = [frame.f_locals for frame, _ in walk_tb(error.__traceback__) if frame.f_locals.get("self") is migration]
    failed = next((names["operation"] for names in reversed(frames) if "operation" in names), None)
    numbered = {
        operation: f"operation {number} of {len(migration.operations)}, {operation.describe()}"
        for number, operation in enumerate(migration.operations, 1)
    }
    lines = [f"{migration} is not atomic, so it is not tried again and what it did stays."]
    for operation, words in numbered.items():
        if operation is failed:
            lines.append(f"Failed, perhaps with parts done: {words}.")
            break
        lines.append(f"Done: {words}.")
    return lines


def invalid_indexes(using: str) -> list[str]:
    """Return a line for each index that an interrupted CREATE INDEX CONCURRENTLY has left behind."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1")
        return [f"Invalid index: {name}. Drop it: DROP INDEX CONCURRENTLY {name};" for (name,) in cursor.fetchall()]
