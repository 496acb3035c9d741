"""`/api/v1/auth/`: signing in and out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import authenticate, user_logged_in
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from onestep.accounts import serializers, tokens
from onestep.accounts.models import User
from onestep.errors import CredentialsError
from onestep.http.openapi import problem_answer

EXAMPLE_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiMSJ9.c2lnbmF0dXJl"  # noqa: S105  (nobody's)
PAIR = OpenApiResponse(
    serializers.TokenPairSerializer,
    "A pair of tokens.",
    [OpenApiExample("A pair", {"access": EXAMPLE_TOKEN, "refresh": EXAMPLE_TOKEN}, response_only=True)],
)
WRONG_TOKEN = problem_answer(401, tokens.SPENT, code="token_not_valid")


class AuthView(GenericAPIView[Any]):
    """An address that takes no access token, and whose answers no cache may keep."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def validated(self, request: Request) -> dict[str, Any]:
        """Return the validated values of the body. Raises ValidationError."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data  # type: ignore[no-any-return]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Forbid caches to keep the answer."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response


class ObtainTokensView(AuthView):
    """Sign in with name and password."""

    serializer_class = serializers.CredentialsSerializer

    @extend_schema(
        operation_id="auth_obtain_tokens",
        summary="Sign in",
        description="Answers a pair of tokens. After too many failures the answer is 429 for a while, right or wrong.",
        examples=[OpenApiExample("Name and password", {"username": "ada", "password": "…"}, request_only=True)],
        responses={
            200: PAIR,
            (401, "application/problem+json"): problem_answer(
                401, "The user name or the password is not right.", code="invalid_credentials"
            ),
            (429, "application/problem+json"): problem_answer(
                429, "Logging in failed too often. Try again in 15 minutes.", code="too_many_attempts"
            ),
        },
        parameters=[
            OpenApiParameter(
                "Retry-After", int, OpenApiParameter.HEADER, description="Seconds to wait.", response=[429]
            )
        ],
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        """Answer a pair of tokens."""
        values = self.validated(request)
        # Django's own request: what counts the attempts writes on it, and the middleware reads that.
        user = authenticate(request._request, username=values["username"], password=values["password"])
        if user is None:
            raise CredentialsError("The user name or the password is not right.")
        user_logged_in.send(User, request=request._request, user=user)
        return Response(tokens.issue_tokens(user))


class RotateTokensView(AuthView):
    """Exchange a refresh token."""

    serializer_class = serializers.RefreshTokenSerializer

    @extend_schema(
        operation_id="auth_rotate_tokens",
        summary="Exchange a refresh token",
        description="Answers a new pair. A refresh token works once: of two uses at the same time, one is a 401.",
        responses={200: PAIR, (401, "application/problem+json"): WRONG_TOKEN},
    )
    def post(self, request: Request) -> Response:
        """Answer a new pair."""
        return Response(tokens.rotate_tokens(self.validated(request)["refresh"]))


class VerifyTokenView(AuthView):
    """Ask whether a token would be accepted."""

    serializer_class = serializers.TokenSerializer

    @extend_schema(
        operation_id="auth_verify_token",
        summary="Verify a token",
        description="Answers what an access or refresh token is, if it would be accepted now.",
        responses={
            200: OpenApiResponse(serializers.VerifiedTokenSerializer, "It would be accepted."),
            (401, "application/problem+json"): WRONG_TOKEN,
        },
    )
    def post(self, request: Request) -> Response:
        """Answer what the token is."""
        token = tokens.verify_token(self.validated(request)["token"])
        return Response(
            {
                "token_type": token["token_type"],
                "user_id": int(token["user_id"]),
                "expires_at": datetime.fromtimestamp(token["exp"], UTC),
            }
        )


class LogOutView(AuthView):
    """Sign out."""

    serializer_class = serializers.RefreshTokenSerializer

    @extend_schema(
        operation_id="auth_log_out",
        summary="Sign out",
        description="Makes the refresh token useless. The access token beside it expires by itself, within minutes.",
        responses={
            204: OpenApiResponse(description="The refresh token is refused from now on."),
            (401, "application/problem+json"): problem_answer(401, tokens.FOREIGN, code="token_not_valid"),
        },
    )
    def post(self, request: Request) -> Response:
        """Revoke the refresh token."""
        tokens.revoke_token(self.validated(request)["refresh"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(GenericAPIView[Any]):
    """Who is calling."""

    permission_classes = (IsAuthenticated,)
    serializer_class = serializers.MeSerializer

    @extend_schema(
        operation_id="auth_me",
        summary="Read who you are",
        description="The caller, with their roles and all their permissions. Any user may ask.",
        responses={200: OpenApiResponse(serializers.MeSerializer, "The caller.")},
    )
    def get(self, request: Request) -> Response:
        """Answer the caller."""
        user: Any = request.user
        me = {name: getattr(user, name) for name in ("id", "username", "email", "first_name", "last_name")}
        return Response(
            {
                **me,
                "is_staff": user.is_staff,
                "is_superuser": user.is_superuser,
                "roles": list(user.groups.order_by("name").values_list("name", flat=True)),
                "permissions": sorted(user.get_all_permissions()),
            },
            headers={"Cache-Control": "private, no-store"},
        )
