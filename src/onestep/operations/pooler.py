"""The pooler's own figures, from its administration console: https://www.pgbouncer.org/usage.html#admin-console"""

from __future__ import annotations

from typing import Any

import psycopg2
from django.conf import settings

USER = "stats"  # in PgBouncer's stats_users: it may look, and change nothing
CONSOLE = "pgbouncer"  # the name of the database that is the console


class Pooler:
    """A connection to the console that is kept, for one thread."""

    def __init__(self) -> None:
        self._connection: Any = None

    def read(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of SHOW POOLS and SHOW STATS, by column, without the console's own.

        Raises psycopg2.Error where the console does not answer as it should; the next call connects anew.
        """
        try:
            if self._connection is None:
                self._connection = self._connect()
            pools, stats = self._show("POOLS"), self._show("STATS")
        except psycopg2.Error:
            self.close()
            raise
        return pools, stats

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> Any:
        host, _, port = settings.PGBOUNCER_ADMIN.rpartition(":")
        connection = psycopg2.connect(
            host=host.strip("[]"),
            port=port,
            user=USER,
            password=settings.PGBOUNCER_STATS_PASSWORD,
            dbname=CONSOLE,
            application_name="onestep-metrics",
            connect_timeout=settings.DB_CONNECT_TIMEOUT,
        )
        connection.autocommit = True  # the console knows no transaction
        return connection

    def _show(self, what: str) -> list[dict[str, Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SHOW {what}")
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return [row for row in rows if row["database"] != CONSOLE]
