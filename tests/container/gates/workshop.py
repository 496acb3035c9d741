"""Copies of the checkout in which faults are seeded, and the sessions of nox that are run in them, as they are.

A session in a copy finds the environment of `nox -s gates` in the place of its own, so that nothing is installed twice;
what it does after that, and with which arguments, is the copy's own noxfile.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.models.containers import Container

from tests.container.service import IMAGES, LABEL, POSTGRES_IMAGE, image_id
from tests.container.stack import CHECKOUT, copy_checkout, wait_until

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
POSTGRES = "15"
SESSIONS = ["audit", "image_lint", "image_scan", "lint", "security", f"tests-{PYTHON}-postgres-{POSTGRES}"]
VERSIONS = {"ONESTEP_PYTHONS": PYTHON, "ONESTEP_POSTGRES_VERSIONS": POSTGRES}
NOX = [os.environ.get("NOX_PYTHON", str(CHECKOUT / ".venv-tools/bin/python")), "-m", "nox"]
PROGRAMS = ["deptry", "hadolint", "lint-imports", "pytest", "ruff", "zizmor"]


@dataclass
class Copy:
    """A copy of what git knows of the checkout, in a repository of its own, with the reports of a built image."""

    folder: Path
    workshop: Workshop
    arguments: list[str] = field(default_factory=list)  # that the session gets beside the gate's
    environment: dict[str, str] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)  # of a Dockerfile, on top of the image that was built
    context: dict[str, str] = field(default_factory=dict)  # what those steps may copy

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def change(self, name: str, pattern: str, new: str) -> None:
        """Replace what a pattern finds first in a file. Raises AssertionError where it finds nothing."""
        text, found = re.subn(pattern, new, (self.folder / name).read_text(), count=1)
        assert found, f"{name} has nothing like {pattern}: seed this fault in another way"
        self.write(name, text)

    def change_yaml(self, name: str, change: Callable[[Any], Any]) -> None:
        """Change what a YAML file says."""
        content = yaml.safe_load((self.folder / name).read_text())
        change(content)
        self.write(name, yaml.safe_dump(content, sort_keys=False))

    def git(self, *arguments: str) -> None:
        """Run git in the copy, with no setting of the person who runs the tests."""
        own = ["user.name=gates", "user.email=gates@example.org", "commit.gpgSign=false", "core.hooksPath=/dev/null"]
        options = [option for setting in own for option in ("-c", setting)]
        subprocess.run(["git", *options, *arguments], cwd=self.folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Gate:
    """A session as it is run in a copy: its arguments, and what the copy needs for it.

    A session that `reports_all` names each fault that there is, so its faults are seeded in one copy; others stop at
    the first.
    """

    session: str
    arguments: tuple[str, ...] = ()
    reports_all: bool = False
    prepare: Callable[[Copy], None] = lambda copy: None
    lets_through: str = "was successful"  # what it says of a copy without a fault


@dataclass(frozen=True)
class Fault:
    """A fault: the gate that is there for it, how it is seeded, and the words of the session that name it."""

    name: str
    gate: Gate
    seed: Callable[[Copy], None]
    words: str


@dataclass(frozen=True)
class Finished:
    """What a session left: its exit status, and everything that was printed."""

    status: int
    output: str


class Workshop:
    """Where copies are made and sessions run. Each run is made once, and its outcome kept. `workshop()` makes one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"onestep-gates-{secrets.token_hex(4)}"
        self.engine = docker.from_env()
        self.finished: dict[tuple[str, ...], Finished] = {}
        self.database: Container | None = None
        programs = Path(sys.prefix) / "bin"
        assert all((programs / program).exists() for program in PROGRAMS), "Run this by `nox -s gates`."
        (folder / "environments").mkdir()
        for session in SESSIONS:  # by the folders' names that nox gives them
            (folder / "environments" / session.replace(".", "-")).symlink_to(sys.prefix)

    def run(self, gate: Gate, *faults: Fault) -> Finished:
        """Return what comes of a gate's session in a copy with these faults."""
        key = (gate.session, *gate.arguments, *(fault.name for fault in faults))
        if key not in self.finished:
            copy = self.copy()
            gate.prepare(copy)
            for fault in faults:
                fault.seed(copy)
            if copy.steps:
                copy.arguments.append(f"--image={self.build(copy)}")
            self.finished[key] = self.nox(copy, gate.session, *gate.arguments, *copy.arguments)
        return self.finished[key]

    def copy(self) -> Copy:
        """Make a copy."""
        copy = Copy(self.folder / f"copy-{secrets.token_hex(4)}", self)
        copy_checkout(copy.folder)
        copy.git("init", "--quiet")
        copy.git("add", "--all")
        copy.git("commit", "--quiet", "--message=As it is")
        copy.write("reports/images.json", IMAGES.read_text())
        return copy

    def nox(self, copy: Copy, session: str, *arguments: str) -> Finished:
        """Run a session in a copy, by the nox that runs these tests; with this process it ends too."""
        # By a relative path: nox gives an environment with a long path another name.
        options = ["--no-install", "--envdir=../environments", f"--session={session}"]
        process = subprocess.Popen(
            [*NOX, *options, "--", *arguments],
            cwd=copy.folder,
            env={**os.environ, **VERSIONS, **copy.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        assert "Creating virtual environment" not in output, f"it does not use the one that is there:\n{output}"
        return Finished(process.returncode, re.sub(r"\x1b\[[0-9;]*m", "", output))  # without colours

    def tag(self, target: str) -> str:
        """Give an image that was built a name that a Dockerfile can start from, and return that."""
        name = f"{self.name}-built-{target}"
        self.engine.images.get(image_id(f"onestep-{target}")).tag(name)
        return name

    def build(self, copy: Copy) -> str:
        """Build an image of a copy's steps on top of the production image; return its id."""
        context = copy.folder.with_name(f"{copy.folder.name}-context")
        context.mkdir()
        (context / "Dockerfile").write_text("\n".join([f"FROM {self.tag('production')}", *copy.steps, ""]))
        for name, text in copy.context.items():
            (context / name).write_text(text)
        command = ["docker", "build", "--quiet", f"--label={LABEL}={self.name}", "."]
        finished = subprocess.run(command, cwd=context, check=False, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()

    def database_url(self) -> str:
        """Return the address of an empty PostgreSQL server, and start it where it is not there yet."""
        if self.database is None:
            login = dict.fromkeys(["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"], "onestep")
            self.database = self.engine.containers.create(
                POSTGRES_IMAGE,
                ["postgres", "-c", "fsync=off"],
                name=f"{self.name}-db",
                labels={LABEL: self.name},
                environment=login,
                ports={"5432/tcp": ("127.0.0.1", None)},
            )
            self.database.start()
            ask = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=onestep"]
            wait_until(lambda: bool(self.database and self.database.exec_run(ask).exit_code == 0), at_most=30)
            self.database.reload()
        port = self.database.ports["5432/tcp"][0]["HostPort"]
        return f"postgresql://onestep:onestep@127.0.0.1:{port}/onestep"

    def remove(self) -> None:
        """Remove container and images; what cannot be removed keeps nothing else.

        Of images that were built before only the names go: others run them.
        """
        mine = {"label": f"{LABEL}={self.name}"}
        with ExitStack() as last_first:
            last_first.callback(self.engine.close)
            for image in self.engine.images.list():
                for name in image.tags:
                    if self.name in name:
                        last_first.callback(self.engine.images.remove, name)
            for image in self.engine.images.list(filters=mine):
                last_first.callback(self.engine.images.remove, image.id, force=True)
            for container in self.engine.containers.list(all=True, filters=mine):
                last_first.callback(container.remove, force=True, v=True)


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    """A workshop in a folder; what it made of the engine's is removed whatever happens."""
    made = Workshop(folder)
    try:
        yield made
    finally:
        made.remove()
