"""What each worker counts and measures, for Prometheus, in files that the exporter adds up.

prometheus_client's multiprocess mode keeps each process's figures in a memory-mapped file, by default one for each
process id there ever was. Here a file belongs to a worker's place instead, and whoever takes the place goes on in it:
no count is lost with a worker that dies, and a worker that dies again and again fills no disk.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from time import perf_counter

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import mark_process_dead
from rest_framework.schemas.generators import EndpointEnumerator

from onestep.operations.postgresql.open_connections import open_connections

# Upper bounds of the latencies that are told apart, in seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Other verbs than these are one: clients make up their own.
METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}

# What is counted as no route: where an address leads that leads nowhere.
UNMATCHED = "unmatched"
CATCH_ALL = {"^api/", "admin/(?P<url>.*)$"}

_place = "server"  # this process's place: the server's own, or a worker's number


def place() -> str:
    """Return which file this process writes to."""
    return _place


def prepare_folder() -> str:
    """Make an empty folder for the files, in memory where that is possible, and have metrics that are made go there.

    Call it before the application is loaded. It is removed by `remove_folder`.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    folder = tempfile.mkdtemp(prefix="onestep-metrics-", dir=memory)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where prometheus_client looks
    values.ValueClass = values.MultiProcessValue(place)  # type: ignore[no-untyped-call]
    return folder


def remove_folder(folder: str) -> None:
    """Remove the folder, when all who write there have ended."""
    shutil.rmtree(folder, ignore_errors=True)


def free_place(taken: Iterable[int]) -> int:
    """Return the lowest place that no worker has."""
    return next(number for number in itertools.count() if number not in set(taken))


def take_place(number: int) -> None:
    """Become the worker of this place: call it in the worker, before its first request."""
    global _place  # noqa: PLW0603
    _place = str(number)
    metrics = worker_metrics()
    metrics.starts.inc()
    metrics.count_connections(0)
    open_connections.watch = metrics.count_connections


def leave_place(number: int, folder: str) -> None:
    """Forget what a worker that has ended had under way. What it counted stays."""
    mark_process_dead(number, folder)  # type: ignore[no-untyped-call]


class WorkerMetrics:
    """The metrics of a worker. They are in no registry: the exporter reads the files."""

    def __init__(self) -> None:
        self.requests = Counter("onestep_requests", "Requests answered.", ["route", "method", "status"], registry=None)
        self.seconds = Histogram(
            "onestep_request_duration_seconds",
            "Time from a request to its answer's head.",
            ["route"],
            buckets=BUCKETS,
            registry=None,
        )
        self.in_progress = Gauge(
            "onestep_requests_in_progress", "Requests under way.", registry=None, multiprocess_mode="livesum"
        )
        self.connections = Gauge(
            "onestep_database_connections",
            "Connections that a worker has open, to the database or its pooler.",
            ["worker"],
            registry=None,
            multiprocess_mode="livesum",
        )
        self.starts = Counter("onestep_worker_starts", "Workers started, those after a death included.", registry=None)
        self._requests = cache(self.requests.labels)  # `labels` itself takes a lock and three microseconds
        self._seconds = cache(self.seconds.labels)

    def observe(self, *, route: str, method: str, status: str, seconds: float) -> None:
        """Count an answer."""
        self._requests(route, method, status).inc()
        self._seconds(route).observe(seconds)

    def count_connections(self, number: int) -> None:
        """Note how many connections this worker has open."""
        self.connections.labels(place()).set(number)


@cache
def worker_metrics() -> WorkerMetrics:
    """Return the metrics of this process."""
    return WorkerMetrics()


class MetricsMiddleware:
    """Counts and measures each request, probes included: the outermost middleware, where METRICS_BIND is set."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.metrics = worker_metrics()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        metrics = self.metrics
        metrics.in_progress.inc()
        began = perf_counter()
        status = "500"
        try:
            response = self.get_response(request)
            status = str(response.status_code)
            return response
        finally:
            seconds = perf_counter() - began
            metrics.in_progress.dec()
            method = str(request.method)
            metrics.observe(
                route=route_of(request), method=method if method in METHODS else "other", status=status, seconds=seconds
            )


def route_of(request: HttpRequest) -> str:
    """Return the pattern of the request's address, such as /api/v1/people/{pk}/: one of as many as the URL map has."""
    match = request.resolver_match
    if match is not None:
        return readable(match.route)
    return settings.STATIC_URL if request.path_info.startswith(settings.STATIC_URL) else UNMATCHED


@cache
def readable(route: str) -> str:
    """Return Django's pattern as documentation would write it."""
    if route in CATCH_ALL:
        return UNMATCHED
    return str(EndpointEnumerator().get_path_from_regex(route))
