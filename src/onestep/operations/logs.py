"""Log lines: what each request's line says, and a rotating file that several processes write to."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject, empty
from django_structlog.signals import (
    bind_extra_request_finished_metadata,
    bind_extra_request_metadata,
    update_failure_response,
)

from onestep.http.client_address import client_address


def connect() -> None:
    """Have django-structlog call the functions below for each request."""
    bind_extra_request_metadata.connect(begin_request, dispatch_uid="onestep.operations.logs")
    bind_extra_request_finished_metadata.connect(finish_request, dispatch_uid="onestep.operations.logs")
    update_failure_response.connect(name_request, dispatch_uid="onestep.operations.logs")


def begin_request(request: HttpRequest, **kwargs: Any) -> None:
    """Add the client's address to all lines of the request."""
    request._started = time.monotonic()  # type: ignore[attr-defined]
    structlog.contextvars.bind_contextvars(ip=client_address(request))


def finish_request(
    request: HttpRequest,
    response: HttpResponseBase,
    log_kwargs: dict[str, Any],
    **kwargs: Any,
) -> None:
    """Add the user and the milliseconds taken to the request's line."""
    user = getattr(request, "user", None)
    # A user whom nothing has asked for yet is not read from the database for the log's sake.
    unread = isinstance(user, SimpleLazyObject) and user._wrapped is empty
    log_kwargs["user_id"] = None if unread else getattr(user, "pk", None)
    log_kwargs["milliseconds"] = round((time.monotonic() - request._started) * 1000, 1)  # type: ignore[attr-defined]
    name_request(response)


def name_request(response: HttpResponseBase, **kwargs: Any) -> None:
    """Add the request's id to the answer."""
    response["X-Request-ID"] = structlog.contextvars.get_contextvars()["request_id"]


class SharedRotatingFileHandler(RotatingFileHandler):
    """Rotates a file that several processes write to, replicas on one host included.

    Each line is written under a lock on a file beside it, so that one process at a time rotates, and the others go on
    in the new file. Where the folder cannot be written to, that is said once, and the lines go to stdout alone.
    """

    def __init__(self, filename: str, *, maxBytes: int, backupCount: int) -> None:  # noqa: N803  (logging's names)
        super().__init__(filename, maxBytes=maxBytes, backupCount=backupCount, encoding="utf-8", delay=True)
        self._lock_file: int | None = None
        self._given_up = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, in a new file where the present one is full."""
        if self._given_up:
            return
        try:
            if self._lock_file is None:
                self._lock_file = os.open(f"{self.baseFilename}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            fcntl.lockf(self._lock_file, fcntl.LOCK_EX)  # of this process: threads take turns by the handler's own lock
            try:
                self._follow()
                super().emit(record)
            finally:
                fcntl.lockf(self._lock_file, fcntl.LOCK_UN)
        except OSError:
            self.handleError(record)

    def _follow(self) -> None:
        """Open the file anew where another process has rotated it."""
        if self.stream is None:
            return
        try:
            same = os.path.samestat(Path(self.baseFilename).stat(), os.fstat(self.stream.fileno()))
        except FileNotFoundError:
            same = False
        if not same:
            self.stream.close()
            self.stream = self._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Say once what is wrong with the folder; a fault of the line itself is logging's to report."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._given_up = True
        logging.getLogger(__name__).warning(
            "onestep.E044 LOG_DIR: no log file can be written in %s: %s. Lines go to stdout alone. Make the folder, "
            "writable by user id %d, or leave LOG_DIR out.",
            Path(self.baseFilename).parent,
            error.strerror,
            os.geteuid(),
        )
