"""The connection budget: whether the threads of all replicas fit into the pool, and the pool into the database server.

Each thread of a server process holds one connection. Where a pooler lends out few connections to the database for
many of its own, there are two sums, one for each side of it; without a pooler there is one:

    replicas x workers x threads, and what metrics take <= POOL_MAX_CLIENTS
    pool size + migrations + backup + reserve <= max_connections, less what it keeps for superusers

A replica that starts over the budget would make others fail, under load and not before.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper

MIGRATION_CONNECTIONS = 2  # the one that migrates, and the one that holds the lock

# PostgreSQL 16 can keep connections for other roles too.
_LIMITS = """
SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true)::int, 0)
"""


@dataclass(frozen=True)
class Part:
    """One term of a sum: what needs connections, how that comes about, and how many they are."""

    what: str
    how: str
    connections: int


@dataclass(frozen=True)
class Sum:
    """What needs connections of one kind, and how many of them there are: `limit` is None where that is not known."""

    subject: str
    parts: list[Part]
    limit: int | None
    limit_is: str

    @property
    def needed(self) -> int:
        """The connections of all parts."""
        return sum(part.connections for part in self.parts)

    @property
    def fits(self) -> bool:
        """Whether they are no more than there are, as far as is known."""
        return self.limit is None or self.needed <= self.limit

    def lines(self) -> list[str]:
        """Return the arithmetic as lines of a table."""
        rows = [(part.what, part.how, str(part.connections)) for part in self.parts]
        rows.append(("needed", "", str(self.needed)))
        rows.append(("available", self.limit_is, "not known" if self.limit is None else str(self.limit)))
        table = [f"  {what:<12} {how:<52} {connections:>9}" for what, how, connections in rows]
        if self.limit is None:
            outcome = "not judged"
        elif self.fits:
            outcome = f"fits, with {self.limit - self.needed} to spare"
        else:
            outcome = f"does not fit: {self.needed - self.limit} too many"
        return [f"{self.subject}: {outcome}", *table]


@dataclass(frozen=True)
class Problem:
    """A sum that does not fit: its error id, what is wrong, and which variables to change to what."""

    id: str
    what: str
    todo: str
    arithmetic: list[str]

    def __str__(self) -> str:
        return "\n    ".join([f"onestep.{self.id} {self.what}", *self.arithmetic, self.todo])


class BudgetError(CommandError):
    """The budget does not fit. A start exits with 78 (EX_CONFIG): something has to be corrected first."""

    def __init__(self, problems: list[Problem], returncode: int = os.EX_CONFIG) -> None:
        super().__init__("\n".join(map(str, problems)), returncode=returncode)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The numbers; `max_connections` is None where the server could not be asked."""

    replicas: int
    surge: int  # replicas that a rollout runs beside the others
    workers: int
    threads: int
    metrics: int  # connections of each replica's exporter while it is asked
    pool_size: int  # 0: no pooler
    pool_max_clients: int
    backup: int
    reserve: int
    max_connections: int | None = None
    kept_for_superusers: int = 0

    @property
    def each(self) -> int:
        """Connections of one replica."""
        return self.workers * self.threads + self.metrics

    @property
    def at_a_time(self) -> int:
        """How many replicas there are in a rollout."""
        return self.replicas + self.surge

    @property
    def sums(self) -> list[Sum]:
        """The sums that have to fit: of the pool's clients where there is a pool, and of the server's connections."""
        parts = [
            Part(
                what,
                f"{number} x {self.workers} workers x {self.threads} threads",
                number * self.workers * self.threads,
            )
            for what, number in (("replicas", self.replicas), ("rollout", self.surge))
            if number
        ]
        if self.metrics:
            how = f"{self.at_a_time} x {self.metrics}, while they are asked for"
            parts.append(Part("metrics", how, self.at_a_time * self.metrics))
        others = [
            Part("migrations", "the one that migrates, and the lock's", MIGRATION_CONNECTIONS),
            Part("backup", "BACKUP_CONNECTIONS", self.backup),
            Part("reserve", "DB_RESERVE_CONNECTIONS", self.reserve),
        ]
        limit, limit_is = None, "max_connections"
        if self.max_connections is not None:
            limit = self.max_connections - self.kept_for_superusers
            limit_is = f"max_connections {self.max_connections}, less {self.kept_for_superusers} for superusers"
        if not self.pool_size:
            return [Sum("PostgreSQL's connections", parts + others, limit, limit_is)]
        pool = Part("pool", "POOL_SIZE", self.pool_size)
        return [
            Sum("The pool's clients", parts, self.pool_max_clients, "POOL_MAX_CLIENTS"),
            Sum("PostgreSQL's connections", [pool, *others], limit, limit_is),
        ]

    def problems(self) -> list[Problem]:
        """Return what does not fit."""
        return [self._problem(one) for one in self.sums if not one.fits]

    def _problem(self, one: Sum) -> Problem:
        room = (one.limit or 0) - one.needed  # below 0
        if one.limit_is == "POOL_MAX_CLIENTS":
            what = "The replicas have more threads than the pool takes clients."
            choices = [f"POOL_MAX_CLIENTS to {one.needed} or more", *self._fewer_threads(one.limit or 0)]
            return Problem("E120", what, _advise(choices), one.lines())
        more = f"PostgreSQL's max_connections (DB_MAX_CONNECTIONS of compose.prod.yml) to {self._enough(one)} or more"
        if self.pool_size:
            what = "The pool, with what connects beside it, needs more connections than the database server has."
            smaller = self.pool_size + room
            choices = [more, *([f"POOL_SIZE to {smaller} or less"] if smaller > 0 else [])]
            return Problem("E121", what, _advise(choices), one.lines())
        what = "The replicas' threads, with what connects beside them, need more connections than the server has."
        others = MIGRATION_CONNECTIONS + self.backup + self.reserve
        choices = [more, *self._fewer_threads((one.limit or 0) - others)]
        return Problem("E122", what, f"{_advise(choices)} Or put a pooler between.", one.lines())

    def _enough(self, one: Sum) -> int:
        return one.needed + self.kept_for_superusers

    def _fewer_threads(self, room: int) -> list[str]:
        """Return in which ways all replicas, those of a rollout included, need `room` connections at the most."""
        for_threads = room - self.at_a_time * self.metrics
        name = "WEB_REPLICAS and WEB_SURGE together" if self.surge else "WEB_REPLICAS"
        ways = {
            name: room // self.each,
            "WEB_THREADS": for_threads // (self.at_a_time * self.workers),
            "WEB_WORKERS": for_threads // (self.at_a_time * self.threads),
        }
        return [f"{way} to {most} or less" for way, most in ways.items() if most > 0]


def read_budget(connection: BaseDatabaseWrapper | None = None) -> Budget:
    """Return the budget of the settings, with the server's limits where a connection to it is given.

    Raises Django's database errors where the server does not answer. A pooler passes the question on.
    """
    most, kept = None, 0
    if connection:
        with connection.cursor() as cursor:
            cursor.execute(_LIMITS)
            most, kept = cursor.fetchone()
    return Budget(
        replicas=settings.WEB_REPLICAS or 1,
        surge=settings.WEB_SURGE,
        workers=settings.WEB_WORKERS,
        threads=settings.WEB_THREADS,
        metrics=1 + bool(settings.PGBOUNCER_ADMIN) if settings.METRICS_BIND else 0,  # readiness, the pooler's console
        pool_size=settings.POOL_SIZE,
        pool_max_clients=settings.POOL_MAX_CLIENTS,
        backup=settings.BACKUP_CONNECTIONS,
        reserve=settings.DB_RESERVE_CONNECTIONS,
        max_connections=most,
        kept_for_superusers=kept,
    )


def check_at_start(connection: BaseDatabaseWrapper, *, serving: bool = True) -> None:
    """Raise BudgetError where the budget is known and does not fit; ask the server by this open connection.

    Outside production, or where nobody says how many replicas there are (WEB_REPLICAS), it is not known. Where this is
    not a process that serves, neither is the number of workers that the CPU limit of one makes.
    """
    if settings.DEBUG or not settings.WEB_REPLICAS:
        return
    problems = read_budget(connection).problems()
    if not (serving or settings.WEB_WORKERS_GIVEN):
        problems = [problem for problem in problems if problem.id == "E121"]
    if problems:
        raise BudgetError(problems)


def as_json(budget: Budget) -> dict[str, Any]:
    """Return the numbers, the sums and what does not fit, to be written as JSON."""
    sums = [asdict(one) | {"needed": one.needed, "fits": one.fits} for one in budget.sums]
    problems = [{"id": f"onestep.{one.id}", "what": one.what, "todo": one.todo} for one in budget.problems()]
    return {"numbers": asdict(budget), "sums": sums, "problems": problems, "fits": not problems}


def _advise(choices: list[str]) -> str:
    return f"Set {', or '.join(choices)}."
