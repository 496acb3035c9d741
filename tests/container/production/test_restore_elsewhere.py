"""The host is lost: a backup of an older release is restored into a fresh installation, which needs no word for it."""

from __future__ import annotations

from pathlib import Path

from tests.container.production.backups import contents, database_stack, keeper, onestep
from tests.container.production.stack import LOGIN


def test_backup_of_an_older_schema_into_a_fresh_database(tmp_path: Path) -> None:
    with database_stack(tmp_path) as stack:
        onestep(stack, "migrate", "initiatives", "0001")
        stack.make("backup")
        before = contents(stack)
        keeper(stack).remove(force=True)
        stack.compose("down")
        for volume in ("postgres_data", "media_volume", "backup_state", "backup_work"):
            assert stack.run("docker", "volume", "rm", f"{stack.project}_{volume}").returncode == 0
        stack.make("prod-up")
        assert contents(stack) != before

        stack.make("restore", "SNAPSHOT=latest")
        after = contents(stack)
        applied = "SELECT count(*) FROM django_migrations WHERE name = '0002_refuse_cycles'"
        assert stack.sql(applied) == "1"
        # The migration's own record is all that is more.
        assert after.pop("django_migrations") != before.pop("django_migrations")
        assert after == before
        stack.create_user(*LOGIN)
        with stack.client() as client:
            assert client.get("/api/v1/initiatives/?count=true&page_size=1").json()["count"] == 40
