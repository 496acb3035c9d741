"""The tools read settings.env as Compose does: another value than Compose's would be judged, and not used."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.production.stack import Production, read_values

# tests/container/production/test_settings.py holds the same lines to Compose itself.
LINES = [
    ("NAME=1", "1"),
    ("  NAME=1  ", "1"),
    ("NAME = 1", "1"),
    ("NAME: 1", "1"),
    ("export NAME=1", "1"),
    ("NAME=1\r", "1"),
    ("NAME=", ""),
    ("NAME=1 # comment", "1"),
    ("NAME=1 2 # 3 # 4", "1 2"),
    ("NAME=1# none", "1# none"),
    ("NAME=/srv/#data", "/srv/#data"),
    ("NAME= # none", "# none"),
    ("NAME=1\t# none", "1\t# none"),
    ('NAME="1" # comment', "1"),
    ("NAME='1 # in' # comment", "1 # in"),
    ('NAME="1"#comment', "1"),
    ("NAME=''", ""),
    (r'NAME="a\"b"', 'a"b'),
    (r"NAME='a\'b'", "a'b"),
    (r'NAME="a\\b"', r"a\b"),
    (r"NAME='a\\b'", r"a\\b"),
    (r"NAME=a\\b", r"a\\b"),
    ("NAME='a\"b'", 'a"b'),
    ('NAME=a"b"', 'a"b"'),
    ("NAME=a=b", "a=b"),
]


@pytest.mark.parametrize(("line", "value"), LINES)
def test_value_is_read_as_compose_reads_it(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / "settings.env"
    file.write_bytes(f"BEFORE=1\n{line}\nAFTER=2\n".encode())
    assert read_values(file) == {"BEFORE": "1", "NAME": value, "AFTER": "2"}


def test_line_within_quotes_is_no_setting(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text('# NAME=0\nNAME="a\nOTHER=1\nb"\nAFTER=2\n')
    assert read_values(file) == {"NAME": "a\nOTHER=1\nb", "AFTER": "2"}


def test_empty_variable_of_the_shell_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To Compose it does: a DATA_MOUNT that the tools took from the file would be judged, and none be used."""
    (tmp_path / "settings.env").write_text("DATA_MOUNT=/srv/data\n")
    assert Production(tmp_path).setting("DATA_MOUNT") == "/srv/data"
    monkeypatch.setenv("DATA_MOUNT", "")
    assert Production(tmp_path).setting("DATA_MOUNT", "default") == "default"
