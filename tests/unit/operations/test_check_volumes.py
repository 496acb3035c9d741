"""`onestep check_volumes`: which folders cannot be written to, why, and what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from onestep.operations.volumes import media_writable, volume_faults
from tests.unit.operations.commands import run_onestep

NOBODY = 65534


@pytest.fixture
def folders(tmp_path: Path, settings: Any) -> Path:
    """Folders of media and static files, as a new volume has them."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STATIC_ROOT = tmp_path / "static"
    settings.LOG_DIR = ""
    settings.DEBUG = True
    settings.MEDIA_ROOT.mkdir()
    settings.STATIC_ROOT.mkdir()
    return tmp_path


def variables(folder: Path) -> dict[str, str]:
    return {"DEBUG": "1", "MEDIA_ROOT": str(folder / "media"), "STATIC_ROOT": str(folder / "static")}


def test_check_volumes_in_order(folders: Path) -> None:
    result = run_onestep("check_volumes", variables=variables(folders))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "The folders of media, static files and logs are in order.\n"
    assert {path.name for path in folders.rglob("*")} == {"media", "static"}  # nothing is left behind
    assert media_writable()


def test_check_volumes_missing(folders: Path) -> None:
    path = folders / "media"
    path.rmdir()
    result = run_onestep("check_volumes", variables={**variables(folders), "LOG_DIR": str(folders / "logs")})
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    first, hint, second, _ = result.stderr.splitlines()
    assert first == f"CommandError: onestep.E040 MEDIA_ROOT: {path}: there is no such folder."
    uid, gid = os.geteuid(), os.getegid()
    assert hint.startswith(
        f"    Mount the volume there, or `mkdir -p {path}`, then `chown -R {uid}:{gid} {path}` as root."
    )
    assert second == f"onestep.E040 LOG_DIR: {folders / 'logs'}: there is no such folder."
    assert not media_writable()


def test_check_volumes_of_another_user() -> None:
    """A volume that belongs to root, and a process that runs as another user, as in a container."""
    script = (
        "import os, sys\n"
        "from django.conf import settings\n"
        "settings.configure(MEDIA_ROOT=sys.argv[1], STATIC_ROOT=sys.argv[2], LOG_DIR='', DEBUG=True)\n"
        "from onestep.operations.volumes import media_writable, volume_faults\n"
        f"if os.geteuid() == 0: os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "print(media_writable(), os.geteuid(), *volume_faults(), sep='\\n')\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "media").mkdir(mode=0o555)
        (folder / "static").mkdir()
        (folder / "static").chmod(0o777)
        result = subprocess.run(
            [sys.executable, "-c", script, str(folder / "media"), str(folder / "static")],
            capture_output=True,
            text=True,
            check=True,
        )
    writable, uid, first, hint = result.stdout.splitlines()
    assert writable == "False"
    assert first == (
        f"onestep.E041 MEDIA_ROOT: {folder / 'media'}: the folder is not writable by this process, "
        f"which runs as user id {uid}."
    )
    assert hint.startswith("    Give it the folder: `chown -R ")


@pytest.mark.parametrize(
    ("number", "error_id", "words"),
    [
        (errno.EROFS, "E042", "the folder is mounted read-only."),
        (errno.ENOSPC, "E043", "the disk or quota is full."),
        (errno.EIO, "E045", "no file can be made in the folder: Input/output error."),
    ],
)
def test_check_volumes_refused_by_system(
    folders: Path, monkeypatch: pytest.MonkeyPatch, number: int, error_id: str, words: str
) -> None:
    def refuse(**options: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("onestep.operations.volumes.tempfile.TemporaryFile", refuse)
    media, static = volume_faults()
    assert (media.id, media.variable, media.message) == (error_id, "MEDIA_ROOT", words)
    assert static.variable == "STATIC_ROOT"


def test_check_volumes_static_files_in_image(folders: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the static files are there already, as in the image, nothing is written to their folder any more."""
    settings.DEBUG = False
    [fault] = volume_faults()
    assert (fault.id, fault.variable) == ("E046", "STATIC_ROOT")
    (settings.STATIC_ROOT / "staticfiles.json").write_text("{}")
    (settings.STATIC_ROOT).chmod(0o555)
    assert volume_faults() == []
