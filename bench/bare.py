"""The yardstick: the list of initiatives by nothing but WSGI and one SQL query.

No framework, no authentication, no permissions, no checks of parameters. `onestep.wsgi` is measured against it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2

# The service's own list: newest first, each row as its document; one row more than a page tells of a next one.
SQL = """
SELECT i.start_date, i.id, (SELECT d.body FROM initiative_document d WHERE d.id = i.id)
FROM initiatives_initiative i ORDER BY i.start_date DESC, i.id DESC LIMIT 21
"""
_local = threading.local()


def _rows() -> list[tuple[Any, int, str]]:
    if not hasattr(_local, "connection"):
        _local.connection = psycopg2.connect(os.environ["DATABASE_URL"])
        _local.connection.autocommit = True
    with _local.connection.cursor() as cursor:
        cursor.execute(SQL)
        return cursor.fetchall()  # type: ignore[no-any-return]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a page of initiatives, whatever is asked."""
    rows = _rows()
    _, last, _ = rows[19]
    link = f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}?after={rows[19][0]}~{last}"
    body = f'{{"next":"{link}","previous":null,"results":[{",".join(row[2] for row in rows[:20])}]}}'.encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
