"""One id for each request: from the balancer to the log, the answer and the comment in each SQL statement.

PostgreSQL's log and pg_stat_activity show statements with their comment, so that a slow one leads to its request. The
comment has sqlcommenter's form (https://google.github.io/sqlcommenter/spec/), but stands in front: of a long statement
pg_stat_activity keeps the first 1,024 bytes alone (track_activity_query_size).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

# What a proxy's id may be made of: UUIDs, ULIDs, hexadecimal numbers, HAProxy's addresses with colons.
TAKEN = re.compile(r"[A-Za-z0-9._:-]{1,128}")

# The comment for the statements of the request under way.
_comment: ContextVar[str] = ContextVar("onestep_sql_comment", default="")


class RequestIdMiddleware:
    """Gives each request its id, in `X-Request-ID`, where django-structlog finds it.

    The client's own is kept only where a proxy of ours stands in front, which is to overwrite what clients forge, and
    only where it is short and plain. Otherwise the request gets a new one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, with its id in each SQL statement until then."""
        request_id = request.META.get("HTTP_X_REQUEST_ID", "")
        if not (settings.NUM_PROXIES and TAKEN.fullmatch(request_id)):
            request_id = request.META["HTTP_X_REQUEST_ID"] = str(uuid.uuid4())
        token = _comment.set(sql_comment(request_id))
        try:
            return self.get_response(request)
        finally:
            _comment.reset(token)


def sql_comment(request_id: str) -> str:
    """Return the comment that names the request. Whatever the id is, it cannot end the comment or its quotes."""
    return f"/*request_id='{quote(request_id, safe='')}'*/ "


def name_request(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
    """Execute a statement with the comment of the request under way in front, if there is one: an `execute_wrapper`."""
    comment = _comment.get()
    if comment and isinstance(sql, str):
        # With parameters psycopg2 takes a percent sign for the beginning of a placeholder.
        sql = (comment if params is None else comment.replace("%", "%%")) + sql
    return execute(sql, params, many, context)
