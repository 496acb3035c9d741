"""`/api/v1/attachments/`, the content of each, and the same content under `/media/`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import django_filters
import structlog
from django.conf import settings
from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from onestep.http.etags import matches_if_none_match
from onestep.http.filters import ListFilterSet, MomentFilter, RelationFilter
from onestep.http.problems import lost_row, problem_response
from onestep.http.viewsets import CreateMixin, DestroyMixin, ListMixin, RetrieveMixin
from onestep.initiatives import attachments
from onestep.initiatives.attachment_documents import AttachmentSerializer
from onestep.initiatives.attachment_serializers import AttachmentInputSerializer
from onestep.initiatives.downloads import download_headers, file_response
from onestep.initiatives.file_types import FILE_TYPES
from onestep.initiatives.models import Attachment
from onestep.initiatives.uploads import UploadParser, stored_path

logger = structlog.get_logger(__name__)

_NAME = re.compile(rf"{attachments.FOLDER}/\d{{4}}/\d{{2}}/[0-9a-f]{{32}}")


class AttachmentFilterSet(ListFilterSet):
    """Which attachments."""

    initiative = RelationFilter(related="initiatives.Initiative", help_text="The id of an initiative.")
    uploaded_by = RelationFilter(related=settings.AUTH_USER_MODEL, help_text="The id of a user.")
    media_type = django_filters.ChoiceFilter(choices=[(kind.media_type, kind.label) for kind in FILE_TYPES])
    size__gte = django_filters.NumberFilter("size", lookup_expr="gte", decimal_places=0)
    size__lte = django_filters.NumberFilter("size", lookup_expr="lte", decimal_places=0)
    uploaded_at__gte = MomentFilter("uploaded_at", lookup_expr="gte")
    uploaded_at__lte = MomentFilter("uploaded_at", lookup_expr="lte")

    class Meta:
        model = Attachment
        fields: list[str] = []


class AnyNegotiation(BaseContentNegotiation):
    """Answers whatever is accepted: a file has the type it has, and problems are JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


def answer_content(request: Request, attachment: Attachment) -> HttpResponseBase:
    """Answer the content of an attachment: 200, 206 for a range, 304 for a client that has it."""
    tag = f'"{attachment.sha256}"'
    if matches_if_none_match(request, tag):
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers=download_headers(tag))
    try:
        file = stored_path(str(attachment.file)).open("rb")
    except OSError as error:
        logger.error("attachment_file_unreadable", attachment=attachment.pk, reason=str(error))  # noqa: TRY400
        return problem_response(
            404,
            "The file of this attachment is not in the volume for files. Tell whoever runs this service.",
            code="file_missing",
        )
    return file_response(request, file, name=attachment.name, media_type=attachment.media_type, tag=tag)


def _content_answers(code: int, description: str) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the description of an answer that is a file of any accepted type."""
    answer = OpenApiResponse(OpenApiTypes.BINARY, description)
    return {(code, kind.media_type): answer for kind in FILE_TYPES}


class AttachmentViewSet(ListMixin, RetrieveMixin, CreateMixin, DestroyMixin):
    """Files of initiatives. The content of one is at its `content_url`.

    What is accepted is told by the content: PDF, PNG, JPEG, GIF, WebP, Office and OpenDocument files without macros,
    ZIP archives, and text, Markdown and CSV in UTF-8. The ending of the name has to fit it. A file cannot be changed:
    upload another and delete it.
    """

    queryset = Attachment.objects.all()
    parser_classes = (UploadParser,)
    serializer_class = AttachmentInputSerializer
    document_serializer = AttachmentSerializer
    filterset_class = AttachmentFilterSet
    orderings = {"name": "sort_name", "size": "size", "uploaded_at": "uploaded_at"}
    default_ordering = "-uploaded_at"
    create_service = attachments.create_attachment
    delete_service = attachments.delete_attachment

    def create(self, request: Request, **kwargs: Any) -> Any:
        """Keep a file."""
        if not request.META.get("CONTENT_LENGTH"):
            return problem_response(
                411, "Send the body with its Content-Length: a chunked one is not read.", code="length_required"
            )
        return super().create(request, uploaded_by=request.user)

    @extend_schema(
        summary="Download an attachment",
        parameters=[
            OpenApiParameter("Range", OpenApiTypes.STR, OpenApiParameter.HEADER, description="A part: `bytes=0-1023`."),
            OpenApiParameter(
                "If-None-Match",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="The ETag that is held: 304 if it is current.",
            ),
        ],
        responses={
            **_content_answers(200, "The file, with its media type. The ETag is its SHA-256."),
            **_content_answers(206, "The part that was asked for."),
            304: OpenApiResponse(description="The client holds the file."),
        },
    )
    @action(detail=True, content_negotiation_class=AnyNegotiation)
    def content(self, request: Request, pk: str) -> HttpResponseBase:
        """Stream the file."""
        attachment = self.get_queryset().filter(pk=pk).first()
        if attachment is None:
            raise lost_row(Attachment)
        return answer_content(request, attachment)


class MediaView(APIView):
    """Serves a file by its stored name. The name is looked up in the database and is no path before it is found."""

    queryset = Attachment.objects.all()
    content_negotiation_class = AnyNegotiation
    schema = None

    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Stream the file."""
        attachment = self.queryset.filter(file=name).first() if _NAME.fullmatch(name) else None
        if attachment is None:
            raise Http404
        return answer_content(request, attachment)
