"""`make backup`, an accident, `make restore`: the data as it was, files included, and a way back."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.container.production.backups import (
    PATIENCE,
    assert_nothing_is_left,
    contents,
    databases,
    load_sample_data,
    running_job,
    shell,
    started,
    status,
    upload,
)
from tests.container.production.stack import LOGIN, production_stack

FORMER = "onestep_former_"
# Who may do what with the database, its schema, tables, views and sequences, and with those to come.
RIGHTS = """
SELECT string_agg(concat_ws(' ', kind, name, ARRAY(
    SELECT grantee::regrole::text || ' ' || privilege_type FROM aclexplode(acl) WHERE grantee <> 0 ORDER BY 1
)::text), E'\\n' ORDER BY kind, name)
FROM (
    SELECT 'database' AS kind, 'current' AS name, datacl AS acl FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'schema', nspname, nspacl FROM pg_namespace WHERE nspname = 'public'
    UNION ALL SELECT 'default', defaclobjtype::text, defaclacl FROM pg_default_acl
    UNION ALL SELECT 'relation', relname, relacl FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S')
) AS rights
"""


def but_attachments(tables: dict[str, str]) -> dict[str, str]:
    """Return the contents of the tables that change no more while the restore goes on."""
    return {name: content for name, content in tables.items() if name != "initiatives_attachment"}


def download(client: httpx.Client, attachment: int) -> httpx.Response:
    return client.get(f"/api/v1/attachments/{attachment}/content/")


def test_restore_brings_back_rows_rights_sequences_and_files(tmp_path: Path) -> None:
    """From one backup over a database that lives: refused without the word, right with it, and undone."""
    with production_stack(tmp_path) as stack:
        stack.create_user(*LOGIN)
        load_sample_data(stack, initiatives=40)
        with stack.client() as client:
            initiative = client.get("/api/v1/initiatives/?page_size=1").json()["results"][0]["id"]
            kept = upload(client, initiative, b"This was there before the accident.")
            stack.make("backup")
            before, rights = contents(stack), stack.sql(RIGHTS)

            # The accident, and what came after it.
            late = upload(client, initiative, b"This came after the backup.")
            stack.sql("DELETE FROM initiatives_teammember")
            after = contents(stack)
            assert after != before

            refused = stack.run("make", "restore", "SNAPSHOT=latest")
            assert refused.returncode != 0
            assert "onestep.E074 The database onestep has data" in refused.stderr
            assert contents(stack) == after

            with started(stack, "restore", "SNAPSHOT=latest", "CONFIRM=onestep") as run:
                # The service goes on: what it deletes before the databases are swapped is in the restored one.
                running_job(stack, "migrate")
                assert client.delete(f"/api/v1/attachments/{kept}/").status_code == 204
                output, _ = run.communicate(timeout=PATIENCE)
            assert run.returncode == 0, output
            assert contents(stack) == before
            assert stack.sql(RIGHTS) == rights
            assert download(client, kept).content == b"This was there before the accident."
            assert download(client, late).status_code == 404
            # Every sequence goes on where it was.
            assert client.post("/api/v1/people/", json={"name": "Zoë"}).status_code == 201
            assert upload(client, initiative, b"A new one.")
            former = [name for name in databases(stack) if name.startswith(FORMER)]
            assert len(former) == 1
            assert but_attachments(contents(stack, former[0])) == but_attachments(after)

            # Housekeeping sweeps files that no row names; those of the former data stay for the way back.
            shell(stack, "find /media/attachments -type f -exec touch -d '3 days ago' {} +")
            stack.compose("exec", "-T", "web", "onestep", "sweep_attachments")
            refused = stack.run("make", "restore-undo")
            assert refused.returncode != 0
            assert f"onestep.E074 {former[0]} would replace the live database" in refused.stderr
            assert former[0] in databases(stack)
            stack.make("restore-undo", "CONFIRM=onestep")
            assert but_attachments(contents(stack)) == but_attachments(after)
            assert download(client, kept).status_code == 404
            assert download(client, late).content == b"This came after the backup."
            stack.make("restore-cleanup")
            assert_nothing_is_left(stack)
            assert shell(stack, "ls -A /media/.former 2>/dev/null || true") == ""
            assert status(stack)["last_attempt"]["outcome"] == "ok"
