"""Attachments in the admin: to look at, download and delete. They are uploaded through the API."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html

from onestep.initiatives.attachments import delete_attachment
from onestep.initiatives.file_types import FILE_TYPES
from onestep.initiatives.models import Attachment
from onestep.search import search


class MediaTypeFilter(admin.SimpleListFilter):
    """Offers the accepted kinds. Django's own filter would look for them in all rows, for each page."""

    title = "media type"
    parameter_name = "media_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        return [(kind.media_type, f"{kind.media_type} ({', '.join(kind.endings)})") for kind in FILE_TYPES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attachment]) -> QuerySet[Attachment]:
        """Keep the rows of the chosen kind."""
        return queryset.filter(media_type=self.value()) if self.value() else queryset


@admin.register(Attachment)
class AttachmentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Lists files with a link to their content."""

    list_display = ("name", "media_type", "shown_size", "initiative", "uploaded_by", "uploaded_at", "download")
    list_filter = (MediaTypeFilter,)
    list_select_related = ("initiative", "uploaded_by")
    search_fields = ("name",)
    show_full_result_count = False
    fields = ("name", "initiative", "media_type", "shown_size", "sha256", "uploaded_by", "uploaded_at", "download")
    readonly_fields = ("shown_size", "download")

    @admin.display(description="size", ordering="size")
    def shown_size(self, attachment: Attachment) -> str:
        """Return the size in KB or MB."""
        return filesizeformat(attachment.size)

    @admin.display(description="content")
    def download(self, attachment: Attachment) -> str:
        """Return a link to the content."""
        return format_html('<a href="{}">Download</a>', reverse("attachment-content", args=[attachment.pk]))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Attachment], search_term: str
    ) -> tuple[QuerySet[Attachment], bool]:
        """Search as the API does: whatever case and accents, by the index."""
        return search(queryset, search_term), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: a file is uploaded through the API, which receives it in pieces and checks it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Attachment | None = None) -> bool:
        """Return False: what an attachment says is said of its file."""
        return False

    def delete_model(self, request: HttpRequest, obj: Attachment) -> None:
        """Delete the file too."""
        delete_attachment(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the files too."""
        with transaction.atomic():
            for attachment in queryset:
                delete_attachment(attachment)
