"""What a browser may do with a page: headers that Django 5.2 does not send itself.

Nothing is loaded from elsewhere, nothing frames us, and no script runs that stands in a page. Each policy is made once,
since every answer of the API carries one. Django 6.0 has a Content-Security-Policy of its own (SECURE_CSP).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",  # the browsable API places its buttons by style attributes
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
CONTENT_SECURITY_POLICY = "Content-Security-Policy"
PERMISSIONS_POLICY = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()"


def build_policy(changes: Mapping[str, str] | None = None) -> str:
    """Return the Content-Security-Policy with some directives changed."""
    return "; ".join(f"{name} {sources}" for name, sources in {**DIRECTIVES, **(changes or {})}.items())


DEFAULT_POLICY = build_policy()


def content_security_policy(changes: Mapping[str, str]) -> Callable[..., Callable[..., HttpResponseBase]]:
    """Return a decorator that gives a view's answers a policy with some directives changed."""
    policy = build_policy(changes)

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> HttpResponseBase:
            response = view(*args, **kwargs)
            response.headers[CONTENT_SECURITY_POLICY] = policy
            return response

        return wrapped

    return decorate


class SecurityHeadersMiddleware:
    """Sends the policies with every answer. Django's own debug pages are left alone: they have inline scripts."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on and add what the answer lacks."""
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if not (settings.DEBUG and response.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR}):
            response.headers.setdefault(CONTENT_SECURITY_POLICY, DEFAULT_POLICY)
        return response
