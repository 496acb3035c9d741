"""`onestep housekeeping`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, models
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from onestep.operations import housekeeping
from tests.factories import UserFactory


def token(name: str, *, expires_in: timedelta) -> OutstandingToken:
    now = timezone.now()
    return OutstandingToken.objects.create(
        user=UserFactory(), jti=name, token="", created_at=now, expires_at=now + expires_in
    )


def attempt(model: type[models.Model], name: str, *, age: timedelta) -> None:
    """Make a row of django-axes, whose time is set by itself."""
    counted = {"failures_since_start": 1} if model is AccessAttempt else {}
    row = model._default_manager.create(username=name, ip_address="192.0.2.1", **counted)
    model._default_manager.filter(pk=row.pk).update(attempt_time=timezone.now() - age)


def print_of_housekeeping() -> list[str]:
    output = StringIO()
    call_command("housekeeping", stdout=output)
    return output.getvalue().splitlines()


@pytest.mark.django_db
def test_keep_house_deletes_what_is_outdated(settings: Any) -> None:
    settings.LOGIN_HISTORY_DAYS = 30
    hour, day = timedelta(hours=1), timedelta(days=1)
    BlacklistedToken.objects.create(token=token("spent", expires_in=-hour))
    token("old", expires_in=-hour)
    BlacklistedToken.objects.create(token=token("revoked", expires_in=hour))
    Session.objects.create(session_key="old", expire_date=timezone.now() - hour)
    Session.objects.create(session_key="new", expire_date=timezone.now() + hour)
    attempt(AccessAttempt, "old", age=settings.AXES_COOLOFF_TIME + hour)
    attempt(AccessAttempt, "new", age=settings.AXES_COOLOFF_TIME / 2)
    attempt(AccessLog, "old", age=31 * day)
    attempt(AccessLog, "new", age=29 * day)
    attempt(AccessFailureLog, "old", age=31 * day)
    attempt(AccessFailureLog, "new", age=29 * day)

    assert print_of_housekeeping() == [
        "       2 expired tokens deleted",
        "       1 expired sessions deleted",
        "       1 failed log-ins that no longer count deleted",
        "       1 old records of log-ins deleted",
        "       1 old records of failed log-ins deleted",
    ]
    assert [revoked.token.jti for revoked in BlacklistedToken.objects.all()] == ["revoked"]
    assert OutstandingToken.objects.count() == 1
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    for model in (AccessAttempt, AccessLog, AccessFailureLog):
        assert list(model.objects.values_list("username", flat=True)) == ["new"]


@pytest.mark.django_db
def test_keep_house_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 2)
    for number in range(5):
        token(str(number), expires_in=-timedelta(hours=1))
    assert housekeeping.keep_house()["expired tokens"] == 5
    assert not OutstandingToken.objects.exists()


@pytest.mark.django_db
def test_keep_house_with_nothing_to_do() -> None:
    assert {line.split()[0] for line in print_of_housekeeping()} == {"0"}


def test_keep_house_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("onestep.operations.management.commands.housekeeping.keep_house", fail)
    with pytest.raises(CommandError, match=r"^onestep\.E020 Nothing accepts connections"):
        call_command("housekeeping")
