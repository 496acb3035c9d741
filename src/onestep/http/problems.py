"""Errors as RFC 9457 problem documents, one shape for every failure under `/api/`.

A document has `type` (`urn:onestep:problem:<id>`), `title`, `status`, `detail` and `request_id`; field errors stand
under `errors`. `docs/errors.md` explains each id. Nothing of the code, the database or the stack is ever in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from django.apps import apps
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, models
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from onestep.errors import (
    ConflictError,
    CredentialsError,
    DomainError,
    InvalidError,
    StaleError,
    TooLargeError,
    UnavailableError,
)

logger = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
STATUSES: dict[type[DomainError], HTTPStatus] = {
    InvalidError: HTTPStatus.BAD_REQUEST,
    CredentialsError: HTTPStatus.UNAUTHORIZED,
    ConflictError: HTTPStatus.CONFLICT,
    StaleError: HTTPStatus.PRECONDITION_FAILED,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    412: "stale",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}


def problem(status: int, detail: str, *, code: str | None = None, **extra: Any) -> dict[str, Any]:
    """Return a problem document as a mapping."""
    body = {
        "type": f"urn:onestep:problem:{code or CODES.get(status, 'error')}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        body["request_id"] = request_id
    return body | extra


def problem_response(status: int, detail: str, *, code: str | None = None, **extra: Any) -> HttpResponse:
    """Return a problem document as a plain Django response, for where no API view has answered."""
    response = HttpResponse(
        orjson.dumps(problem(status, detail, code=code, **extra)), status=status, content_type=CONTENT_TYPE
    )
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def violated_constraint(error: IntegrityError) -> tuple[str, str] | None:
    """Return the field and the message of the named model constraint that PostgreSQL reports, if it is one of ours.

    A model says in `constraint_fields` which field a constraint of several columns or an expression is about.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    name = getattr(diagnosis, "constraint_name", None)
    for model in apps.get_models() if name else ():
        for constraint in model._meta.constraints:
            if constraint.name == name:
                field = getattr(model, "constraint_fields", {}).get(name, NON_FIELD_ERRORS)
                return field, str(constraint.get_violation_error_message())
    return None


def _flatten(detail: Any) -> Any:
    """Return a validation error's messages as JSON: nested mappings and lists of strings."""
    if isinstance(detail, Mapping):
        return {str(key): _flatten(value) for key, value in detail.items()}
    if isinstance(detail, list):
        return [_flatten(value) for value in detail]
    return str(detail)


@singledispatch
def describe(error: Exception) -> dict[str, Any]:
    """Return the problem document of an exception. What is not foreseen is a 500 that says nothing of its cause."""
    return problem(500, "Something went wrong on our side. Quote the request id when you report it.")


@describe.register
def _(error: DomainError) -> dict[str, Any]:
    return problem(STATUSES[type(error)], error.detail, code=error.code, **error.extra)


@describe.register
def _(error: InvalidError) -> dict[str, Any]:
    return problem(400, error.detail, code=error.code, errors=error.errors)


@describe.register
def _(error: exceptions.APIException) -> dict[str, Any]:
    detail = error.detail.get("detail", error.default_detail) if isinstance(error.detail, dict) else error.detail
    return problem(error.status_code, str(detail), code=getattr(error, "problem_id", None))


@describe.register
def _(error: exceptions.ParseError) -> dict[str, Any]:
    return problem(400, str(error.detail), code="malformed")


@describe.register
def _(error: exceptions.ValidationError) -> dict[str, Any]:
    errors = _flatten(error.detail)
    if not isinstance(errors, dict):
        errors = {api_settings.NON_FIELD_ERRORS_KEY: errors}
    return problem(400, "Some values are not valid.", errors=errors)


@describe.register
def _(error: Http404) -> dict[str, Any]:
    return problem(404, "There is nothing at this address.")


@describe.register
def _(error: PermissionDenied) -> dict[str, Any]:
    return problem(403, "You do not have permission to perform this action.")


@describe.register
def _(error: SuspiciousOperation) -> dict[str, Any]:
    return problem(400, "The request is not one this service answers.", code="bad_request")


@describe.register
def _(error: RequestDataTooBig) -> dict[str, Any]:
    return problem(413, "The body is larger than this service accepts.")


@describe.register
def _(error: IntegrityError) -> dict[str, Any]:
    violated = violated_constraint(error)
    if violated:
        return problem(400, "Some values are not valid.", errors={violated[0]: [violated[1]]})
    return problem(409, "Other data depends on this, or it was changed at the same time. Read it again and retry.")


@describe.register
def _(error: DataError) -> dict[str, Any]:
    return problem(400, "A value is outside what can be stored.")


@describe.register(OperationalError)
@describe.register(InterfaceError)
def _(error: Exception) -> dict[str, Any]:
    return problem(503, "The database does not answer at the moment. Try again shortly.")


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer an exception in an API view with its problem document (the framework's EXCEPTION_HANDLER)."""
    body = describe(error)
    headers = {}
    if body["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log = logger.exception if body["status"] == HTTPStatus.INTERNAL_SERVER_ERROR else logger.warning
        log("api_error", error=type(error).__name__, status=body["status"])
    if body["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if body["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = getattr(error, "auth_header", 'Bearer realm="onestep"')
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


class NotFoundView(APIView):
    """Answers every address under `/api/` that nothing else answers."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Say that there is nothing here, whatever the verb."""
        hint = "" if request.path.endswith("/") else " Addresses of this API end with a slash."
        raise exceptions.NotFound(f"There is nothing at this address.{hint}")


def lost_row(model: type[models.Model]) -> exceptions.NotFound:
    """Return the error for a row that is not there."""
    return exceptions.NotFound(f"There is no such {model._meta.verbose_name}.")
