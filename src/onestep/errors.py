"""Exceptions of the domain. They name what is wrong; `onestep.http` decides how an answer says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class DomainError(Exception):
    """A rule of OneStep was not met.

    `code` is the stable error id that the documentation explains, `detail` one sentence for the person who
    reads it, and `extra` further members of the answer, such as a count.
    """

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.extra = extra


class InvalidError(DomainError):
    """Values do not fit: `errors` maps each field (or `non_field_errors`) to its messages."""

    code = "invalid"

    def __init__(
        self,
        errors: Mapping[str, Sequence[str]],
        detail: str = "Some values are not valid.",
        *,
        code: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.errors = {field: list(messages) for field, messages in errors.items()}


class CredentialsError(DomainError):
    """The name and password, or the token, that were given are not valid."""

    code = "invalid_credentials"


class ConflictError(DomainError):
    """The request is sound, and the present state of the data does not allow it."""

    code = "conflict"


class StaleError(DomainError):
    """The resource has changed since the caller read it."""

    code = "stale"


class TooLargeError(DomainError):
    """What was sent is larger than what is accepted."""

    code = "too_large"


class UnavailableError(DomainError):
    """Something this action needs is not there at the moment, such as a writable media volume."""

    code = "unavailable"
