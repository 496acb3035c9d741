"""An upgrade of the services beside `web`: a deploy builds them, and `make prod-up` renews what runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import docker
import pytest

from tests.container.production.stack import ProductionStack, production_stack
from tests.container.stack import copy_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout, to pull something new into."""
    copy_checkout(tmp_path / "checkout")
    return tmp_path / "checkout"


def running(stack: ProductionStack, service: str) -> tuple[str, str]:
    """Return the container of a service, and its image."""
    [one] = stack.containers(service)
    return str(one.id), str(one.attrs["Image"])


def test_upgrade_of_the_other_services(tmp_path: Path, checkout: Path) -> None:
    """A release with another pooler: deployed, nothing but `web` is touched; `make prod-up` brings the rest."""
    with production_stack(tmp_path, up=False) as stack:
        stack.checkout = checkout
        stack.make("prod-up")
        before = {service: running(stack, service) for service in ("pgbouncer", "backup", "db", "balancer")}
        with (checkout / "docker/pgbouncer/Dockerfile").open("a") as file:
            file.write("LABEL org.onestep.test=another\n")
        image = another(stack)
        try:
            said = stack.make("deploy", f"IMAGE={image}")
            assert {service: running(stack, service) for service in before} == before
            assert "pgbouncer-1: still of an older image. make prod-up renews them" in said
            assert "backup-1" not in said
            status = stack.run("make", "prod-status")
            assert status.returncode != 0
            assert "onestep.E103 pgbouncer-1: of an older image than the one that was built." in status.stderr

            stack.make("prod-up")
            after = {service: running(stack, service) for service in before}
            assert [service for service in before if after[service] != before[service]] == ["pgbouncer"]
            assert stack.make("prod-status").endswith("All is well.\n")
        finally:
            docker.from_env().images.remove(image, force=True)


def another(stack: ProductionStack) -> str:
    """Return the name of an image of `web` that is not the one that runs."""
    [image] = {str(one.attrs["Image"]) for one in stack.containers("web")}
    name = f"{stack.project}-another"
    docker.from_env().images.get(image).tag(name, "base")
    build = ["docker", "build", "--quiet", f"--tag={name}", "-"]
    subprocess.run(build, input=f"FROM {name}:base\nLABEL org.onestep.test=2\n", text=True, check=True, env=os.environ)
    docker.from_env().images.remove(f"{name}:base", force=True)
    return name
