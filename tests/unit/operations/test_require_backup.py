"""`onestep migrate` with MIGRATE_BACKUP_MAX_AGE: no change of a database in use without a recent good backup."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from tests.unit.operations.scratch import Scratch

FIRST = "operations = [migrations.RunSQL('CREATE TABLE a (id int)', 'DROP TABLE a')]"
SECOND = "operations = [migrations.RunSQL('CREATE TABLE b (id int)', 'DROP TABLE b')]"


@pytest.fixture
def file(settings: Any, tmp_path: Path) -> Path:
    """Where status.json is looked for, with a limit of 60 minutes."""
    settings.MIGRATE_BACKUP_MAX_AGE = 60
    settings.BACKUP_STATUS = str(tmp_path / "status.json")
    return tmp_path / "status.json"


def write(file: Path, *, minutes: float | None, failed: bool = False) -> None:
    """Write what the backup service does where the last good backup is so many minutes old; None: there is none."""
    at = (datetime.now(UTC) - timedelta(minutes=minutes or 0)).strftime("%Y-%m-%dT%H:%M:%SZ")
    good = {"at": at, "snapshot": "abcd1234", "bytes": 1, "seconds": 1.0}
    outcome = {"outcome": "failed", "id": "onestep.E066"} if failed else {"outcome": "ok", "id": None}
    status = {
        "version": 1,
        "last_attempt": {"at": at, "detail": "", "seconds": 1.0, **outcome},
        "last_good": None if minutes is None else good,
        "interval_seconds": 86400,
    }
    file.write_text(json.dumps(status))


@pytest.fixture
def in_use(scratch: Scratch, settings: Any) -> Scratch:
    """A database with one of two migrations."""
    settings.MIGRATE_BACKUP_MAX_AGE = 0
    scratch.write_migrations(m1=FIRST)
    scratch.migrate()
    scratch.write_migrations(m1=FIRST, m2=SECOND)
    return scratch


@pytest.mark.parametrize(
    ("minutes", "found"),
    [(61, "The last good one is of "), (None, "There is no good one."), ("no file", "No backup was tried yet")],
)
def test_migrate_refuses_without_a_recent_backup(in_use: Scratch, file: Path, minutes: Any, found: str) -> None:
    """It says which backup there is and what to do, and changes nothing."""
    if minutes != "no file":
        write(file, minutes=minutes)
    with pytest.raises(CommandError) as raised:
        in_use.migrate()
    first, second = str(raised.value).splitlines()
    assert first.startswith("onestep.E116 ")
    assert "without a good backup of the last 60 minutes. " + found in first
    assert "`make backup`" in second
    assert in_use.applied() == ["m1"]
    assert "b" not in in_use.tables()


def test_migrate_with_a_recent_backup(in_use: Scratch, file: Path) -> None:
    """A later attempt that failed takes nothing from the good one."""
    write(file, minutes=59, failed=True)
    in_use.migrate()
    assert in_use.applied() == ["m1", "m2"]


def test_migrate_of_an_empty_database_asks_for_none(scratch: Scratch, file: Path) -> None:
    scratch.write_migrations(m1=FIRST)
    scratch.migrate()
    assert scratch.applied() == ["m1"]


def test_migrate_with_nothing_to_do_asks_for_none(migrated: Scratch, file: Path) -> None:
    migrated.write_migrations()
    assert "No migrations to apply." in migrated.migrate("people")


def test_migrate_asks_for_none_by_default(in_use: Scratch, settings: Any) -> None:
    assert settings.MIGRATE_BACKUP_MAX_AGE == 0
    in_use.migrate()
    assert in_use.applied() == ["m1", "m2"]
