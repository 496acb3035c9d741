"""The backup service of a running stack: by itself, on demand, seen from outside, and before a migration."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.models.containers import Container

from tests.container.production.backups import (
    PATIENCE,
    assert_nothing_is_left,
    hold_table,
    load_sample_data,
    release_tables,
    restic,
    shell,
    started,
    status,
    upload,
    wait_for_dump,
)
from tests.container.production.stack import LOGIN, ProductionStack, production_stack
from tests.container.stack import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    with production_stack(tmp_path_factory.mktemp("backup")) as stack:
        stack.create_user(*LOGIN)
        yield stack


def readiness(stack: ProductionStack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.url}/health/ready", timeout=10)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["checks"]["backup"])


def service(stack: ProductionStack) -> Container:
    """Return the container of the schedule."""
    (container,) = [one for one in stack.containers("backup") if one.labels["com.docker.compose.oneoff"] == "False"]
    return container


def health(stack: ProductionStack) -> str:
    return str(service(stack).attrs["State"]["Health"]["Status"])


def events(stack: ProductionStack) -> list[dict[str, Any]]:
    """Return the service's log, which is one JSON object a line."""
    return [json.loads(line) for line in service(stack).logs().decode().splitlines()]


def test_first_backup_is_made_at_once(stack: ProductionStack) -> None:
    wait_until(lambda: any("is good" in event["event"] for event in events(stack)), at_most=PATIENCE)
    made = status(stack)
    assert made["version"] == 1
    assert made["interval_seconds"] == 86400
    assert (made["last_attempt"]["outcome"], made["last_attempt"]["id"]) == ("ok", None)
    assert made["last_good"]["bytes"] > 0
    assert made["last_good"]["snapshot"] in stack.make("backups")
    assert readiness(stack)["details"]["last_good"]["bytes"] == made["last_good"]["bytes"]
    assert health(stack) == "healthy"
    assert_nothing_is_left(stack)


def any_initiative(stack: ProductionStack) -> int:
    """Return the id of one of the sample initiatives."""
    return int(stack.sql("SELECT min(id) FROM initiatives_initiative"))


def test_repository_is_encrypted_and_grows_by_what_is_new(stack: ProductionStack) -> None:
    """Two megabytes are stored once, and nobody reads a name in it."""
    load_sample_data(stack, initiatives=40)
    sizes = []
    with stack.client() as client:
        upload(client, any_initiative(stack), secrets.token_hex(1_000_000).encode())
    for _ in range(2):
        stack.make("backup")
        sizes.append(json.loads(restic(stack, "stats --json --no-lock --mode raw-data"))["total_size"])
    assert sizes[0] > 1_000_000
    assert sizes[1] - sizes[0] < 200_000, sizes
    name = stack.sql("SELECT name FROM people_person ORDER BY length(name) DESC LIMIT 1")
    assert shell(stack, f"grep --recursive --files-with-matches '{name}' /repository || true") == ""


def test_file_deleted_during_the_backup_is_in_it(stack: ProductionStack) -> None:
    """The dump waits while the service deletes an attachment that the dump will name."""
    with stack.client() as client:
        made = upload(client, any_initiative(stack), b"Still here.")
        stored = stack.sql(f"SELECT file FROM initiatives_attachment WHERE id = {made}")
        hold_table(stack, "groups_campus")
        with started(stack, "backup") as run:
            wait_for_dump(stack)
            assert client.delete(f"/api/v1/attachments/{made}/").status_code == 204
            release_tables(stack)
            output, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, output
    assert restic(stack, f"dump --no-lock latest /media/.backup/{stored}") == "Still here."
    assert_nothing_is_left(stack)


def test_failure_is_loud(stack: ProductionStack) -> None:
    """In the exit status, in readiness, and in the container's health; the service goes on."""
    secret = stack.folder / "secrets/backup_password"
    right = secret.read_text()
    secret.chmod(0o644)
    secret.write_text("not this one\n")
    done = stack.run("make", "backup")
    secret.write_text(right)
    assert done.returncode != 0
    assert "onestep.E067 The password does not fit" in done.stderr
    assert readiness(stack)["id"] == "onestep.E065"
    wait_until(lambda: health(stack) == "unhealthy", at_most=PATIENCE)
    assert stack.run("make", "prod-up").returncode == 0
    stack.make("backup")
    wait_until(lambda: health(stack) == "healthy", at_most=PATIENCE)


def test_scheduled_failure_is_an_error_in_the_log(tmp_path: Path) -> None:
    with production_stack(
        tmp_path, up=False, settings={"BACKUP_REPOSITORY": "sftp:nobody@nowhere.invalid:/b"}
    ) as stack:
        stack.compose("up", "--detach", "--wait", "db")
        stack.compose("up", "--detach", "--no-deps", "backup")
        wait_until(lambda: any(event["level"] == "error" for event in events(stack)), at_most=PATIENCE)
        (error,) = [event for event in events(stack) if event["level"] == "error"]
        assert error["id"] == "onestep.E066"
        assert "nowhere.invalid" in error["event"]


def test_migrations_wait_for_a_backup_of_shortly_before(stack: ProductionStack) -> None:
    """`make prod-up` makes one where migrations wait, and none where nothing waits."""
    before = status(stack)["last_good"]["snapshot"]
    stack.make("prod-up")
    assert status(stack)["last_good"]["snapshot"] == before
    stack.compose("run", "--rm", "--no-deps", "-T", "migrate", "migrate", "initiatives", "0001")
    shell(stack, 'sed -i \'s/\\(last_good": {"at": "\\)20../\\12020/\' /state/status.json')
    refused = stack.run("make", "prod-up", env={"BACKUP_WAIT_SECONDS": "0", "BACKUP_REPOSITORY": "/nowhere"})
    assert refused.returncode != 0
    assert "onestep.E066 " in refused.stderr
    said = stack.make("prod-up")
    assert "Migrations wait for a backup of the database as it is now." in said
    assert status(stack)["last_good"]["snapshot"] != before
    assert stack.sql("SELECT count(*) FROM django_migrations WHERE name = '0002_refuse_cycles'") == "1"


KEEP = {"DAILY": 3, "WEEKLY": 2, "MONTHLY": 2}
# How many days ago: backups that a test makes up, each a minute older than the one before it.
EARLIER = (0, 0, 1, 2, 2, 3, 4, 5, 9, 16, 23, 30, 61, 92, 400)


def moments(stack: ProductionStack) -> list[datetime]:
    """Return of when the backups are, the oldest first."""
    found = json.loads(restic(stack, "snapshots --json --no-lock"))
    return sorted(datetime.fromisoformat(one["time"][:19]) for one in found)


def last_of_each(times: list[datetime], period: Callable[[datetime], object], number: int) -> set[datetime]:
    """Return the last time of each of the last `number` periods that have any; `times` are in order."""
    return set(list({period(at): at for at in times}.values())[-number:])


def test_older_backups_go_and_the_rest_is_whole(stack: ProductionStack) -> None:
    """Of each of the last three days, two weeks and two months the last one stays, and the last three whatever the day.

    The times are UTC, as the container's clock is.
    """
    made = "--tag onestep,verified,bytes=1,files=0 /etc/hostname"
    for minutes, days in enumerate(EARLIER):
        restic(stack, f"backup --quiet --time \"$(date -d '-{days} days -{minutes} minutes' '+%F %T')\" {made}")
    before = moments(stack)
    assert len(before) >= len(EARLIER)
    stack.make("backup", env={f"BACKUP_KEEP_{word}": str(number) for word, number in KEEP.items()})
    after = moments(stack)
    newest = max(after)
    assert newest not in before
    all_of_them = sorted([*before, newest])
    expected = set(all_of_them[-3:])
    expected |= last_of_each(all_of_them, datetime.date, KEEP["DAILY"])
    expected |= last_of_each(all_of_them, lambda at: at.isocalendar()[:2], KEEP["WEEKLY"])
    expected |= last_of_each(all_of_them, lambda at: (at.year, at.month), KEEP["MONTHLY"])
    assert len(expected) < len(before)
    assert after == sorted(expected)
    assert status(stack)["last_good"]["snapshot"] in stack.make("backups")
    assert "no errors were found" in restic(stack, "check --read-data --no-lock")
