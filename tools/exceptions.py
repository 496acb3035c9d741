"""`.trivyignore.yaml`: what a scan may find for a while. Each entry says why and until when; past that date it fails.

It is trivy's own ignore file, with one section more: `updates` names Debian packages whose security update may wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

SECTIONS = ("vulnerabilities", "misconfigurations", "secrets", "updates")
KEYS = {"id", "paths", "purls", "statement", "expired_at"}


@dataclass(frozen=True)
class Exceptions:
    """What an ignore file says, and what is wrong with it."""

    updates: frozenset[str]
    count: int
    problems: tuple[str, ...]


def read(path: Path) -> Exceptions:
    """Read an ignore file; one that is not there has no entries."""
    try:
        content = yaml.safe_load(path.read_text()) if path.exists() else None
    except yaml.YAMLError as error:
        return Exceptions(frozenset(), 0, (f"{path.name} is not YAML: {error}",))
    if not isinstance(content or {}, dict):
        return Exceptions(frozenset(), 0, (f"{path.name} does not consist of sections: {', '.join(SECTIONS)}.",))
    content = content or {}
    unknown = [name for name in content if name not in SECTIONS]
    problems = [f"{path.name}: there is no section {name!r}, only {', '.join(SECTIONS)}." for name in unknown]
    entries = [(section, entry) for section in SECTIONS for entry in content.get(section) or []]
    for section, entry in entries:
        problems += [f"{path.name}, {section}: {problem}" for problem in problems_of(entry)]
    good = [(section, entry) for section, entry in entries if not problems_of(entry)]
    updates = frozenset(str(entry["id"]) for section, entry in good if section == "updates")
    return Exceptions(updates, len(entries), tuple(problems))


def problems_of(entry: Any) -> list[str]:
    """Return what is wrong with one entry."""
    if not isinstance(entry, dict) or not entry.get("id"):
        return [f"an entry without an id: {entry!r}"]
    name, problems = entry["id"], []
    if unknown := sorted(set(entry) - KEYS):
        problems.append(f"{name} has {', '.join(unknown)}, which trivy does not know.")
    if len(str(entry.get("statement") or "").split()) < 3:
        problems.append(f"{name} gives no reason: say in `statement` why this is no danger here.")
    expires = entry.get("expired_at")
    expires = expires.date() if isinstance(expires, datetime) else expires
    if not isinstance(expires, date):
        problems.append(f"{name} has no date: say in `expired_at` until when it holds (2026-12-31).")
    elif expires < datetime.now(UTC).date():
        problems.append(f"{name} expired on {expires}: mend what it excuses, or look again and give it a new date.")
    return problems
