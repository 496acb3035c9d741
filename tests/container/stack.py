"""A Compose stack of its own for a test: a copy of the checkout, a project name and a free port; removed in the end.

Nothing here knows Django or OneStep's modules: the stack is looked at over HTTP and by Docker's commands.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

CHECKOUT = Path(__file__).resolve().parents[2]
ADMIN, PASSWORD = "admin", "onestep-admin"


def copy_checkout(target: Path) -> None:
    """Copy what a clone would have: the files that git knows or would add, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        source, copy = CHECKOUT / name, target / name
        if source.is_file():  # one that was deleted is listed until that is committed
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, at_most: float) -> float:
    """Return how many seconds it took until the condition held. Raises AssertionError after `at_most` seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < at_most, f"not so within {at_most} seconds"
        time.sleep(0.05)
    return time.monotonic() - began


@dataclass(frozen=True)
class Stack:
    """A stack that is up: its folder, its Compose project and where it answers."""

    folder: Path
    project: str
    port: int

    @property
    def url(self) -> str:
        """The address of the web service on this machine."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """This shell's environment, with what tells Compose and make which stack is meant.

        What runs the tests may itself be a target of make, whose own variables are left out.
        """
        inherited = {name: os.environ[name] for name in os.environ.keys() - {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
        return {**inherited, "COMPOSE_PROJECT_NAME": self.project, "WEB_PORT": str(self.port)}

    def run(self, command: str, *, status: int = 0, **variables: str) -> str:
        """Run a command line as a person would in the stack's folder, with more variables; return all that it prints.

        Raises AssertionError where it ends with another status.
        """
        finished = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert finished.returncode == status, f"{command}: {finished.returncode}\n{finished.stdout}"
        return finished.stdout

    def compose(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run `docker compose` in the stack's folder; return what it prints. Raises AssertionError where it fails."""
        finished = subprocess.run(
            ["docker", "compose", "--ansi=never", *arguments],
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"docker compose {' '.join(arguments)}\n{finished.stdout}{finished.stderr}"
        return finished.stdout

    def print_logs(self) -> None:
        """Print the state and the last lines of each service."""
        for arguments in (["ps", "--all"], ["logs", "--tail=80"]):
            subprocess.run(["docker", "compose", "-p", self.project, *arguments], cwd=self.folder, check=False)

    def get(self, path: str, **options: object) -> httpx.Response:
        """Send a GET without a log-in."""
        return httpx.get(self.url + path, timeout=10, **options)  # type: ignore[arg-type]

    def client(self) -> httpx.Client:
        """Return a client of the API that has logged in by a token."""
        answer = httpx.post(
            f"{self.url}/api/v1/auth/token/", json={"username": ADMIN, "password": PASSWORD}, timeout=10
        )
        assert answer.status_code == 200, answer.text
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {answer.json()['access']}"}, timeout=10
        )


@contextmanager
def development_stack(folder: Path, *, owner: int) -> Iterator[Stack]:
    """Build the stack in a copy of the checkout that belongs to `owner`; remove everything afterwards.

    The logs are printed where it does not start.
    """
    copy_checkout(folder)
    if owner != os.getuid():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner, owner)
    stack = Stack(folder, f"onestep-test-{secrets.token_hex(4)}", free_port())
    try:
        stack.compose("build")
        yield stack
    except BaseException:
        stack.print_logs()
        raise
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--timeout=5")
        # By name: `down --rmi=all` would take the database's image too, which other projects of this machine use.
        subprocess.run(["docker", "image", "rm", "--force", f"{stack.project}-development"], check=False)
