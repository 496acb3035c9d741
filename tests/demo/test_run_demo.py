"""`make demo` in a fresh clone: served, stopped by Ctrl-C, and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.container.stack import ADMIN, PASSWORD, copy_checkout, free_port, wait_until

INSTALL_SECONDS = 300
SECOND_START_SECONDS = 3.0


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows of the checkout, with nothing installed in it."""
    folder = tmp_path_factory.mktemp("clone") / "onestep"
    copy_checkout(folder)
    return folder


@dataclass
class Demo:
    """A demo that runs, or that has ended and `said` something."""

    process: subprocess.Popen[str]
    port: int
    said: str = ""

    def is_ready(self) -> bool:
        """Whether the service is ready. Raises AssertionError where the demo has ended."""
        assert self.process.poll() is None, self.process.communicate()[0]
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def run_demo(clone: Path, port: int) -> Iterator[Demo]:
    """`make demo`, with the terminal's Ctrl-C at the end whatever happens."""
    # None of this shell's settings: it is a person's first contact.
    environment = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_", "LANG"))}
    environment |= {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "DEMO_PORT": str(port)}
    process = subprocess.Popen(
        ["make", "demo"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # As a terminal starts it. A job that a script runs in the background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no thread runs here)
    )
    demo = Demo(process, port)
    try:
        yield demo
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                demo.said = process.communicate(timeout=30)[0]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def processes_of(clone: Path) -> list[str]:
    """Return the command lines of this machine's processes that name the clone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended since
            continue
        if str(clone) in line:
            found.append(line)
    return found


def test_demo_serves_stops_and_starts_again(clone: Path) -> None:
    port = free_port()
    with run_demo(clone, port) as demo:
        wait_until(demo.is_ready, at_most=INSTALL_SECONDS)
        url = f"http://127.0.0.1:{port}"
        token = httpx.post(f"{url}/api/v1/auth/token/", json={"username": ADMIN, "password": PASSWORD}).json()["access"]
        caller = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{url}/api/v1/initiatives/", params={"count": "true"}, headers=caller)
        assert answer.json()["count"] == 300
        assert "text/html" in httpx.get(f"{url}/api/docs/").headers["Content-Type"]
        assert httpx.get(f"{url}/static/admin/css/base.css").status_code == 200
        created = httpx.post(f"{url}/api/v1/people/", json={"name": "Survivor"}, headers=caller)
        assert created.status_code == 201, created.text
    assert f"http://127.0.0.1:{port}/admin/" in demo.said
    assert "Log in as admin, password onestep-admin" in demo.said
    assert "Stopped." in demo.said
    assert "Traceback" not in demo.said
    assert processes_of(clone) == []

    began = time.monotonic()
    with run_demo(clone, port) as demo:
        wait_until(demo.is_ready, at_most=30)
        assert time.monotonic() - began <= SECOND_START_SECONDS
        caller = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{url}/api/v1/people/{created.json()['id']}/", headers=caller)
        assert answer.json()["name"] == "Survivor"

        second = make(clone, "demo", DEMO_PORT=str(free_port()))
        assert second.returncode != 0
        assert "make demo: a demo of this checkout is running already." in second.stderr
    assert processes_of(clone) == []


def test_taken_port_is_named(clone: Path) -> None:
    """Before anything is installed or started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        refused = make(clone, "demo", DEMO_PORT=str(port))
    assert refused.returncode != 0
    assert (
        f"make demo: port {port} of 127.0.0.1 is taken. Choose another: make demo DEMO_PORT={port + 1}\n"
        in refused.stderr
    )


def test_impossible_port_is_named(clone: Path) -> None:
    refused = make(clone, "demo", DEMO_PORT="eighty")
    assert "make demo: DEMO_PORT is 'eighty'. Give a port from 1 to 65535" in refused.stderr


def test_reset_removes_what_the_demo_stored(clone: Path) -> None:
    assert (clone / ".demo" / "postgres").is_dir()
    assert make(clone, "demo-reset").returncode == 0
    assert not (clone / ".demo").exists()


def test_check_without_an_engine_says_so_in_one_line(clone: Path) -> None:
    refused = make(clone, "check", DOCKER_HOST="tcp://127.0.0.1:1")
    assert refused.returncode != 0
    lines = [line for line in refused.stderr.splitlines() if not line.startswith("make:")]
    assert lines == [
        "make check needs a Docker engine, and none answers. Without one these work: make test, make demo."
    ]


def make(clone: Path, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a target of the clone's Makefile, as a person does: what runs this test may itself be a target's."""
    variables = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        [shutil.which("make") or "make", target],
        cwd=clone,
        env=variables | environment,
        check=False,
        capture_output=True,
        text=True,
    )
