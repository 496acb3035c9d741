"""`GET /`, and what pages have in common."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.staticfiles import finders
from django.db import OperationalError
from django.test import Client

from onestep.operations import health

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def states(html: str) -> list[tuple[str, str]]:
    """Return the names and the states that a home page shows."""
    return re.findall(r'<dt>(.+?)</dt>\s*<dd>\s*<span class="(\w+)">', html)


@pytest.mark.django_db
def test_show_home(client: Client, media_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "check_storage", health.Check)
    response = client.get("/")
    assert response.status_code == 200
    html = response.content.decode()
    assert "OneStep is a REST API for organisations" in html
    for address in ("/api/docs/", "/api/redoc/", "/api/schema/", "/api/v1/", "/admin/", "/health/ready"):
        assert f'href="{address}"' in html
    assert states(html) == [("Database", "ok"), ("Migrations", "ok"), ("Storage", "ok")]


@pytest.mark.django_db
def test_show_home_leads_somewhere(client: Client) -> None:
    """Every link of the page is answered."""
    for address in set(re.findall(r'href="(/[^"]*)"', client.get("/").content.decode())):
        if not address.startswith("/static/"):
            assert client.get(address).status_code in {200, 302, 503}, address


def test_show_home_without_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is there to say that the database is not. (This test may not touch it, and would fail if it did.)"""

    def refuse() -> Any:
        raise OperationalError("connection refused: 192.0.2.1, user onestep")

    monkeypatch.setattr(health.connection, "cursor", refuse)
    response = client.get("/")
    assert response.status_code == 200
    html = response.content.decode()
    assert states(html)[0] == ("Database", "unavailable")
    assert "192.0.2.1" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
def test_show_home_development_login(client: Client, settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    html = client.get("/").content.decode()
    assert ("onestep-admin" in html) is debug
    assert ("Development log-in" in html) is debug


@pytest.mark.django_db
def test_show_home_to_readers_only(client: Client) -> None:
    assert client.post("/").status_code == 405
    assert client.head("/").status_code == 200
    assert "no-store" in client.get("/")["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/admin/login/", "/login/", "/api/docs/", "/api/v1/people/", "/nothing"])
def test_show_page_with_security_headers(client: Client, address: str) -> None:
    response = client.get(address)
    assert response["Content-Security-Policy"] == POLICY
    assert response["Permissions-Policy"].startswith("accelerometer=(), camera=()")
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"


def test_show_redoc_with_its_own_policy(client: Client) -> None:
    policy = client.get("/api/redoc/")["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "worker-src blob:" in policy
    assert "script-src 'self';" in policy


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", ["/", "/admin/login/", "/login/", "/api/docs/", "/api/redoc/", "/nothing", "/api/v1/"]
)
def test_show_page_that_needs_nothing_from_elsewhere(client: Client, address: str) -> None:
    """No script and no style stands in a page, and none is loaded from another host."""
    html = client.get(address, headers={"Accept": "text/html"}).content.decode()
    assert "<style" not in html
    assert re.findall(r"\son\w+=", html) == []
    for attributes in re.findall(r"<script([^>]*)>", html):
        assert 'src="/' in attributes or 'type="application/json"' in attributes
    for address_of in re.findall(r'<(?:link|img|script)[^>]*(?:href|src)="([^"]*)"', html):
        assert address_of.startswith("/")


def test_show_page_with_files_that_are_there() -> None:
    """Each static file that a template of ours names exists."""
    templates = Path(project.BASE_DIR) / "templates"
    names = {
        name
        for page in templates.rglob("*.html")
        for name in re.findall(r'{% static "([^"]+)"', page.read_text("utf-8"))
    }
    assert {"onestep/pages.css", "onestep/icon.svg"} < names
    assert [name for name in names if not finders.find(name)] == []


def test_show_page_without_collected_files(client: Client, settings: Any, tmp_path: Path) -> None:
    """A page without its look is better than none."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "onestep.operations.static_files.StaticFilesStorage"},
    }
    response = client.get("/login/")
    assert response.status_code == 200
    assert 'href="/static/onestep/pages.css"' in response.content.decode()


def test_show_favicon(client: Client) -> None:
    response = client.get("/favicon.ico")
    assert response.status_code == 302
    assert response["Location"] == "/static/onestep/icon.svg"
