"""Files on their way out: streamed, with what HTTP has for downloads that are repeated or resumed (RFC 9110)."""

from __future__ import annotations

import os
import re
from http import HTTPStatus
from typing import BinaryIO

from django.http import FileResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from onestep.http.problems import problem_response

BLOCK_SIZE = 64 * 1024  # bytes
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _Part:
    """A part of a file, from its position on."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length
        self.close = file.close

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def file_response(request: Request, file: BinaryIO, *, name: str, media_type: str, tag: str) -> HttpResponseBase:
    """Return the response that streams an open file under its name, or the single range of it that is asked for.

    `tag` is the content's strong entity tag. The server closes the file when it has sent it.
    """
    size = os.fstat(file.fileno()).st_size
    asked = _asked_range(request, size, tag)
    if asked is not None and not asked:
        file.close()
        refusal = problem_response(416, f"The file has {size} bytes.", code="range_not_satisfiable")
        refusal["Content-Range"] = f"bytes */{size}"
        return refusal
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    sent = range(size) if asked is None else asked
    file.seek(sent.start)
    response = FileResponse(
        file if asked is None else _Part(file, len(sent)),
        as_attachment=True,
        filename=name,
        content_type=f"{media_type}{charset}",
        headers=download_headers(tag),
    )
    response.block_size = BLOCK_SIZE
    response["Content-Length"] = str(len(sent))
    if asked is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {sent.start}-{sent.stop - 1}/{size}"
    return response


def download_headers(tag: str) -> dict[str, str]:
    """Return the headers of a file's answers: kept by nobody else, asked for anew each time, never guessed about."""
    return {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def _asked_range(request: Request, size: int, tag: str) -> range | None:
    """Return the bytes that are asked for, empty where the file has none of them, or None for all of it.

    All of it answers several ranges too, and a range of another form of the file (If-Range).
    """
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if not match or request.headers.get("If-Range", tag) != tag:
        return None
    first, last = match.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last) + 1, size) if last else size)
    return range(max(size - int(last), 0), size) if last else None
