"""Data on a file system of its own: volumes that are folders there, and no start where it is not what it should be."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from tests.container.open_load import Arrival, open_load
from tests.container.production.backups import PATIENCE, contents, load_sample_data, upload
from tests.container.production.stack import LOGIN, ProductionStack, production_stack
from tests.container.production.watching import Run
from tests.container.service import image_id
from tests.container.stack import CHECKOUT, wait_until

VOLUMES = ("postgres_data", "media_volume", "backup_work")


@contextmanager
def mount_in(folder: Path) -> Iterator[Path]:
    """A folder that stands for the mounted file system; what the containers' users leave in it is removed."""
    mount = folder / "onestep data"
    mount.mkdir()
    try:
        yield mount
    finally:
        docker.from_env().containers.run(
            image_id(),
            ["/mounted", "-mindepth", "1", "-delete"],
            entrypoint="find",
            user="0",
            network_mode="none",
            remove=True,
            volumes=[f"{mount}:/mounted"],
        )


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    with mount_in(tmp_path) as folder:
        yield folder


@dataclass(frozen=True)
class Moved:
    """An installation that was moved to a file system of its own while clients wrote, and what was seen on the way."""

    stack: ProductionStack
    mount: Path
    refusal: subprocess.CompletedProcess[str]  # of DATA_MOUNT beside the volumes that were there
    served_on: bool  # after it
    before: dict[str, str]  # rows and checksum of each table, once nothing wrote any more
    acknowledged: int  # people whom clients were told to be stored


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    """Begun without DATA_MOUNT, and moved by the very commands of docs/operations.md."""
    folder = tmp_path_factory.mktemp("moved")
    with mount_in(folder) as mount, production_stack(folder) as stack:
        load_sample_data(stack, initiatives=40)
        stack.create_user(*LOGIN)
        with stack.client() as client:
            upload(client, client.get("/api/v1/initiatives/").json()["results"][0]["id"], b"kept")
        settings = stack.folder / "settings.env"
        without = settings.read_text()
        settings.write_text(f"{without}DATA_MOUNT={mount}\n")
        refusal = stack.run("make", "prod-up")
        served_on = stack.run("curl", "--fail", "--silent", f"{stack.url}/health/ready").returncode == 0
        settings.write_text(without)

        def write(number: int) -> Arrival:
            return Arrival("POST", "/api/v1/people/", {"name": f"While moving {number}"})

        before: dict[str, str] = {}
        with open_load(stack.url, write, per_second=10, at_most=10_000, headers=stack.obtain_headers()) as load:
            load.wait_for(20)
            for command in documented_move():
                if command == ["make", "prod-down"]:
                    before = contents(stack)
                if command == ["make", "prod-up"]:
                    settings.write_text(f"{without}DATA_MOUNT={mount}\n")
                words = [word.replace("onestep-production", stack.project) for word in command]
                done = stack.run(*words)
                assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
                if command == ["make", "prod-down"]:
                    load.over.set()
        yield Moved(stack, mount, refusal, served_on, before, len(load.acknowledged))


def documented_move() -> list[list[str]]:
    """Return the commands by which docs/operations.md moves an installation, without their comments."""
    page = (CHECKOUT / "docs/operations.md").read_text()
    block = re.search(r"(?m)^### Encrypted data\n[\s\S]*?((?:^    .*\n)*^    make prod-down\n(?:^    .*\n)*)", page)
    assert block, "the page shows no such commands"
    commands = [line.split("#")[0].split() for line in re.sub(r"\\\n", "", block[1]).splitlines()]
    assert "make prod-quiesce" in [" ".join(command) for command in commands]
    return commands


def test_volume_elsewhere_is_refused(moved: Moved) -> None:
    """What was stored before DATA_MOUNT was set would stay where it is: that is said, and the stack runs on."""
    assert moved.refusal.returncode != 0
    name = f"{moved.stack.project}_postgres_data"
    assert f"onestep.E108 The volume {name} was made before" in moved.refusal.stderr
    assert moved.served_on


def test_move_loses_nothing(moved: Moved) -> None:
    """Each table is as it was, and has all that clients were told to be stored; it is below DATA_MOUNT now."""
    stored = moved.stack.sql("SELECT count(*) FROM people_person WHERE name LIKE 'While moving %'")
    assert int(stored) == moved.acknowledged
    assert contents(moved.stack) == moved.before
    assert size(moved.mount / "postgres_data") > 20_000_000
    assert size(moved.mount / "media_volume") >= len(b"kept")


def test_drill_has_a_folder_of_its_own(moved: Moved) -> None:
    """Below DATA_MOUNT too. The live server is neither restarted nor written to; the next drill clears a killed one."""
    stack, drilled = moved.stack, moved.mount / "drill"
    stack.make("backup")
    before, live = contents(stack), postgres(stack)
    killed = Run(stack, "make", "drill")
    wait_until(lambda: healthy(f"{stack.project}-drill", "db") != [], at_most=PATIENCE)
    killed.signal(signal.SIGKILL)
    killed.end()
    [left] = healthy(f"{stack.project}-drill", "db")
    assert left.exec_run(["rm", "/var/lib/postgresql/data/PG_VERSION"], user="postgres").exit_code == 0
    left.kill()  # and no server starts on what it had
    assert size(drilled / "postgres_data") > 20_000_000
    said = stack.make("drill", at_most=900)
    assert "The drill is good: the API has 40 initiatives." in said
    assert contents(stack) == before
    assert postgres(stack) == live
    assert sorted(folder.name for folder in moved.mount.iterdir()) == sorted(VOLUMES)


def test_file_system_that_is_not_mounted_is_refused(moved: Moved) -> None:
    """As after a reboot: nothing is made on the disk below it, and once it is there again, so is the data."""
    stack, mount = moved.stack, moved.mount
    before = contents(stack)
    stack.make("prod-down")
    away = mount.rename(mount.with_name("unmounted"))
    mount.mkdir()
    try:
        refused = [stack.run("make", target) for target in ("prod-up", "drill")]
        made = list(mount.iterdir())
    finally:
        mount.rmdir()
        away.rename(mount)
    for done in refused:
        assert done.returncode != 0
        assert f"onestep.E106 {mount}/postgres_data is not there, and was." in done.stderr
    assert made == []
    stack.make("prod-up")
    assert contents(stack) == before


@pytest.mark.parametrize("name", VOLUMES)
def test_folder_of_any_volume_is_missed(mount: Path, tmp_path: Path, name: str) -> None:
    """Nothing is made for the others before that."""
    with production_stack(tmp_path, up=False, settings={"DATA_MOUNT": str(mount)}) as stack:
        docker.from_env().volumes.create(
            f"{stack.project}_{name}",
            driver_opts={"type": "none", "o": "bind", "device": f"{mount}/{name}"},
            labels={"com.docker.compose.project": stack.project},
        )
        done = stack.run("make", "prod-up")
        assert done.returncode != 0
        assert f"onestep.E106 {mount}/{name} is not there, and was." in done.stderr
        assert list(mount.iterdir()) == []


def test_engine_that_does_not_answer_is_no_engine_without_volumes(mount: Path, tmp_path: Path) -> None:
    """While Docker starts, nobody can say whether a volume was there: its folder is not made anew."""
    with production_stack(tmp_path, up=False, settings={"DATA_MOUNT": str(mount)}) as stack:
        done = stack.run("make", "prod-up", env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
        assert list(mount.iterdir()) == []
        assert done.returncode != 0
        assert "onestep.E090 `docker volume ls` failed: " in done.stderr


def test_disk_in_the_clear_is_refused(mount: Path, tmp_path: Path) -> None:
    """Nothing is started and nothing made, where encryption is required and the folder is no mount point."""
    settings = {"DATA_MOUNT": str(mount), "REQUIRE_ENCRYPTED_DATA": "true # as the policy says"}
    with production_stack(tmp_path, up=False, settings=settings) as stack:
        for target in ("prod-up", "drill"):
            done = stack.run("make", target)
            assert done.returncode != 0
            assert f"onestep.E106 {mount} is no mount point." in done.stderr
        assert stack.containers("db") == []
        assert list(mount.iterdir()) == []


def size(folder: Path) -> int:
    """Return the bytes of the files below a folder that belongs to a container's user."""
    ask = ["docker", "run", "--rm", "--network=none", "--user=0", f"--volume={folder}:/mounted:ro", "--entrypoint=du"]
    said = subprocess.run([*ask, image_id(), "-sb", "/mounted"], capture_output=True, text=True, check=True)
    return int(said.stdout.split()[0])


def postgres(stack: ProductionStack) -> tuple[str, str, str]:
    """Return which container the live database is, since when it runs, and since when its server does."""
    container = stack.containers("db")[0]
    return container.id, container.attrs["State"]["StartedAt"], stack.sql("SELECT pg_postmaster_start_time()")


def healthy(project: str, service: str) -> list[Container]:
    """Return the containers of a project's service that are healthy."""
    labels = [f"com.docker.compose.project={project}", f"com.docker.compose.service={service}"]
    return list(docker.from_env().containers.list(filters={"label": labels, "health": "healthy"}))
