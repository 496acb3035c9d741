"""The server: statements by psql, dumps and restores, databases that come and go. Always a direct connection."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from onestep_backup.problems import BackupError, disk_full, last_words
from onestep_backup.programs import Program, run, running

# Where nobody works: to make, rename and drop databases from. Every cluster has it, also one without `onestep`.
MAINTENANCE = "template1"
SESSION = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex"

# The rights of a new database: those that docker/db/10-roles.sh gives the first one. They are given before anything
# is in it, so that what comes gets its grants by default; a dump's own grants are left out.
RIGHTS = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO onestep;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO onestep;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO onestep;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO onestep;
"""


class Session:
    """A psql that stays open, for statements in one transaction. Each result is one JSON value on a line."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def value(self, query: str) -> Any:
        """Return the one JSON value of a query. Raises BackupError with PostgreSQL's words where it fails."""
        try:
            self._program.input.write(f"{query};\n".encode())
            self._program.input.flush()
        except BrokenPipeError:
            raise database_error(self._program.errors) from None
        line = self._program.output.readline()
        if not line:
            self._program.process.wait()
            raise database_error(self._program.errors)
        return json.loads(line)


class Server:
    """The PostgreSQL server, as the databases' owner sees it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "PGCONNECT_TIMEOUT": "10",
            "PGAPPNAME": "onestep backup",
            "PGOPTIONS": SESSION,
            **environment,
        }

    def execute(self, database: str, statements: str) -> str:
        """Run statements, each in a transaction of its own unless they say otherwise; return what psql prints."""
        status, output, errors = run([*_psql(database)], self._environment, statements)
        if status != 0:
            raise database_error(errors)
        return output.strip()

    def query(self, database: str, query: str) -> Any:
        """Return the one JSON value of a query."""
        return json.loads(self.execute(database, query + ";"))

    @contextmanager
    def session(self, database: str) -> Iterator[Session]:
        """Open a psql for several queries."""
        with running(_psql(database), self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
            yield Session(program)

    def databases(self) -> set[str]:
        """Return the names of all databases."""
        return set(self.query(MAINTENANCE, "SELECT json_agg(datname) FROM pg_database"))

    def create(self, database: str) -> None:
        """Make an empty database, with the rights of the first one."""
        self.execute(MAINTENANCE, f"CREATE DATABASE {database} TEMPLATE template0;")
        self.execute(database, RIGHTS.format(database=database))

    def drop(self, database: str) -> None:
        """Remove a database and end the sessions in it. One that is not there is no fault."""
        self.execute(MAINTENANCE, f"SET client_min_messages = error; DROP DATABASE IF EXISTS {database} WITH (FORCE);")

    def dump(self, database: str, snapshot: str, file: str) -> None:
        """Write a dump of what an exported snapshot sees.

        Custom format, since pg_restore can leave out owners and grants of it, and uncompressed: what did not change
        since the last dump is then the same bytes, which restic stores once. restic compresses what it stores.
        """
        command = ["pg_dump", f"--dbname={database}", "--format=custom", "--compress=0", f"--snapshot={snapshot}"]
        status, _, errors = run([*command, f"--file={file}"], self._environment)
        if status != 0:
            raise disk_full(errors) or database_error(errors)

    def restore(self, database: str, chunks: Iterable[bytes]) -> None:
        """Restore a dump, as it comes, into an empty database.

        What is written is lost with the machine anyway, so it need not be on disk at each commit.
        """
        command = ["pg_restore", f"--dbname={database}", "--exit-on-error", "--no-owner", "--no-privileges"]
        environment = {**self._environment, "PGOPTIONS": f"{SESSION} -c synchronous_commit=off"}
        with running(command, environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as program:
            try:
                for chunk in chunks:
                    program.input.write(chunk)
            except BrokenPipeError:
                pass  # it has ended, and says below why
            if program.finish() != 0:
                errors = program.errors
                raise disk_full(errors) or database_error(errors)


def _psql(database: str) -> list[str]:
    return ["psql", f"--dbname={database}", "--no-psqlrc", "--quiet", "-At", "--set=ON_ERROR_STOP=1"]


def database_error(words: str) -> BackupError:
    """Return the error for what psql, pg_dump or pg_restore printed."""
    return BackupError(
        "E068",
        f"The database failed: {last_words(words) or 'the connection ended.'}",
        "The live data is as it was. See make prod-status and the logs of db, then run it again.",
    )
