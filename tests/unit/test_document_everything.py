"""The documentation names every error id and every variable, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for path in (ROOT / "src" / "onestep").rglob("*.py") if "migrations" not in path.parts]
# What runs beside the package in production: the containers' scripts, and the tools of who runs it.
BESIDE = [
    path
    for folder in ("docker", "tools/production")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]
COMPOSE = ROOT / "compose.prod.yml"


def in_files(pattern: str, *files: Path) -> set[str]:
    """Return what the pattern's group finds in files."""
    return {found for path in files for found in re.findall(pattern, path.read_text(encoding="utf-8"))}


def in_source(pattern: str) -> set[str]:
    """Return what the pattern's group finds in the code."""
    return in_files(pattern, *SOURCES)


def list_docs(name: str, pattern: str) -> list[str]:
    """Return what the pattern's group finds in a page of docs/, in order."""
    return re.findall(pattern, (ROOT / "docs" / name).read_text(encoding="utf-8"))


def in_docs(name: str, pattern: str) -> set[str]:
    """Return what the pattern's group finds in a page of docs/."""
    return set(list_docs(name, pattern))


def test_errors_of_start_up_and_commands_are_documented() -> None:
    assert in_files(r"\b(E\d{3})\b", *SOURCES, *BESIDE) - {"E402"} == in_docs("errors.md", r"\| `onestep\.(E\d{3})`")


def test_each_id_has_one_meaning() -> None:
    ids = list_docs("errors.md", r"(?m)^\| `onestep\.(E\d{3})`")
    assert [one for one in ids if ids.count(one) > 1] == []


def test_problems_are_documented() -> None:
    rows = in_docs("errors.md", r"(?m)^\| (`[a-z_`, ]+`) \|")
    documented = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    fields = {"invalid_choice", "error", "code"}  # codes of field errors, and of no error at all
    raised = in_source(r'\bcode(?:: str)? ?= ?"([a-z_]+)"') | in_source(r'\b\d{3}: "([a-z_]+)"')
    raised |= in_source(r'"((?:storage|[a-z_]+_in)_(?:read_only|full|use))"')
    balancer = in_files(r"urn:onestep:problem:([a-z_]+)", ROOT / "docker/balancer/haproxy.cfg")
    assert (raised | balancer) - fields - documented == set()
    assert {name for name in documented - balancer if not in_source(rf'"({name})"')} == set()


def test_variables_are_documented() -> None:
    read = in_source(r'\benv(?:ironment)?\.[a-z_]+\(\s*"([A-Z_]+)"') | in_source(r'"(?:NAME|USER|HOST)": "([A-Z_]+)"')
    read |= in_files(r"\$\{([A-Z_]+)", COMPOSE) - {"COMPOSE_PROJECT_NAME"}
    read |= in_files(r'\.setting\("([A-Z_]+)"', *BESIDE)
    documented = in_docs("operations.md", r"`([A-Z][A-Z_]+)`")
    assert read - documented == set()
    rows = in_docs("operations.md", r"(?m)^\| (`[A-Z_`, ]+`)(?: \(secret\))? \|")
    assert {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)} - read == set()


def test_production_takes_every_variable() -> None:
    """What the table of the image's environment has, compose.prod.yml sets, or takes from settings.env."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table = page.partition("## The environment")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`[A-Z_`, ]+`)(?: \(secret\))? \|", table)
    documented = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    # The image's own, and a second way to say the same.
    elsewhere = {"REVISION", "BIND", "MEDIA_ROOT", "STATIC_ROOT", "DATABASE_URL", "LOG_DIR"}
    taken = in_files(r"(?m)^ +([A-Z_]+?)(?:_FILE)?:", COMPOSE)
    assert documented - taken == elsewhere
