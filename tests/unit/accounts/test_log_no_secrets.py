"""What the log says of signing in: what happened, and no password, token or cookie."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from tests.factories import UserFactory
from tests.unit.accounts.clients import LOG_OUT, ME, PASSWORD, ROTATE, VERIFY, obtain, post


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, at the lowest level, in the form in which it leaves the process."""
    root = logging.getLogger()
    form = next(handler.formatter for handler in root.handlers if getattr(handler.formatter, "processors", None))
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    connection.force_debug_cursor = True  # as with DEBUG=1, where queries can be logged
    yield stream
    connection.force_debug_cursor = False
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.mark.django_db
def test_log_no_secrets(log: io.StringIO) -> None:
    user = UserFactory(username="ada", is_staff=True)
    pair = obtain("ada").json()
    new = post(ROTATE, {"refresh": pair["refresh"]}).json()
    secrets = [*pair.values(), *new.values(), PASSWORD, user.password]
    post(ROTATE, {"refresh": pair["refresh"]})
    post(VERIFY, {"token": new["access"]})
    post(VERIFY, {"token": new["access"][:-2]})
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {new['access']}")
    client.get(ME)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {new['refresh']}")
    client.get(ME)
    post(LOG_OUT, {"refresh": new["refresh"]})
    for _ in range(6):
        obtain("ada", "not-the-password")
    browser = Client(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.2")
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/admin/login/").content.decode())
    assert found
    form = {"username": "ada", "password": "not-the-password", "csrfmiddlewaretoken": found[1]}
    browser.post("/admin/login/", form)
    browser.post("/admin/login/", form | {"password": PASSWORD})
    browser.get("/admin/")
    browser.post("/api/v1/people/", {}, content_type="application/json")
    secrets += ["not-the-password", found[1], *(morsel.value for morsel in browser.cookies.values())]
    assert len(browser.cookies) == 2

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    events = [line["event"] for line in lines]
    assert events.count("log_in_failed") == 7
    assert events.count("logged_in") == 2
    assert events.count("spent_refresh_token_presented") == 1
    assert "request_finished" in events
    text = log.getvalue()
    assert [secret for secret in secrets if secret in text or secret[-20:] in text] == []
