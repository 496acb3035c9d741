"""A production stack of its own for a test: a folder, a Compose project, a free port; everything removed in the end.

It is driven as an operator drives it: by make, in this checkout, with PRODUCTION naming the folder. The image is the
one that `nox -s image_build` wrote down, taken by its id.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import httpx
from docker.models.containers import Container

from tests.container.service import image_id
from tests.container.stack import CHECKOUT, free_port

LOGIN = ("boss", "correct horse battery staple")


@dataclass
class ProductionStack:
    """A stack: its folder, its project, its port, and what an operator would have in the shell."""

    folder: Path
    project: str
    port: int
    shell: dict[str, str] = field(default_factory=dict)
    checkout: Path = CHECKOUT

    @property
    def url(self) -> str:
        """The balancer's address on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of an operator's shell."""
        return {
            **os.environ,
            "PRODUCTION": str(self.folder),
            "COMPOSE_PROJECT_NAME": self.project,
            "PORT": str(self.port),
            **self.shell,
            **(env or {}),
        }

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, at_most: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout, as the operator would; it may fail."""
        return subprocess.run(
            command,
            cwd=self.checkout,
            env=self.environment(env),
            capture_output=True,
            text=True,
            check=False,
            timeout=at_most,
        )

    def make(self, *arguments: str, env: Mapping[str, str] | None = None, at_most: float = 300) -> str:
        """Run a target of the Makefile; return what it prints. Raises AssertionError where it fails."""
        done = self.run("make", "--no-print-directory", *arguments, env=env, at_most=at_most)
        assert done.returncode == 0, f"make {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def compose(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run `docker compose` with the stack's files; return what it prints. Raises AssertionError where it fails."""
        files = [file for file in (self.folder / "settings.env", self.folder / "state.env") if file.exists()]
        done = self.run(
            "docker",
            "compose",
            "--ansi=never",
            "--file=compose.prod.yml",
            *(f"--env-file={file}" for file in files),
            *arguments,
            env=env,
        )
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def containers(self, service: str) -> list[Container]:
        """Return the service's containers, those that have ended included."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        return list(docker.from_env().containers.list(all=True, filters={"label": labels}))

    def secret(self, name: str) -> str:
        """Return a secret of this installation."""
        return (self.folder / "secrets" / name).read_text().strip()

    def sql(self, statement: str, *, user: str = "postgres", database: str = "onestep") -> str:
        """Run a statement in the database container; return its rows, with | between columns."""
        password = self.secret(
            {"postgres": "db_superuser_password", "onestep_owner": "db_owner_password"}.get(user, "db_password")
        )
        command = ["psql", "--host=127.0.0.1", f"--username={user}", f"--dbname={database}", "--no-psqlrc", "-At"]
        done = self.containers("db")[0].exec_run(
            [*command, "--set=ON_ERROR_STOP=1", f"--command={statement}"], environment={"PGPASSWORD": password}
        )
        assert done.exit_code == 0, done.output.decode()
        return str(done.output.decode().strip())

    def create_user(self, username: str, password: str) -> None:
        """Create a superuser of the service."""
        login = {"DJANGO_SUPERUSER_USERNAME": username, "DJANGO_SUPERUSER_PASSWORD": password}
        done = self.containers("web")[0].exec_run(
            ["onestep", "createsuperuser", "--no-input", f"--email={username}@example.org"], environment=login
        )
        assert done.exit_code == 0, done.output.decode()

    def client(self, username: str = LOGIN[0], password: str = LOGIN[1]) -> httpx.Client:
        """Return a client of the API that has logged in by a token."""
        answer = httpx.post(
            f"{self.url}/api/v1/auth/token/", json={"username": username, "password": password}, timeout=10
        )
        assert answer.status_code == 200, answer.text
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {answer.json()['access']}"}, timeout=10
        )

    def obtain_headers(self) -> dict[str, str]:
        """Return the headers of a request that may do everything, for what sends without a client."""
        with self.client() as client:
            return {"Authorization": client.headers["Authorization"]}

    def print_logs(self) -> None:
        """Print the state and the last lines of each service."""
        for arguments in (["ps", "--all"], ["logs", "--tail=60", "--no-color"]):
            done = self.run("docker", "compose", f"--project-name={self.project}", *arguments)
            print(done.stdout, done.stderr)  # noqa: T201

    def remove(self) -> None:
        """Remove containers, networks, volumes and the images that were made for this project."""
        self.run(
            "docker",
            "compose",
            f"--project-name={self.project}",
            "down",
            "--volumes",
            "--remove-orphans",
            "--timeout=5",
        )
        for service in ("web", "pgbouncer", "backup", "caddy"):
            self.run("docker", "image", "rm", "--force", f"{self.project}-{service}")
        for tag in ("running", "previous"):
            self.run("docker", "image", "rm", "--force", f"{self.project}-web:{tag}")


@contextmanager
def production_stack(
    folder: Path, *, up: bool = True, image: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[ProductionStack]:
    """A folder as `make prod-init` makes it, with `settings` added; with `up`, the stack as `make prod-up` starts it.

    The image is the tested one, or `image`. The logs are printed where the block raises; everything is removed.
    """
    stack = ProductionStack(folder / "production", f"onestep-test-{secrets.token_hex(4)}", free_port())
    try:
        stack.make("prod-init")
        with (stack.folder / "settings.env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in (settings or {}).items())
        (stack.folder / "state.env").write_text(f"ONESTEP_IMAGE={image or image_id()}\n")
        if up:
            stack.make("prod-up")
            assert {one.attrs["Image"] for one in stack.containers("web")} == {image or image_id()}
        yield stack
    except BaseException:
        stack.print_logs()
        raise
    finally:
        stack.remove()
