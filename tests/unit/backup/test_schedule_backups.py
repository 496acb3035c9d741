"""When a backup is due, and when the backup service is unhealthy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from onestep_backup.configuration import Configuration, read_configuration
from onestep_backup.problems import BackupError
from onestep_backup.scheduling import due, health_fault
from onestep_backup.status import Status, read_status

Read = Callable[..., Configuration]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read the configuration of an environment, with the secrets that have to be there."""
    for name in ("backup_password", "db_owner_password"):
        (tmp_path / name).write_text("secret\n")

    def read_it(**environment: str) -> Configuration:
        return read_configuration(environment, tmp_path)

    return read_it


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def status(attempt: str | None, *, good: str | None = None, outcome: str = "ok") -> Status:
    """Return a status: the last attempt ended then, and the last good backup is of then."""
    tried: dict[str, Any] = {"outcome": outcome, "id": None, "detail": "", "seconds": 1.0}
    return Status(
        last_attempt=None if attempt is None else {"at": f"{attempt}Z", **tried},
        last_good=None if good is None else {"at": f"{good}Z", "snapshot": "abcd1234", "bytes": 1, "seconds": 1.0},
    )


@pytest.mark.parametrize(
    ("times", "attempt", "now", "expected"),
    [
        # None yet.
        ("03:00", None, "2026-01-02T12:00", True),
        # The time of the day has come, or not.
        ("03:00", ("2026-01-01T03:01", "ok"), "2026-01-02T02:59", False),
        ("03:00", ("2026-01-01T03:01", "ok"), "2026-01-02T03:00", True),
        # One on demand in between takes nothing from the schedule.
        ("03:00", ("2026-01-01T22:00", "ok"), "2026-01-02T03:00", True),
        # The machine was off.
        ("03:00", ("2026-01-01T03:01", "ok"), "2026-01-04T09:00", True),
        # Several times, in any order.
        ("15:00, 03:00", ("2026-01-02T03:01", "ok"), "2026-01-02T14:59", False),
        ("15:00, 03:00", ("2026-01-02T03:01", "ok"), "2026-01-02T15:00", True),
        # A failed one is tried again after an hour.
        ("03:00", ("2026-01-02T03:01", "failed"), "2026-01-02T04:00", False),
        ("03:00", ("2026-01-02T03:01", "failed"), "2026-01-02T04:01", True),
    ],
)
def test_due(read: Read, times: str, attempt: tuple[str, str] | None, now: str, expected: bool) -> None:
    ended, outcome = attempt or (None, "ok")
    assert due(read(BACKUP_AT=times), status(ended, outcome=outcome), at(now)) is expected


@pytest.mark.parametrize(
    ("times", "hours"), [("03:00", 24), ("03:00,15:00", 12), ("01:00,05:00", 20), ("23:00,05:00,11:00,17:00", 6)]
)
def test_interval_is_the_longest_between_two(read: Read, times: str, hours: int) -> None:
    assert read(BACKUP_AT=times).interval_seconds == hours * 3600


def test_health(read: Read) -> None:
    """A failed attempt and an overdue backup are unhealthy, each in words; the graver one is said."""
    configuration = read(BACKUP_MAX_AGE_HOURS="26")
    now = at("2026-01-03T05:00")
    fine = status("2026-01-02T03:01", good="2026-01-02T03:00")
    failed = status("2026-01-03T03:01", good="2026-01-02T03:00", outcome="failed")
    assert health_fault(configuration, fine, now) is None
    assert getattr(health_fault(configuration, failed, now), "id", "") == "onestep.E065"
    assert getattr(health_fault(configuration, fine, now + timedelta(minutes=1)), "id", "") == "onestep.E064"
    assert getattr(health_fault(configuration, failed, now + timedelta(minutes=1)), "id", "") == "onestep.E064"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKUP_AT", "3:00"),
        ("BACKUP_AT", "24:00"),
        ("BACKUP_AT", "03:00,"),
        ("BACKUP_KEEP_DAILY", "0"),
        ("BACKUP_KEEP_WEEKLY", "-1"),
        ("BACKUP_CHECK_SUBSET", "half"),
        ("BACKUP_WAIT_SECONDS", "1h"),
    ],
)
def test_setting_that_is_none(read: Read, name: str, value: str) -> None:
    with pytest.raises(BackupError) as raised:
        read(**{name: value})
    assert raised.value.id == "onestep.E002"
    assert raised.value.what.startswith(f"{name}: ")


def test_credentials_are_read_from_their_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "backup_credentials").write_text(
        "# of the bucket\nAWS_ACCESS_KEY_ID=abc\nAWS_SECRET_ACCESS_KEY='d=e'\n"
    )
    assert read().credentials == {"AWS_ACCESS_KEY_ID": "abc", "AWS_SECRET_ACCESS_KEY": "d=e"}


@pytest.mark.parametrize("name", ["backup_credentials", "backup_ssh_key", "backup_ssh_known_hosts"])
def test_file_that_cannot_be_read(read: Read, tmp_path: Path, name: str) -> None:
    """A folder in its place fails as a file without the right to read it does, also for root."""
    (tmp_path / name).mkdir()
    with pytest.raises(BackupError) as raised:
        read()
    assert raised.value.id == "onestep.E088"
    assert raised.value.what == f"The file of {name.upper()} cannot be read: Is a directory."


def test_file_that_is_no_text(read: Read, tmp_path: Path) -> None:
    (tmp_path / "backup_credentials").write_bytes(b"\xff")
    with pytest.raises(BackupError) as raised:
        read()
    assert raised.value.id == "onestep.E088"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"last_attempt": {}, "last_good": null}', '{"last_attempt": 1}'])
def test_status_that_is_none_counts_as_no_attempt(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    assert read_status(tmp_path / "status.json").last_attempt is None
