"""`POST /api/v1/auth/token/refresh/`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from onestep.accounts.models import User
from onestep.accounts.tokens import AccessToken, RefreshToken, issue_tokens
from tests.factories import UserFactory
from tests.unit.accounts.clients import ROTATE, VERIFY, at_once, post, problem_of

ROUNDS = 25
CLIENTS = 4


def refusal(detail: str) -> dict[str, object]:
    """Return the problem of a token that is not accepted."""
    return {"type": "urn:onestep:problem:token_not_valid", "title": "Unauthorized", "status": 401, "detail": detail}


SPENT = refusal("The token was used already or revoked. Log in again.")
ENDED = refusal("The token has ended: its user was deactivated or has another password. Log in again.")
FOREIGN = refusal("The token is not one of this service's, or not of the kind that is needed here.")


@pytest.mark.django_db
def test_rotate_tokens() -> None:
    """A new pair, in which both are accepted, and no cache may keep it."""
    old = issue_tokens(UserFactory())
    response = post(ROTATE, {"refresh": old["refresh"]})
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    new = response.json()
    assert sorted(new) == ["access", "refresh"]
    assert new["refresh"] != old["refresh"]
    for token in new.values():
        assert post(VERIFY, {"token": token}).status_code == 200


@pytest.mark.django_db
def test_rotate_tokens_works_once() -> None:
    """The one that it gave works on."""
    old = issue_tokens(UserFactory())
    new = post(ROTATE, {"refresh": old["refresh"]}).json()
    response = post(ROTATE, {"refresh": old["refresh"]})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="onestep"'
    assert problem_of(response) == SPENT
    assert post(ROTATE, {"refresh": new["refresh"]}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_rotate_tokens_at_once() -> None:
    """Of several clients that use one token at the same moment, exactly one is given a new pair, in every round."""
    user = UserFactory()
    for _ in range(ROUNDS):
        token = issue_tokens(user)["refresh"]
        answers = at_once([partial(post, ROTATE, {"refresh": token})] * CLIENTS)
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * (CLIENTS - 1)
        assert [problem_of(answer) for answer in answers if answer.status_code == 401] == [SPENT] * (CLIENTS - 1)
    assert OutstandingToken.objects.count() == ROUNDS * 2
    assert BlacklistedToken.objects.count() == ROUNDS


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["deactivated", "password", "deleted"])
def test_rotate_tokens_of_ended_user(change: str) -> None:
    """The token is not spent on it: a user who is activated again goes on."""
    user = UserFactory()
    token = issue_tokens(user)["refresh"]
    end(user, change)
    assert problem_of(post(ROTATE, {"refresh": token})) == ENDED
    if change == "deactivated":
        User.objects.update(is_active=True)
        assert post(ROTATE, {"refresh": token}).status_code == 200


def end(user: User, change: str) -> None:
    """Let a user's tokens end in one of three ways."""
    if change == "deleted":
        user.delete()
    elif change == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    else:
        user.set_password("another horse")
        user.save()


@pytest.mark.django_db
def test_rotate_tokens_expired() -> None:
    token = RefreshToken.for_user(UserFactory())
    token.set_exp(lifetime=-timedelta(seconds=1))
    response = post(ROTATE, {"refresh": str(token)})
    assert problem_of(response) == refusal("The token has expired. Obtain a new one.")


@pytest.mark.django_db
def test_rotate_tokens_of_another_kind() -> None:
    """An access token is not exchanged, nor one that is not in the list, nor one that was changed on its way."""
    user = UserFactory()
    assert problem_of(post(ROTATE, {"refresh": str(AccessToken.for_user(user))})) == FOREIGN
    assert problem_of(post(ROTATE, {"refresh": str(RefreshToken.for_user(user))})) == SPENT
    header, payload, signature = issue_tokens(user)["refresh"].split(".")
    assert problem_of(post(ROTATE, {"refresh": f"{header}.{payload}.{signature[::-1]}"})) == FOREIGN
    assert problem_of(post(ROTATE, {"refresh": "x"})) == FOREIGN


@pytest.mark.django_db
def test_rotate_tokens_without_one() -> None:
    response = post(ROTATE, {})
    assert response.status_code == 400
    assert problem_of(response)["errors"] == {"refresh": ["This field is required."]}
