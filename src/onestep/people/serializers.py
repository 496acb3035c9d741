"""What is written of people."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from onestep.http.fields import TextField


class PersonInputSerializer(serializers.Serializer[Any]):
    """The values of a person."""

    name = TextField(max_length=200)
    email = serializers.EmailField(
        max_length=254, required=False, allow_null=True, help_text="No other person's, whatever its case."
    )
    phone = TextField(max_length=40, required=False, allow_blank=True)
