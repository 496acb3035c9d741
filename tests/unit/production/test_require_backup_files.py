"""BACKUP_CREDENTIALS, BACKUP_SSH_KEY and BACKUP_SSH_KNOWN_HOSTS: what the backup container's user could not use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tools.production.backup_files import FILES, backup_file_problems
from tools.production.mounted_files import is_readable
from tools.production.stack import Production, ProductionError

UNREADABLE = "is not readable by the backup container's user, 10001."


def problems(folder: Path, **given: str) -> list[str]:
    """Return what is said of the files; each is a problem of the one id."""
    found = backup_file_problems(given.get, folder)
    assert {error_id for error_id, _, _ in found} <= {"E088"}
    return [what for _, what, _ in found]


def private(folder: Path, mode: int = 0o600) -> Path:
    """Return a file as ssh-keygen makes it, or with another mode."""
    file = folder / "key"
    file.write_text("key\n")
    file.chmod(mode)
    return file


def test_none_is_given(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


@pytest.mark.parametrize("name", FILES)
def test_file_of_mode_0600(tmp_path: Path, name: str) -> None:
    file = private(tmp_path)
    assert problems(tmp_path, **{name: str(file)}) == [f"{name}: {file} {UNREADABLE}"]
    file.chmod(0o444)
    assert problems(tmp_path, **{name: str(file)}) == []


def test_path_is_taken_from_the_checkout_or_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Compose does."""
    private(tmp_path, 0o444)
    assert problems(tmp_path, BACKUP_SSH_KEY="./key") == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert problems(Path("/nowhere"), BACKUP_SSH_KEY="~/key") == []


def test_what_is_no_file(tmp_path: Path) -> None:
    given = {"BACKUP_CREDENTIALS": f"{tmp_path}/nothing", "BACKUP_SSH_KEY": str(tmp_path)}
    assert problems(tmp_path, **given) == [
        f"BACKUP_CREDENTIALS: {tmp_path}/nothing cannot be read: No such file or directory.",
        f"BACKUP_SSH_KEY: {tmp_path} is a folder.",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_is_the_containers_user(tmp_path: Path) -> None:
    """ssh refuses a key of its own user that others can read, and that one alone."""
    file = private(tmp_path)
    os.chown(file, 10001, 10001)
    assert problems(tmp_path, BACKUP_SSH_KEY=str(file)) == []
    file.chmod(0o444)
    assert len(problems(tmp_path, BACKUP_SSH_KEY=str(file))) == 1
    assert problems(tmp_path, BACKUP_SSH_KNOWN_HOSTS=str(file)) == []


@pytest.mark.parametrize(
    ("mode", "as_owner", "as_group", "as_other"),
    [(0o400, True, False, False), (0o040, False, True, False), (0o004, False, False, True), (0o444, True, True, True)],
)
def test_first_of_owner_group_and_others_counts(
    tmp_path: Path, mode: int, *, as_owner: bool, as_group: bool, as_other: bool
) -> None:
    file = private(tmp_path, mode)
    user, group = file.stat().st_uid, file.stat().st_gid
    assert is_readable(file, user, group) is as_owner
    assert is_readable(file, user + 1, group) is as_group
    assert is_readable(file, user + 1, group + 1) is as_other


def test_all_are_said_with_what_else_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FILES:
        monkeypatch.setenv(name, f"{tmp_path}/{name}")
    with pytest.raises(ProductionError) as raised:
        Production(tmp_path).require()
    said = [line.split()[0] for line in str(raised.value).splitlines() if line.startswith("onestep.")]
    assert said.count("onestep.E088") == len(FILES)
    assert {"onestep.E091", "onestep.E092"} < set(said)
