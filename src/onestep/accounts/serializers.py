"""What the addresses under `/api/v1/auth/` take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from onestep.http.fields import TextField

# Far beyond any token of this service, and any password.
MOST_CHARACTERS = 4096


class CredentialsSerializer(serializers.Serializer[Any]):
    """Who signs in."""

    username = TextField(max_length=150)
    password = TextField(
        max_length=MOST_CHARACTERS, trim_whitespace=False, style={"input_type": "password"}, help_text="Taken as it is."
    )


class TokenPairSerializer(serializers.Serializer[Any]):
    """A pair of tokens."""

    access = serializers.CharField(help_text="Send it as `Authorization: Bearer <access>`. It lives for minutes.")
    refresh = serializers.CharField(help_text="Exchange it, once, for a new pair. It lives for days.")


class RefreshTokenSerializer(serializers.Serializer[Any]):
    """A refresh token."""

    refresh = TextField(max_length=MOST_CHARACTERS)


class TokenSerializer(serializers.Serializer[Any]):
    """A token of either kind."""

    token = TextField(max_length=MOST_CHARACTERS)


class VerifiedTokenSerializer(serializers.Serializer[Any]):
    """A token that would be accepted now."""

    token_type = serializers.ChoiceField(["access", "refresh"])
    user_id = serializers.IntegerField()
    expires_at = serializers.DateTimeField()


class MeSerializer(serializers.Serializer[Any]):
    """Who is calling."""

    id = serializers.IntegerField()
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty where it is not known.")
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    is_staff = serializers.BooleanField(help_text="Whether the admin lets them in.")
    is_superuser = serializers.BooleanField(help_text="Whether they may do everything.")
    roles = serializers.ListField(child=serializers.CharField(), help_text="By name.")
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="Their own and their roles', as `app.verb_model`, sorted."
    )
