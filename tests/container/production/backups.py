"""What the tests of backups share: a stack that is little more than a database, and a look into the volumes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from tests.container.production.stack import ProductionStack, production_stack
from tests.container.stack import CHECKOUT, wait_until

# Seconds after which a test takes something for hanging. No promise is about them.
PATIENCE = 300
# What a run works with, and leaves nowhere: scratch databases, a dump, links to media files.
LEFT = "find /spool/snapshot /media/.backup /media/.restoring /media/.restored 2>/dev/null | head"


@contextmanager
def database_stack(folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[ProductionStack]:
    """A migrated database with sample data, and no replica: enough to back up."""
    with production_stack(folder, up=False, settings=settings) as stack:
        stack.compose("up", "--detach", "--wait", "db")
        onestep(stack, "migrate")
        load_sample_data(stack, initiatives=40)
        yield stack


def onestep(stack: ProductionStack, *command: str) -> None:
    """Run `onestep …` as the owner, in a container of its own."""
    stack.compose("run", "--rm", "--no-deps", "-T", "migrate", *command)


def load_sample_data(stack: ProductionStack, *, initiatives: int, seed: int = 1) -> None:
    """Store sample data, of which each seed makes other."""
    amounts = [f"--initiatives={initiatives}", "--people=20", f"--seed={seed}"]
    onestep(stack, "load_sample_data", "--force", *amounts)


def upload(client: httpx.Client, initiative: int, content: bytes) -> int:
    """Upload an attachment; return its id."""
    answer = client.post(
        "/api/v1/attachments/", data={"initiative": initiative}, files={"file": ("notes.txt", content, "text/plain")}
    )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def keeper(stack: ProductionStack) -> Container:
    """Return a container with the volumes of `backup`, in which a test looks and changes things."""
    listed = docker.from_env().containers.list(
        filters={"label": [f"com.docker.compose.project={stack.project}", "com.docker.compose.oneoff=True"]}
    )
    kept = [one for one in listed if one.attrs["Path"].endswith("sleep") or "sleep" in str(one.attrs["Args"])]
    if kept:
        return kept[0]
    started = stack.compose("run", "--detach", "--no-deps", "--entrypoint=sleep", "backup", "infinity")
    return docker.from_env().containers.get(started.strip().splitlines()[-1])


def shell(stack: ProductionStack, script: str) -> str:
    """Run a script with the volumes of `backup` at hand; return what it prints. Raises AssertionError if it fails."""
    done = keeper(stack).exec_run(["sh", "-euc", script])
    assert done.exit_code == 0, done.output.decode()
    return str(done.output.decode().strip())


def restic(stack: ProductionStack, command: str) -> str:
    """Run restic on the installation's own repository."""
    secret = "export RESTIC_PASSWORD_FILE=/run/secrets/backup_password RESTIC_CACHE_DIR=/spool/cache"
    return shell(stack, f"{secret}; restic --repo /repository {command}")


def status(stack: ProductionStack) -> dict[str, Any]:
    """Return what status.json says."""
    return dict(json.loads(shell(stack, "cat /state/status.json")))


@contextmanager
def altered_repository(stack: ProductionStack) -> Iterator[None]:
    """Have a bit turned in each file of the repository's data for the block."""
    packs = shell(stack, "find /repository/data -type f").splitlines()
    turn = "; ".join(flip(pack) for pack in packs)
    shell(stack, f"chmod -R u+w /repository/data; {turn}")
    try:
        yield
    finally:
        shell(stack, turn)


@contextmanager
def started(stack: ProductionStack, *target: str) -> Iterator[subprocess.Popen[str]]:
    """Begin a target of the Makefile, to be looked at while it runs; it is ended where the block fails."""
    command = ["make", "--no-print-directory", *target]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=CHECKOUT, env=stack.environment(), text=True, **pipes) as run:
        try:
            yield run
        except BaseException:
            run.kill()
            raise


def flip(file: str) -> str:
    """Return the command that turns a bit in the middle of a file, and turns it back the next time."""
    program = (
        "b = bytearray(open(f := __import__('sys').argv[1], 'rb').read()); b[len(b) // 2] ^= 1; open(f, 'wb').write(b)"
    )
    return f'python3 -c "{program}" {file}'


def running_job(stack: ProductionStack, command: str) -> Container:
    """Return the container in which a command of `backup` runs, as soon as it does."""
    found: list[Container] = []

    def there() -> bool:
        labels = [f"com.docker.compose.project={stack.project}", "com.docker.compose.oneoff=True"]
        listed = docker.from_env().containers.list(filters={"label": labels})
        found[:] = [one for one in listed if command in one.attrs["Config"]["Cmd"]]
        return bool(found)

    wait_until(there, at_most=PATIENCE)
    return found[0]


def hold_table(stack: ProductionStack, table: str = "people_person") -> None:
    """Lock a table, so that a dump waits for it until `release_tables`."""
    password = stack.secret("db_superuser_password")
    statements = f"BEGIN; LOCK TABLE {table}; SELECT pg_sleep(600)"
    hold = ["psql", "--host=127.0.0.1", "--username=postgres", "--dbname=onestep", f"--command={statements}"]
    stack.containers("db")[0].exec_run(hold, environment={"PGPASSWORD": password}, detach=True)
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_until(lambda: stack.sql(query, database="template1") == "1", at_most=PATIENCE)


def release_tables(stack: ProductionStack) -> None:
    """End the sessions that hold tables."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    stack.sql(query, database="template1")


def wait_for_dump(stack: ProductionStack) -> None:
    """Wait until a dump waits for a table."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'onestep backup' AND wait_event_type = 'Lock'"
    )
    wait_until(lambda: stack.sql(query, database="template1") == "1", at_most=PATIENCE)


def databases(stack: ProductionStack) -> set[str]:
    """Return the names of the databases."""
    return set(stack.sql("SELECT datname FROM pg_database", database="template1").splitlines())


def assert_nothing_is_left(stack: ProductionStack) -> None:
    """No scratch database, dump, link, lock or unverified snapshot is there."""
    assert databases(stack) == {"onestep", "postgres", "template0", "template1"}
    assert shell(stack, LEFT) == ""
    assert restic(stack, "list locks --no-lock") == ""
    assert all("verified" in one["tags"] for one in json.loads(restic(stack, "snapshots --json --no-lock")))


def contents(stack: ProductionStack, database: str = "onestep") -> dict[str, str]:
    """Return the number of rows and a checksum of each table, by a way of the test's own."""
    listed = stack.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database=database)
    query = "SELECT count(*) || ' ' || coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM \"{}\" r"
    return {table: stack.sql(query.format(table), database=database) for table in sorted(listed.splitlines())}
