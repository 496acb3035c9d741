"""`make restore` of what must not be restored, or that is broken off: refused or ended with nothing touched."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.container.production.backups import (
    PATIENCE,
    altered_repository,
    assert_nothing_is_left,
    contents,
    database_stack,
    databases,
    flip,
    restic,
    running_job,
    shell,
    started,
)
from tests.container.production.stack import ProductionStack
from tests.container.stack import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    with database_stack(tmp_path_factory.mktemp("restore")) as stack:
        stack.make("backup")
        yield stack


def refused_restore(stack: ProductionStack, snapshot: str) -> str:
    """Return the words of a restore that has to be refused, with E075, before anything is touched."""
    before = contents(stack)
    done = stack.run("make", "restore", f"SNAPSHOT={snapshot}", "CONFIRM=onestep")
    assert done.returncode != 0
    assert "onestep.E075 " in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(stack) == before
    assert_nothing_is_left(stack)
    return done.stderr


def store_changed(stack: ProductionStack, change: str) -> str:
    """Store what a backup holds once more, as verified, after a change to it; return the new one's id."""
    shell(stack, "rm -rf /tmp/changed; mkdir /tmp/changed")
    restic(stack, "restore latest --tag verified --target /tmp/changed --no-lock >/dev/null")
    shell(stack, f"mkdir -p /spool/snapshot /media/.backup; cp /tmp/changed/spool/snapshot/* /spool/snapshot; {change}")
    restic(stack, "backup --quiet --tag onestep,verified,bytes=1,files=0 /spool/snapshot /media/.backup")
    shell(stack, "rm -rf /spool/snapshot /media/.backup")
    snapshots = json.loads(restic(stack, "snapshots --json --no-lock"))
    return str(max(snapshots, key=lambda one: one["time"])["short_id"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("truncate --size=-1000 /spool/snapshot/database.dump", "its dump is not the one that was verified"),
        (flip("/spool/snapshot/database.dump"), "its dump is not the one that was verified"),
        ("echo '{' >/spool/snapshot/manifest.json", "its manifest is not of its form"),
        ("rm /spool/snapshot/database.dump", "not found in snapshot"),
        ("echo stray >/media/.backup/stray", "its media files are not those that were verified"),
    ],
)
def test_changed_backup_is_refused(stack: ProductionStack, change: str, words: str) -> None:
    snapshot = store_changed(stack, change)
    try:
        assert words in refused_restore(stack, snapshot)
    finally:
        restic(stack, f"forget --quiet {snapshot}")


def test_altered_repository_is_refused(stack: ProductionStack) -> None:
    with altered_repository(stack):
        refused_restore(stack, "latest")


@pytest.mark.parametrize("snapshot", ["0123abcd", "earliest"])
def test_backup_that_is_none(stack: ProductionStack, snapshot: str) -> None:
    assert "There is no verified backup" in refused_restore(stack, snapshot)


def test_killed_restore_leaves_the_live_data(stack: ProductionStack) -> None:
    """The next backup goes as usual, and the next restore begins anew."""
    before = contents(stack)
    with started(stack, "restore", "SNAPSHOT=latest", "CONFIRM=onestep") as run:
        job = running_job(stack, "prepare")
        wait_until(lambda: "onestep_restored" in databases(stack), at_most=PATIENCE)
        job.kill()
        output, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode != 0
    assert "onestep.E079 `prepare` in the container backup failed." in output
    assert contents(stack) == before
    assert "is good" in stack.make("backup")
    stack.make("restore-cleanup")
    assert_nothing_is_left(stack)
