"""Failed log-ins are limited: over the API, in the forms, for one name, one address, and many at once."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import partial
from threading import Barrier, Event
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.backends import ModelBackend
from django.core.management import call_command
from django.test import Client, RequestFactory

from onestep.accounts.attempts import counted_address
from tests.factories import UserFactory
from tests.unit.accounts.clients import OBTAIN, PASSWORD, at_once, obtain, problem_of

LIMIT = 5
HERE = "192.0.2.1"


@pytest.fixture(autouse=True)
def ada(db: None) -> Any:
    """The user whose password is guessed."""
    return UserFactory(username="ada", is_staff=True)


def guess(username: str = "ada", address: str = HERE, **headers: str) -> int:
    """Try a wrong password and return the status."""
    return int(obtain(username, "wrong", REMOTE_ADDR=address, **headers).status_code)


def lock(username: str = "ada", address: str = HERE) -> None:
    """Fail as often as is allowed."""
    assert [guess(username, address) for _ in range(LIMIT)] == [401] * (LIMIT - 1) + [429]


def test_limit_attempts_over_the_api() -> None:
    """After the fifth failure the right password is refused too, and the answer says for how long."""
    lock()
    response = obtain("ada", REMOTE_ADDR=HERE)
    assert response.status_code == 429
    assert 890 <= int(response["Retry-After"]) <= 900
    assert problem_of(response) == {
        "type": "urn:onestep:problem:too_many_attempts",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Logging in failed too often. Try again in 15 minutes, or ask an administrator to unlock it.",
    }
    assert obtain("ada", REMOTE_ADDR="192.0.2.2").status_code == 200


def test_limit_attempts_same_for_unknown_user() -> None:
    """The limit does not show whether there is such a user."""
    lock("nobody")


def test_limit_attempts_success_resets() -> None:
    for _ in range(2):
        assert [guess() for _ in range(LIMIT - 1)] == [401] * (LIMIT - 1)
        assert obtain("ada", REMOTE_ADDR=HERE).status_code == 200


def test_limit_attempts_trying_on_does_not_prolong() -> None:
    """The wait counts from the last failure that was looked at, not from the last try."""
    lock()
    AccessAttempt.objects.update(attempt_time=AccessAttempt.objects.get().attempt_time - timedelta(minutes=10))
    assert guess() == 429
    assert 290 <= int(obtain("ada", REMOTE_ADDR=HERE)["Retry-After"]) <= 300


def test_limit_attempts_ends_after_the_wait() -> None:
    lock()
    AccessAttempt.objects.update(attempt_time=AccessAttempt.objects.get().attempt_time - timedelta(minutes=15))
    assert obtain("ada", REMOTE_ADDR=HERE).status_code == 200


def test_limit_attempts_ends_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`onestep axes_reset_username ada` unlocks."""
    lock()
    call_command("axes_reset_username", "ada")
    assert capsys.readouterr().out == "1 attempts removed.\n"
    assert obtain("ada", REMOTE_ADDR=HERE).status_code == 200


@pytest.mark.parametrize("url", ["/admin/login/", "/login/"])
def test_limit_attempts_in_forms(url: str) -> None:
    """The forms count together with the API, and say in a page what happened."""
    browser = Client(enforce_csrf_checks=True, REMOTE_ADDR=HERE)
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(url).content.decode())
    assert found
    form = {"username": "ada", "password": "wrong", "csrfmiddlewaretoken": found[1]}
    for _ in range(LIMIT - 2):
        assert browser.post(url, form).status_code == 200
    assert guess() == 401
    for password in ("wrong", PASSWORD):
        response = browser.post(url, form | {"password": password})
        assert response.status_code == 429
        assert 890 <= int(response["Retry-After"]) <= 900
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert "Logging in failed too often. Try again in 15 minutes" in response.content.decode()
    assert "sessionid" not in browser.cookies
    assert found[1] not in "".join(AccessAttempt.objects.values_list("post_data", flat=True))


@pytest.mark.parametrize("proxies", [0, 1])
def test_limit_attempts_forged_address(settings: Any, proxies: int) -> None:
    """What a client writes into X-Forwarded-For does not make it another one, with a proxy of ours and without."""
    settings.NUM_PROXIES = proxies
    ours = f", {HERE}" if proxies else ""  # what the proxy appends
    peer = "10.0.0.1" if proxies else HERE
    forged = [f"198.51.100.{n}{ours}" for n in range(LIMIT + 1)]
    statuses = [guess(address=peer, HTTP_X_FORWARDED_FOR=value, HTTP_USER_AGENT=value) for value in forged]
    assert statuses == [401] * (LIMIT - 1) + [429] * 2
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {HERE}


def test_limit_attempts_behind_a_proxy_counts_clients(settings: Any) -> None:
    """One client behind the proxy does not lock another out."""
    settings.NUM_PROXIES = 1
    for _ in range(LIMIT):
        guess(address="10.0.0.1", HTTP_X_FORWARDED_FOR=HERE)
    other = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.2"}
    assert obtain("ada", **other).status_code == 200


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", None),
    ],
)
def test_counted_address(peer: str, counted: str | None) -> None:
    """In IPv6 whoever has one address has its whole /64."""
    assert counted_address(RequestFactory().get("/", REMOTE_ADDR=peer)) == counted


def test_counted_address_of_broken_header(settings: Any) -> None:
    """Where a proxy writes no address, its own is counted, and nothing breaks."""
    settings.NUM_PROXIES = 1
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="unknown")
    assert counted_address(request) == "10.0.0.1"


def test_limit_attempts_without_address() -> None:
    """Behind a Unix socket there is none: names are counted, and not everybody together."""
    for n in range(20):
        lock(f"user{n}", address="")
    assert obtain("ada", REMOTE_ADDR="").status_code == 200


def test_limit_attempts_from_one_address_on_many_names() -> None:
    """One password tried on everybody ends too: after 100 failures only those get in from there who did before."""
    UserFactory(username="grace")
    assert obtain("grace", REMOTE_ADDR=HERE).status_code == 200
    assert [guess(f"user{n}") for n in range(LIMIT * 20)] == [401] * LIMIT * 20
    assert obtain("ada", REMOTE_ADDR=HERE).status_code == 429
    assert obtain("ada", REMOTE_ADDR="192.0.2.2").status_code == 200
    assert obtain("grace", REMOTE_ADDR=HERE).status_code == 200


def test_limit_attempts_on_one_name_from_many_addresses() -> None:
    """Many machines guess one name's password 100 times. Where its user has logged in before, they still can."""
    home = "203.0.113.9"
    assert obtain("ada", REMOTE_ADDR=home).status_code == 200
    for n in range(20):
        lock(address=f"198.51.100.{n}")
    assert obtain("ada", REMOTE_ADDR=HERE).status_code == 429
    assert guess(address=home) == 401
    assert obtain("ada", REMOTE_ADDR=home).status_code == 200
    UserFactory(username="grace")
    assert obtain("grace", REMOTE_ADDR=HERE).status_code == 200


def test_limit_attempts_remembers_an_address_once() -> None:
    """However often somebody logs in: the table does not grow with it."""
    for address in (HERE, HERE, "192.0.2.2", HERE):
        assert obtain("ada", REMOTE_ADDR=address).status_code == 200
    assert sorted(AccessLog.objects.values_list("username", "ip_address")) == [("ada", HERE), ("ada", "192.0.2.2")]


@pytest.mark.django_db(transaction=True)
def test_limit_attempts_at_once(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty requests are all let through to the password before the first has failed.

    At the most four are told that it was wrong, as one after the other would be; the rest only learn to wait.
    """
    barrier = Barrier(20)
    check = ModelBackend.authenticate

    def meet(self: ModelBackend, request: Any, username: str, password: str, **kwargs: Any) -> Any:
        user = check(self, request, username, password, **kwargs)
        barrier.wait(timeout=60)
        return user

    monkeypatch.setattr(ModelBackend, "authenticate", meet)
    answers = at_once([partial(send, live_server.url, "wrong", agent=f"agent {n}") for n in range(20)])
    assert set(answers) <= {401, 429}
    assert answers.count(429) >= 20 - (LIMIT - 1)
    assert sum(AccessAttempt.objects.values_list("failures_since_start", flat=True)) == 20


@pytest.mark.django_db(transaction=True)
def test_limit_attempts_at_once_right_password(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right password that is looked at while five others fail is refused, as it would be after them."""
    looked_at, others_failed = Event(), Event()
    check = ModelBackend.authenticate

    def hold(self: ModelBackend, request: Any, username: str, password: str, **kwargs: Any) -> Any:
        user = check(self, request, username, password, **kwargs)
        if user is not None:
            looked_at.set()
            assert others_failed.wait(timeout=60)
        return user

    def fail() -> list[int]:
        assert looked_at.wait(timeout=60)
        statuses = [send(live_server.url, "wrong") for _ in range(LIMIT)]
        others_failed.set()
        return statuses

    monkeypatch.setattr(ModelBackend, "authenticate", hold)
    right, wrong = at_once([partial(send, live_server.url, PASSWORD), fail])
    assert wrong == [401] * (LIMIT - 1) + [429]
    assert right == 429


def send(url: str, password: str, agent: str = "test") -> int:
    """Try to sign in over HTTP and return the status."""
    body = json.dumps({"username": "ada", "password": password}).encode()
    request = Request(f"{url}{OBTAIN}", body, {"Content-Type": "application/json", "User-Agent": agent})
    try:
        with urlopen(request, timeout=60) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code
