"""Refuse migrations that a rollout does not survive, and those that stop the service while they run.

Run by `nox -s lint`. Django writes each migration of ours as SQL, as `sqlmigrate` does but without a database, and
squawk judges that: what breaks the release that is still serving (a column dropped, renamed or NOT NULL without a
default), and what keeps it waiting for a lock (an index that is not built concurrently). docs/development.md says what
to write instead; rules that are off, and migrations that are excused, stand in pyproject.toml with their reasons.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_VERSION = 15  # the oldest that is supported
ADVICE = "docs/development.md, “Migrations that a rollout survives”, says what to write instead"


class EmptyDatabase:
    """A cursor that finds nothing: what a migration asks of a database before it has written its SQL."""

    def __enter__(self) -> EmptyDatabase:
        """Open nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def __iter__(self) -> Iterator[Any]:
        """Return no rows."""
        return iter(())

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        """Ask nothing."""

    def fetchone(self) -> None:
        """Return no row."""

    def fetchall(self) -> list[Any]:
        """Return no rows."""
        return []

    def mogrify(self, sql: str, parameters: Sequence[Any] | None = None) -> bytes:
        """Return the statement with its parameters in it."""
        from psycopg2.extensions import adapt  # noqa: PLC0415

        values = tuple(adapt(value).getquoted().decode() for value in parameters or ())
        return (sql % values if values else sql).encode()


def statements() -> dict[str, str]:
    """Return the SQL of each migration of OneStep's own apps, by `app.name`, in the order in which they are applied."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "onestep.settings")
    import django  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415

    django.setup()
    connection.cursor = EmptyDatabase
    connection.__dict__["pg_version"] = POSTGRES_VERSION * 10_000
    loader = MigrationLoader(None)
    plan = [key for leaf in sorted(loader.graph.leaf_nodes()) for key in loader.graph.forwards_plan(leaf)]
    state = loader.project_state(())
    found = {}
    for key in dict.fromkeys(plan):
        migration = loader.graph.nodes[key]
        if not type(migration).__module__.startswith("onestep."):
            state = migration.mutate_state(state, preserve=False)
            continue
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        lines = ["BEGIN;", *editor.collected_sql, "COMMIT;"] if migration.atomic else editor.collected_sql
        found[".".join(key)] = "\n".join([*lines, ""])
    return found


def judge(sql: str, off: Sequence[str]) -> list[dict[str, Any]]:
    """Return what squawk finds in a migration's SQL. Raises RuntimeError where it cannot look."""
    command = ["squawk", f"--pg-version={POSTGRES_VERSION}", "--reporter=json", f"--exclude={','.join(off)}"]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1} or not done.stdout.strip():
        raise RuntimeError(f"squawk failed: {done.stderr or done.stdout}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def problems(rules: dict[str, Any], migrations: dict[str, str]) -> list[str]:
    """Return what is to be mended in migrations, given as SQL by name, and in the exceptions of `rules`."""
    found = []
    exceptions: dict[str, Any] = rules["exceptions"]
    unused = {(name, rule) for name, exception in exceptions.items() for rule in exception["rules"]}
    for name, sql in migrations.items():
        lines = sql.splitlines()
        for finding in judge(sql, list(rules["off"])):
            rule = finding["rule_name"]
            if rule in exceptions.get(name, {}).get("rules", []):
                unused.discard((name, rule))
                continue
            statement = " ".join(lines[finding["line"] : finding["line_end"] + 1])  # counted from 0
            found.append(f"{name}: {rule}: {finding['message']}\n    {statement}\n    {ADVICE}.")
    found += [f"{name}: the exception for {rule} is not needed (any more)." for name, rule in sorted(unused)]
    reasons = {**rules["off"], **{name: exception.get("reason", "") for name, exception in exceptions.items()}}
    found += [f"{name}: no reason is given." for name, reason in reasons.items() if len(str(reason).split()) < 3]
    return found


def main() -> int:
    """Judge all migrations, or print the SQL of one; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.migrations", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sql", metavar="APP.NAME", help="print the SQL of this migration instead")
    options = parser.parse_args()
    migrations = statements()
    if options.sql:
        if options.sql not in migrations:
            parser.error(f"there is no migration {options.sql}. One is named as in people.0001_initial.")
        print(migrations[options.sql])
        return 0
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["onestep"]["migrations"]
    found = problems(rules, migrations)
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(migrations)} migrations: {len(found) or 'no'} problem{'' if len(found) == 1 else 's'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
