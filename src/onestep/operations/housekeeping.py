"""Removes what has had its time and that nothing else removes: tokens, sessions, and records of logging in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

# How many rows go at a time: a statement stays far below DB_STATEMENT_TIMEOUT, and holds its locks for a moment only.
BATCH = 2000


def keep_house() -> dict[str, int]:
    """Delete what is outdated; return how many rows of each kind, in words."""
    now = timezone.now()
    past = now - timedelta(days=settings.LOGIN_HISTORY_DAYS)
    outdated: dict[str, QuerySet[Any]] = {
        "expired tokens": OutstandingToken.objects.filter(expires_at__lte=now),
        "expired sessions": Session.objects.filter(expire_date__lte=now),
        "failed log-ins that no longer count": AccessAttempt.objects.filter(
            attempt_time__lt=now - settings.AXES_COOLOFF_TIME
        ),
        "old records of log-ins": AccessLog.objects.filter(attempt_time__lt=past),
        "old records of failed log-ins": AccessFailureLog.objects.filter(attempt_time__lt=past),
    }
    return {words: _delete(rows) for words, rows in outdated.items()}


def _delete(rows: QuerySet[Any]) -> int:
    """Delete rows, and those that hang on them, in batches; return how many. What is done stays when it is ended."""
    count = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        _, deleted = rows.filter(pk__in=keys).delete()
        count += deleted.get(rows.model._meta.label, 0)
    return count
