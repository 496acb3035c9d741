"""`make backup` where something fails: one id and words, an earlier backup that stays good, and nothing left over."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.container.production.backups import (
    PATIENCE,
    assert_nothing_is_left,
    database_stack,
    databases,
    flip,
    hold_table,
    release_tables,
    restic,
    running_job,
    shell,
    started,
    status,
    wait_for_dump,
)
from tests.container.production.stack import ProductionStack
from tests.container.stack import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    with database_stack(tmp_path_factory.mktemp("backup")) as stack:
        stack.make("backup")
        yield stack


def failed_backup(stack: ProductionStack, error_id: str, **settings: str) -> str:
    """Return what a backup says that fails with this id, as the status does, which keeps the last good one."""
    before = status(stack)["last_good"]
    done = stack.run("make", "backup", env=settings)
    assert done.returncode != 0
    assert f"onestep.{error_id} " in done.stderr
    assert "Traceback" not in done.stderr
    now = status(stack)
    assert (now["last_attempt"]["outcome"], now["last_attempt"]["id"]) == ("failed", f"onestep.{error_id}")
    assert now["last_good"] == before
    return done.stderr


def test_wrong_password(stack: ProductionStack) -> None:
    secret = stack.folder / "secrets/backup_password"
    right = secret.read_text()
    secret.chmod(0o644)
    try:
        secret.write_text("not this one\n")
        failed_backup(stack, "E067")
    finally:
        secret.write_text(right)


def test_repository_out_of_reach(stack: ProductionStack) -> None:
    """SSH gets no connection: restic's own words are in the message."""
    assert "sftp" in failed_backup(stack, "E066", BACKUP_REPOSITORY="sftp:nobody@nowhere.invalid:/backups")


def test_setting_that_is_none(stack: ProductionStack) -> None:
    done = stack.run("make", "backup", env={"BACKUP_AT": "25:00"})
    assert done.returncode != 0
    assert "onestep.E002 BACKUP_AT: '25:00' is not a time of day" in done.stderr


def test_full_disk(stack: ProductionStack) -> None:
    """The repository is on a disk with 32 KB left."""
    fill = "dd if=/dev/zero of=/tmp/fill bs=64k 2>/dev/null; truncate --size=-32K /tmp/fill"
    job = ["run", "--rm", "--no-deps", "-T", "--env=BACKUP_REPOSITORY=/tmp/repository", "--entrypoint=sh", "backup"]
    files = [f"--env-file={stack.folder / name}" for name in ("settings.env", "state.env")]
    command = ["docker", "compose", "--file=compose.prod.yml", *files, *job]
    done = stack.run(*command, "-c", f"{fill}; exec python3 -m onestep_backup now --words")
    assert done.returncode != 0
    assert "onestep.E071 There is no room left" in done.stderr
    assert status(stack)["last_attempt"]["id"] == "onestep.E071"
    assert_nothing_is_left(stack)


def test_database_gone_during_the_dump(stack: ProductionStack) -> None:
    hold_table(stack)
    with started(stack, "backup") as run:
        wait_for_dump(stack)
        stack.compose("kill", "db")
        output, _ = run.communicate(timeout=PATIENCE)
    stack.compose("up", "--detach", "--wait", "db")
    assert run.returncode != 0
    assert "onestep.E068 " in output
    assert status(stack)["last_attempt"]["id"] == "onestep.E068"
    stack.make("backup")
    assert_nothing_is_left(stack)


@pytest.mark.parametrize("moment", ["dumping", "storing", "restoring"])
def test_killed_run_leaves_nothing_half(stack: ProductionStack, moment: str) -> None:
    """The next run is good, and what the killed one left is gone."""
    snapshots = len(json.loads(restic(stack, "snapshots --json --no-lock")))
    if moment == "dumping":
        hold_table(stack)
    with started(stack, "backup") as run:
        job = running_job(stack, "now")
        if moment == "dumping":
            wait_for_dump(stack)
        elif moment == "storing":
            wait_until(
                lambda: restic_lock(stack) and shell(stack, "ls /spool/snapshot 2>/dev/null || true") != "",
                at_most=PATIENCE,
            )
        else:
            wait_until(lambda: "onestep_verify" in databases(stack), at_most=PATIENCE)
        job.kill()
        output, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode != 0, output
    release_tables(stack)
    assert "is good" in stack.make("backup")
    assert_nothing_is_left(stack)
    assert len(json.loads(restic(stack, "snapshots --json --no-lock"))) == min(snapshots + 1, 3)


def restic_lock(stack: ProductionStack) -> bool:
    return shell(stack, "ls /repository/locks") != ""


def test_second_run_waits_for_the_first(stack: ProductionStack) -> None:
    with started(stack, "backup") as first, started(stack, "backup") as second:
        said = [run.communicate(timeout=PATIENCE)[0] for run in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert sum("Another run is under way since 20" in output for output in said) == 1


def test_second_run_does_not_wait_for_ever(stack: ProductionStack) -> None:
    hold_table(stack)
    with started(stack, "backup") as first:
        wait_for_dump(stack)
        done = stack.run("make", "backup", env={"BACKUP_WAIT_SECONDS": "0"})
        release_tables(stack)
        output, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, output
    assert done.returncode != 0
    assert "onestep.E072 Another run of backup or restore is under way since 20" in done.stderr


def test_altered_pack_is_found(stack: ProductionStack) -> None:
    """One byte of the repository's data is another. No backup counts any more, and nothing is removed."""
    pack = shell(stack, "find /repository/data -type f -size +8k | head -n 1")
    before = restic(stack, "list snapshots --no-lock")
    shell(stack, f"chmod u+w {pack}; {flip(pack)}")
    failed_backup(stack, "E070")
    assert set(before.split()) <= set(restic(stack, "list snapshots --no-lock").split())
    shell(stack, flip(pack))
    stack.make("backup")
