"""ETags of documents, and the preconditions that clients make with them (RFC 9110, section 13)."""

from __future__ import annotations

import re
from hashlib import blake2b

from rest_framework.request import Request

from onestep.errors import StaleError

_TAG = re.compile(r'(?:W/)?"[^"]*"')


def etag(document: str) -> str:
    """Return the strong entity tag of a document's text."""
    return f'"{blake2b(document.encode(), digest_size=16).hexdigest()}"'


def check_if_match(request: Request, document: str) -> None:
    """Raise StaleError where the request's If-Match names no tag of the present document."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    if etag(document) not in _TAG.findall(wanted):
        raise StaleError("It has changed since you read it. Read it again and repeat your change.")


def matches_if_none_match(request: Request, tag: str) -> bool:
    """Return whether the client holds the present document already."""
    held = request.headers.get("If-None-Match")
    if held is None:
        return False
    return held.strip() == "*" or tag in [candidate.removeprefix("W/") for candidate in _TAG.findall(held)]
