"""What changes an installation beside a deploy: other services' images, the secret key, a new host, times to stop."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import docker
import httpx
import pytest

from tests.container.production.stack import LOGIN, ProductionStack, production_stack
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


def test_secret_key_is_rotated(tmp_path: Path) -> None:
    """As docs/operations.md says: what the former key signed is taken, what is new is signed by the new key."""
    with production_stack(tmp_path) as stack:
        stack.create_user(*LOGIN)
        secret = stack.folder / "secrets/secret_key"
        with stack.client() as before:
            secret.rename(secret.with_name("secret_key_before"))
            stack.make("prod-init")
            settings = stack.folder / "settings.env"
            settings.write_text(f"{settings.read_text()}SECRET_KEY_FALLBACKS_FILE={secret}_before\n")
            stack.make("prod-up")
            assert before.get("/api/v1/people/").status_code == 200
        with stack.client() as after:
            settings.write_text(settings.read_text().replace("SECRET_KEY_FALLBACKS_FILE=", "# "))
            stack.make("prod-up")
            assert after.get("/api/v1/people/").status_code == 200
            assert before_is_refused(stack, str(before.headers["Authorization"]))


def before_is_refused(stack: ProductionStack, authorization: str) -> bool:
    """Return whether a token of before is good no more."""
    answer = httpx.get(f"{stack.url}/api/v1/people/", headers={"Authorization": authorization}, timeout=10)
    return answer.status_code == 401


def test_image_that_is_not_there_is_built(tmp_path: Path) -> None:
    """As on another host, where `production/` was put back: its state names an image that only the lost host had."""
    with production_stack(tmp_path, up=False, image=f"sha256:{'0' * 64}") as stack:
        said = stack.make("prod-up")
        assert f"The image that ran, sha256:{'0' * 64}, is not on this host: this checkout's takes its place." in said
        assert stack.run("curl", "--fail", "--silent", f"{stack.url}/health/ready").returncode == 0


def test_replicas_get_the_time_that_they_need(tmp_path: Path) -> None:
    """Else Docker would kill what finishes its requests: refused before anything is started."""
    settings = {"GRACEFUL_TIMEOUT": "60", "STOP_GRACE_PERIOD": "1m7s"}
    with production_stack(tmp_path, up=False, settings=settings) as stack:
        done = stack.run("make", "prod-up")
        assert done.returncode != 0
        assert "onestep.E117 STOP_GRACE_PERIOD=1m7s: " in done.stderr
        assert "Set it to 68s or more: " in done.stderr
        assert stack.containers("db") == []


def another(stack: ProductionStack) -> str:
    """Return the name of an image of `web` that is not the one that runs."""
    [image] = {str(one.attrs["Image"]) for one in stack.containers("web")}
    name = f"{stack.project}-another"
    docker.from_env().images.get(image).tag(name, "base")
    build = ["docker", "build", "--quiet", f"--tag={name}", "-"]
    subprocess.run(build, input=f"FROM {name}:base\nLABEL org.onestep.test=2\n", text=True, check=True, env=os.environ)
    docker.from_env().images.remove(f"{name}:base", force=True)
    return name
