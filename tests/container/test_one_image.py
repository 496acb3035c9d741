"""What is scanned is what is tested is what would be pushed: one image, by its id.

`image_scan` and `sbom` have left reports. The containers of these tests are those of all others: `service` runs them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests.container.service import image_id, service
from tests.container.stack import CHECKOUT

REPORTS = CHECKOUT / "reports"


def report(name: str) -> Any:
    """Return a report that another session wrote. Raises AssertionError where it has not run."""
    path = REPORTS / name
    assert path.exists(), f"There is no reports/{name}: run `nox -s image_scan sbom` first."
    return json.loads(path.read_text())


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine."""
    client = docker.from_env()
    yield client
    client.close()


def publish(image: str, *sessions: str, tag: str = "0.0.0") -> subprocess.CompletedProcess[str]:
    """Ask to push an image to a registry that does not exist."""
    needed = [f"--needs={session}" for session in sessions]
    command = [
        sys.executable,
        "-m",
        "tools.publish",
        "image",
        f"127.0.0.1:1/onestep:{tag}",
        f"--image={image}",
        *needed,
    ]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_scan_and_bills_of_materials_are_of_the_image_that_was_built() -> None:
    """trivy names what it read by the digest of its configuration, which covers all layers and settings."""
    scan = report("scan.json")
    assert scan["image"] == image_id()
    assert report("scan-image.json")["Metadata"]["ImageID"] == scan["configuration"]
    component = report("sbom.cdx.json")["metadata"]["component"]
    properties = {entry["name"]: entry["value"] for entry in component["properties"]}
    assert properties["aquasecurity:trivy:ImageID"] == scan["configuration"]
    packages = report("sbom.spdx.json")["packages"]
    image = next(package for package in packages if package.get("primaryPackagePurpose") == "CONTAINER")
    assert f"ImageID: {scan['configuration']}" in [annotation["comment"] for annotation in image["annotations"]]


def test_layers_that_were_scanned_are_those_of_the_image(engine: docker.DockerClient) -> None:
    """The digests of the layers say the same without trivy's word for it."""
    layers = engine.images.get(image_id()).attrs["RootFS"]["Layers"]
    assert report("scan-image.json")["Metadata"]["DiffIDs"] == layers


def test_containers_under_test_run_the_image_that_was_scanned() -> None:
    """The migration and the web container of a running service, as the engine says."""
    with service() as running:
        web = running.start_web()[0]
        web.wait_until_ready()
        assert web.container.attrs["Image"] == report("scan.json")["image"]


def test_image_that_no_session_has_tested_is_not_pushed() -> None:
    """It is refused before the registry is asked for anything."""
    other = json.loads((REPORTS / "images.json").read_text())["base"]["id"]
    asked = publish(other, "image_scan", "sbom")
    assert asked.returncode == 1
    assert asked.stderr == (
        f"Failed: {other} is not published, since not every session of the matrix found it good: "
        f"image_scan tested {image_id()}; sbom tested {image_id()}.\n"
    )


def test_image_that_one_session_has_not_passed_is_not_pushed() -> None:
    """Every session of the matrix has to have found it good."""
    asked = publish(image_id(), "image_scan", "a_session_that_failed")
    assert asked.returncode == 1
    assert asked.stderr.endswith("found it good: a_session_that_failed has not passed.\n")


def test_image_is_not_pushed_as_another_version() -> None:
    """A tag that does not fit the version in pyproject.toml releases nothing."""
    asked = publish(image_id(), "image_scan", "sbom", tag="99.0.0")
    assert asked.returncode == 1
    assert "onestep:99.0.0 names another version than the image, which is " in asked.stderr


def test_image_that_all_sessions_have_passed_gets_as_far_as_the_registry(engine: docker.DockerClient) -> None:
    """Nothing else keeps the image that was scanned from being pushed; here there is no registry."""
    version = engine.images.get(image_id()).labels["org.opencontainers.image.version"]
    try:
        asked = publish(image_id(), "image_scan", "sbom", tag=version)
    finally:
        engine.images.remove(f"127.0.0.1:1/onestep:{version}", force=True)
    assert asked.returncode == 1
    assert "Failed: docker push" in asked.stderr
