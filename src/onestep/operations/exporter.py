"""The exporter: a process beside the workers that answers Prometheus on METRICS_BIND.

It adds up what the workers wrote (`metrics`), and asks for the rest when it is asked: readiness, the pooler, the
backups' status. What asks others has a thread of its own and a second to answer, so that a scrape comes back while the
database is away; what was not answered in time is left out.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import django
import psycopg2
from django.conf import settings
from django.db import connections
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

import onestep
from onestep.operations.backups import BackupStatusError, read_backup_status
from onestep.operations.health import DEGRADED, OK, UNAVAILABLE, Readiness, readiness
from onestep.operations.pooler import Pooler
from onestep.operations.time_limits import within

logger = logging.getLogger(__name__)

T = TypeVar("T")

# What others get to answer a scrape. Prometheus itself waits ten seconds unless told otherwise.
ANSWER_SECONDS = 1.0
# From one start of an exporter to the next, where it dies.
RESTART_SECONDS = 5.0

STATUSES = (OK, DEGRADED, UNAVAILABLE)
CLIENT_STATES = ("active", "waiting")
SERVER_STATES = ("active", "idle", "used", "tested", "login")
STATS = {
    "transactions": ("total_xact_count", 1, "Transactions that the pooler has passed on."),
    "queries": ("total_query_count", 1, "Statements that the pooler has passed on."),
    "query_seconds": ("total_query_time", 1e-6, "Time that the pooler's servers were busy with statements."),
    "wait_seconds": ("total_wait_time", 1e-6, "Time that clients waited for a server."),
}


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT; an empty host is every one."""
    host, _, port = address.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104


def try_to_listen() -> None:
    """Raise OSError where nothing can listen on METRICS_BIND."""
    host, port = split_address(settings.METRICS_BIND)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


class Exporter:
    """Keeps one exporter process under the server's."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self._next = 0.0

    def keep(self, let_go: Callable[[], object]) -> None:
        """Start it where it does not run; `let_go` is called in it, to close what is the server's."""
        if self._runs() or time.monotonic() < self._next:
            return
        if self.pid is not None:
            logger.error("onestep.E056 The exporter of metrics ended by itself, and is started again.")
        self._next = time.monotonic() + RESTART_SECONDS
        self.pid = os.fork()
        if self.pid == 0:
            try:
                let_go()
                serve()
            except Exception:
                logger.exception("The exporter of metrics failed.")
            finally:
                os._exit(1)  # and never back into the server's own code

    def _runs(self) -> bool:
        if self.pid is None:
            return False
        try:
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:  # the server has reaped it
            return False

    def stop(self) -> None:
        """End it."""
        if self._runs() and self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)


def serve() -> None:
    """Answer scrapes for good; return where nothing can listen on METRICS_BIND."""
    host, port = split_address(settings.METRICS_BIND)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(ServiceCollector())
    try:
        _, thread = start_http_server(port, host, registry)
    except OSError as error:
        logger.error("onestep.E055 METRICS_BIND: nothing can listen on %s: %s.", settings.METRICS_BIND, error.strerror)  # noqa: TRY400
        return
    thread.join()


class Question(Generic[T]):
    """What is asked in a thread of its own, one at a time, and waited for only so long."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(1)
        self._asked: Future[T] | None = None

    def ask(self) -> None:
        """Ask, unless the one before still is."""
        if self._asked is None or self._asked.done():
            self._asked = self._thread.submit(self._ask)

    def answer(self, until: float) -> T | None:
        """Return the answer, or None where there is none until then, in the clock of `time.monotonic`."""
        if self._asked is None:
            return None
        try:
            return self._asked.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            return None


class ServiceCollector(Collector):
    """What is true of the replica, and not of a single worker."""

    def __init__(self) -> None:
        self.started = time.time()
        self.readiness = Question(ask_readiness)
        self.pooler = Question(PoolerFigures().ask)

    def collect(self) -> Iterable[Metric]:
        """Return the figures, within about ANSWER_SECONDS."""
        until = time.monotonic() + ANSWER_SECONDS
        self.readiness.ask()
        if settings.PGBOUNCER_ADMIN:
            self.pooler.ask()
        yield from self.process_figures()
        if settings.BACKUP_STATUS:
            yield from backup_figures()
        yield from readiness_figures(self.readiness.answer(until))
        if settings.PGBOUNCER_ADMIN:
            yield from pool_figures(self.pooler.answer(until))

    def process_figures(self) -> Iterator[Metric]:
        """Which build it is, since when it runs, and what it was given."""
        build = GaugeMetricFamily(
            "onestep_build_info", "The build that runs.", labels=["version", "revision", "python", "django"]
        )
        names = [onestep.__version__, settings.REVISION, platform.python_version(), django.__version__]
        build.add_metric(names, 1)
        yield build
        yield GaugeMetricFamily("onestep_start_time_seconds", "When the exporter was started.", self.started)
        yield GaugeMetricFamily("onestep_web_workers", "Workers that the server keeps.", settings.WEB_WORKERS)
        yield GaugeMetricFamily("onestep_web_threads", "Threads of a worker.", settings.WEB_THREADS)


def ask_readiness() -> Readiness:
    """Return what `/health/ready` would say. The connection is not kept: each that is counts against the budget."""
    try:
        with within(ANSWER_SECONDS):
            return readiness()
    finally:
        connections.close_all()


def readiness_figures(found: Readiness | None) -> Iterator[Metric]:
    """What readiness found; without an answer the replica is not ready, as a balancer would find."""
    ready = found is not None and found.status != UNAVAILABLE
    yield GaugeMetricFamily("onestep_ready", "Whether requests can be served: what /health/ready says.", ready)
    if found is None:
        return
    checks = GaugeMetricFamily(
        "onestep_check_status", "Readiness by check: 0 in order, 1 degraded, 2 unavailable.", labels=["check"]
    )
    for name, check in found.checks.items():
        checks.add_metric([name], STATUSES.index(check.status))
    yield checks
    if "migrations" in found.checks:
        pending = found.checks["migrations"].details.get("pending", 0)
        yield GaugeMetricFamily("onestep_migrations_pending", "Migrations of this version not applied.", pending)


def backup_figures() -> Iterator[Metric]:
    """What the backup service says; nothing of it where it says nothing, which the check `backup` shows."""
    most = settings.BACKUP_MAX_AGE_HOURS * 3600
    yield GaugeMetricFamily("onestep_backup_max_age_seconds", "Age at which the last good backup is overdue.", most)
    try:
        status = read_backup_status()
    except BackupStatusError:
        return
    attempt, good = status.last_attempt, status.last_good
    at = attempt.at.timestamp()
    yield GaugeMetricFamily("onestep_backup_last_attempt_time_seconds", "When the last attempt ended.", at)
    yield GaugeMetricFamily("onestep_backup_last_attempt_ok", "Whether the last attempt succeeded.", attempt.ok)
    if good:
        age = good.age().total_seconds()
        yield GaugeMetricFamily("onestep_backup_age_seconds", "Age of the last good backup.", age)
        yield GaugeMetricFamily("onestep_backup_bytes", "Size of the last good backup.", good.bytes)
        yield GaugeMetricFamily("onestep_backup_duration_seconds", "Time that it took.", good.seconds)


class PoolerFigures:
    """Asks the pooler, and logs once that it does not answer."""

    def __init__(self) -> None:
        self._pooler = Pooler()
        self._failed = False

    def ask(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
        """Return the rows of its pools and of its totals, or None where it does not answer."""
        try:
            with within(ANSWER_SECONDS):
                figures = self._pooler.read()
        except psycopg2.Error as error:
            if not self._failed:
                said = str(error).strip().partition("\n")[0]
                logger.warning("onestep.E057 The pooler at PGBOUNCER_ADMIN does not give its figures: %s", said)
            self._failed = True
            return None
        self._failed = False
        return figures


def pool_figures(found: tuple[list[dict[str, Any]], list[dict[str, Any]]] | None) -> Iterator[Metric]:
    """The pooler's pools and totals; without an answer only that there is none."""
    yield GaugeMetricFamily("onestep_pool_up", "Whether the pooler gives its figures.", found is not None)
    if found is None:
        return
    pools, stats = found
    names = ["database", "user"]
    clients = GaugeMetricFamily("onestep_pool_clients", "Clients of the pooler.", labels=[*names, "state"])
    servers = GaugeMetricFamily(
        "onestep_pool_servers", "The pooler's connections to the database.", labels=[*names, "state"]
    )
    longest = GaugeMetricFamily(
        "onestep_pool_max_wait_seconds", "How long the first client in the queue has waited.", labels=names
    )
    for row in pools:
        labels = [row["database"], row["user"]]
        for state in CLIENT_STATES:
            clients.add_metric([*labels, state], float(row[f"cl_{state}"]))
        for state in SERVER_STATES:
            servers.add_metric([*labels, state], float(row[f"sv_{state}"]))
        longest.add_metric(labels, float(row["maxwait"]) + float(row["maxwait_us"]) / 1e6)
    yield from (clients, servers, longest)
    for name, (column, factor, description) in STATS.items():
        total = CounterMetricFamily(f"onestep_pool_{name}", description, labels=["database"])
        for row in stats:
            total.add_metric([row["database"]], float(row[column]) * factor)
        yield total
