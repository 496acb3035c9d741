"""What the tests of signing in share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection
from rest_framework.test import APIClient

PASSWORD = "correct horse battery"  # the factory's
OBTAIN = "/api/v1/auth/token/"
ROTATE = "/api/v1/auth/token/refresh/"
VERIFY = "/api/v1/auth/token/verify/"
LOG_OUT = "/api/v1/auth/logout/"
ME = "/api/v1/auth/me/"


def post(url: str, data: dict[str, Any], **headers: str) -> Any:
    """Send a body as somebody without a token."""
    return APIClient().post(url, data, format="json", **headers)


def obtain(username: str, password: str = PASSWORD, **headers: str) -> Any:
    """Sign in."""
    return post(OBTAIN, {"username": username, "password": password}, **headers)


def problem_of(response: Any) -> dict[str, Any]:
    """Return the problem document without its request id, which differs each time."""
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body.pop("request_id")
    return body  # type: ignore[no-any-return]


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Make the calls in as many threads, which start together, each with a database connection of its own."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result(timeout=60) for done in [pool.submit(run, call) for call in calls]]
