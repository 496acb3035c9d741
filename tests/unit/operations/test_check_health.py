"""`GET /health/live` and `GET /health/ready`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from onestep.operations import health
from onestep.operations.health import readiness

READY = {"status": "ok", "checks": {name: {"status": "ok"} for name in ("database", "migrations", "storage")}}
ADDRESSES = ("/health/live", "/health/live/", "/health/ready", "/health/ready/")


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[None]:
    """The database's address leads nowhere."""
    with django_db_blocker.unblock():
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", "1")
        yield
        connection.close()


@pytest.mark.parametrize("address", ["/health/live", "/health/live/"])
def test_live(client: Client, address: str) -> None:
    """It needs no database: there is none in this test."""
    response = client.get(address)
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Length"] == str(len(response.content))


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/health/ready", "/health/ready/"])
def test_ready(client: Client, volumes: Path, django_assert_num_queries: Any, address: str) -> None:
    with django_assert_num_queries(1):
        response = client.get(address)
    assert response.status_code == 200
    assert response.json() == READY
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_probe_needs_no_host_https_or_session(client: Client, settings: Any, volumes: Path, address: str) -> None:
    """A probe asks by IP address, without HTTPS and, through a mistake of its own, with a bad session."""
    settings.ALLOWED_HOSTS = ["api.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    client.cookies["sessionid"] = "not-a-session"
    assert Client().get("/api/schema/", headers={"host": "10.0.0.7:8000"}).status_code != 200
    response = client.get(address, headers={"host": "10.0.0.7:8000"})
    assert response.status_code == 200
    assert not response.cookies


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_probe_is_read_only(client: Client, verb: str) -> None:
    assert getattr(client, verb)("/health/live").status_code == 405


def test_probe_has_one_route() -> None:
    assert reverse("health-live") == "/health/live"
    assert reverse("health-ready") == "/health/ready"


def test_health_other_address(client: Client) -> None:
    assert client.get("/health/nothing").status_code == 404


def test_ready_without_database(client: Client, volumes: Path, unreachable: None) -> None:
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {
        "status": "unavailable",
        "checks": {
            "database": {
                "status": "unavailable",
                "id": "onestep.E020",
                "detail": "Nothing accepts connections at the database's address.",
            },
            "storage": {"status": "ok"},
        },
    }


@pytest.mark.django_db
def test_ready_with_migration_missing(client: Client, volumes: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'people'")
    response = client.get("/health/ready")
    assert response.status_code == 503
    body = response.json()
    assert body["checks"]["database"] == {"status": "ok"}
    assert body["checks"]["migrations"]["id"] == "onestep.E051"
    last = health.latest_migrations()
    [name] = [name for app, name in last if app == "people"]
    assert body["checks"]["migrations"]["detail"] == (
        f"Migrations are not applied, up to people.{name}: run `onestep migrate`."
    )
    assert body["checks"]["migrations"]["details"] == {
        "pending": len([1 for app, _ in health.all_migrations() if app == "people"])
    }


@pytest.mark.django_db
def test_ready_with_newer_database(client: Client, volumes: Path) -> None:
    """During a rollout the old version runs on the new version's database."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('people', '0999_later', now())")
    assert client.get("/health/ready").json() == READY


@pytest.mark.django_db(transaction=True)
def test_ready_on_empty_database(client: Client, volumes: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO django_migrations_away")
        try:
            response = client.get("/health/ready")
        finally:
            cursor.execute("ALTER TABLE django_migrations_away RENAME TO django_migrations")
    assert response.status_code == 503
    assert response.json()["checks"]["migrations"]["id"] == "onestep.E051"


@pytest.mark.django_db
def test_ready_with_media_gone(client: Client, volumes: Path, settings: Any, tmp_path: Path) -> None:
    """Uploads are refused, and all else is served: the process stays in rotation."""
    settings.MEDIA_ROOT = tmp_path / "nowhere"
    response = client.get("/health/ready")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "degraded"
    assert body["checks"]["storage"] == {
        "status": "degraded",
        "id": "onestep.E040",
        "detail": "MEDIA_ROOT: there is no such folder.",
    }


def test_ready_while_draining(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the supervisor closes its end of the pipe, readiness ends at once; it asks nothing of the database."""
    draining = health.Draining()
    monkeypatch.setattr(health, "draining", draining)
    reading, writing = os.pipe()
    draining.watch(reading)
    assert not draining
    os.close(writing)
    response = client.get("/health/ready")
    os.close(reading)
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "checks": {
            "process": {
                "status": "unavailable",
                "id": "onestep.E050",
                "detail": "This process is stopping, and takes no more requests.",
            }
        },
    }


def test_readiness_is_logged_when_it_changes(
    client: Client,
    volumes: Path,
    unreachable: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has the driver's own words, which the answer leaves out."""
    monkeypatch.setattr(health, "_last", None)
    client.get("/health/ready")
    client.get("/health/ready")
    [record] = [record for record in caplog.records if record.name == "onestep.operations.health"]
    assert "readiness_changed" in str(record.msg)
    assert "Connection refused" in str(record.msg)
    assert readiness().checks["database"].said
    assert "said" not in readiness().as_json()["checks"]["database"]


@pytest.mark.django_db
def test_ready_without_static_files(client: Client, volumes: Path) -> None:
    (volumes / "staticfiles.json").unlink()
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["checks"]["storage"] == {
        "status": "degraded",
        "id": "onestep.E046",
        "detail": "STATIC_ROOT: the static files are not collected.",
    }
