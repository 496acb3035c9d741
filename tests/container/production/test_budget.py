"""The connection budget of a whole stack, measured where it fits to the last connection.

The pool is smaller than the replicas have threads, and both limits are exactly what `onestep budget` adds up. So one
connection more than it counts, of whatever, would be refused, and a request or a job would fail.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import pytest

from tests.container.load import Request, sampled, send_load
from tests.container.production.stack import LOGIN, ProductionStack, production_stack
from tests.container.service import image_id
from tests.container.stack import wait_until

REPLICAS, WORKERS, THREADS = 2, 2, 4  # workers are not set: one CPU makes two
METRICS = 2  # connections of a replica while Prometheus asks, as none does here
POOL, MIGRATIONS, BACKUP, RESERVE, SUPERUSERS = 4, 2, 3, 5, 3
TIGHT = {
    "WEB_REPLICAS": str(REPLICAS),
    "POOL_SIZE": str(POOL),
    "POOL_MAX_CLIENTS": str(2 * REPLICAS * (WORKERS * THREADS + METRICS)),  # in a rollout there are as many again
    "DB_MAX_CONNECTIONS": str(POOL + MIGRATIONS + BACKUP + RESERVE + SUPERUSERS),
    # Who waits for a connection or for a lock waits: none of these times is what is tested.
    "QUEUE_SECONDS": "60",
    "POOL_WAIT_TIMEOUT": "60",
    "DB_LOCK_TIMEOUT": "60",
    "DB_STATEMENT_TIMEOUT": "60",
}


@pytest.fixture(scope="module")
def tight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    """A stack whose limits are its budget, with somebody who may do everything."""
    failed_before = request.session.testsfailed
    with production_stack(tmp_path_factory.mktemp("production"), settings=TIGHT) as stack:
        stack.create_user(*LOGIN)
        yield stack
        if request.session.testsfailed > failed_before:
            stack.print_logs()


def sessions(stack: ProductionStack) -> Counter[str]:
    """Return how many sessions the server has with each role."""
    ask = "SELECT usename, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY usename"
    rows = (row.split("|") for row in stack.sql(ask).splitlines())
    return Counter({role: int(number) for role, number in rows})


def pooler(stack: ProductionStack, command: str) -> list[dict[str, str]]:
    """Return the rows of a command of PgBouncer's console."""
    console = ["psql", "--host=127.0.0.1", "--port=6432", "--username=stats", "--dbname=pgbouncer", "--no-psqlrc", "-A"]
    done = stack.containers("pgbouncer")[0].exec_run(
        [*console, "--pset=footer=off", f"--command={command}"],
        environment={"PGPASSWORD": stack.secret("pgbouncer_stats_password")},
    )
    assert done.exit_code == 0, done.output.decode()
    names, *rows = (line.split("|") for line in done.output.decode().splitlines())
    return [dict(zip(names, row, strict=True)) for row in rows]


def clients(stack: ProductionStack) -> Counter[str]:
    """Return how many of the pool's clients each replica is, by its name."""
    addresses = {
        network["IPAddress"]: replica.name
        for replica in stack.containers("web")
        for network in replica.attrs["NetworkSettings"]["Networks"].values()
    }
    rows = (row for row in pooler(stack, "SHOW CLIENTS") if row["user"] == "onestep")
    return Counter(addresses[row["addr"]] for row in rows if row["addr"] in addresses)


def budget(stack: ProductionStack, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run `onestep budget` in a replica; return its exit status and what it prints."""
    done = stack.containers("web")[0].exec_run(["onestep", "budget", *arguments], environment=variables)
    return int(done.exit_code), str(done.output.decode())


def calls_until(done: Callable[[], bool]) -> Iterator[Request]:
    """Yield requests that read and write the database, until something is done."""
    while not done():
        yield Request("GET", "/api/v1/people/")
        yield Request("GET", "/api/v1/initiatives/?search=open")
        yield Request("POST", "/api/v1/people/", {"name": "x"})


def test_numbers_are_those_of_the_running_stack(tight: ProductionStack) -> None:
    """What is added up is what runs: containers, processes, and the limits that the pooler and the server have."""
    status, output = budget(tight, "--json")
    numbers: dict[str, Any] = json.loads(output)["numbers"]
    web = tight.containers("web")
    configured = {row["key"]: row["value"] for row in pooler(tight, "SHOW CONFIG")}
    assert status == 0, output
    assert numbers == {
        "replicas": len(web),
        "surge": len(web),
        "workers": web[0].logs().decode().count("Booting worker"),
        "threads": THREADS,
        "metrics": METRICS,
        "pool_size": int(configured["default_pool_size"]) + int(configured["reserve_pool_size"]),
        "pool_max_clients": int(configured["max_client_conn"]),
        "backup": BACKUP,
        "reserve": RESERVE,
        "max_connections": int(tight.sql("SHOW max_connections")),
        "kept_for_superusers": int(tight.sql("SHOW superuser_reserved_connections")),
    }
    assert [one["needed"] for one in json.loads(output)["sums"]] == [one["limit"] for one in json.loads(output)["sums"]]


def test_load_backup_and_migration_at_once_stay_within(tight: ProductionStack, figures: dict[str, str]) -> None:
    """No request and no job fails, and neither the replicas nor the jobs have more connections than was counted."""

    def work() -> None:
        tight.make("backup")
        tight.compose("run", "--rm", "--no-deps", "migrate")

    with ThreadPoolExecutor(1) as pool, sampled(lambda: (sessions(tight), clients(tight))) as samples:
        working = pool.submit(work)
        load = send_load(tight.url, calls_until(working.done), clients=32, headers=tight.obtain_headers())
        working.result()
    assert load.statuses.keys() == {200, 201}, load.statuses
    lent = max(roles["onestep"] for roles, _ in samples)
    direct = max(roles["onestep_owner"] for roles, _ in samples)
    held = max(max(by_replica.values(), default=0) for _, by_replica in samples)
    figures["connections under load, with a backup and a migration"] = (
        f"at most {lent} of the pool's {POOL}, {direct} of {MIGRATIONS + BACKUP} direct ones, {held} of "
        f"{WORKERS * THREADS} of a replica to the pool, in {len(samples)} looks and {len(load.answers)} requests"
    )
    assert lent <= POOL
    assert 1 <= direct <= MIGRATIONS + BACKUP  # at least one: the jobs were seen
    assert WORKERS < held <= WORKERS * THREADS


def test_pool_lends_no_more_than_its_size(tight: ProductionStack) -> None:
    """A lock keeps each connection that is lent, so all threads want one at once: the others wait, and none fails."""
    waited = seconds_waited(tight)
    with ThreadPoolExecutor(1) as pool:
        locked = pool.submit(tight.sql, HOLD_UNTIL_THE_POOL_IS_LENT)
        wait_until(
            lambda: tight.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'") != "0", at_most=10
        )
        requests = [Request("GET", "/api/v1/people/")] * 64
        load = send_load(tight.url, requests, clients=32, headers=tight.obtain_headers())
        lent = [line for line in locked.result().splitlines() if line.isdigit()]
    assert load.statuses == {200: 64}
    assert lent == [str(POOL)]
    assert seconds_waited(tight) > waited + 0.5


# Keeps the table until so many sessions wait for it, and for half a second more; returns how many sessions there are.
HOLD_UNTIL_THE_POOL_IS_LENT = f"""
BEGIN;
LOCK TABLE people_person IN ACCESS EXCLUSIVE MODE;
DO $$ BEGIN
    WHILE clock_timestamp() < now() + interval '30 s' AND {POOL} > (
        SELECT count(*) FROM pg_stat_activity WHERE usename = 'onestep' AND wait_event_type = 'Lock'
    ) LOOP
        PERFORM pg_sleep(0.02);
        PERFORM pg_stat_clear_snapshot();
    END LOOP;
    PERFORM pg_sleep(0.5);
    PERFORM pg_stat_clear_snapshot();
END $$;
SELECT count(*) FROM pg_stat_activity WHERE usename = 'onestep';
COMMIT;
"""


def seconds_waited(stack: ProductionStack) -> float:
    """Return for how long clients have waited for a connection to the database, all together."""
    rows = pooler(stack, "SHOW STATS")
    return sum(float(row["total_wait_time"]) for row in rows if row["database"] == "onestep") / 1e6


@pytest.mark.parametrize(
    ("variable", "value", "error_id"), [("WEB_THREADS", THREADS + 1, "E120"), ("POOL_SIZE", POOL + 1, "E121")]
)
def test_one_more_is_refused_at_start(tight: ProductionStack, variable: str, value: int, error_id: str) -> None:
    """By `onestep budget`, and by a replica, which serves nothing; both have the arithmetic and what to change."""
    status, printed = budget(tight, **{variable: str(value)})
    assert status == 1
    other = {"METRICS_BIND": "127.0.0.1:9465", variable: str(value)}  # the usual one is taken by who runs
    done = tight.containers("web")[0].exec_run(["onestep", "serve"], environment=other)
    assert done.exit_code == 78
    for output in (printed, done.output.decode()):
        assert f"onestep.{error_id} " in output
        assert "does not fit: " in output
        assert "  needed  " in output
        assert "Set " in output
    assert "gunicorn" not in done.output.decode()


@pytest.mark.parametrize(("cpus", "workers"), [(0.5, 2), (1.0, 2), (1.5, 3)])
def test_workers_follow_the_cpu_limit_of_a_container(cpus: float, workers: int) -> None:
    """As the kernel shows it in the container: this machine has more than one processor."""
    engine = docker.from_env()
    ask = "from django.conf import settings; print(settings.WEB_WORKERS)"
    printed = engine.containers.run(
        image_id(),
        ["shell", "--verbosity=0", "--command", ask],
        environment={"DEBUG": "1"},
        nano_cpus=int(cpus * 1e9),
        network_mode="none",
        remove=True,
    )
    assert printed.decode().strip() == str(workers)
    engine.close()
