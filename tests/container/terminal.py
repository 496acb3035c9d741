"""A command on a pseudo-terminal, and a person at it: they read, type lines and press keys.

with terminal(["make", "shell"], cwd=folder, environment=environment) as screen:
    screen.expect("$ ")
    screen.type("id -u")
    screen.press(CTRL_D)
    assert screen.wait() == 0
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CTRL_C, CTRL_D = "\x03", "\x04"
# Wide enough that no line is wrapped.
ROWS, COLUMNS = 50, 250
COLOURS_AND_MODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """See the top of this file; `terminal()` makes one."""

    def __init__(self, process: subprocess.Popen[bytes], device: int) -> None:
        self.process = process
        self._device = device
        self._written = b""
        self._read = 0  # characters of `said` that `expect` has gone past

    @property
    def said(self) -> str:
        """Everything that appeared so far, what was typed and echoed included; without colours and \\r."""
        return COLOURS_AND_MODES.sub("", self._written.decode(errors="replace")).replace("\r", "")

    def _receive(self, seconds: float) -> bool:
        """Take what appears, waiting for it at most so long; return whether more may come."""
        if not select.select([self._device], [], [], max(seconds, 0))[0]:
            return True
        try:
            received = os.read(self._device, 65536)
        except OSError:  # Linux's way to say that no process has the terminal any more
            return False
        self._written += received
        return bool(received)

    def expect(self, text: str, *, at_most: float = 30) -> str:
        """Wait for a text after the one expected before; return what appeared up to its end.

        Raises AssertionError where the command ends without it, and after `at_most` seconds.
        """
        until = time.monotonic() + at_most
        more = True
        while text not in self.said[self._read :]:
            assert more, f"it ended without {text!r}:\n{self.said}"
            assert time.monotonic() < until, f"no {text!r} within {at_most} s:\n{self.said}"
            more = self._receive(until - time.monotonic())
        end = self.said.index(text, self._read) + len(text)
        seen, self._read = self.said[self._read : end], end
        return seen

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        self.press(f"{line}\r")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._device, keys.encode())

    def wait(self, *, at_most: float = 30) -> int:
        """Read on until the command ends, and return its exit status, below zero where a signal ended it.

        Raises AssertionError after `at_most` seconds.
        """
        until = time.monotonic() + at_most
        while self._receive(until - time.monotonic()):
            assert time.monotonic() < until, f"it did not end within {at_most} s:\n{self.said}"
        return self.process.wait(timeout=max(until - time.monotonic(), 1))


@contextmanager
def terminal(command: list[str], *, cwd: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    """Run a command on a terminal of its own; what still runs when the block ends is killed."""
    device, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment | {"TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # Ctrl-C goes to the processes that have the terminal for their own.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  (no thread runs here)
        )
    except BaseException:
        os.close(device)
        raise
    finally:
        os.close(theirs)
    try:
        yield Terminal(process, device)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(device)
