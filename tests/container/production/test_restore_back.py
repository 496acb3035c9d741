"""A restore that fails, or is broken off, when the replicas are stopped already: what is said of the data is true.

The old data is in place again, and served, except where even that cannot be; and no other backup keeps the replicas
stopped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import httpx
import pytest
from docker.models.containers import Container

from tests.container.production.backups import (
    PATIENCE,
    contents,
    databases,
    keeper,
    load_sample_data,
    running_job,
    shell,
    started,
)
from tests.container.production.stack import LOGIN, ProductionStack, production_stack
from tests.container.production.watching import Run
from tests.container.stack import wait_until

RESTORE = ("make", "restore", "SNAPSHOT=latest", "CONFIRM=onestep")
AS_BEFORE = "The database onestep is the one before the restore. What was restored is kept as onestep_restored."


@pytest.fixture(scope="module")
def backed_up() -> dict[str, str]:
    """What the backup holds."""
    return {}


@pytest.fixture(scope="module")
def stack(backed_up: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    """A stack whose data is newer than its backup."""
    with production_stack(tmp_path_factory.mktemp("back")) as stack:
        stack.create_user(*LOGIN)
        load_sample_data(stack, initiatives=10)
        stack.make("backup")
        backed_up.update(contents(stack))
        stack.sql("UPDATE people_person SET name = name || ' II'")
        yield stack


def assert_old_data_is_served(stack: ProductionStack, before: dict[str, str], output: str) -> None:
    assert "onestep.E079 " in output
    assert "Traceback" not in output
    assert contents(stack) == before
    assert_served(stack)
    assert formers(stack) == []
    assert AS_BEFORE in output


def assert_served(stack: ProductionStack) -> None:
    assert httpx.get(f"{stack.url}/health/ready", timeout=10).status_code == 200
    assert schedule(stack).status == "running"


def formers(stack: ProductionStack) -> list[str]:
    """Return the databases that restores have kept."""
    return sorted(name for name in databases(stack) if name.startswith("onestep_former_"))


def schedule(stack: ProductionStack) -> Container:
    """Return the container that makes backups on a schedule."""
    (container,) = [one for one in stack.containers("backup") if one.labels["com.docker.compose.oneoff"] == "False"]
    return container


def occupy(stack: ProductionStack) -> None:
    """Be connected to the live database, past the pooler, and stay so."""
    hold = "psql -h 127.0.0.1 -U postgres -d onestep -c 'SELECT pg_sleep(600)'"
    password = stack.secret("db_superuser_password")
    stack.containers("db")[0].exec_run(["sh", "-c", hold], environment={"PGPASSWORD": password}, detach=True)


def leave(stack: ProductionStack) -> None:
    stack.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", database="template1"
    )


def test_somebody_is_connected(stack: ProductionStack) -> None:
    before = contents(stack)
    occupy(stack)
    done = stack.run(*RESTORE, at_most=PATIENCE)
    leave(stack)
    assert "onestep.E076 Somebody is connected to the database: postgres psql (pid " in done.stderr
    assert_old_data_is_served(stack, before, done.stdout + done.stderr)


def test_killed_while_it_swaps(stack: ProductionStack) -> None:
    before = contents(stack)
    occupy(stack)
    with started(stack, "restore", "SNAPSHOT=latest", "CONFIRM=onestep") as run:
        running_job(stack, "swap").kill()
        output, _ = run.communicate(timeout=PATIENCE)
    leave(stack)
    assert run.returncode != 0
    assert_old_data_is_served(stack, before, output)


def hold_lock(stack: ProductionStack, container: Container) -> None:
    """Let a container hold the lock of backups and restores until it ends, or `release_lock`."""
    command = "flock --exclusive /state/lock sh -c 'echo $$ >/tmp/holder; exec sleep 600'"
    container.exec_run(["sh", "-c", command], detach=True)
    wait_until(lambda: shell(stack, "flock --nonblock /state/lock true || echo held") == "held", at_most=PATIENCE)


def release_lock(container: Container) -> None:
    container.exec_run(["sh", "-c", "kill $(cat /tmp/holder)"])


def test_scheduled_backup_does_not_keep_the_replicas_stopped(stack: ProductionStack) -> None:
    """It begins as soon as the restore lets it. A process in its container that never ends stands in for it."""
    keeper(stack)
    run = Run(stack, *RESTORE)
    running_job(stack, "migrate")
    hold_lock(stack, schedule(stack))
    assert run.end() == 0, run.output
    assert_served(stack)
    stack.make("restore-undo", "CONFIRM=onestep")
    assert_served(stack)


def test_backup_on_demand_does_not_keep_the_replicas_stopped(stack: ProductionStack) -> None:
    """It is waited for while they serve. One that begins just past that ends the restore; the old data is served."""
    before = contents(stack)
    by_hand = keeper(stack)
    run = Run(stack, *RESTORE)
    running_job(stack, "migrate")
    hold_lock(stack, by_hand)
    run.wait_for("Another run is under way since")
    assert_served_but_for_the_schedule(stack)
    release_lock(by_hand)
    run.wait_for("Stop the replicas")
    hold_lock(stack, by_hand)
    run.wait_for("onestep.E072 ")
    release_lock(by_hand)
    assert run.end() != 0
    assert_old_data_is_served(stack, before, run.output)


def assert_served_but_for_the_schedule(stack: ProductionStack) -> None:
    assert httpx.get(f"{stack.url}/health/ready", timeout=10).status_code == 200
    assert schedule(stack).status == "exited"


def test_interrupted_just_past_the_swap(stack: ProductionStack) -> None:
    before = contents(stack)
    run = Run(stack, *RESTORE)
    wait_until(lambda: formers(stack) != [], at_most=PATIENCE)
    run.signal(signal.SIGINT)
    assert run.end() != 0
    assert "Interrupted." in run.output
    assert contents(stack) == before
    assert formers(stack) == []
    assert AS_BEFORE in run.output
    assert_served(stack)


def test_way_back_is_closed(stack: ProductionStack, backed_up: dict[str, str]) -> None:
    """Somebody is connected to what was restored: that is live then, and it is said which database is kept."""
    before = contents(stack)
    run = Run(stack, *RESTORE)
    wait_until(lambda: formers(stack) != [], at_most=PATIENCE)
    occupy(stack)
    run.signal(signal.SIGHUP)
    assert run.end() != 0
    leave(stack)
    assert "onestep.E076 " in run.output
    (former,) = formers(stack)
    assert f"onestep is what was restored. The one before the restore is kept as {former}." in run.output
    assert AS_BEFORE not in run.output
    assert contents(stack) == backed_up
    assert_served(stack)
    stack.make("restore-undo", "CONFIRM=onestep")
    assert contents(stack) == before


def test_former_database_of_an_earlier_restore_does_not_come_back(
    stack: ProductionStack, backed_up: dict[str, str]
) -> None:
    """There was no live database: a restore that is broken off has nothing to go back to."""
    stack.sql("CREATE DATABASE onestep_former_20250101_000000 OWNER onestep_owner", database="template1")
    stack.compose("stop", "web", "housekeeping", "pgbouncer")
    stack.sql("DROP DATABASE onestep WITH (FORCE)", database="template1")
    run = Run(stack, "make", "restore", "SNAPSHOT=latest")
    run.wait_for("Start the replicas")
    run.signal(signal.SIGINT)
    assert run.end() != 0
    assert formers(stack) == ["onestep_former_20250101_000000"]
    assert contents(stack) == backed_up
    assert "The database onestep is what was restored. There was none before it." in run.output
    assert_served(stack)
