"""The list of initiatives under load: the service beside a bare WSGI application and beside plain DRF.

All three are served by gunicorn with the same workers and threads, on the same tables, and measured in turn by wrk, so
that a drift of the machine meets all of them. The service must reach 0.45 of the bare application and 4 times the plain
way, and its last page must be as fast as its first within 20 %.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg2
from tests.unit.postgres import server_version, start_server

INITIATIVES, PEOPLE = 20_000, 2_000
WORKERS, THREADS = 2, 4
CONNECTIONS, SECONDS, ROUNDS = 4, 5, 5
LIST = "/api/v1/initiatives/"
LEAST_OF_BARE, LEAST_OF_PLAIN, PAGE_TOLERANCE = 0.45, 4.0, 0.20
# Neither a superuser, who is asked for no permission, nor somebody with a permission of their own: the usual client.
CREATE_VIEWER = """
import os
from django.contrib.auth.models import Group
from onestep.accounts.models import User
user = User.objects.create_user("bench", password=os.environ["BENCH_PASSWORD"])
user.groups.add(Group.objects.get(name="Viewer"))
"""
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Target:
    """Something that is measured: its name, its address, and the requests per second of each round."""

    name: str
    url: str
    rates: list[float]

    @property
    def median(self) -> float:
        """The median of the rounds, in requests per second."""
        return statistics.median(self.rates)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_database(server: str) -> str:
    """Create an empty database on the server; return its URL."""
    name = f"bench_{secrets.token_hex(4)}"
    connection = psycopg2.connect(server)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{name}"))


@contextmanager
def serve(command: list[str], port: int, environment: dict[str, str]) -> Iterator[str]:
    """Run a server until it answers and until the caller is done; its output goes to a file that a failure prints."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.ConnectError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise SystemExit(f"{' '.join(command)} did not start:\n{log.read()}") from None
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def gunicorn(application: str, port: int) -> list[str]:
    """Return the command that serves a WSGI application as `onestep serve` serves the service."""
    options = (
        f"--bind 127.0.0.1:{port} --workers {WORKERS} --threads {THREADS} --worker-class gthread --log-level warning"
    )
    return [sys.executable, "-m", "gunicorn", *options.split(), application]


def run_wrk(url: str, token: str, seconds: int) -> float:
    """Return the requests per second that wrk reaches; stop at the first answer that is not 200."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}", url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(f"{url} did not answer 200 each time:\n{printed}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    assert found, printed
    return float(found[1])


def last_page(client: httpx.Client, url: str) -> str:
    """Follow `next` to the end; return the address of the last page."""
    while True:
        following = client.get(url).raise_for_status().json()["next"]
        if following is None:
            return url
        url = str(following)


def row(name: str, values: list[str]) -> str:
    """Return a line of the table."""
    return f"{name:<44}" + "".join(f"{value:>12}" for value in values)


def report(targets: dict[str, Target]) -> list[str]:
    """Print the table; return what missed its bound."""
    service = targets["service"].median
    print(row("GET list of 20, requests per second", ["median", "least", "most", "service is"]))
    for target in targets.values():
        ratio = f"{service / target.median:.2f} x"
        print(row(target.name, [f"{target.median:.0f}", f"{min(target.rates):.0f}", f"{max(target.rates):.0f}", ratio]))
    missed = []
    if service < LEAST_OF_BARE * targets["bare"].median:
        missed.append(f"the service reaches less than {LEAST_OF_BARE} of the bare application")
    if service < LEAST_OF_PLAIN * targets["plain"].median:
        missed.append(f"the service is less than {LEAST_OF_PLAIN:.0f} times as fast as the plain way")
    if abs(1 - targets["last"].median / service) > PAGE_TOLERANCE:
        missed.append(f"the last page differs from the first by more than {PAGE_TOLERANCE:.0%}")
    return missed


def main() -> None:
    """Measure and print; exit with 1 where a bound is missed."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not on PATH. Install it: `apt-get install wrk`, `brew install wrk`.")
    server, origin = start_server()
    url = make_database(server)
    folder = Path(tempfile.mkdtemp(prefix="onestep-bench-"))
    environment = os.environ | {
        "DEBUG": "0",
        "HTTPS": "0",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "DATABASE_URL": url,
        "ALLOWED_HOSTS": "127.0.0.1",
        "STATIC_ROOT": str(folder / "static"),
        "MEDIA_ROOT": str(folder / "media"),
        "WEB_WORKERS": str(WORKERS),
        "WEB_THREADS": str(THREADS),
        "DRAIN_SECONDS": "0",
    }
    (folder / "media").mkdir()

    def onestep(*arguments: str, **more: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "onestep", *arguments],
            check=True,
            cwd=ROOT,
            env=environment | more,
            stdout=subprocess.DEVNULL,
        )

    onestep("collectstatic", "--noinput")
    onestep("migrate")
    onestep("load_sample_data", f"--initiatives={INITIATIVES}", f"--people={PEOPLE}", "--force")
    password = secrets.token_urlsafe(16)
    onestep("shell", "-c", CREATE_VIEWER, BENCH_PASSWORD=password)

    with ExitStack() as stack:
        ports = [free_port() for _ in range(3)]
        started = [sys.executable, "-m", "onestep", "serve"]
        service = stack.enter_context(serve(started, ports[0], environment | {"BIND": f"127.0.0.1:{ports[0]}"}))
        bare = stack.enter_context(serve(gunicorn("bench.bare:application", ports[1]), ports[1], environment))
        plain = stack.enter_context(serve(gunicorn("bench.plain_wsgi:application", ports[2]), ports[2], environment))
        with httpx.Client(timeout=30) as client:
            answer = client.post(f"{service}/api/v1/auth/token/", json={"username": "bench", "password": password})
            token = answer.raise_for_status().json()["access"]
            client.headers["Authorization"] = f"Bearer {token}"
            results = [client.get(base + LIST).raise_for_status().json()["results"] for base in (service, bare)]
            if results[0] != results[1]:
                raise SystemExit("The bare application does not answer what the service answers.")
            last = last_page(client, f"{service}{LIST}?page_size=20")
        targets = {
            "service": Target("onestep (tokens, permissions, keyset page)", service + LIST, []),
            "last": Target("onestep, last page", last, []),
            "bare": Target("(a) bare WSGI, one SQL query", bare + LIST, []),
            "plain": Target("(b) plain DRF, ModelSerializer and prefetch", plain + LIST, []),
        }
        for target in targets.values():
            run_wrk(target.url, token, 2)
        for _ in range(ROUNDS):
            for target in targets.values():
                target.rates.append(run_wrk(target.url, token, SECONDS))
    print(f"PostgreSQL {server_version(server)} ({origin}), {INITIATIVES:,} initiatives, {os.cpu_count()} processors,")
    print(
        f"gunicorn with {WORKERS} x {THREADS} threads, wrk with {CONNECTIONS} connections, "
        f"{ROUNDS} rounds of {SECONDS} s in turn\n"
    )
    missed = report(targets)
    shutil.rmtree(folder)
    if missed:
        raise SystemExit("\n".join(["", *missed]))


if __name__ == "__main__":
    main()
