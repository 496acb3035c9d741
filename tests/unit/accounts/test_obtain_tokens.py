"""`POST /api/v1/auth/token/`."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from tests.factories import UserFactory
from tests.unit.accounts.clients import ME, OBTAIN, PASSWORD, obtain, post, problem_of

WRONG = {
    "type": "urn:onestep:problem:invalid_credentials",
    "title": "Unauthorized",
    "status": 401,
    "detail": "The user name or the password is not right.",
}


@pytest.mark.django_db
def test_obtain_tokens() -> None:
    """The access token signs its bearer in, and no cache may keep the answer. The log-in is noted with the user."""
    user = UserFactory(username="ada")
    response = obtain("ada")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    pair = response.json()
    assert sorted(pair) == ["access", "refresh"]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert client.get(ME).json()["id"] == user.pk
    user.refresh_from_db()
    assert user.last_login is not None


@pytest.mark.django_db
def test_obtain_tokens_stores_no_token() -> None:
    """A copy of the database signs nobody in."""
    user = UserFactory(username="ada")
    obtain("ada")
    [row] = OutstandingToken.objects.all()
    assert row.user_id == user.pk
    assert row.token == ""


@pytest.mark.django_db
@pytest.mark.parametrize("username", ["ada", "nobody", "gone", "ADA"])
def test_obtain_tokens_wrong_credentials(username: str) -> None:
    """The answer is the same whether there is such a user, and whether they are active."""
    UserFactory(username="ada")
    UserFactory(username="gone", is_active=False)
    response = obtain(username, "not this one")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="onestep"'
    assert problem_of(response) == WRONG


@pytest.mark.django_db
def test_obtain_tokens_inactive_user() -> None:
    """A right password does not show that there is such an account."""
    UserFactory(username="gone", is_active=False)
    assert problem_of(obtain("gone")) == WRONG


@pytest.mark.django_db
@pytest.mark.parametrize("username", ["ada", "nobody", "gone"])
def test_obtain_tokens_takes_one_hash(username: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is what takes time: a refusal takes it once, for a user who is not there too."""
    UserFactory(username="ada")
    UserFactory(username="gone", is_active=False)
    hashes = []
    encode = MD5PasswordHasher.encode

    def count(self: MD5PasswordHasher, password: str, salt: str, *args: Any, **kwargs: Any) -> str:
        hashes.append(password)
        return encode(self, password, salt, *args, **kwargs)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    assert obtain(username, "not this one").status_code == 401
    assert hashes == ["not this one"]


@pytest.mark.django_db
def test_obtain_tokens_password_is_taken_as_it_is() -> None:
    """Spaces belong to it."""
    UserFactory(username="ada", password="  two spaces around  ")
    assert obtain("ada", "  two spaces around  ").status_code == 200
    assert obtain("ada", "two spaces around").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"username": ["This field is required."], "password": ["This field is required."]}),
        (
            {"username": "", "password": None},
            {"username": ["This field may not be blank."], "password": ["This field may not be null."]},
        ),
        (
            {"username": "x" * 151, "password": "x" * 4097},
            {
                "username": ["Ensure this field has no more than 150 characters."],
                "password": ["Ensure this field has no more than 4096 characters."],
            },
        ),
        ({"username": ["ada"], "password": PASSWORD}, {"username": ["Not a valid string."]}),
        ({"username": "ada", "password": 1234567890}, {"password": ["Not a valid string."]}),
        ({"username": "a\0da", "password": PASSWORD}, {"username": ["Null characters are not allowed."]}),
    ],
)
def test_obtain_tokens_invalid_body(body: Any, errors: dict[str, list[str]]) -> None:
    response = post(OBTAIN, body)
    assert response.status_code == 400
    assert problem_of(response)["errors"] == errors


@pytest.mark.django_db
def test_obtain_tokens_by_form() -> None:
    """A form of another site cannot sign in: only JSON is taken."""
    response = APIClient().post(OBTAIN, {"username": "ada", "password": PASSWORD})
    assert response.status_code == 415
    assert problem_of(response)["type"] == "urn:onestep:problem:unsupported_media_type"


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_obtain_tokens_other_verbs(verb: str) -> None:
    response = getattr(APIClient(), verb)(OBTAIN)
    assert response.status_code == 405
    assert response["Allow"] == "POST, OPTIONS"
