"""The check `backup` of `/health/ready`: what the backup service's status.json says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from onestep.operations import health
from onestep.operations.health import check_backup, readiness


@pytest.fixture
def file(settings: Any, tmp_path: Path) -> Path:
    """Where status.json is looked for."""
    settings.BACKUP_STATUS = str(tmp_path / "status.json")
    return tmp_path / "status.json"


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(*, good: float | None = 1, tried: float = 1, **attempt: Any) -> dict[str, Any]:
    """Return what the backup service writes: `good` and `tried` are the hours since then."""
    made = {"at": hours_ago(good or 0), "snapshot": "abcd1234", "bytes": 123456, "seconds": 12.3}
    return {
        "version": 1,
        "last_attempt": {"at": hours_ago(tried), "outcome": "ok", "id": None, "detail": "", "seconds": 12.3} | attempt,
        "last_good": None if good is None else made,
        "interval_seconds": 86400,
    }


def outcome(file: Path, content: Any) -> tuple[str, str | None, str | None]:
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    check = check_backup()
    return check.status, check.id, check.detail


@pytest.mark.django_db
def test_ready_with_good_backup(client: Client, volumes: Path, file: Path) -> None:
    content = status(good=25)
    file.write_text(json.dumps(content))
    response = client.get("/health/ready")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "ok"
    age = body["checks"]["backup"]["details"]["last_good"].pop("age_seconds")
    assert 25 * 3600 <= age <= 25 * 3600 + 60
    assert body["checks"]["backup"] == {
        "status": "ok",
        "details": {
            "last_attempt": {"at": content["last_attempt"]["at"].replace("Z", "+00:00"), "outcome": "ok"},
            "last_good": {"at": content["last_good"]["at"].replace("Z", "+00:00"), "bytes": 123456},
        },
    }


@pytest.mark.django_db
def test_ready_with_failed_backup(client: Client, volumes: Path, file: Path) -> None:
    """It is degraded, and serves. The service's own words, which may name a host, are for the log."""
    file.write_text(json.dumps(status(good=20, outcome="failed", id="onestep.E321", detail="no route to vault.lan")))
    response = client.get("/health/ready")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "degraded"
    check = body["checks"]["backup"]
    assert (check["status"], check["id"]) == ("degraded", "onestep.E065")
    assert check["detail"] == "The last attempt to make a backup failed."
    assert check["details"]["last_attempt"]["outcome"] == "failed"
    assert check["details"]["last_attempt"]["id"] == "onestep.E321"
    assert check["details"]["last_good"]["bytes"] == 123456
    assert "vault" not in response.text
    assert readiness().checks["backup"].said == "onestep.E321: no route to vault.lan"


def test_backup_is_overdue(file: Path, settings: Any) -> None:
    assert outcome(file, status(good=25.9)) == ("ok", None, None)
    overdue = ("degraded", "onestep.E064", "The last good backup is older than 26 hours.")
    assert outcome(file, status(good=26.1)) == overdue
    assert outcome(file, status(good=26.1, outcome="failed")) == overdue
    settings.BACKUP_MAX_AGE_HOURS = 27
    assert outcome(file, status(good=26.1)) == ("ok", None, None)


def test_no_backup_has_succeeded(file: Path) -> None:
    expected = ("degraded", "onestep.E063", "There is no good backup.")
    assert outcome(file, status(good=None, outcome="failed", detail="disk full")) == expected
    assert check_backup().said == "no id: disk full"
    assert set(check_backup().details) == {"last_attempt"}


def test_backup_of_a_clock_ahead(file: Path) -> None:
    """A clock that goes ahead makes nothing of a negative age."""
    assert outcome(file, status(good=-3)) == ("ok", None, None)
    assert check_backup().details["last_good"]["age_seconds"] == 0


def test_backup_status_is_missing(file: Path) -> None:
    check = check_backup()
    assert (check.status, check.id) == ("degraded", "onestep.E060")
    assert check.detail == "No backup was tried yet, or its status is not where BACKUP_STATUS looks for it."


def test_backup_status_cannot_be_read(file: Path) -> None:
    file.mkdir()
    check = check_backup()
    assert (check.status, check.id) == ("degraded", "onestep.E061")
    assert check.detail == "The backups' status cannot be read: Is a directory."


def changed(*path: str, value: Any) -> dict[str, Any]:
    """Return a status with another value somewhere in it."""
    content = status()
    part: Any = content
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return content


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[]",
        '"text"',
        "\x00",
        "[" * 50_000,
        json.dumps(status()) + " " * 70_000,
        {},
        {"version": 1},
        changed("version", value=2),
        changed("last_attempt", value=None),
        changed("last_attempt", "outcome", value="maybe"),
        changed("last_attempt", "outcome", value=[]),
        changed("last_attempt", "at", value="yesterday"),
        changed("last_attempt", "at", value="2026-01-01T03:00:00"),
        changed("last_attempt", "at", value=5),
        changed("last_attempt", "id", value=5),
        changed("last_good", value="abcd1234"),
        changed("last_good", "at", value=None),
        changed("last_good", "bytes", value=-1),
        changed("last_good", "bytes", value=True),
        changed("last_good", "bytes", value="12"),
        changed("last_good", "bytes", value=float("nan")),
        changed("last_good", "seconds", value=10**400),
        json.dumps(status()).replace("123456", "1e400"),
    ],
)
def test_backup_status_is_malformed(file: Path, content: Any) -> None:
    assert outcome(file, content) == ("degraded", "onestep.E062", "The backups' status is not of its form.")
    assert check_backup().said
    assert check_backup().details == {}


def test_backup_attempt_with_other_id(file: Path) -> None:
    """What is no error id of ours is not passed on."""
    file.write_text(json.dumps(status(outcome="failed", id="<script>")))
    assert "id" not in check_backup().details["last_attempt"]


@pytest.mark.django_db
def test_backup_is_logged_when_it_changes(
    client: Client, volumes: Path, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for a failure, however old it gets and however often it is tried again, and once when it is mended."""
    monkeypatch.setattr(health, "_last", None)
    caplog.set_level("INFO", logger="onestep.operations.health")
    for content in (
        status(good=20, tried=2, outcome="failed", detail="disk full"),
        status(good=21, tried=1, outcome="failed", detail="disk full"),
        status(good=22, tried=1, outcome="failed", detail="disk full"),
        status(good=0),
        status(good=1),
    ):
        file.write_text(json.dumps(content))
        client.get("/health/ready")
    records = [record for record in caplog.records if record.name == "onestep.operations.health"]
    assert [record.levelname for record in records] == ["WARNING", "INFO"]
    assert "disk full" in str(records[0].msg)


@pytest.mark.django_db
def test_backup_is_not_looked_at_unless_told(client: Client, volumes: Path, settings: Any) -> None:
    settings.BACKUP_STATUS = ""
    assert "backup" not in client.get("/health/ready").json()["checks"]
