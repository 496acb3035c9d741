"""A database that says nothing: every wait for it ends in time, and it is found again by itself."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import OperationalError, connection, connections
from psycopg2 import extensions

from onestep.operations import time_limits
from onestep.operations.database import UNKNOWN_HOST, explain
from onestep.operations.time_limits import OUTAGE_SECONDS, outage, within, without_time_limits
from tests.unit.operations.proxy import SilentProxy

ALIAS = "behind_proxy"


@pytest.fixture
def proxy(
    django_db_setup: None, django_db_blocker: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SilentProxy]:
    """The tests' server behind a proxy, as the connection `behind_proxy`, with the time limits in force."""
    settings.DB_CONNECT_TIMEOUT = 1
    settings.DB_STATEMENT_TIMEOUT = 1
    with SilentProxy() as found, django_db_blocker.unblock():
        address = connections.configure_settings({"default": {}, ALIAS: dict(connection.settings_dict)})[ALIAS]
        monkeypatch.setitem(
            connections.settings, ALIAS, address | {"HOST": "127.0.0.1", "PORT": found.port, "CONN_MAX_AGE": None}
        )
        time_limits.install()
        yield found
        connections[ALIAS].close()
        del connections[ALIAS]
        extensions.set_wait_callback(None)
        outage.end()


def select(value: int) -> Any:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT %s", [value])
        return cursor.fetchone()[0]


def seconds(action: Any, *arguments: Any) -> float:
    """Return how long the action takes to fail for the database's silence."""
    start = time.monotonic()
    with pytest.raises(OperationalError, match="the database does not answer"):
        action(*arguments)
    return time.monotonic() - start


def test_limit_time_of_statement(proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement under way when the database falls silent ends, once the server does not even say that it is there."""
    monkeypatch.setattr(time_limits, "PROBE_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(time_limits, "PROBE_SECONDS", 0.3)
    assert select(1) == 1
    proxy.silent.set()
    assert 0.5 < seconds(select, 2) < 1.5
    assert connections[ALIAS].connection.closed


def test_limit_time_leaves_slow_statement(proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is busy with the statement is there, and keeps the time that the statement may take."""
    monkeypatch.setattr(time_limits, "PROBE_AFTER_SECONDS", 0.2)
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1), 3")
        assert cursor.fetchone()[1] == 3
    assert not outage.known


def test_limit_time_of_statement_behind_pooler(
    proxy: SilentProxy, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler goes on answering while its server is silent: the server is asked again before the next statement."""
    monkeypatch.setattr(time_limits, "PROBE_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(time_limits, "PROBE_SECONDS", 0.2)
    settings.DB_STATEMENT_TIMEOUT = 10
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, and nobody says anything
        settings.DB_POOLED_SERVER = f"127.0.0.1:{silent.getsockname()[1]}"
        assert 0.3 < seconds(select_slowly, 3) < 1
        connections[ALIAS].close()  # as Django does when the request ends
        time.sleep(OUTAGE_SECONDS)
        assert seconds(select, 1) < 1  # though the pooler would take the connection
        settings.DB_POOLED_SERVER = f"127.0.0.1:{proxy.port}"
        time.sleep(OUTAGE_SECONDS)
        assert select_slowly(1) == 1
    assert not outage.known


def select_slowly(value: int) -> Any:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT %s, pg_sleep(%s)", [value, value])
        return cursor.fetchone()[0]


def test_limit_time_of_connecting(proxy: SilentProxy) -> None:
    proxy.silent.set()
    assert 0.9 < seconds(select, 1) < 2


def test_close_connection_that_was_given_up(proxy: SilentProxy) -> None:
    """Its socket is closed at once, and not when the garbage collector comes upon the error that tells of it."""
    gc.disable()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, and nobody says anything
        connections[ALIAS].settings_dict["PORT"] = silent.getsockname()[1]
        before = set(Path("/dev/fd").iterdir())
        try:
            seconds(select, 1)
            assert set(Path("/dev/fd").iterdir()) == before
        finally:
            gc.enable()


def test_limit_time_of_kept_connection(proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fell silent since the last request is found out by the first statement of the next."""
    monkeypatch.setattr(time_limits, "PROBE_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(time_limits, "PROBE_SECONDS", 0.3)
    assert select(1) == 1
    keep()
    proxy.silent.set()
    assert 0.5 < seconds(select, 2) < 1.5


def test_keep_connection_that_works(proxy: SilentProxy) -> None:
    assert select(1) == 1
    kept = connections[ALIAS].connection
    keep()
    assert select(2) == 2
    assert connections[ALIAS].connection is kept


def test_replace_connection_that_the_server_ended(proxy: SilentProxy) -> None:
    """As a restart of the server ends it: the next request does not fail, it connects anew."""
    select(1)
    ended = connections[ALIAS].connection
    connection.cursor().execute("SELECT pg_terminate_backend(%s, 5000)", [ended.info.backend_pid])
    keep()
    assert select(2) == 2
    assert connections[ALIAS].connection is not ended


def keep() -> None:
    """Do as Django does between two requests: look at the kept connection before its next use."""
    connections[ALIAS].health_check_enabled = True
    connections[ALIAS].health_check_done = False


def test_limit_time_within(proxy: SilentProxy) -> None:
    """A shorter limit counts for all statements of the block together, and an outer one bounds an inner one."""
    select(1)
    proxy.silent.set()
    with within(0.4), within(30):
        assert 0.3 < seconds(select, 2) < 0.9


def test_limit_time_of_busy_server_is_no_outage(proxy: SilentProxy) -> None:
    """Who has less time than the statement needs gives up; nobody else is refused for that."""
    with within(0.5):
        assert 0.4 < seconds(select_slowly, 3) < 1
    assert not outage.known


def test_limit_time_known_outage(proxy: SilentProxy) -> None:
    """After one has waited in vain, others are refused at once, until one finds the database again."""
    proxy.silent.set()
    seconds(select, 1)
    assert outage.known
    for _ in range(20):
        assert seconds(select, 1) < 0.1
    proxy.silent.clear()
    time.sleep(OUTAGE_SECONDS)
    assert select(5) == 5
    assert not outage.known


def test_limit_time_one_asks(proxy: SilentProxy) -> None:
    """During an outage one thread at a time waits for an answer."""
    proxy.silent.set()
    seconds(select, 1)
    time.sleep(OUTAGE_SECONDS)
    waited: list[float] = []

    def ask() -> None:
        try:
            waited.append(seconds(select, 1))
        finally:
            connections[ALIAS].close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(value > 0.5 for value in waited) == [False] * 5 + [True]


def test_limit_time_refusal_is_no_outage(proxy: SilentProxy) -> None:
    """A server that refuses has answered: nobody is kept from asking again."""
    outage.begin()
    time.sleep(OUTAGE_SECONDS)
    connections[ALIAS].settings_dict["NAME"] = "no_such_database"
    with pytest.raises(OperationalError, match="does not exist"):
        select(1)
    assert not outage.known


def test_limit_time_unknown_host_is_an_outage(proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve is looked for once a second, not by every request, and is what all are told."""
    asked: list[str] = []

    def connect(*arguments: Any, **options: Any) -> Any:
        asked.append(options["host"])
        raise psycopg2.OperationalError('could not translate host name "db" to address: Name or service not known\n')

    monkeypatch.setattr("django.db.backends.postgresql.base.Database.connect", connect)
    for _ in range(20):
        with pytest.raises(OperationalError) as caught:
            select(1)
        assert explain(caught.value).id == UNKNOWN_HOST.id
    assert len(asked) == 1
    monkeypatch.undo()
    time.sleep(OUTAGE_SECONDS)
    assert select(2) == 2


def test_limit_time_costs_little(proxy: SilentProxy) -> None:
    """The callback takes less than 100 microseconds of processor time for a statement, by a wide margin."""

    def spent(statements: int = 500) -> float:
        start = time.thread_time()
        for number in range(statements):
            select(number)
        return (time.thread_time() - start) / statements

    with_limits = min(spent() for _ in range(3))
    with without_time_limits():
        without = min(spent() for _ in range(3))
    assert with_limits - without < 100e-6


def test_lift_time_limits_for_copy(proxy: SilentProxy) -> None:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE copied (number int)")
        with pytest.raises(psycopg2.ProgrammingError, match="asynchronous"):
            cursor.cursor.copy_expert("COPY copied FROM STDIN", StringIO("1\n"))
        with without_time_limits():
            cursor.copy_expert("COPY copied FROM STDIN", StringIO("1\n2\n"))
        assert extensions.get_wait_callback() is time_limits.wait
        cursor.execute("SELECT sum(number) FROM copied")
        assert cursor.fetchone() == (3,)
