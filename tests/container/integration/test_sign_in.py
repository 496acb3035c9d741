"""Signing in by tokens: obtained, exchanged, verified, ended."""

from __future__ import annotations

import httpx
import pytest

from tests.container.integration.api import V1, problem
from tests.container.integration.conftest import Site
from tests.container.service import Web

AUTH = f"{V1}/auth"


@pytest.fixture
def pair(site: Site, anonymous: httpx.Client) -> dict[str, str]:
    """The tokens of somebody who has just signed in."""
    answer = anonymous.post(f"{AUTH}/token/", json={"username": "viewer", "password": site.passwords["viewer"]})
    assert (answer.status_code, set(answer.json())) == (200, {"access", "refresh"})
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json())


def test_access_token_says_who_calls(pair: dict[str, str], web: Web) -> None:
    with web.client(pair["access"]) as client:
        me = client.get(f"{AUTH}/me/").json()
    assert (me["username"], me["roles"], me["is_superuser"]) == ("viewer", ["Viewer"], False)
    assert "people.view_person" in me["permissions"]
    assert not [name for name in me["permissions"] if ".view_" not in name]


def test_wrong_password_is_refused(anonymous: httpx.Client, site: Site) -> None:
    """In the same words for a name that is nobody's."""
    for username in ("viewer", "nobody"):
        answer = anonymous.post(f"{AUTH}/token/", json={"username": username, "password": "not this one"})
        body = problem(answer, 401, "invalid_credentials")
        assert body["detail"] == "The user name or the password is not right."
    # The count of failures starts anew with a success: what follows is not locked out by this test.
    assert site.web.obtain_token("viewer", site.passwords["viewer"])


def test_refresh_token_works_once(pair: dict[str, str], anonymous: httpx.Client) -> None:
    first = anonymous.post(f"{AUTH}/token/refresh/", json={"refresh": pair["refresh"]})
    assert first.status_code == 200, first.text
    assert first.json()["refresh"] != pair["refresh"]
    again = anonymous.post(f"{AUTH}/token/refresh/", json={"refresh": pair["refresh"]})
    problem(again, 401, "token_not_valid")
    assert anonymous.post(f"{AUTH}/token/refresh/", json={"refresh": first.json()["refresh"]}).status_code == 200


def test_tokens_are_verified(pair: dict[str, str], anonymous: httpx.Client) -> None:
    for kind, token in pair.items():
        answer = anonymous.post(f"{AUTH}/token/verify/", json={"token": token})
        assert (answer.status_code, answer.json()["token_type"]) == (200, kind)
        head, _, signature = token.rpartition(".")
        forged = f"{head}.{signature[::-1]}"
        problem(anonymous.post(f"{AUTH}/token/verify/", json={"token": forged}), 401, "token_not_valid")


def test_log_out_ends_the_refresh_token(pair: dict[str, str], anonymous: httpx.Client) -> None:
    assert anonymous.post(f"{AUTH}/logout/", json={"refresh": pair["refresh"]}).status_code == 204
    for path in ("token/refresh", "logout"):
        answer = anonymous.post(f"{AUTH}/{path}/", json={"refresh": pair["refresh"]})
        assert answer.status_code == (401 if path == "token/refresh" else 204), answer.text
    problem(anonymous.post(f"{AUTH}/token/verify/", json={"token": pair["refresh"]}), 401, "token_not_valid")


def test_refresh_token_opens_nothing(pair: dict[str, str], web: Web) -> None:
    with web.client(pair["refresh"]) as client:
        problem(client.get(f"{V1}/people/"), 401, "token_not_valid")


def test_without_a_token_nothing_is_shown(anonymous: httpx.Client) -> None:
    for resource in ("people", "campuses", "knowledge-areas", "groups", "leaderships", "initiatives", "attachments"):
        answer = anonymous.get(f"{V1}/{resource}/")
        problem(answer, 401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
