"""`make drill`: a backup proven in a stack of its own; the installation is read, and not touched."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.container.production.backups import (
    altered_repository,
    assert_nothing_is_left,
    contents,
    database_stack,
    restic,
)
from tests.container.production.stack import ProductionStack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    with database_stack(tmp_path_factory.mktemp("drill")) as stack:
        stack.make("backup")
        yield stack


def remains(stack: ProductionStack) -> list[str]:
    """Return what is there of the drill's own project."""
    engine = docker.from_env()
    ours = {"label": f"com.docker.compose.project={stack.project}-drill"}
    found = [*engine.containers.list(all=True, filters=ours), *engine.networks.list(filters=ours)]
    return [str(one.name) for one in [*found, *engine.volumes.list(filters=ours)]]


def test_drill_compares_every_table_and_asks_the_api(stack: ProductionStack) -> None:
    before, snapshots = contents(stack), restic(stack, "snapshots --json --no-lock")
    said = stack.make("drill", at_most=900)
    compared = {line.split()[0]: line.split() for line in said.splitlines() if line.endswith(" equal")}
    for table, content in before.items():
        assert compared[f"public.{table}"][1].replace(",", "") == content.split()[0]
    assert "The drill is good: the API has 40 initiatives." in said
    assert "Together" in said
    assert remains(stack) == []
    assert contents(stack) == before
    assert restic(stack, "snapshots --json --no-lock") == snapshots
    assert_nothing_is_left(stack)


def test_drill_of_an_altered_backup_fails(stack: ProductionStack) -> None:
    with altered_repository(stack):
        done = stack.run("make", "drill", at_most=900)
    assert done.returncode != 0
    assert "onestep.E075 " in done.stderr
    assert "Traceback" not in done.stderr
    assert remains(stack) == []
