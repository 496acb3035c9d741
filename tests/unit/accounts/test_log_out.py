"""`POST /api/v1/auth/logout/`."""

from __future__ import annotations

import pytest

from onestep.accounts.tokens import AccessToken, issue_tokens
from tests.factories import UserFactory
from tests.unit.accounts.clients import LOG_OUT, ROTATE, post, problem_of


@pytest.mark.django_db
def test_log_out() -> None:
    """The refresh token is refused from then on; logging out again says nothing new."""
    token = issue_tokens(UserFactory())["refresh"]
    for _ in range(2):
        response = post(LOG_OUT, {"refresh": token})
        assert response.status_code == 204
        assert response.content == b""
    response = post(ROTATE, {"refresh": token})
    assert response.status_code == 401
    assert problem_of(response)["type"] == "urn:onestep:problem:token_not_valid"


@pytest.mark.django_db
def test_log_out_leaves_other_sessions() -> None:
    user = UserFactory()
    here, there = issue_tokens(user), issue_tokens(user)
    post(LOG_OUT, {"refresh": here["refresh"]})
    assert post(ROTATE, {"refresh": there["refresh"]}).status_code == 200


@pytest.mark.django_db
def test_log_out_with_what_is_no_refresh_token() -> None:
    for token in ("x", str(AccessToken.for_user(UserFactory()))):
        response = post(LOG_OUT, {"refresh": token})
        assert response.status_code == 401
        assert problem_of(response)["type"] == "urn:onestep:problem:token_not_valid"


@pytest.mark.django_db
def test_log_out_without_token() -> None:
    response = post(LOG_OUT, {})
    assert response.status_code == 400
    assert problem_of(response)["errors"] == {"refresh": ["This field is required."]}
