"""`make prod-init prod-up`: what is made, what is refused, and what runs."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.container.production.stack import ProductionStack, production_stack

SECRETS = {
    "secret_key",
    "db_superuser_password",
    "db_owner_password",
    "db_password",
    "backup_password",
    "pgbouncer_stats_password",
    "grafana_password",
}


def test_missing_secrets_are_listed_at_once(tmp_path: Path) -> None:
    """Everything that is missing stands in one message, and nothing was started or written."""
    with production_stack(tmp_path, up=False) as stack:
        for name in ("db_password", "secret_key"):
            (stack.folder / "secrets" / name).unlink()
        (stack.folder / "secrets" / "db_owner_password").chmod(0o644)
        (stack.folder / "secrets" / "db_owner_password").write_text("\n")
        settings = stack.folder / "settings.env"
        settings.write_text(settings.read_text().replace("ALLOWED_HOSTS=localhost,127.0.0.1", "ALLOWED_HOSTS="))
        done = stack.run("make", "prod-up")
        assert done.returncode != 0
        assert [line.split()[0] for line in done.stderr.splitlines() if line.startswith("onestep.")] == [
            "onestep.E006",
            "onestep.E092",
            "onestep.E092",
            "onestep.E092",
        ]
        for name in ("db_password", "secret_key", "db_owner_password"):
            assert f"secrets/{name} " in done.stderr
        assert "Traceback" not in done.stderr
        assert stack.containers("db") == []


def test_secrets_are_strong_private_and_kept(tmp_path: Path) -> None:
    with production_stack(tmp_path, up=False) as stack:
        folder = stack.folder / "secrets"
        made = {file.name: file.read_text().strip() for file in folder.iterdir()}
        assert made.keys() >= SECRETS
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert all(len(value) >= 50 for value in made.values())
        assert len(set(made.values())) == len(made)
        (folder / "db_password").unlink()
        stack.make("prod-init", env={"DB_PASSWORD": "p@ss $1 'and' \"so\" %/:#"})
        again = {file.name: file.read_text().strip() for file in folder.iterdir()}
        assert again == {**made, "db_password": "p@ss $1 'and' \"so\" %/:#"}
        stack.make("prod-up")
        assert stack.run("curl", "--fail", "--silent", f"{stack.url}/health/ready").returncode == 0


def test_stack_serves_through_the_balancer(production: ProductionStack) -> None:
    with production.client() as client:
        created = client.post("/api/v1/people/", json={"name": "Zoë"})
        assert created.status_code == 201
        assert client.get(f"/api/v1/people/{created.json()['id']}/").json()["name"] == "Zoë"


def test_runtime_role_reads_and_writes_rows_alone(production: ProductionStack) -> None:
    """It owns nothing, makes nothing, and is no superuser."""
    rights = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
    assert production.sql(f"SELECT {rights} FROM pg_roles WHERE rolname = 'onestep'") == "f|f|f|f|f"
    assert production.sql("SELECT count(*) FROM pg_class WHERE relowner = 'onestep'::regrole") == "0"
    assert production.sql("SELECT has_schema_privilege('onestep', 'public', 'CREATE')") == "f"
    assert production.sql("SELECT has_database_privilege('onestep', 'onestep', 'TEMP')") == "f"
    assert production.sql("SELECT count(*) >= 0 FROM people_person", user="onestep") == "t"


def test_house_is_kept_from_the_start(production: ProductionStack) -> None:
    """What has expired is removed by the role that serves, before the stack counts as started."""
    [keeper] = production.containers("housekeeping")
    assert keeper.attrs["State"]["Health"]["Status"] == "healthy"
    printed = keeper.logs().decode()
    assert "expired tokens deleted" in printed
    assert "0 files removed." in printed
