"""`onestep migrate` when a migration fails: tried again, or taken back."""

from __future__ import annotations

from io import StringIO
from typing import Any

import psycopg2
import pytest
from django.core.management.base import CommandError
from django.db import OperationalError, connections
from django.db.models.signals import post_migrate

from onestep.operations.migration_lock import MigrationLock
from tests.unit.operations.scratch import ALIAS, Reacting, Scratch

A = "operations = [migrations.RunSQL('CREATE TABLE a (id int)', 'DROP TABLE a')]"
B = "operations = [migrations.RunSQL('CREATE TABLE b (id int)', 'DROP TABLE b')]"
IRREVERSIBLE = "operations = [migrations.RunSQL('CREATE TABLE b (id int)')]"
FAILS = "operations = [migrations.RunSQL(\"SELECT nextval('tries'); SELECT 1 / 0\", '')]"
# The sequence is not taken back with the transaction: only the first try is ended.
KILLED_ONCE = """
operations = [
    migrations.RunSQL('CREATE TABLE b (id int)', 'DROP TABLE b'),
    migrations.RunSQL("SELECT pg_terminate_backend(pg_backend_pid()) WHERE nextval('tries') = 1", ''),
]
"""
DIVISION = "Migration ladder.{} failed: DataError: division by zero"


@pytest.fixture(autouse=True)
def tries(scratch: Scratch) -> None:
    scratch.rows("CREATE SEQUENCE tries")


def failure_of(scratch: Scratch, *arguments: str, **options: Any) -> str:
    with pytest.raises(CommandError) as raised:
        scratch.migrate(*arguments, **options)
    return str(raised.value)


def tries_made(scratch: Scratch) -> int:
    return scratch.rows("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tries")[0]


def test_migrate_waits_for_a_lock_on_a_table(scratch: Scratch, settings: Any) -> None:
    """The first attempt ends at lock_timeout; the holder lets go before the second."""
    settings.MIGRATE_LOCK_TIMEOUT = 0.1
    scratch.rows("CREATE TABLE held (id int)")
    scratch.write_migrations(
        m1="operations = [migrations.RunSQL('ALTER TABLE held ADD name text', 'ALTER TABLE held DROP name')]"
    )
    holder = psycopg2.connect(scratch.url)
    holder.cursor().execute("LOCK TABLE held")
    output = scratch.migrate(stdout=Reacting("Attempt 2", holder.close))
    assert (
        "  onestep.E031 Another session holds a lock that this action needs. "
        "(canceling statement due to lock timeout) Attempt 2 of 8 in 0.0 s.\n"
    ) in output
    assert output.count("Attempt") == 1
    assert scratch.applied() == ["m1"]


def test_migrate_gives_up_on_a_lock_after_its_attempts(scratch: Scratch, settings: Any) -> None:
    settings.MIGRATE_LOCK_TIMEOUT = 0.1
    settings.MIGRATE_ATTEMPTS = 3
    scratch.rows("CREATE TABLE held (id int)")
    scratch.write_migrations(m1=A, m2="operations = [migrations.RunSQL('ALTER TABLE held ADD name text', '')]")
    holder = psycopg2.connect(scratch.url)
    holder.cursor().execute("LOCK TABLE held")
    output = StringIO()
    message = failure_of(scratch, stdout=output)
    holder.close()
    assert output.getvalue().count("Attempt") == 2
    assert message == (
        "onestep.E112 Migration ladder.m2 failed: onestep.E031 Another session holds a lock that this action needs. "
        "(canceling statement due to lock timeout)\n"
        "    Unapplied again: ladder.m1.\n"
        "    The database is as it was before this run. Mend the cause and run `onestep migrate` again."
    )
    assert scratch.applied() == []


def test_migrate_goes_on_after_a_lost_connection(scratch: Scratch) -> None:
    scratch.write_migrations(m1=A, m2=KILLED_ONCE)
    output = scratch.migrate()
    assert output.count("Applying ladder.m1") == 1
    assert output.count("Applying ladder.m2") == 2
    assert "  onestep.E029 The connection to the database was lost. " in output
    assert tries_made(scratch) == 2
    assert scratch.applied() == ["m1", "m2"]


def test_migrate_goes_on_after_a_lost_lock(scratch: Scratch) -> None:
    """The next migration does not begin before the lock is taken anew."""
    kill = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND datname = current_database() AND nextval('tries') = 1"
    )
    scratch.write_migrations(m1=f'operations = [migrations.RunSQL("{kill}", "")]', m2=B)
    output = scratch.migrate()
    assert "(the session that held the migration lock was ended) Attempt 2 of 8" in output
    assert output.count("Applying ladder.m1") == 1
    assert output.count("Applying ladder.m2") == 1
    assert scratch.applied() == ["m1", "m2"]


def test_migrate_does_not_repeat_other_failures(scratch: Scratch) -> None:
    scratch.write_migrations(m1=FAILS)
    assert failure_of(scratch) == (
        f"onestep.E112 {DIVISION.format('m1')}\n"
        "    The database is as it was before this run. Mend the cause and run `onestep migrate` again."
    )
    assert tries_made(scratch) == 1


def test_migrate_third_fails(scratch: Scratch) -> None:
    """The two before it are taken back; what an earlier run applied stays."""
    scratch.write_migrations(
        m0="operations = [migrations.RunSQL('CREATE TABLE earlier (id int)', 'DROP TABLE earlier')]"
    )
    scratch.migrate()
    before = scratch.rows("SELECT id, app, name, applied FROM django_migrations")
    scratch.write_migrations(m0="operations = []", m1=A, m2=B, m3=FAILS)
    output = StringIO()
    assert failure_of(scratch, stdout=output) == (
        f"onestep.E112 {DIVISION.format('m3')}\n"
        "    Unapplied again: ladder.m2, ladder.m1.\n"
        "    The database is as it was before this run. Mend the cause and run `onestep migrate` again."
    )
    assert output.getvalue().splitlines()[-3].startswith("  Applying ladder.m3... failed (")
    assert scratch.tables() == {"django_migrations", "earlier"}
    assert scratch.rows("SELECT id, app, name, applied FROM django_migrations") == before


def test_migrate_python_error(scratch: Scratch) -> None:
    scratch.write_migrations(
        m1=A, m2="operations = [migrations.RunPython(lambda apps, editor: {}['colour'], lambda *_: None)]"
    )
    assert failure_of(scratch).startswith("onestep.E112 Migration ladder.m2 failed: KeyError: 'colour'\n")
    assert scratch.applied() == []


def test_migrate_irreversible_in_between(scratch: Scratch) -> None:
    """What stands above the irreversible one is taken back, and it and what it stands on are named."""
    scratch.write_migrations(
        m1=A,
        m2=IRREVERSIBLE,
        m3="operations = [migrations.RunSQL('CREATE TABLE c (id int)', 'DROP TABLE c')]",
        m4=FAILS,
    )
    assert failure_of(scratch) == (
        f"onestep.E113 {DIVISION.format('m4')}\n"
        "    Unapplied again: ladder.m3.\n"
        '    Still applied: ladder.m2 ("Raw SQL operation" cannot be reversed).\n'
        "    Still applied: ladder.m1 (ladder.m2 stands on it).\n"
        "    Restore the backup made before this run to have the database as it was; or mend the cause and run "
        "`onestep migrate` again, which goes on from here."
    )
    assert scratch.tables() == {"django_migrations", "a", "b"}
    assert scratch.applied() == ["m1", "m2"]


def test_migrate_reversal_fails(scratch: Scratch) -> None:
    scratch.write_migrations(m1=A, m2="operations = [migrations.RunSQL('', 'DROP TABLE nowhere')]", m3=B, m4=FAILS)
    assert failure_of(scratch) == (
        f"onestep.E113 {DIVISION.format('m4')}\n"
        '    Taking the run back failed. Migration ladder.m2: ProgrammingError: table "nowhere" does not exist\n'
        "    Unapplied again: ladder.m3.\n"
        "    Still applied: ladder.m2 (it could not be unapplied).\n"
        "    Still applied: ladder.m1 (it could not be unapplied).\n"
        "    Restore the backup made before this run to have the database as it was; or mend the cause and run "
        "`onestep migrate` again, which goes on from here."
    )
    assert scratch.applied() == ["m1", "m2"]


def test_migrate_database_gone_for_good(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known without it is said."""

    def refuse(*_: object) -> None:
        raise OperationalError("connection refused")

    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
    scratch.write_migrations(m1=A, m2=f"operations = [migrations.RunSQL('{kill}', '')]")
    output = Reacting("Applying ladder.m2", lambda: monkeypatch.setattr(MigrationLock, "acquire", refuse))
    refused = "onestep.E020 Nothing accepts connections at the database's address. (connection refused)"
    assert failure_of(scratch, stdout=output) == (
        f"onestep.E113 `onestep migrate` failed: {refused}\n"
        f"    Taking the run back failed. The database: {refused}\n"
        "    Still applied: ladder.m1 (it could not be unapplied).\n"
        "    Restore the backup made before this run to have the database as it was; or mend the cause and run "
        "`onestep migrate` again, which goes on from here."
    )
    assert output.getvalue().count("Attempt") == 14
    assert scratch.applied() == ["m1"]


def test_migrate_not_atomic_in_part(scratch: Scratch) -> None:
    """It is neither repeated nor taken back; what it did and may have done is named."""
    scratch.write_migrations(
        m1="operations = [migrations.RunSQL('CREATE TABLE a AS VALUES (1), (1)', 'DROP TABLE a')]",
        m2="""
atomic = False
operations = [
    migrations.RunSQL('CREATE TABLE b (id int)', 'DROP TABLE b'),
    migrations.RunSQL('CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (column1)', 'DROP INDEX a_id'),
    migrations.RunSQL('CREATE TABLE c (id int)', 'DROP TABLE c'),
]
""",
    )
    assert failure_of(scratch) == (
        'onestep.E113 Migration ladder.m2 failed: IntegrityError: could not create unique index "a_id" '
        "DETAIL: Key (column1)=(1) is duplicated.\n"
        "    ladder.m2 is not atomic, so it is not tried again and what it did stays.\n"
        "    Done: operation 1 of 3, Raw SQL operation.\n"
        "    Failed, perhaps with parts done: operation 2 of 3, Raw SQL operation.\n"
        "    Invalid index: a_id. Drop it: DROP INDEX CONCURRENTLY a_id;\n"
        "    Still applied: ladder.m1 (what ladder.m2 left behind may need it).\n"
        "    Restore the backup made before this run to have the database as it was; or mend the cause and run "
        "`onestep migrate` again, which goes on from here."
    )
    assert scratch.tables() == {"django_migrations", "a", "b"}
    assert scratch.applied() == ["m1"]


def test_migrate_not_atomic_is_not_repeated(scratch: Scratch) -> None:
    scratch.write_migrations(m1=f"atomic = False{KILLED_ONCE}")
    message = failure_of(scratch)
    assert message.startswith(
        "onestep.E113 Migration ladder.m1 failed: onestep.E029 The connection to the database was lost. "
    )
    assert tries_made(scratch) == 1
    assert scratch.tables() == {"django_migrations", "b"}


def test_migrate_records_in_the_migrations_transaction(scratch: Scratch) -> None:
    """Django records a migration with deferred SQL after its transaction: what fails between must not part the two."""

    def refuse_record(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "django_migrations"'):
            raise RuntimeError("no record")
        return execute(sql, *rest)

    scratch.write_migrations(
        m1="""
from django.db import models
operations = [
    migrations.CreateModel('Parent', [('id', models.BigAutoField(primary_key=True))]),
    migrations.CreateModel('Child', [
        ('id', models.BigAutoField(primary_key=True)),
        ('parent', models.ForeignKey('ladder.Parent', models.CASCADE)),
    ]),
]
"""
    )
    with connections[ALIAS].execute_wrapper(refuse_record):
        message = failure_of(scratch)
    assert message.startswith("onestep.E112 Migration ladder.m1 failed: RuntimeError: no record\n")
    assert scratch.tables() == {"django_migrations"}


def test_migrate_fake_initial_taken_back_keeps_the_table(scratch: Scratch) -> None:
    """A migration that was only recorded is only unrecorded."""
    scratch.rows("CREATE TABLE ladder_parent (id bigint PRIMARY KEY)")
    scratch.write_migrations(
        m1="""
from django.db import models
initial = True
operations = [migrations.CreateModel('Parent', [('id', models.BigAutoField(primary_key=True))])]
""",
        m2=FAILS,
    )
    output = StringIO()
    message = failure_of(scratch, fake_initial=True, stdout=output)
    assert "  Applying ladder.m1... faked (" in output.getvalue()
    assert "    Unapplied again: ladder.m1.\n" in message
    assert scratch.tables() == {"django_migrations", "ladder_parent"}
    assert scratch.applied() == []


def test_migrate_backwards_fails(scratch: Scratch) -> None:
    """What was unapplied stays so: its data would not come back."""
    scratch.write_migrations(m1=A, m2="operations = [migrations.RunSQL('', 'DROP TABLE nowhere')]", m3=B)
    scratch.migrate()
    assert failure_of(scratch, "ladder", "zero") == (
        'onestep.E114 Migration ladder.m2 failed while unapplying: ProgrammingError: table "nowhere" does not exist\n'
        "    Unapplied before it: ladder.m3. They stay so: applying them again would not bring their data back. "
        "The backup made before this run does."
    )
    assert scratch.applied() == ["m1", "m2"]


def test_migrate_post_migrate_fails(scratch: Scratch) -> None:
    """What other apps do after migrations belongs to the run."""

    def refuse(sender: object, **options: object) -> None:
        raise CommandError("no roles today")

    scratch.write_migrations(m1=A)
    post_migrate.connect(refuse)
    try:
        message = failure_of(scratch)
    finally:
        post_migrate.disconnect(refuse)
    assert message == (
        "onestep.E112 What follows the migrations failed: no roles today\n"
        "    Unapplied again: ladder.m1.\n"
        "    The database is as it was before this run. Mend the cause and run `onestep migrate` again."
    )
    assert scratch.applied() == []


def test_migrate_unreadable_migration(scratch: Scratch) -> None:
    scratch.write_migrations(m1=A, m2="dependencies = [('ladder', 'm9')]")
    assert failure_of(scratch) == (
        "onestep.E115 The migrations cannot be read: NodeNotFoundError: Migration ladder.m2 dependencies reference "
        "nonexistent parent node ('ladder', 'm9')\n"
        "    Nothing was changed."
    )
    assert scratch.tables() == set()


def test_migrate_history_that_does_not_fit(scratch: Scratch) -> None:
    scratch.write_migrations(m1=A, m2=B)
    scratch.migrate()
    scratch.rows("DELETE FROM django_migrations WHERE name = 'm1'")
    assert failure_of(scratch) == (
        "onestep.E112 `onestep migrate` failed: InconsistentMigrationHistory: Migration ladder.m2 is applied before "
        "its dependency ladder.m1 on database 'scratch'.\n"
        "    The database is as it was before this run. Mend the cause and run `onestep migrate` again."
    )
