"""Access and refresh tokens: signed, exchanged, revoked.

Both are JWTs. An access token is short-lived and nothing is stored of it. A refresh token has a row that knows its id,
not its text, so that a copy of the database signs nobody in; its first use adds the unique row that says it is spent.
Both end with their user: when that is deactivated, deleted, or gets another password.
"""

from __future__ import annotations

from typing import Any, TypedDict, TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    ExpiredTokenError,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.utils import datetime_from_epoch, get_md5_hash_password

from onestep.accounts.models import User
from onestep.accounts.permissions import find_user
from onestep.errors import CredentialsError

logger = structlog.get_logger(__name__)


class KeyRing(TokenBackend):
    """Signs with the first of settings.TOKEN_KEYS; takes what any of them signed, so a new SECRET_KEY ends no token."""

    def __init__(self) -> None:
        self.current, *self.fallbacks = (
            TokenBackend(api_settings.ALGORITHM, key, issuer=api_settings.ISSUER) for key in settings.TOKEN_KEYS
        )

    def encode(self, payload: dict[str, Any]) -> str:
        """Return the signed token."""
        return self.current.encode(payload)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the payload of a token.

        Raises TokenBackendExpiredToken, or TokenBackendError for one that none of the keys signed.
        """
        try:
            return self.current.decode(token, verify)
        except TokenBackendExpiredToken:
            raise
        except TokenBackendError:
            for backend in self.fallbacks:
                try:
                    return backend.decode(token, verify)
                except TokenBackendExpiredToken:
                    raise
                except TokenBackendError:
                    continue
            raise

    def get_leeway(self) -> Any:
        """Return how far the clocks of two replicas may be apart."""
        return self.current.get_leeway()


key_ring = KeyRing()


class AccessToken(tokens.AccessToken):
    """What a request carries."""

    _token_backend = key_ring


class RefreshToken(tokens.Token):
    """What is exchanged, once, for a new pair."""

    token_type = "refresh"  # noqa: S105  (the kind of token, not one)
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME
    _token_backend = key_ring


class AnyToken(tokens.UntypedToken):
    """A token of either kind."""

    _token_backend = key_ring


class TokenPair(TypedDict):
    """What a client that signs in is given."""

    access: str
    refresh: str


AnyKind = TypeVar("AnyKind", bound=tokens.Token)
EXPIRED = "The token has expired. Obtain a new one."
FOREIGN = "The token is not one of this service's, or not of the kind that is needed here."
SPENT = "The token was used already or revoked. Log in again."
ENDED = "The token has ended: its user was deactivated or has another password. Log in again."


def refused(detail: str) -> CredentialsError:
    """Return the error for a token that is not accepted."""
    return CredentialsError(detail, code="token_not_valid")


def read_token(kind: type[AnyKind], text: str | bytes) -> AnyKind:
    """Return the token that the text is, its signature, age and kind checked.

    Raises CredentialsError.
    """
    try:
        return kind(text)  # type: ignore[arg-type]  # simplejwt's annotation means the text
    except ExpiredTokenError:
        raise refused(EXPIRED) from None
    except TokenError:
        raise refused(FOREIGN) from None


def user_of(token: tokens.Token) -> User:
    """Return the user whom a token was made for, with their permissions, in one query.

    Raises CredentialsError where the user is gone or inactive, or has another password since.
    """
    user = find_user(token.get(api_settings.USER_ID_CLAIM))
    if user and user.is_active and token.get(api_settings.REVOKE_TOKEN_CLAIM) == get_md5_hash_password(user.password):
        return user
    raise refused(ENDED)


def issue_tokens(user: User) -> TokenPair:
    """Return a new pair of tokens for a user who has proved who they are."""
    refresh = RefreshToken.for_user(user)
    OutstandingToken.objects.create(
        user=user,
        jti=refresh[api_settings.JTI_CLAIM],
        token="",  # never stored
        created_at=refresh.current_time,
        expires_at=datetime_from_epoch(refresh["exp"]),
    )
    return {"access": str(AccessToken.for_user(user)), "refresh": str(refresh)}


@transaction.atomic
def rotate_tokens(text: str) -> TokenPair:
    """Exchange a refresh token for a new pair; the token is spent with that.

    Of any number of calls at once with the same token exactly one succeeds: the unique row decides.
    Raises CredentialsError.
    """
    token = read_token(RefreshToken, text)
    user = user_of(token)
    if not _spend(token):
        logger.warning("spent_refresh_token_presented", user_id=user.pk)
        raise refused(SPENT)
    return issue_tokens(user)


def revoke_token(text: str) -> None:
    """Make a refresh token useless. One that is expired, spent or revoked already is that.

    Raises CredentialsError for what is no refresh token of this service.
    """
    try:
        token = RefreshToken(text)  # type: ignore[arg-type]  # as above
    except ExpiredTokenError:
        return
    except TokenError:
        raise refused(FOREIGN) from None
    _spend(token)


def verify_token(text: str) -> tokens.Token:
    """Return the access or refresh token that the text is, if it would be accepted now.

    Raises CredentialsError.
    """
    token = read_token(AnyToken, text)
    user_of(token)
    if token[api_settings.TOKEN_TYPE_CLAIM] == RefreshToken.token_type and not _unspent(token).exists():
        raise refused(SPENT)
    return token


def _unspent(token: tokens.Token) -> Any:
    return OutstandingToken.objects.filter(jti=token[api_settings.JTI_CLAIM], blacklistedtoken=None)


def _spend(token: tokens.Token) -> bool:
    """Return whether this call is the one that makes the token useless."""
    row = OutstandingToken.objects.filter(jti=token[api_settings.JTI_CLAIM]).first()
    return row is not None and BlacklistedToken.objects.get_or_create(token=row)[1]
