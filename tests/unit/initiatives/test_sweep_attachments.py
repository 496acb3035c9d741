"""`onestep sweep_attachments`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.factories import InitiativeFactory
from tests.unit.initiatives.attachment_files import attach, files_in

INCOMING = ".incoming/0123456789abcdef0123456789abcdef"
ROWLESS = "attachments/2024/03/0123456789abcdef0123456789abcdef"


def leave(media_root: Path, name: str, hours: float) -> None:
    """Put a file on the volume that was last written to so many hours ago."""
    path = media_root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - hours * 3600
    os.utime(path, (then, then))


def test_sweep_attachments(media_root: Path, db: None, capsys: pytest.CaptureFixture[str]) -> None:
    """What is young stays, what has a row stays, what is not ours stays."""
    attachment = attach(InitiativeFactory())
    leave(media_root, attachment.file.name, 1000)
    leave(media_root, INCOMING, 25)
    leave(media_root, ROWLESS, 25)
    leave(media_root, f"{INCOMING}.young", 23)
    leave(media_root, f"{ROWLESS}.young", 23)
    leave(media_root, "README.txt", 1000)
    call_command("sweep_attachments")
    assert files_in(media_root) == sorted([attachment.file.name, f"{INCOMING}.young", f"{ROWLESS}.young", "README.txt"])
    assert capsys.readouterr().out == f"{INCOMING}\n{ROWLESS}\n2 files removed.\n"


def test_sweep_attachments_older_than(media_root: Path, db: None, capsys: pytest.CaptureFixture[str]) -> None:
    leave(media_root, INCOMING, 3)
    call_command("sweep_attachments", "--older-than=4")
    assert files_in(media_root) == [INCOMING]
    call_command("sweep_attachments", "--older-than=2")
    assert files_in(media_root) == []
    assert capsys.readouterr().out == f"0 files removed.\n{INCOMING}\n1 file removed.\n"


def test_sweep_attachments_dry_run(media_root: Path, db: None, capsys: pytest.CaptureFixture[str]) -> None:
    leave(media_root, INCOMING, 25)
    call_command("sweep_attachments", "--dry-run")
    assert files_in(media_root) == [INCOMING]
    assert capsys.readouterr().out == f"{INCOMING}\n1 file would be removed.\n"


def test_sweep_attachments_never_what_may_be_under_way(media_root: Path, db: None) -> None:
    with pytest.raises(CommandError, match="invalid choice: 0"):
        call_command("sweep_attachments", "--older-than=0")


def test_sweep_attachments_volume_missing(
    settings: object, tmp_path: Path, db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.MEDIA_ROOT = tmp_path / "absent"  # type: ignore[attr-defined]
    call_command("sweep_attachments")
    assert capsys.readouterr().out == "0 files removed.\n"
