"""The documents' views, which `onestep migrate` installs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management.base import CommandError
from django.db import DatabaseError

from onestep.documents import document_models, install_views, installed_views
from onestep.people.documents import PersonDocument
from tests.unit.operations.scratch import ALIAS, Scratch

OIDS = "SELECT relname, oid, xmin::text FROM pg_class WHERE relname LIKE '%\\_document' AND relkind = 'v' ORDER BY 1"
GRANTS = """
SELECT privilege_type, is_grantable FROM information_schema.role_table_grants
WHERE table_name = 'person_document' AND grantee = %s ORDER BY 1
"""
CHANGED = "SELECT id, upper(name) AS body FROM people_person"
OTHER_COLUMNS = "SELECT id::text AS id, name::text AS body FROM people_person"
WIDEN_PHONE = """
operations = [migrations.RunSQL(
    'ALTER TABLE people_person ALTER phone TYPE varchar(80)', 'ALTER TABLE people_person ALTER phone TYPE varchar(40)'
)]
"""
FAILS = "operations = [migrations.RunSQL('SELECT 1 / 0', '')]"


@pytest.fixture
def role(migrated: Scratch) -> Iterator[str]:
    """A role that may read the people's view, and pass that on."""
    name = f"{migrated.name}_reader"
    migrated.rows(f"CREATE ROLE {name}; GRANT SELECT ON person_document TO {name} WITH GRANT OPTION")
    yield name
    migrated.rows(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_install_views_unchanged(migrated: Scratch) -> None:
    before = migrated.rows(OIDS)
    assert len(before) == len(list(document_models()))
    assert "Documents: none changed (" in migrated.migrate()
    assert migrated.rows(OIDS) == before


def test_install_views_changed(migrated: Scratch, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    """One view is replaced, with the privileges on it; the others are not touched."""
    before = migrated.rows(OIDS)
    monkeypatch.setattr(PersonDocument, "view_sql", CHANGED)
    assert "Documents: person_document changed (" in migrated.migrate()
    touched = {new[0] for old, new in zip(before, migrated.rows(OIDS), strict=True) if old != new}
    assert touched <= {"person_document"}
    assert "upper" in installed_views(ALIAS)["person_document"].definition
    assert migrated.rows(GRANTS, role) == [("SELECT", "YES")]
    assert install_views(ALIAS) == []


def test_install_views_with_other_columns(migrated: Scratch, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    """PostgreSQL cannot replace such a view: it is made anew, with the privileges."""
    monkeypatch.setattr(PersonDocument, "view_sql", OTHER_COLUMNS)
    assert install_views(ALIAS) == ["person_document"]
    assert migrated.rows(
        "SELECT data_type FROM information_schema.columns WHERE table_name = 'person_document' AND column_name = 'id'"
    ) == ["text"]
    assert migrated.rows(GRANTS, role) == [("SELECT", "YES")]


def test_install_views_of_a_removed_model(migrated: Scratch) -> None:
    """A view that OneStep once made goes; one of somebody else's stays."""
    migrated.rows("CREATE VIEW old_document AS SELECT 1 AS id; COMMENT ON VIEW old_document IS 'onestep document 0'")
    migrated.rows("CREATE VIEW report AS SELECT 1 AS id")
    assert install_views(ALIAS) == ["old_document"]
    assert "old_document" not in installed_views(ALIAS)
    assert migrated.rows("SELECT id FROM report") == [1]


def test_install_views_with_a_dependent(migrated: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others built on a view is not dropped with it, and no view changes."""
    migrated.rows("CREATE VIEW report AS SELECT count(id) FROM person_document")
    before = installed_views(ALIAS)
    monkeypatch.setattr(PersonDocument, "view_sql", OTHER_COLUMNS)
    with pytest.raises(DatabaseError, match="view report depends on view person_document"):
        install_views(ALIAS)
    assert installed_views(ALIAS) == before


def test_migrate_changes_a_column_that_a_view_reads(migrated: Scratch, role: str) -> None:
    """PostgreSQL refuses that while the view is there: it goes in the migration's transaction, and comes back."""
    before = installed_views(ALIAS)
    migrated.write_migrations(m1=WIDEN_PHONE)
    output = migrated.migrate()
    assert "  A document's view is in the way: again without the views, which are made anew at the end.\n" in output
    assert migrated.rows(
        "SELECT character_maximum_length FROM information_schema.columns "
        "WHERE table_name = 'people_person' AND column_name = 'phone'"
    ) == [80]
    assert installed_views(ALIAS).keys() == before.keys()
    assert migrated.rows(GRANTS, role) == [("SELECT", "YES")]
    migrated.migrate("ladder", "zero")
    migrated.migrate("ladder", fake=True)
    assert migrated.applied() == ["m1"]


def test_migrate_failure_puts_back_the_views(migrated: Scratch, role: str) -> None:
    """Also those that a migration of the run had dropped."""
    before = installed_views(ALIAS)
    migrated.write_migrations(
        m1="operations = [migrations.RunSQL('DROP VIEW campus_document', '')]", m2=WIDEN_PHONE, m3=FAILS
    )
    with pytest.raises(CommandError, match=r"Unapplied again: ladder\.m2, ladder\.m1\."):
        migrated.migrate()
    assert installed_views(ALIAS) == before
    assert migrated.rows(GRANTS, role) == [("SELECT", "YES")]


def test_migrate_failure_after_the_migrations(migrated: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is one thing: where a view cannot be made, the migrations are taken back too."""
    monkeypatch.setattr(PersonDocument, "view_sql", "SELECT id, colour AS body FROM people_person")
    migrated.write_migrations(m1="operations = [migrations.RunSQL('CREATE TABLE a (id int)', 'DROP TABLE a')]")
    before = installed_views(ALIAS)
    with pytest.raises(CommandError) as raised:
        migrated.migrate()
    lines = str(raised.value).splitlines()
    assert lines[0].startswith(
        'onestep.E112 Installing the documents\' views failed: ProgrammingError: column "colour" does not exist'
    )
    assert lines[1:] == [
        "    Unapplied again: ladder.m1.",
        "    The database is as it was before this run. Mend the cause and run `onestep migrate` again.",
    ]
    assert "a" not in migrated.tables()
    assert installed_views(ALIAS) == before
