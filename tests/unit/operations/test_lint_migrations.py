"""The linter of migrations: what a rollout does not survive is refused, and what it does is not.

The migrations below are added to a copy of the source, one after the other, and judged as `nox -s lint` does it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = """
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("groups", "0001_initial"), ("people", "{previous}")]
    operations = [{operations}]
"""
INDEX = "models.Index(fields=['email'], name='person_{}')"
CHECK = "models.CheckConstraint(condition=~models.Q(name='x'), name='person_{}')"
REFERENCE = "models.ForeignKey('groups.campus', models.SET_NULL, null=True, db_index=False, db_constraint=False)"
OF_DJANGO_ALONE = "migrations.AddField('person', '{}', models.IntegerField(default=0))"
OF_THE_DATABASE = "migrations.AddField('person', '{}', models.IntegerField(db_default=0))"

# What breaks the release that serves, or holds it up, and the rule that says so.
REFUSED = {
    "column_of_another_type": ("migrations.AlterField('person', 'phone', models.JSONField())", "changing-column-type"),
    "column_is_dropped": ("migrations.RemoveField('person', 'phone')", "ban-drop-column"),
    "column_is_renamed": ("migrations.RenameField('person', 'email', 'mail')", "renaming-column"),
    "column_is_dropped_by_sql": ("migrations.RunSQL('ALTER TABLE people_person DROP COLUMN mail')", "ban-drop-column"),
    "not_null_with_a_default_of_django_alone": (OF_DJANGO_ALONE.format("rank"), "ban-drop-default"),
    "not_null_beside_one_with_a_default_of_the_database": (
        f"{OF_DJANGO_ALONE.format('order')}, {OF_THE_DATABASE.format('level')}",
        "ban-drop-default",
    ),
    "column_becomes_not_null": (
        "migrations.AlterField('person', 'optional', models.IntegerField(db_default=0))",
        "adding-not-nullable-field",
    ),
    "column_may_be_null_from_now_on": (
        "migrations.AlterField('person', 'required', models.IntegerField(db_default=0, null=True))",
        "ban-drop-not-null",
    ),
    "index_of_a_table_in_use": (
        f"migrations.AddIndex('person', {INDEX.format('second').replace('email', 'name')})",
        "require-concurrent-index-creation",
    ),
    "constraint_that_reads_the_table": (
        f"migrations.AddConstraint('person', {CHECK.format('at_once')})",
        "constraint-missing-not-valid",
    ),
    "table_is_dropped": (
        "migrations.SeparateDatabaseAndState(database_operations=[migrations.DeleteModel('person')])",
        "ban-drop-table",
    ),
    "table_is_renamed": ("migrations.AlterModelTable('person', 'human')", "renaming-table"),
}
TAKEN = {
    "nullable_column": "migrations.AddField('person', 'optional', models.IntegerField(null=True))",
    "not_null_with_a_default_of_the_database": OF_THE_DATABASE.format("required"),
    "reference_without_a_constraint": f"migrations.AddField('person', 'campus', {REFERENCE})",
    "new_table": "migrations.CreateModel('Note', [('id', models.BigAutoField(primary_key=True)), "
    "('text', models.TextField()), ('person', models.ForeignKey('people.person', models.CASCADE))], "
    "options={'indexes': [models.Index(fields=['text'], name='note_text')]})",
    "column_that_only_the_code_forgets": (
        "migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField('person', 'required')])"
    ),
    "default_that_the_database_gets": (
        "migrations.AlterField('person', 'phone', models.CharField(max_length=40, db_default=''))"
    ),
    "data": "migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop)",
}
TAKEN_OUTSIDE_A_TRANSACTION = {
    "index_built_concurrently": f"AddIndexConcurrently('person', {INDEX.format('first')})",
    "constraint_added_and_then_validated": (
        f"AddConstraintNotValid('person', {CHECK.format('later')}), ValidateConstraint('person', 'person_later')"
    ),
}


def copy_source(folder: Path) -> Path:
    """Copy the source, the linter and its rules into a folder."""
    for name in ("src", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def add(folder: Path, name: str, operations: str, *, atomic: bool = True) -> None:
    """Add a migration of the app `people` to the copy, after all that are there."""
    migrations = folder / "src/onestep/people/migrations"
    previous = max(path.stem for path in migrations.glob("0*.py"))
    written = TEMPLATE.format(operations=operations, atomic=atomic, previous=previous)
    (migrations / f"{int(previous[:4]) + 1:04}_{name}.py").write_text(written)


def excuse(folder: Path, line: str) -> None:
    """Add an exception to the copy's rules."""
    with (folder / "pyproject.toml").open("a") as rules:
        rules.write(f"{line}\n")


def lint(folder: Path, *arguments: str) -> tuple[int, str]:
    """Judge all migrations of the copy, or do what is asked; return the exit status and what is printed."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
        "DEBUG": "1",
        "DATABASE_URL": "postgresql://onestep:onestep@127.0.0.1:1/onestep",  # nothing is there, and nothing is needed
    }
    command = [sys.executable, "-m", "tools.migrations", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr + done.stdout


def refused(output: str) -> dict[str, set[str]]:
    """Return the rules that migrations break, by the migrations' names without their numbers."""
    found: dict[str, set[str]] = {}
    for name, rule in re.findall(r"^\w+\.\d{4}_(\w+): ([a-z-]+): ", output, re.MULTILINE):
        found.setdefault(name, set()).add(rule)
    return found


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is printed of all the migrations above, those first that are taken."""
    folder = copy_source(tmp_path_factory.mktemp("source"))
    for name, operations in TAKEN.items():
        if name != "column_that_only_the_code_forgets":
            add(folder, name, operations)
    for name, operations in TAKEN_OUTSIDE_A_TRANSACTION.items():
        add(folder, name, operations, atomic=False)
    for name, (operations, _) in REFUSED.items():
        add(folder, name, operations)
    add(folder, "column_that_only_the_code_forgets", TAKEN["column_that_only_the_code_forgets"])
    status, printed = lint(folder)
    assert status == 1
    return printed


def test_migrations_of_the_project_are_taken(tmp_path: Path) -> None:
    status, printed = lint(copy_source(tmp_path))
    assert status == 0, printed
    assert re.fullmatch(r"\d+ migrations: no problems\n", printed)


def test_sql_of_a_migration_is_shown(tmp_path: Path) -> None:
    """Nothing else of it, and the name of none is refused in a line."""
    folder = copy_source(tmp_path)
    add(folder, "something", OF_THE_DATABASE.format("level"))
    status, printed = lint(folder, "--sql", "people.0002_something")
    assert status == 0, printed
    assert 'ALTER TABLE "people_person" ADD COLUMN "level" integer DEFAULT 0 NOT NULL;' in printed
    assert "CREATE TABLE" not in printed
    status, printed = lint(folder, "--sql", "people.0003_nothing")
    assert status == 2
    assert printed.splitlines()[-1].endswith(
        "error: there is no migration people.0003_nothing. One is named as in people.0001_initial."
    )


@pytest.mark.parametrize("name", REFUSED)
def test_migration_that_breaks_what_serves_is_refused(output: str, name: str) -> None:
    assert REFUSED[name][1] in refused(output)[name]


@pytest.mark.parametrize("name", [*TAKEN, *TAKEN_OUTSIDE_A_TRANSACTION])
def test_migration_that_is_survived_is_taken(output: str, name: str) -> None:
    assert name not in refused(output), output


def test_refusal_says_what_and_where(output: str) -> None:
    number = re.search(r"people\.(\d{4})_column_is_renamed", output)
    assert number
    assert (
        output.count(
            f"people.{number[1]}_column_is_renamed: renaming-column: Renaming a column may break existing clients.\n"
            '    ALTER TABLE "people_person" RENAME COLUMN "email" TO "mail";\n'
            "    docs/development.md, “Migrations that a rollout survives”, says what to write instead.\n"
        )
        == 1
    )


def test_exception_by_name_excuses_the_rules_that_it_names(tmp_path: Path) -> None:
    """The dropped column is excused; the renamed one in the same migration is not."""
    folder = copy_source(tmp_path)
    add(folder, "both", f"{REFUSED['column_is_dropped'][0]}, {REFUSED['column_is_renamed'][0]}")
    assert refused(lint(folder)[1]) == {"both": {"ban-drop-column", "renaming-column"}}
    excuse(folder, '"people.0002_both" = { rules = ["ban-drop-column"], reason = "No release in use names it." }')
    status, printed = lint(folder)
    assert status == 1
    assert refused(printed) == {"both": {"renaming-column"}}


def test_exception_that_is_not_needed_or_has_no_reason_is_refused(tmp_path: Path) -> None:
    folder = copy_source(tmp_path)
    excuse(folder, '"people.0001_initial" = { rules = ["ban-drop-column"], reason = "legacy" }')
    status, printed = lint(folder)
    assert status == 1
    assert "people.0001_initial: the exception for ban-drop-column is not needed (any more)." in printed
    assert "people.0001_initial: no reason is given." in printed
