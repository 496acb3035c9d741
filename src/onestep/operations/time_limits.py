"""Time limits for the database that hold when it says nothing at all.

A server that is paused, or a network that swallows packets, answers neither `statement_timeout` nor, while its kernel
still acknowledges what arrives, a TCP time-out: psycopg2 would wait for ever inside libpq. With a wait callback
psycopg2 hands the waiting to Python, which gives up in time, for about 10 microseconds more for each statement:
https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries

Only processes that serve requests install the callback: a command may take as long as it needs.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from django.conf import settings
from psycopg2 import extensions

# What a statement gets beyond the server's own statement_timeout, so that a server that is alive has the first word.
MARGIN_SECONDS = 2.0
# After so long without an answer the server is asked whether it is there at all.
PROBE_AFTER_SECONDS = 2.0
PROBE_SECONDS = 1.0
# For so long after it has not answered, the database is not asked again, so that requests do not queue behind it.
OUTAGE_SECONDS = 1.0

# "Do you speak TLS?", which a server answers with one byte before it asks who is there:
# https://www.postgresql.org/docs/15/protocol-message-formats.html (SSLRequest)
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class DatabaseSilentError(psycopg2.OperationalError):
    """The database server has not answered in time."""


class _Deadlines(threading.local):
    """What `within` has set for the statements of this thread, in the clock of `time.monotonic`."""

    end: float | None = None


_deadlines = _Deadlines()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give all that this thread asks of the database in the block `seconds` together, else DatabaseSilentError."""
    before = _deadlines.end
    end = time.monotonic() + seconds
    _deadlines.end = end if before is None else min(before, end)
    try:
        yield
    finally:
        _deadlines.end = before


def wait(connection: extensions.connection) -> None:
    """Wait until the connection has its answer: psycopg2's wait callback.

    Raises DatabaseSilentError when the time is over. psycopg2 then closes the connection.
    """
    start = time.monotonic()
    end = _deadlines.end
    if end is None:
        end = start + settings.DB_STATEMENT_TIMEOUT + MARGIN_SECONDS
    try:
        while (state := connection.poll()) != extensions.POLL_OK:
            poller = select.poll()  # unlike select.select it takes file descriptors above 1023
            poller.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            if not answer_comes(poller, connection.info.host, connection.info.port, end=end):
                raise DatabaseSilentError(
                    f"the database does not answer: gave up after {time.monotonic() - start:.1f} s"
                )
    finally:
        # Django's errors refer to themselves through their tracebacks. One that led to a connection under way would
        # keep its socket until the garbage collector comes.
        del connection


def answer_comes(poller: select.poll, host: str, port: int, *, end: float) -> bool:
    """Wait until there is something to read or room to write; return False where there is not by `end`.

    Meanwhile the server is asked whether it is there at all. Where it is not, that ends the wait, and begins an outage;
    one that is busy, or a pool that is, does not.
    """
    while (left := end - time.monotonic()) > PROBE_AFTER_SECONDS + PROBE_SECONDS:
        if poller.poll(PROBE_AFTER_SECONDS * 1000):
            return True
        if not server_answers(host, port, seconds=PROBE_SECONDS):
            outage.begin()
            return False
    last = min(PROBE_SECONDS, max(left / 2, 0.1))  # what the last question may take: a server that is there needs less
    if poller.poll(max(left - last, 0.0) * 1000):
        return True
    if not server_answers(host, port, seconds=last):
        outage.begin()
        return False
    return bool(poller.poll(max(end - time.monotonic(), 0.0) * 1000))


def answers(host: str, port: int, *, seconds: float) -> bool:
    """Return whether a PostgreSQL server (or pooler) says anything at this address within so many seconds."""
    try:
        if host.startswith("/"):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(seconds)
            client.connect(f"{host}/.s.PGSQL.{port}")
        else:
            client = socket.create_connection((host, port), timeout=seconds)
        with client:
            client.sendall(SSL_REQUEST)
            return client.recv(1) != b""
    except OSError:
        return False


def server_answers(host: str, port: int, *, seconds: float) -> bool:
    """Return whether the server that a connection to this address leads to says anything: that behind a pooler, if any.

    A pooler answers by itself, and accepts connections and statements while its server is silent.
    """
    if settings.DB_POOLED_SERVER:
        host, _, number = settings.DB_POOLED_SERVER.rpartition(":")
        return answers(host.strip("[]"), int(number), seconds=seconds)
    return answers(host, port, seconds=seconds)


def pooled_server_answers() -> bool:
    """Return whether the server behind the pooler says anything within PROBE_SECONDS; True where there is no pooler."""
    return not settings.DB_POOLED_SERVER or server_answers("", 0, seconds=PROBE_SECONDS)


def install() -> None:
    """Put the time limits in force in this process."""
    extensions.set_wait_callback(wait)


@contextmanager
def without_time_limits() -> Iterator[None]:
    """Lift the time limits in this process, all threads included. COPY needs that: psycopg2 refuses it otherwise."""
    callback = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    try:
        yield
    finally:
        extensions.set_wait_callback(callback)


class Outage:
    """What this process knows of a database that does not answer.

    Without it each request would find out by itself, in seconds of waiting, until all threads were waiting. While the
    outage lasts, one caller at a time finds out whether it is over, and the others are refused at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ask_again: float | None = None  # None: no outage
        self.reason = ""  # in the driver's words

    @property
    def known(self) -> bool:
        """Whether the database did not answer when it was last asked."""
        return self._ask_again is not None

    def begin(self, reason: str = "the database does not answer") -> None:
        """Note that the database has not answered."""
        with self._lock:
            self.reason = reason
            self._ask_again = time.monotonic() + OUTAGE_SECONDS

    def end(self) -> None:
        """Note that the database has answered, be it with a refusal."""
        with self._lock:
            self._ask_again = None

    def may_ask(self) -> bool:
        """Return whether this caller may connect. During an outage it calls `begin` or `end` with what came of it."""
        with self._lock:
            if self._ask_again is None:
                return True
            now = time.monotonic()
            if now < self._ask_again:
                return False
            self._ask_again = now + settings.DB_CONNECT_TIMEOUT + OUTAGE_SECONDS
            return True


outage = Outage()
