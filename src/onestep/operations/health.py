"""Whether the service is alive, and whether it is ready: what `/health/live`, `/health/ready` and the home page say."""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from psycopg2.errorcodes import UNDEFINED_TABLE

from onestep.operations.backups import BackupStatusError, backup_fault, describe, read_backup_status
from onestep.operations.database import explain
from onestep.operations.time_limits import within
from onestep.operations.volumes import volume_faults

logger = structlog.get_logger(__name__)

# All that readiness asks of the database together. A balancer's check waits about as long.
DATABASE_SECONDS = 2.0

OK, DEGRADED, UNAVAILABLE = "ok", "degraded", "unavailable"


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one check: `ok`, `degraded` (something is missing, and requests are served) or `unavailable`."""

    status: str = OK
    id: str | None = None
    detail: str | None = None
    details: dict[str, Any] = field(default_factory=dict)  # figures, which may be others each time
    said: str = ""  # the driver's own words, for the log: they name the host and the user


@dataclass(kw_only=True)
class Readiness:
    """The outcome of all checks, by name."""

    checks: dict[str, Check] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The worst of the checks' statuses."""
        return max((check.status for check in self.checks.values()), key=(OK, DEGRADED, UNAVAILABLE).index)

    def as_json(self) -> dict[str, Any]:
        """Return what `/health/ready` says: nothing in it is a secret, nor names a host or a user."""
        checks = {
            name: {key: value for key, value in asdict(check).items() if value and key != "said"}
            for name, check in self.checks.items()
        }
        return {"status": self.status, "checks": checks}


class Draining:
    """Whether the process is to be sent no more requests, since it will stop soon.

    The supervisor holds the other end of a pipe, and closes it to say so to all workers at once.
    """

    def __init__(self) -> None:
        self._pipe: int | None = None

    def watch(self, pipe: int) -> None:
        """Take the reading end of the pipe, in the process that all workers are forked from."""
        self._pipe = pipe

    def __bool__(self) -> bool:
        if self._pipe is None:
            return False
        poller = select.poll()
        poller.register(self._pipe, select.POLLIN)
        return bool(poller.poll(0))


draining = Draining()

_last: dict[str, tuple[str, str | None, str | None]] | None = (
    None  # the outcome that this process found last, less its details
)


def readiness() -> Readiness:
    """Return whether requests can be served, within about DATABASE_SECONDS even where the database says nothing."""
    if draining:
        check = Check(
            status=UNAVAILABLE, id="onestep.E050", detail="This process is stopping, and takes no more requests."
        )
        return Readiness(checks={"process": check})
    checks = check_database() | {"storage": check_storage()}
    if settings.BACKUP_STATUS:
        checks["backup"] = check_backup()
    return Readiness(checks=checks)


def check_database() -> dict[str, Check]:
    """Return whether the database answers, and whether all of this version's migrations are applied in it."""
    table = MigrationRecorder.Migration._meta.db_table
    try:
        with within(DATABASE_SECONDS), connection.cursor() as cursor:
            cursor.execute(f"SELECT app, name FROM {table}")  # noqa: S608  (a constant of Django's)
            applied = set(cursor.fetchall())
    except (DatabaseError, InterfaceError) as error:
        if getattr(error.__cause__, "pgcode", None) != UNDEFINED_TABLE:
            fault = explain(error)
            return {
                "database": Check(status=UNAVAILABLE, id=f"onestep.{fault.id}", detail=fault.message, said=fault.said)
            }
        applied = set()
    missing = [f"{app}.{name}" for app, name in latest_migrations() if (app, name) not in applied]
    if missing:
        detail = f"Migrations are not applied, up to {', '.join(missing)}: run `onestep migrate`."
        details = {"pending": len(all_migrations() - applied)}
        check = Check(status=UNAVAILABLE, id="onestep.E051", detail=detail, details=details)
        return {"database": Check(), "migrations": check}
    return {"database": Check(), "migrations": Check()}


@cache
def latest_migrations() -> list[tuple[str, str]]:
    """Return the last migration of each app of this version, as app label and name."""
    return sorted(MigrationLoader(None).graph.leaf_nodes())


@cache
def all_migrations() -> set[tuple[str, str]]:
    """Return all migrations of this version, as app label and name."""
    return set(MigrationLoader(None).graph.nodes)


def check_storage() -> Check:
    """Return whether attachments can be stored and pages have their static files. Where not, all else is served."""
    for fault in volume_faults():
        if fault.variable == "MEDIA_ROOT" or (fault.variable == "STATIC_ROOT" and not settings.DEBUG):
            return Check(status=DEGRADED, id=f"onestep.{fault.id}", detail=f"{fault.variable}: {fault.message}")
    return Check()


def check_backup() -> Check:
    """Return whether there is a young enough backup, and the last attempt succeeded. Where not, requests are served."""
    try:
        status = read_backup_status()
    except BackupStatusError as error:
        fault = error.fault
        return Check(status=DEGRADED, id=f"onestep.{fault.id}", detail=fault.message, said=fault.said)
    found = backup_fault(status)
    if not found:
        return Check(details=describe(status))
    return Check(
        status=DEGRADED, id=f"onestep.{found.id}", detail=found.message, details=describe(status), said=found.said
    )


@cache_control(no_store=True)
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Say that this process answers. It looks at nothing else: to restart it would mend nothing else."""
    return JsonResponse({"status": OK})


@cache_control(no_store=True)
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Say whether this process can serve requests: 200, or 503 with what is wrong."""
    result = readiness()
    log_change(result)
    status = HTTPStatus.SERVICE_UNAVAILABLE if result.status == UNAVAILABLE else HTTPStatus.OK
    return JsonResponse(result.as_json(), status=status)


def log_change(result: Readiness) -> None:
    """Log the outcome where it is another than this process found last: probes come every few seconds."""
    global _last  # noqa: PLW0603
    outcome = {name: (check.status, check.id, check.detail) for name, check in result.checks.items()}
    if outcome != _last:
        _last = outcome
        said = [check.said for check in result.checks.values() if check.said]
        log = logger.info if result.status == OK else logger.warning
        log("readiness_changed", said=said, **result.as_json())


class HealthMiddleware:
    """Answers the probes ahead of all other middleware: they need no known host name, no HTTPS and no session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Call the probe's view directly; pass everything else on."""
        if request.path_info.startswith("/health/"):
            try:
                match = resolve(request.path_info)
            except Resolver404:
                return self.get_response(request)
            request.resolver_match = match  # as Django would, for who counts requests by route
            response: JsonResponse = match.func(request, *match.args, **match.kwargs)
            response["Content-Length"] = str(len(response.content))
            return response
        return self.get_response(request)
