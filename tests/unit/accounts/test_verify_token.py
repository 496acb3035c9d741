"""`POST /api/v1/auth/token/verify/`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onestep.accounts.models import User
from onestep.accounts.tokens import AccessToken, RefreshToken, issue_tokens, revoke_token
from tests.factories import UserFactory
from tests.unit.accounts.clients import VERIFY, post, problem_of


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "kind"), [("access", AccessToken), ("refresh", RefreshToken)])
def test_verify_token(name: str, kind: type[AccessToken] | type[RefreshToken]) -> None:
    user = UserFactory()
    token = issue_tokens(user)[name]  # type: ignore[literal-required]
    response = post(VERIFY, {"token": token})
    assert response.status_code == 200
    expires_at = datetime.fromtimestamp(kind(token)["exp"], UTC)
    body = response.json()
    assert datetime.fromisoformat(body.pop("expires_at")) == expires_at
    assert body == {"token_type": name, "user_id": user.pk}


@pytest.mark.django_db
def test_verify_token_that_was_revoked() -> None:
    token = issue_tokens(UserFactory())["refresh"]
    revoke_token(token)
    response = post(VERIFY, {"token": token})
    assert response.status_code == 401
    assert problem_of(response)["detail"] == "The token was used already or revoked. Log in again."


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["access", "refresh"])
def test_verify_token_of_deactivated_user(name: str) -> None:
    token = issue_tokens(UserFactory())[name]  # type: ignore[literal-required]
    User.objects.update(is_active=False)
    response = post(VERIFY, {"token": token})
    assert response.status_code == 401
    assert problem_of(response)["type"] == "urn:onestep:problem:token_not_valid"


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["x", "a.b.c", "é" * 10])
def test_verify_token_that_is_none(token: str) -> None:
    response = post(VERIFY, {"token": token})
    assert response.status_code == 401
    assert problem_of(response)["type"] == "urn:onestep:problem:token_not_valid"


@pytest.mark.django_db
def test_verify_token_without_one() -> None:
    response = post(VERIFY, {"token": ""})
    assert response.status_code == 400
    assert problem_of(response)["errors"] == {"token": ["This field may not be blank."]}
