"""Failures outside API views: a problem document under `/api/`, a page elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from onestep.errors import DomainError
from onestep.http.problems import RETRY_AFTER_SECONDS, describe, problem_response

logger = structlog.get_logger(__name__)


def error_page(status: int, title: str, detail: str, *, code: str | None = None) -> Callable[..., HttpResponse]:
    """Return a view of a failure, fit for `handler404` and its like. It needs neither database nor session."""

    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            return problem_response(status, detail, code=code)
        context = {
            "status": status,
            "title": title,
            "detail": detail,
            "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        }
        response = render(None, "error.html", context, status=status)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response

    return view


bad_request = error_page(400, "Bad request", "The request is not one this service answers.", code="bad_request")
permission_denied = error_page(403, "Not allowed", "You do not have permission to see this page.")
csrf_failure = error_page(
    403,
    "This form has expired",
    "The form was not sent, because its token is missing or old. Go back, reload the page and send it again. "
    "The browser has to accept cookies for this site.",
    code="csrf_failed",
)
page_not_found = error_page(404, "Not found", "There is nothing at this address.")
_internal_error = error_page(
    500, "Something went wrong", "This is an error on our side. Quote the request id when you report it."
)
unavailable = error_page(503, "Not available", "The database does not answer at the moment. Try again shortly.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what nothing else has (`handler500`): a 503 where the database went away in a middleware, else a 500."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return unavailable(request)
    return _internal_error(request)


class FailureMiddleware:
    """Gives failures outside API views their form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on; replace an HTML error under `/api/`, such as a debug page, by a problem document."""
        response = self.get_response(request)
        if (
            response.status_code >= HTTPStatus.BAD_REQUEST
            and request.path_info.startswith("/api/")
            and response.headers.get("Content-Type", "").startswith("text/html")
            and not getattr(response, "accepted_renderer", None)
        ):
            status = HTTPStatus(response.status_code)
            if status == HTTPStatus.BAD_REQUEST:
                return bad_request(request)
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                return server_error(request)
            return problem_response(status, f"{status.phrase}.")
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer 503 where the database is gone, a rule of the domain in its own words; leave the rest to Django."""
        if isinstance(error, (OperationalError, InterfaceError)):
            logger.warning("database_unavailable", error=type(error).__name__, said=str(error))
            return unavailable(request)
        if isinstance(error, DomainError):
            found = describe(error)
            return error_page(found["status"], "This was not done", found["detail"], code=error.code)(request)
        return None
