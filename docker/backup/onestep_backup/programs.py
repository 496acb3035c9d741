"""Running other programs: what they print is read while they run, and none outlives who started it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

CHUNK = 1 << 20


class Program:
    """A program that runs, with its output as a stream; its stderr goes to a file, so that it never stands still."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self.process = process
        self._errors = errors

    @property
    def errors(self) -> str:
        """What it has printed to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    @property
    def output(self) -> IO[bytes]:
        """What it prints, as it comes."""
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def input(self) -> IO[bytes]:
        """What it reads."""
        assert self.process.stdin is not None
        return self.process.stdin

    def chunks(self) -> Iterator[bytes]:
        """Yield what it prints until it ends its output."""
        while chunk := self.output.read(CHUNK):
            yield chunk

    def finish(self) -> int:
        """Close its input, wait, and return its exit status."""
        if self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        return self.process.wait()


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], **pipes: Any) -> Iterator[Program]:
    """Start a program with exactly this environment; end it where the block ends and it has not."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, env=dict(environment), stderr=errors, **pipes) as process,
    ):
        try:
            yield Program(process, errors)
        finally:
            if process.poll() is None:
                process.kill()
            if process.stdin:
                with suppress(BrokenPipeError):
                    process.stdin.close()


def run(command: Sequence[str], environment: Mapping[str, str], given: str = "") -> tuple[int, str, str]:
    """Run a program to its end; return its exit status and what it printed to stdout and to stderr."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(command, environment, **pipes) as program:
        output, _ = program.process.communicate(given.encode())
        return program.process.returncode, output.decode("utf-8", "replace"), program.errors
