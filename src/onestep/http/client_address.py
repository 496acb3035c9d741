"""Who is calling: the address that log-in limits count by."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the client's IP address.

    X-Forwarded-For is believed only as far as our own proxies wrote it: with NUM_PROXIES = n, the n-th entry from the
    right, and none at all with 0. What a client forges stands further left.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.NUM_PROXIES:
        return address
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    return str(forwarded[-min(settings.NUM_PROXIES, len(forwarded))]) if forwarded else address
