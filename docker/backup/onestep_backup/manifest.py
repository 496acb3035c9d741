"""What a database holds, in numbers: the rows of every table with a checksum, and its attachments.

Both sides are asked the same: the database in the transaction that is dumped, and the one that was restored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from onestep_backup.postgres import Session

ATTACHMENTS = "initiatives_attachment"
# The tables that migrations fill by themselves: rows in these alone are no data.
FILLED_BY_MIGRATIONS = {
    "public.django_migrations",
    "public.django_content_type",
    "public.auth_permission",
    "public.auth_group",
    "public.auth_group_permissions",
}

_TABLES = """
SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""
# The same whatever the order of the rows.
_ROWS = "SELECT json_build_array(count(*), coalesce(sum(hashtextextended(one_row::text, 0)::numeric), 0)::text) FROM {}"
# Sequences that columns take their values from, whose next value some row has already.
_BEHIND = """
SELECT coalesce(json_agg(json_build_array(s.oid::regclass::text, t.oid::regclass::text, quote_ident(a.attname))), '[]')
FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S'
"""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is in a database. `files` is by stored name: SHA-256 and size in bytes."""

    tables: dict[str, tuple[int, str]]
    files: dict[str, tuple[str, int]]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(count for count, _ in self.tables.values())

    @property
    def has_data(self) -> bool:
        """Whether there is anything that migrations did not make."""
        return any(count for table, (count, _) in self.tables.items() if table not in FILLED_BY_MIGRATIONS)

    def without_files(self, names: Iterable[str]) -> Manifest:
        """Return it with some files left out."""
        left_out = set(names)
        kept = {name: expected for name, expected in self.files.items() if name not in left_out}
        return Manifest(tables=self.tables, files=kept)

    def as_json(self) -> dict[str, Any]:
        """Return it as `parse` reads it."""
        return asdict(self)

    @classmethod
    def parse(cls, read: dict[str, Any]) -> Manifest:
        """Return what was written."""
        return cls(
            tables={name: (int(count), str(digest)) for name, (count, digest) in read["tables"].items()},
            files={name: (str(digest), int(size)) for name, (digest, size) in read["files"].items()},
        )

    def differences(self, other: Manifest) -> list[str]:
        """Return in words what `other` has otherwise."""
        found = []
        for name in sorted(self.tables.keys() | other.tables.keys()):
            ours, theirs = self.tables.get(name), other.tables.get(name)
            if ours is None or theirs is None:
                found.append(f"{name} is in one alone")
            elif ours[0] != theirs[0]:
                found.append(f"{name} has {theirs[0]} rows instead of {ours[0]}")
            elif ours != theirs:
                found.append(f"{name} has other content in its {ours[0]} rows")
        if self.files != other.files:
            found.append("the attachments' names, sizes or hashes differ")
        return found


def read_files(session: Session) -> dict[str, tuple[str, int]]:
    """Return the attachments that the database names, by stored name. One of an older schema may have none."""
    if session.value(f"SELECT to_json(to_regclass('public.{ATTACHMENTS}') IS NULL)"):
        return {}
    query = f"SELECT coalesce(json_object_agg(file, json_build_array(sha256, size)), '{{}}') FROM {ATTACHMENTS}"
    return {name: (digest, size) for name, (digest, size) in session.value(query).items()}


def read_manifest(session: Session) -> Manifest:
    """Count and sum up every table. Reads each row once."""
    tables = session.value(" ".join(_TABLES.split()))
    counted = {table: session.value(_ROWS.format(f"ONLY {table} AS one_row")) for table in tables}
    return Manifest(
        tables={table: (count, digest) for table, (count, digest) in counted.items()}, files=read_files(session)
    )


def has_data(session: Session) -> bool:
    """Return whether a database has anything that migrations did not make, without reading all of it."""
    tables = session.value(" ".join(_TABLES.split()))
    asked = (f"SELECT to_json(EXISTS (SELECT FROM {table}))" for table in tables if table not in FILLED_BY_MIGRATIONS)
    return any(session.value(query) for query in asked)


def sequences_behind(session: Session) -> list[str]:
    """Return the sequences that would give out a value that a row has already."""
    behind = []
    for sequence, table, column in session.value(" ".join(_BEHIND.split())):
        query = (
            f"SELECT to_json(coalesce((SELECT max({column}) FROM {table}), 0) "
            f"< (SELECT last_value + is_called::int FROM {sequence}))"
        )
        if not session.value(query):
            behind.append(sequence)
    return behind
