"""One request id: from X-Request-ID to the log, the answer and each SQL statement."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from onestep.operations.request_ids import RequestIdMiddleware, name_request, sql_comment
from tests.unit.operations.scratch import Scratch

PATH = "/api/v1/nothing/"


def ask(client: Client, given: str | None) -> str:
    """Return the id that the answer has, which is that of its body."""
    response = client.get(PATH, headers={"X-Request-ID": given} if given is not None else None)
    assert response["X-Request-ID"] == response.json()["request_id"]
    return str(response["X-Request-ID"])


@pytest.mark.parametrize(
    "given",
    ["7f3c", str(uuid.UUID(int=1)), "0A0000FE:D2C4_0A000002:1F90_67456B3A_0001:000D", "x" * 128],
)
def test_id_of_our_proxy_is_kept(client: Client, settings: Any, caplog: pytest.LogCaptureFixture, given: str) -> None:
    settings.NUM_PROXIES = 1
    assert ask(client, given) == given
    [message] = [str(record.msg) for record in caplog.records if "request_finished" in str(record.msg)]
    assert f"'request_id': '{given}'" in message


@pytest.mark.parametrize(
    "given",
    ["", "x" * 129, "two words", "a\tb", "é", "a*/ SELECT 1 --", "a'b", "a%b", "one,two", "<script>", "a\n"],
)
def test_id_that_is_not_plain_is_replaced(client: Client, settings: Any, given: str) -> None:
    settings.NUM_PROXIES = 1
    assert len(str(uuid.UUID(ask(client, given)))) == 36


def test_id_of_client_is_replaced(client: Client, settings: Any) -> None:
    """Without a proxy of ours the header is the client's own word."""
    settings.NUM_PROXIES = 0
    assert ask(client, "7f3c") != "7f3c"
    assert ask(client, None) != ask(client, None)


def statement_of(request_id: str, execute: Callable[[Any], None]) -> str:
    """Return the statement that reaches the database when it is executed in a request."""
    sent: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            execute(cursor)
            sent.append(cursor.cursor.query.decode())
        return HttpResponse()

    RequestIdMiddleware(view)(RequestFactory().get("/", headers={"X-Request-ID": request_id}))
    return sent[0]


@pytest.mark.django_db
def test_statement_has_id_in_front(settings: Any) -> None:
    settings.NUM_PROXIES = 1
    plain = statement_of("7f3c", lambda cursor: cursor.execute("SELECT '100%'"))
    assert plain == "/*request_id='7f3c'*/ SELECT '100%'"
    given = statement_of("a:b", lambda cursor: cursor.execute("SELECT %s, '100%%'", [1]))
    assert given == "/*request_id='a%3Ab'*/ SELECT 1, '100%'"
    many = statement_of("a:b", lambda cursor: cursor.executemany("SELECT %s", [[1], [2]]))
    assert many == "/*request_id='a%3Ab'*/ SELECT 2"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "forged",
    [
        "*/ SELECT 1/0 --",
        "' */ SELECT 1/0; --",
        "/* /* ",
        "%s",
        "%(a)s %",
        "\\",
        "\x00",
        "\n; SELECT 1/0 --",
        "é*/",
        "''",
    ],
)
def test_id_cannot_leave_its_comment(forged: str) -> None:
    """The middleware takes no such id; the comment is safe by itself. PostgreSQL executes what follows alone."""
    comment = sql_comment(forged)
    assert comment.count("*/") == comment.count("/*") == 1
    assert comment.count("'") == 2
    assert "\n" not in comment
    with connection.cursor() as cursor:
        cursor.cursor.execute(comment + "SELECT 42")
        assert cursor.cursor.fetchall() == [(42,)]
        cursor.cursor.execute(comment.replace("%", "%%") + "SELECT %s", [42])
        assert cursor.cursor.fetchall() == [(42,)]


@pytest.mark.django_db
def test_statement_outside_request_has_no_id(settings: Any) -> None:
    """Nor has one after a request in the same thread, be it that the request failed."""
    settings.NUM_PROXIES = 1

    def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RequestIdMiddleware(fail)(RequestFactory().get("/", headers={"X-Request-ID": "7f3c"}))
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.cursor.query == b"SELECT 1"


def test_statements_of_threads_have_their_own() -> None:
    """Two requests at once in one process: each statement has the id of its own."""
    both = threading.Barrier(2, timeout=10)
    sent: dict[str, str] = {}

    def view(request: HttpRequest) -> HttpResponse:
        both.wait()
        name_request(lambda sql, *_: sent.update({request.META["HTTP_X_REQUEST_ID"]: sql}), "SELECT 1", None, False, {})
        both.wait()
        return HttpResponse()

    threads = [threading.Thread(target=RequestIdMiddleware(view), args=[RequestFactory().get("/")]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 2
    assert sent == {request_id: sql_comment(request_id) + "SELECT 1" for request_id in sent}


@pytest.mark.django_db(transaction=True)
def test_id_is_seen_in_pg_stat_activity(settings: Any, operator: Client, migrated: Scratch) -> None:
    """Another session sees with which request this one is busy."""
    settings.NUM_PROXIES = 1
    with transaction.atomic():
        response = operator.get("/api/v1/initiatives/", headers={"X-Request-ID": "7f3c-list"})
        assert response.status_code == 200
        pid = connection.connection.info.backend_pid
        [query] = migrated.rows("SELECT query FROM pg_stat_activity WHERE pid = %s", pid)
    assert query.startswith("/*request_id='7f3c-list'*/ SELECT ")
