"""The production image, run as production runs it: PostgreSQL, one migration, any number of web containers.

    with service() as running:
        web = running.start_web()[0]
        web.wait_until_ready()

The database is on an internal network; the web containers are on it too, and on one of their own from which 127.0.0.1
reaches them by a free port. Everything has the label `org.onestep.test=<name of the run>`, and is removed in the end.
The image is the one that `nox -s image_build` wrote down, taken by its id: nothing here builds one.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import httpx
import requests
from docker.models.containers import Container
from docker.models.networks import Network

from tests.container.stack import CHECKOUT, wait_until

LABEL = "org.onestep.test"
POSTGRES_IMAGE = "postgres:15-alpine"
IMAGES = CHECKOUT / "reports/images.json"
USER_ID = 10001  # the image's own; any other works as well

# What a production host gives one web container, and what it takes from it.
HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "size=64m,mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "mem_limit": "512m",
    "memswap_limit": "512m",  # as much as the memory: no swap
    "nano_cpus": 1_000_000_000,
    "pids_limit": 256,
}


def image_id(name: str = "onestep-production") -> str:
    """Return the id of an image that `nox -s image_build` built or built on.

    Raises AssertionError where that has not been run.
    """
    assert IMAGES.exists(), "There is no reports/images.json: run `nox -s image_build` first."
    written = json.loads(IMAGES.read_text())
    return str(next(image["id"] for image in [*written["built"], written["base"]] if image["name"] == name))


def proxy_settings(*, https: bool) -> dict[str, str]:
    """Return what tells a web container whether a proxy stands before it, which ends TLS."""
    return {"HTTPS": str(int(https)), "NUM_PROXIES": str(int(https))}


@dataclass(frozen=True)
class Finished:
    """What a container of one command left: its exit status and everything it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class Web:
    """A running web container. With `https` its requests come as from a proxy that has ended TLS."""

    container: Container
    https: bool

    @property
    def url(self) -> str:
        """Its address on this machine, which another start of the container changes."""
        self.container.reload()
        return f"http://127.0.0.1:{self.container.ports['8000/tcp'][0]['HostPort']}"

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """Return a client of this container, with the access token where one is given."""
        headers = {"X-Forwarded-Proto": "https"} if self.https else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, headers=headers, **{"timeout": 10, **options})

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send one GET without a log-in."""
        with self.client() as client:
            return client.get(path, **options)

    def obtain_token(self, username: str, password: str) -> str:
        """Return an access token. Raises AssertionError where the log-in is refused."""
        with self.client() as client:
            answer = client.post("/api/v1/auth/token/", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access"])

    def is_ready(self) -> bool:
        """Return whether `/health/ready` answers 200."""
        try:
            return self.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def wait_until_ready(self, at_most: float = 30) -> float:
        """Return the seconds until it is ready. Raises AssertionError, with the log, where it is not in time."""
        began = time.monotonic()
        while True:
            self.container.reload()
            assert self.container.status == "running", f"it is {self.container.status}:\n{self.logs()}"
            if self.is_ready():
                return time.monotonic() - began
            assert time.monotonic() - began < at_most, f"not ready within {at_most} s:\n{self.logs()}"
            time.sleep(0.02)

    def logs(self) -> str:
        """Return everything that it printed."""
        return str(self.container.logs().decode())

    def events(self) -> list[dict[str, Any]]:
        """Return its log, which is one JSON object a line."""
        return [json.loads(line) for line in self.logs().splitlines()]


class Service:
    """One PostgreSQL server and what runs on it. See the top of this file; `service()` makes and removes one."""

    def __init__(self, *, https: bool = False, image: str | None = None) -> None:
        self.engine = docker.from_env()
        self.name = f"onestep-test-{secrets.token_hex(4)}"
        self.labels = {LABEL: self.name}
        self.media_volume = f"{self.name}-media"
        self.image = image or image_id()
        self.https = https
        self.password = secrets.token_urlsafe(24)  # the database's
        self.environment = {
            "DEBUG": "0",
            **proxy_settings(https=https),
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": "127.0.0.1",
            "DB_HOST": "db",
            "POSTGRES_DB": "onestep",
            "POSTGRES_USER": "onestep",
            "POSTGRES_PASSWORD": self.password,
        }
        self.webs: list[Web] = []
        self.database_network: Network
        self.web_network: Network
        self.database: Container

    def create_surroundings(self) -> None:
        """Create the internal network of the database, that of the web containers, and the volume of media files."""
        networks = self.engine.networks
        self.engine.volumes.create(self.media_volume, labels=self.labels)
        unreachable = {"com.docker.network.bridge.inhibit_ipv4": "true"}  # from this machine too
        self.database_network = networks.create(
            f"{self.name}-database", internal=True, options=unreachable, labels=self.labels
        )
        self.web_network = networks.create(f"{self.name}-web", labels=self.labels)

    def start_database(self, *options: str) -> None:
        """Start PostgreSQL with options such as `-c max_connections=50`, and wait until it accepts connections."""
        self.database = self.engine.containers.create(
            POSTGRES_IMAGE,
            ["postgres", *options],
            name=f"{self.name}-db",
            labels=self.labels,
            environment={name: value for name, value in self.environment.items() if name.startswith("POSTGRES_")},
            network=self.database_network.name,
            networking_config={self.database_network.name: self.engine.api.create_endpoint_config(aliases=["db"])},
            shm_size="128m",
        )
        self.database.start()
        self.wait_for_database()

    def wait_for_database(self, at_most: float = 30) -> float:
        """Return the seconds until the database accepts connections over TCP."""
        ask = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=onestep"]
        return wait_until(lambda: self.database.exec_run(ask).exit_code == 0, at_most=at_most)

    def sql(self, statement: str) -> str:
        """Run a statement as the database's superuser; return its rows, with | between columns."""
        command = ["psql", "--username=onestep", "--dbname=onestep", "--no-psqlrc", "-At", f"--command={statement}"]
        done = self.database.exec_run([*command, "--set=ON_ERROR_STOP=1"])
        assert done.exit_code == 0, done.output.decode()
        return str(done.output.decode().strip())

    def create(
        self, *command: str, environment: Mapping[str, str] | None = None, uid: int = USER_ID, **options: Any
    ) -> Container:
        """Create a container of the image on the database's network, hardened; further options are Docker's.

        `environment` is added to the service's own; a variable given as "" is as if it were not set.
        """
        settings = {
            **HARDENED,
            "user": f"{uid}:0",
            "volumes": {self.media_volume: {"bind": "/app/media", "mode": "rw"}},
            "network": self.database_network.name,
            **options,
        }
        return self.engine.containers.create(
            self.image,
            list(command) or None,
            name=f"{self.name}-{secrets.token_hex(3)}",
            labels=self.labels,
            environment={**self.environment, **(environment or {})},
            **settings,
        )

    def onestep(self, *command: str, at_most: float = 60, **options: Any) -> Finished:
        """Run `onestep …` in a container of its own, with the options of `create`, and return what came of it.

        Raises AssertionError where it takes more than `at_most` seconds.
        """
        container = self.create(*command, **options)
        try:
            container.start()
            try:
                status = container.wait(timeout=at_most)["StatusCode"]
            except requests.exceptions.ConnectionError:  # what a time-out of the engine's socket is
                raise AssertionError(f"{command} did not end in {at_most} s:\n{container.logs().decode()}") from None
            return Finished(status, container.logs().decode())
        finally:
            container.remove(force=True)

    def migrate(self) -> None:
        """Apply the migrations in a container of their own. Raises AssertionError where that fails."""
        done = self.onestep("migrate")
        assert done.status == 0, done.output

    def create_user(self, username: str, password: str, *, role: str | None = None) -> None:
        """Create a user with one of the roles (Viewer, Coordinator, Administrator), or a superuser without one."""
        login = {"DJANGO_SUPERUSER_USERNAME": username, "DJANGO_SUPERUSER_PASSWORD": password}
        done = self.onestep("createsuperuser", "--no-input", f"--email={username}@example.org", environment=login)
        assert done.status == 0, done.output
        if role:
            self.sql(
                f"UPDATE accounts_user SET is_superuser = false, is_staff = false WHERE username = '{username}';"
                "INSERT INTO accounts_user_groups (user_id, group_id) SELECT u.id, g.id "
                f"FROM accounts_user u, auth_group g WHERE u.username = '{username}' AND g.name = '{role}'"
            )

    def start_web(
        self,
        number: int = 1,
        *command: str,
        environment: Mapping[str, str] | None = None,
        https: bool | None = None,
        **options: Any,
    ) -> list[Web]:
        """Start web containers, with the options of `create`, and for `https` another choice than the service's.

        They are not waited for.
        """
        https = self.https if https is None else https
        started = []
        for _ in range(number):
            container = self.create(
                *command,
                environment={**proxy_settings(https=https), **(environment or {})},
                network=self.web_network.name,
                ports={"8000/tcp": ("127.0.0.1", None)},
                **options,
            )
            self.database_network.connect(container, aliases=["web"])
            started.append(Web(container, https))
        for web in started:
            web.container.start()
        self.webs += started
        return started

    def print_logs(self) -> None:
        """Print the state and the last lines of every container."""
        for container in self.engine.containers.list(all=True, filters={"label": f"{LABEL}={self.name}"}):
            print(f"--- {container.name}: {container.status}")  # noqa: T201
            print(container.logs(tail=80).decode())  # noqa: T201

    def remove(self) -> None:
        """Remove everything that has this run's label; what cannot be removed keeps nothing else."""
        mine = {"label": f"{LABEL}={self.name}"}
        with ExitStack() as last_first:
            last_first.callback(self.engine.close)
            for volume in self.engine.volumes.list(filters=mine):
                last_first.callback(volume.remove)
            for network in self.engine.networks.list(filters=mine):
                last_first.callback(network.remove)
            for container in self.engine.containers.list(all=True, filters=mine):
                last_first.callback(container.remove, force=True, v=True)


@contextmanager
def service(*, https: bool = False, image: str | None = None, migrate: bool = True) -> Iterator[Service]:
    """A database that is up and, unless told otherwise, migrated. The logs are printed where the block raises."""
    running = Service(https=https, image=image)
    try:
        running.create_surroundings()
        running.start_database()
        if migrate:
            running.migrate()
        yield running
    except BaseException:
        running.print_logs()
        raise
    finally:
        running.remove()
