"""Data on a file system of its own: volumes that are folders there, and no start where it is not what it should be."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.container.production.backups import load_sample_data, upload
from tests.container.production.stack import LOGIN, production_stack
from tests.container.service import image_id

VOLUMES = ("postgres_data", "media_volume", "backup_work")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A folder that stands for the mounted file system; what the containers' users leave in it is removed."""
    folder = tmp_path / "onestep data"
    folder.mkdir()
    try:
        yield folder
    finally:
        docker.from_env().containers.run(
            image_id(),
            ["-rf", *(f"/mounted/{name}" for name in VOLUMES)],
            entrypoint="rm",
            user="0",
            network_mode="none",
            remove=True,
            volumes=[f"{folder}:/mounted"],
        )


def test_data_is_there(mount: Path, tmp_path: Path) -> None:
    """Database, attachments and dumps are written below DATA_MOUNT, by services that have no root; and they stay."""
    with production_stack(tmp_path, settings={"DATA_MOUNT": str(mount)}) as stack:
        load_sample_data(stack, initiatives=40)
        stack.create_user(*LOGIN)
        with stack.client() as client:
            upload(client, client.get("/api/v1/initiatives/").json()["results"][0]["id"], b"kept")
        stack.make("backup")
        assert size(mount / "postgres_data") > 20_000_000
        assert size(mount / "media_volume") >= len(b"kept")
        stack.make("prod-down")
        stack.make("prod-up")
        assert stack.sql("SELECT count(*) FROM initiatives_attachment") == "1"


def size(folder: Path) -> int:
    """Return the bytes of the files below a folder that belongs to a container's user."""
    ask = ["docker", "run", "--rm", "--network=none", "--user=0", f"--volume={folder}:/mounted:ro", "--entrypoint=du"]
    said = subprocess.run([*ask, image_id(), "-sb", "/mounted"], capture_output=True, text=True, check=True)
    return int(said.stdout.split()[0])


def test_disk_in_the_clear_is_refused(mount: Path, tmp_path: Path) -> None:
    """Nothing is started and nothing made, where encryption is required and the folder is no mount point."""
    settings = {"DATA_MOUNT": str(mount), "REQUIRE_ENCRYPTED_DATA": "1"}
    with production_stack(tmp_path, up=False, settings=settings) as stack:
        done = stack.run("make", "prod-up")
        assert done.returncode != 0
        assert f"onestep.E106 {mount} is no mount point." in done.stderr
        assert stack.containers("db") == []
        assert list(mount.iterdir()) == []


def test_volume_elsewhere_is_refused(mount: Path, tmp_path: Path) -> None:
    """What was stored before DATA_MOUNT was set would stay where it is: that is said, and the stack runs on."""
    with production_stack(tmp_path) as stack:
        with (stack.folder / "settings.env").open("a") as file:
            file.write(f"DATA_MOUNT={mount}\n")
        done = stack.run("make", "prod-up")
        assert done.returncode != 0
        assert f"onestep.E108 The volume {stack.project}_postgres_data was made before" in done.stderr
        assert stack.run("curl", "--fail", "--silent", f"{stack.url}/health/ready").returncode == 0
