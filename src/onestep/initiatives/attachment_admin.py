"""Attachments in the admin: to look at, download and delete. They are uploaded through the API."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html

from onestep.administration import ServiceAdmin
from onestep.initiatives.attachments import delete_attachment
from onestep.initiatives.file_types import FILE_TYPES
from onestep.initiatives.models import Attachment


class MediaTypeFilter(admin.SimpleListFilter):
    """Offers the accepted kinds. Django's own filter would look for them in all rows, for each page."""

    title = "media type"
    parameter_name = "media_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        return [(kind.media_type, ", ".join(kind.endings)) for kind in FILE_TYPES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attachment]) -> QuerySet[Attachment]:
        """Keep the rows of the chosen kind."""
        return queryset.filter(media_type=self.value()) if self.value() else queryset


@admin.register(Attachment)
class AttachmentAdmin(ServiceAdmin):
    """Lists files with a link to their content."""

    list_display = ("name", "media_type", "shown_size", "initiative", "uploaded_by", "uploaded_at", "content")
    list_filter = (MediaTypeFilter,)
    list_select_related = ("initiative", "uploaded_by")
    fields = ("name", "initiative", "media_type", "shown_size", "sha256", "uploaded_by", "uploaded_at", "content")
    delete_service = delete_attachment

    @admin.display(description="size", ordering="size")
    def shown_size(self, attachment: Attachment) -> str:
        """Return the size in KB or MB."""
        return filesizeformat(attachment.size)

    @admin.display(description="content")
    def content(self, attachment: Attachment) -> str:
        """Return a link to the content."""
        return format_html('<a href="{}">Download</a>', reverse("attachment-content", args=[attachment.pk]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: a file is uploaded through the API, which receives it in pieces and checks it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what a row says is said of its file."""
        return False
