"""Who a request comes from: by access token, and by session with the CSRF check."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from onestep.accounts import tokens
from onestep.accounts.models import User
from onestep.accounts.tokens import AccessToken, KeyRing, RefreshToken, issue_tokens
from tests.factories import UserFactory
from tests.unit.accounts.clients import ME, PASSWORD, ROTATE, post, problem_of

PEOPLE = "/api/v1/people/"


def ask(header: str) -> Any:
    """Ask who one is, with this Authorization header."""
    return APIClient().get(ME, HTTP_AUTHORIZATION=header)


def assert_refused(response: Any, detail: str) -> None:
    """Hold a refused token's whole answer."""
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="onestep", error="invalid_token"'
    assert problem_of(response) == {
        "type": "urn:onestep:problem:token_not_valid",
        "title": "Unauthorized",
        "status": 401,
        "detail": detail,
    }


@pytest.mark.django_db
def test_authenticate_expired_token() -> None:
    token = AccessToken.for_user(UserFactory())
    token.set_exp(lifetime=-timedelta(seconds=1))
    assert_refused(ask(f"Bearer {token}"), "The token has expired. Obtain a new one.")


@pytest.mark.django_db
def test_authenticate_refresh_token() -> None:
    """A refresh token is no access token."""
    detail = "The token is not one of this service's, or not of the kind that is needed here."
    assert_refused(ask(f"Bearer {RefreshToken.for_user(UserFactory())}"), detail)
    assert_refused(ask("Bearer x"), detail)


@pytest.mark.django_db
def test_authenticate_unsigned_token() -> None:
    """A token that says it needs no signature (alg: none) is not taken at its word."""
    payload = str(AccessToken.for_user(UserFactory())).split(".")[1]
    assert ask(f"Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("changes", [{"is_active": False}, {"password": "another"}])
def test_authenticate_ended_user(changes: dict[str, Any]) -> None:
    """An access token ends at once with its user's deactivation and with a new password."""
    pair = issue_tokens(UserFactory())
    assert ask(f"Bearer {pair['access']}").status_code == 200
    User.objects.update(**changes)
    detail = "The token has ended: its user was deactivated or has another password. Log in again."
    assert_refused(ask(f"Bearer {pair['access']}"), detail)


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["", "Basic YTpi", "Token x"])
def test_authenticate_other_scheme(header: str) -> None:
    """What is not a bearer token is no credential."""
    response = ask(header)
    assert response.status_code == 401
    assert problem_of(response)["type"] == "urn:onestep:problem:not_authenticated"


@pytest.mark.django_db
def test_authenticate_malformed_header() -> None:
    response = ask("Bearer one two")
    assert response.status_code == 401
    assert problem_of(response)["detail"] == "Authorization header must contain two space-delimited values"


@pytest.mark.django_db
def test_authenticate_takes_one_query(django_assert_num_queries: Any) -> None:
    """It brings the permissions too, which are then found to be none."""
    token = AccessToken.for_user(UserFactory())
    with django_assert_num_queries(1):
        assert APIClient().get(PEOPLE, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 403


@pytest.mark.django_db
def test_authenticate_after_new_secret_key(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens live on while their key is among the fallbacks, and end when it is dropped. New ones get the new key."""
    user = UserFactory()
    old = issue_tokens(user)

    def use_keys(*keys: str) -> None:
        settings.TOKEN_KEYS = [*keys]
        for kind in (tokens.AccessToken, tokens.RefreshToken):
            monkeypatch.setattr(kind, "_token_backend", KeyRing())

    first, second = settings.TOKEN_KEYS[0], "second" * 10
    use_keys(second, "unrelated" * 5, first)
    assert ask(f"Bearer {old['access']}").status_code == 200
    new = post(ROTATE, {"refresh": old["refresh"]}).json()
    use_keys(second)
    assert ask(f"Bearer {new['access']}").status_code == 200
    assert post(ROTATE, {"refresh": new["refresh"]}).status_code == 200
    assert ask(f"Bearer {old['access']}").status_code == 401


def log_in_by_form(url: str) -> Client:
    """Return a browser's client whose user has filled in the form at the address."""
    browser = Client(enforce_csrf_checks=True)
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(url).content.decode())
    assert found
    form = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": found[1], "next": PEOPLE}
    response = browser.post(url, form)
    assert response.status_code == 302
    assert response["Location"] == PEOPLE
    return browser


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/login/", "/admin/login/"])
def test_authenticate_by_session(url: str) -> None:
    """The log-in form's session works for the API; its cookie is out of scripts' and other sites' reach."""
    UserFactory(username="ada", is_staff=True, is_superuser=True)
    browser = log_in_by_form(url)
    assert browser.get(PEOPLE).status_code == 200
    cookie = browser.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert browser.cookies["csrftoken"]["samesite"] == "Lax"


@pytest.mark.django_db
def test_authenticate_by_session_needs_csrf_token() -> None:
    """A write with a session and without the token is refused, and not done; with it, it is done."""
    UserFactory(username="ada", is_superuser=True)
    browser = log_in_by_form("/login/")
    send = {"data": {"name": "Grace"}, "content_type": "application/json"}
    response = browser.post(PEOPLE, **send)
    assert response.status_code == 403
    assert problem_of(response)["detail"].startswith("CSRF Failed")
    assert browser.get(PEOPLE).json()["results"] == []
    response = browser.post(PEOPLE, **send, headers={"X-CSRFToken": browser.cookies["csrftoken"].value})
    assert response.status_code == 201


@pytest.mark.django_db
def test_browsable_api_logs_in_and_out() -> None:
    """The pages of the API lead to the form and back, and their log-out ends the session."""
    UserFactory(username="ada", is_superuser=True)
    page = {"headers": {"Accept": "text/html"}}
    assert f'href="/login/?next={PEOPLE}"' in Client().get(PEOPLE, **page).content.decode()
    browser = log_in_by_form("/login/")
    shown = browser.get(PEOPLE, **page).content.decode()
    assert 'action="/logout/"' in shown
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown)
    assert found
    assert browser.post("/logout/").status_code == 403
    assert browser.get(PEOPLE).status_code == 200
    assert browser.post("/logout/", {"csrfmiddlewaretoken": found[1]}).status_code == 302
    assert browser.get(PEOPLE).status_code == 401
