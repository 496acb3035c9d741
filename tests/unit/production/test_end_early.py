"""A run whose terminal or reader is gone, and one that is told to stop: it cleans up as after Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
# A command that the tools have not: it waits for a program, and cleans up by another, which waits and prints.
PROGRAM = """
import sys
from pathlib import Path
from tools.production import __main__ as tools
from tools.production.stack import run
from tools.production.steps import say

def work(production, folder):
    try:
        say("begun")
        run(["sh", "-c", "echo $$ >$0/working; exec sleep 600", folder])
    finally:
        if not (Path(folder) / "quietly").exists():
            say("Cleaning up")
        printed = run([sys.executable, folder + "/cleaning.py", folder])
        say("Cleaned up")
        (Path(folder) / "cleaned").write_text(str(printed.returncode))

tools.COMMANDS = {"work": work}
sys.exit(tools.main())
"""

CLEANING = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it listens to it, as `docker compose run` does
folder = sys.argv[1]
with open(folder + "/cleaning", "w") as file:
    file.write(f"{os.getpid()}\\n")
while not os.path.exists(folder + "/go"):
    time.sleep(0.02)
print("words", flush=True)
print("more", file=sys.stderr, flush=True)
"""


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """What a script runs in its background ignores Ctrl-C, and passes that on: these commands are run in front."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def running(arguments: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the checkout; it is killed where the block fails."""
    with subprocess.Popen(arguments, cwd=ROOT, text=True, **options) as run:
        try:
            yield run
        finally:
            run.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder where the command says how far it is; a file `go` lets its cleaning up go on."""
    (tmp_path / "cleaning.py").write_text(CLEANING)
    yield tmp_path
    for name in ("working", "cleaning"):
        if (tmp_path / name).exists():
            pid = int((tmp_path / name).read_text())
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)


def command(folder: Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, "work", str(folder)]


def is_there(file: Path) -> bool:
    return file.exists() and file.read_text().endswith("\n")


def let_go_on(folder: Path) -> None:
    wait_until(lambda: is_there(folder / "cleaning"))
    (folder / "go").touch()


def assert_cleaned_up(folder: Path) -> None:
    """Its programs were not ended, what they print included, and the one that was under way was."""
    assert (folder / "cleaned").read_text() == "0"
    assert not Path(f"/proc/{int((folder / 'working').read_text())}").exists()


def test_terminal_is_closed(folder: Path) -> None:
    """As by a connection that drops: the shell is told, and passes it on; the kernel tells the group again."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, command(folder))
    wait_until(lambda: is_there(folder / "working"))
    os.close(terminal)
    wait_until(lambda: is_there(folder / "cleaning"))
    os.killpg(pid, signal.SIGHUP)
    let_go_on(folder)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert_cleaned_up(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal(folder: Path, number: signal.Signals) -> None:
    """To the whole group, as by Ctrl-C: the programs that clean up are begun after it, and have a session each."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with running(command(folder), start_new_session=True, **pipes) as run:
        wait_until(lambda: is_there(folder / "working"))
        os.killpg(run.pid, number)
        wait_until(lambda: is_there(folder / "cleaning"))
        let_go_on(folder)
        output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert output.splitlines() == [
        *("begun", "Cleaning up", "words", "more", "Cleaned up"),
        "Interrupted. The same command again goes on from here.",
    ]
    assert_cleaned_up(folder)


@pytest.mark.parametrize("quietly", [False, True])
def test_reader_is_gone(folder: Path, *, quietly: bool) -> None:
    """Nobody reads the pipe any more, as where a connection without a terminal drops: the run goes on to its end."""
    if quietly:
        (folder / "quietly").touch()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(command(folder), start_new_session=True, **pipes) as run:
        assert run.stdout
        assert run.stderr
        wait_until(lambda: is_there(folder / "working"))
        run.stdout.close()
        run.stderr.close()
        os.kill(int((folder / "working").read_text()), signal.SIGKILL)
        let_go_on(folder)
        assert run.wait(timeout=60) == 0
    assert_cleaned_up(folder)


def test_nohup(folder: Path) -> None:
    with running(["nohup", *command(folder)], stdout=subprocess.DEVNULL) as run:
        wait_until(lambda: is_there(folder / "working"))
        run.send_signal(signal.SIGHUP)
        os.kill(int((folder / "working").read_text()), signal.SIGKILL)
        let_go_on(folder)
        assert run.wait(timeout=60) == 0
