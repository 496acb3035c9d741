"""`onestep migrate` with the project's own migrations, and its options."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.unit.operations.scratch import Scratch

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, generation_expression
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'django_migrations' ORDER BY 1, 2
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
FUNCTIONS = """
SELECT proname FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 1
"""
TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"


def schema(scratch: Scratch) -> list[object]:
    return [scratch.rows(query) for query in (COLUMNS, CONSTRAINTS, INDEXES, FUNCTIONS, TRIGGERS)]


def test_migrate_project_to_zero_and_back(migrated: Scratch) -> None:
    """Every migration can be reversed, and the schema is the same when they are applied again."""
    before = schema(migrated)
    while apps := migrated.rows("SELECT app FROM django_migrations ORDER BY id LIMIT 1"):
        migrated.migrate(*apps, "zero", verbosity=0)
    assert migrated.tables() == {"django_migrations"}
    assert migrated.rows(FUNCTIONS) == []
    migrated.migrate_whole_project()
    assert schema(migrated) == before


@pytest.mark.django_db
def test_migrations_are_up_to_date() -> None:
    """`onestep makemigrations --check` exits with 1, and says which, where a model has no migration."""
    output = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=output)
    except SystemExit:
        pytest.fail(output.getvalue())
    assert output.getvalue() == "No changes detected\n"


def test_migrate_one_app_leaves_documents_alone(scratch: Scratch) -> None:
    output = scratch.migrate("people")
    assert "Documents: left alone, since they need every migration applied.\n" in output
    assert "people_person" in scratch.tables()
    assert "initiatives_initiative" not in scratch.tables()


def test_migrate_plan_and_check_only_look(scratch: Scratch) -> None:
    scratch.write_migrations(m1="operations = [migrations.RunSQL('CREATE TABLE a (id int)')]")
    assert (
        scratch.migrate(plan=True)
        == "Planned operations:\nladder.m1\n    Raw SQL operation -> CREATE TABLE a (id int)\n"
    )
    with pytest.raises(SystemExit) as stop:
        scratch.migrate(check_unapplied=True)
    assert stop.value.code == 1
    assert scratch.tables() == set()
    scratch.migrate()
    assert scratch.migrate(check_unapplied=True) == ""


def test_migrate_fake(scratch: Scratch) -> None:
    scratch.write_migrations(m1="operations = [migrations.RunSQL('CREATE TABLE a (id int)')]")
    assert "  Applying ladder.m1... faked (" in scratch.migrate(fake=True)
    assert scratch.tables() == {"django_migrations"}
    assert scratch.applied() == ["m1"]


def test_migrate_prune(scratch: Scratch) -> None:
    scratch.write_migrations(m1="operations = []")
    scratch.migrate()
    scratch.rows("INSERT INTO django_migrations (app, name, applied) VALUES ('ladder', 'm0', now())")
    assert "Pruning ladder.m0 OK" in scratch.migrate(prune=True)
    assert scratch.applied() == ["m1"]


def test_migrate_unknown_app(scratch: Scratch) -> None:
    """A wrong argument is refused in Django's words."""
    with pytest.raises(CommandError, match=r"^No installed app with label 'nowhere'\.$"):
        scratch.migrate("nowhere")
