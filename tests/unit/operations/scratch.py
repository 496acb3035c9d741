"""Databases of a test's own on the tests' server, and migrations made for one case."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.core.management import call_command
from django.db import connections

ALIAS = "scratch"
LADDER = "tests.unit.operations.ladder"
_numbers = itertools.count(1)


def url_of(database: str) -> str:
    """Return the URL of a database on the tests' server."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()


class Scratch:
    """A database that Django knows as `scratch` and that the test looks into with a connection of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.url = url_of(name)
        self.package = f"{name}_migrations"
        self._folder = folder / self.package
        self._processes: list[Popen[str]] = []
        self._onlooker = psycopg2.connect(self.url)
        self._onlooker.autocommit = True

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        """Execute a statement outside Django; return its rows, one column ones as values."""
        with self._onlooker.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            rows = cursor.fetchall() if cursor.description else []
        return [row[0] if len(row) == 1 else row for row in rows]

    def tables(self) -> set[str]:
        return set(self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))

    def applied(self) -> list[str]:
        """Return the recorded migrations of the ladder, in order."""
        if "django_migrations" not in self.tables():
            return []
        return self.rows("SELECT name FROM django_migrations WHERE app = 'ladder' ORDER BY id")

    def write_migrations(self, **bodies: str) -> None:
        """Write the ladder's migrations, each with the one before as its dependency."""
        self._folder.mkdir(exist_ok=True)
        (self._folder / "__init__.py").touch()
        previous = None
        for name, body in bodies.items():
            (self._folder / f"{name}.py").write_text(
                "from django.db import migrations\n\n\n"
                "class Migration(migrations.Migration):\n"
                f"    dependencies = {[('ladder', previous)] if previous else []}\n"
                + "".join(f"    {line}\n" for line in body.strip().splitlines())
            )
            previous = name

    def migrate(self, *arguments: str, stdout: StringIO | None = None, **options: Any) -> str:
        """Run `onestep migrate` in this process, on the ladder alone where nothing is named; return what it prints."""
        stdout = stdout or StringIO()
        call_command("migrate", *(arguments or ("ladder",)), database=ALIAS, stdout=stdout, **options)
        return stdout.getvalue()

    def migrate_whole_project(self) -> None:
        call_command("migrate", database=ALIAS, verbosity=0)

    def start(self, *arguments: str, **variables: str) -> Popen[str]:
        """Start `onestep` in a process of its own, on this database."""
        command = [sys.executable, "-c", "from onestep.cli import main; main()", *arguments]
        environment = os.environ | {"DATABASE_URL": self.url} | variables
        process = Popen(command, env=environment, stdout=PIPE, stderr=PIPE, text=True)
        self._processes.append(process)
        return process

    def close(self) -> None:
        self._onlooker.close()
        for process in self._processes:
            if process.returncode is None:  # the test has failed before its end
                process.kill()
                process.communicate()


class Reacting(StringIO):
    """An output that does something, once, when a text is written to it."""

    def __init__(self, text: str, action: Any) -> None:
        super().__init__()
        self._text = text
        self._action = action

    def write(self, text: str) -> int:
        if self._text in text and self._action:
            action, self._action = self._action, None
            action()
        return super().write(text)


def _on_server(statement: str) -> None:
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


def _scratch(
    folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, blocker: Any, template: str
) -> Iterator[Scratch]:
    name = f"scratch_{os.getpid()}_{next(_numbers)}"
    _on_server(f"CREATE DATABASE {name} TEMPLATE {template}")
    scratch = Scratch(name, folder)
    scratch.write_migrations()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr("onestep.operations.migrating.backoff", lambda attempt: 0.0)
    connections.settings[ALIAS] = {**connections.settings["default"], "NAME": name}
    try:
        with blocker.unblock():
            settings.MIGRATION_MODULES = {"ladder": scratch.package}
            settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, LADDER]
            yield scratch
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.settings[ALIAS]
        scratch.close()
        _on_server(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def scratch(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> Iterator[Scratch]:
    """An empty database."""
    yield from _scratch(tmp_path, settings, monkeypatch, django_db_blocker, "template0")


@pytest.fixture(scope="session")
def migrated_template(django_db_blocker: Any) -> Iterator[str]:
    """The name of a database with every migration of the project, to be copied."""
    name = f"scratch_{os.getpid()}_template"
    _on_server(f"CREATE DATABASE {name}")
    connections.settings[ALIAS] = {**connections.settings["default"], "NAME": name}
    try:
        with django_db_blocker.unblock():
            call_command("migrate", database=ALIAS, verbosity=0)
            connections[ALIAS].close()
            del connections[ALIAS]
        yield name
    finally:
        connections.settings.pop(ALIAS, None)
        _on_server(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def migrated(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any, migrated_template: str
) -> Iterator[Scratch]:
    """A database with every migration of the project."""
    yield from _scratch(tmp_path, settings, monkeypatch, django_db_blocker, migrated_template)
