"""What is written of attachments."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from onestep.initiatives.models import Initiative
from onestep.initiatives.uploads import NAME_LENGTH


class AttachmentInputSerializer(serializers.Serializer[Any]):
    """A file for an initiative."""

    initiative = serializers.PrimaryKeyRelatedField(
        queryset=Initiative.objects.all(),
        style={"base_template": "input.html"},
        error_messages={
            "does_not_exist": "There is none with the id {pk_value}.",
            "incorrect_type": "Give the id of an initiative.",
        },
        help_text="The id of the initiative.",
    )
    file = serializers.FileField(
        allow_empty_file=True,  # the service says so, in the words of the other refusals
        help_text="A document, picture, table, archive or text. Content and name's ending have to fit each other.",
    )
    name = serializers.CharField(
        max_length=NAME_LENGTH,
        required=False,
        allow_blank=True,
        help_text="The name to keep it under, with its ending; the file's own where it is left out.",
    )
