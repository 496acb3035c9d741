"""Authentication of requests by an access token."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from onestep.errors import CredentialsError

REALM = 'Bearer realm="onestep"'


class TokenNotValid(AuthenticationFailed):
    """The access token that was sent is not accepted."""

    problem_id = "token_not_valid"


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`, at the price of one query."""

    def authenticate(self, request: Request) -> Any:
        """Return the user and the token, or None where none was sent. Raises TokenNotValid."""
        from onestep.accounts.tokens import AccessToken, read_token, user_of  # noqa: PLC0415  (models: not loaded yet)

        header = self.get_header(request)
        raw = self.get_raw_token(header) if header else None
        if raw is None:
            return None
        try:
            token = read_token(AccessToken, raw)
            return user_of(token), token
        except CredentialsError as error:
            raise TokenNotValid(error.detail) from None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 6750, section 3)."""
        return f'{REALM}, error="invalid_token"' if self.get_header(request) else REALM


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes it."""

    target_class = "onestep.accounts.authentication.TokenAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of `POST /api/v1/auth/token/`.",
        }
