"""`make demo`: OneStep on this machine with Python alone. Everything it keeps is in `.demo/`.

This first half makes a virtual environment from poetry.lock and goes on there, as `demo_server.py`. It needs the
standard library, and Poetry on PATH to read the lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
DEMO = CHECKOUT / ".demo"
BIN = DEMO / "venv" / "bin"
HOST = "127.0.0.1"


class DemoError(Exception):
    """What stops the demo, in words for the person who started it."""


def main() -> int:
    """Install, then become the server; return an exit code where that did not come to pass."""
    try:
        port = read_port()
        DEMO.mkdir(exist_ok=True)
        with (DEMO / "lock").open("w") as lock:
            take(lock.fileno())
            refuse_taken(port)
            install()
            fcntl.fcntl(lock, fcntl.F_SETFD, 0)  # not closed by exec: held until the second half ends
            os.execv(BIN / "python", [BIN / "python", CHECKOUT / "tools" / "demo_server.py", str(port)])
    except KeyboardInterrupt:
        return 130
    except DemoError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1


def read_port() -> int:
    """Return DEMO_PORT, or 8000. Raises DemoError where it is not a port."""
    raw = os.environ.get("DEMO_PORT") or "8000"
    if not raw.isdecimal() or not 1 <= int(raw) <= 65535:
        raise DemoError(f"DEMO_PORT is {raw!r}. Give a port from 1 to 65535: make demo DEMO_PORT=8001")
    return int(raw)


def take(lock: int) -> None:
    """Hold the folder for this process. Raises DemoError where another one holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoError("a demo of this checkout is running already. Stop it with Ctrl-C where it runs.") from None


def refuse_taken(port: int) -> None:
    """Raise DemoError where something listens on the port: before anything is installed or started."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except PermissionError:
            raise DemoError(f"port {port} needs root. Choose another: make demo DEMO_PORT=8001") from None
        except OSError:
            raise DemoError(f"port {port} of {HOST} is taken. Choose another: make demo DEMO_PORT={port + 1}") from None


def install() -> None:
    """Make the virtual environment, where there is none of this poetry.lock and this Python.

    Raises DemoError where a step fails.
    """
    locked = (CHECKOUT / "poetry.lock").read_bytes() + (CHECKOUT / "pyproject.toml").read_bytes()
    wanted = f"{hashlib.sha256(locked).hexdigest()} {sys.version} {CHECKOUT}"
    done = DEMO / "venv" / "installed"
    if done.is_file() and done.read_text() == wanted:
        return
    poetry = shutil.which("poetry")
    if not poetry:
        raise DemoError("Poetry is not on PATH. Start the demo with `make demo`, which installs it into .venv-tools.")
    print("Installing OneStep and a PostgreSQL server into .demo (once) …", flush=True)
    venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(DEMO / "venv")
    requirements = DEMO / "requirements.txt"
    step("Poetry", [poetry, "export", "--only", "main,demo", "--output", str(requirements)])
    pip = [str(BIN / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    step("pip", [*pip, "--require-hashes", "--requirement", str(requirements)])
    step("pip", [*pip, "--editable", str(CHECKOUT)])
    done.write_text(wanted)


def step(name: str, command: list[str]) -> None:
    """Run a command. Raises DemoError where it fails: its own words are above."""
    if subprocess.run(command, cwd=CHECKOUT, check=False).returncode:
        raise DemoError(f"{name} failed, as it says above. Nothing runs; `make demo` tries again.")


if __name__ == "__main__":
    sys.exit(main())
