"""What `onestep runserver` takes for a change of a file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onestep.operations.management.commands import runserver


class Watch:
    """A reloader that watches one file, and the changes it has told of."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = file
        self.told: list[Path] = []
        reloader = runserver.Reloader()
        monkeypatch.setattr(reloader, "SLEEP_TIME", 0)
        monkeypatch.setattr(reloader, "watched_files", lambda: iter([file]))
        monkeypatch.setattr(reloader, "notify_file_changed", self.told.append)
        self._ticks: Iterator[None] = reloader.tick()

    def saved(self, seconds: float) -> None:
        """Have the file changed so long after the process started."""
        os.utime(self.file, (runserver.STARTED + seconds,) * 2)

    def look(self) -> list[Path]:
        """Return what is told of by one more look."""
        self.told.clear()
        next(self._ticks)
        return self.told.copy()


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    file = tmp_path / "urls.py"
    file.touch()
    monkeypatch.setattr(runserver, "STARTED", time.time() - 60)
    return Watch(file, monkeypatch)


def test_reload_after_a_change(watch: Watch) -> None:
    watch.saved(-5)
    assert watch.look() == []
    watch.saved(5)
    assert watch.look() == [watch.file]
    assert watch.look() == []


def test_reload_after_a_change_before_the_first_look(watch: Watch) -> None:
    """The process may have loaded the file's former content."""
    watch.saved(5)
    assert watch.look() == [watch.file]


def test_reload_with_a_clock_that_is_ahead(watch: Watch) -> None:
    """A file from the future is no change, or the server would start again for ever; a later change of it is one."""
    watch.saved(3600)
    assert watch.look() == []
    watch.saved(3605)
    assert watch.look() == [watch.file]
