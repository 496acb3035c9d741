"""A restore that fails when the replicas are stopped already: the old data is in place again, and served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.container.production.backups import (
    PATIENCE,
    contents,
    databases,
    load_sample_data,
    running_job,
    started,
)
from tests.container.production.stack import LOGIN, ProductionStack, production_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    """A stack whose data is newer than its backup."""
    with production_stack(tmp_path_factory.mktemp("back")) as stack:
        stack.create_user(*LOGIN)
        load_sample_data(stack, initiatives=10)
        stack.make("backup")
        stack.sql("UPDATE people_person SET name = name || ' II'")
        yield stack


def assert_old_data_is_served(stack: ProductionStack, before: dict[str, str], output: str) -> None:
    assert "onestep.E079 " in output
    assert "Traceback" not in output
    assert contents(stack) == before
    assert stack.run("curl", "--fail", "--silent", f"{stack.url}/health/ready").returncode == 0
    assert not [name for name in databases(stack) if name.startswith("onestep_former_")]


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
    done = stack.run("make", "restore", "SNAPSHOT=latest", "CONFIRM=onestep", at_most=PATIENCE)
    leave(stack)
    assert "onestep.E076 Somebody is connected to the database: postgres psql (pid " in done.stderr
    assert_old_data_is_served(stack, before, done.stderr)


def test_killed_while_it_swaps(stack: ProductionStack) -> None:
    before = contents(stack)
    occupy(stack)
    with started(stack, "restore", "SNAPSHOT=latest", "CONFIRM=onestep") as run:
        running_job(stack, "swap").kill()
        output, _ = run.communicate(timeout=PATIENCE)
    leave(stack)
    assert run.returncode != 0
    assert_old_data_is_served(stack, before, output)
