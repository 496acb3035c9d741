"""What is read of attachments."""

from __future__ import annotations

from typing import Any

from django.db import models
from rest_framework import serializers

from onestep.documents import Document
from onestep.initiatives.file_types import FILE_TYPES
from onestep.initiatives.models import Attachment


class AttachmentDocument(Document):
    """An attachment, with its initiative, who uploaded it, and where its content is."""

    attachment = models.OneToOneField(
        Attachment, models.DO_NOTHING, primary_key=True, db_column="id", related_name="document"
    )

    class Meta(Document.Meta):
        db_table = "attachment_document"

    view_sql = """
    SELECT a.id, (SELECT row_to_json(d) FROM (SELECT
        a.id,
        (SELECT row_to_json(s) FROM (
            SELECT i.id, i.name FROM initiatives_initiative i WHERE i.id = a.initiative_id) s) AS initiative,
        a.name, a.media_type, a.size, a.sha256,
        (SELECT row_to_json(s) FROM (
            SELECT u.id, u.username FROM accounts_user u WHERE u.id = a.uploaded_by_id) s) AS uploaded_by,
        a.uploaded_at,
        '/api/v1/attachments/' || a.id || '/content/' AS content_url
    ) d)::text AS body
    FROM initiatives_attachment a
    """


class AttachedToSerializer(serializers.Serializer[Any]):
    """The initiative that an attachment belongs to."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class UploaderSerializer(serializers.Serializer[Any]):
    """The user who uploaded an attachment."""

    id = serializers.IntegerField()
    username = serializers.CharField()


class AttachmentSerializer(serializers.Serializer[Any]):
    """A file of an initiative."""

    id = serializers.IntegerField()
    initiative = AttachedToSerializer()
    name = serializers.CharField(help_text="The file name, with which it is downloaded.")
    media_type = serializers.ChoiceField(
        [kind.media_type for kind in FILE_TYPES], help_text="Told by the content, not by the client that sent it."
    )
    size = serializers.IntegerField(help_text="In bytes.")
    sha256 = serializers.CharField(help_text="The content's SHA-256 in hexadecimal digits; its ETag too.")
    uploaded_by = UploaderSerializer(allow_null=True, help_text="Null where the user has been deleted.")
    uploaded_at = serializers.DateTimeField()
    content_url = serializers.CharField(help_text="The path of the content.")
