"""What changes attachments: their rows and, in step with them, their files on the media volume."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction

from onestep.initiatives.models import Attachment

logger = structlog.get_logger(__name__)


def stored_path(name: str) -> Path:
    """Return where the file with this stored name is."""
    return Path(settings.MEDIA_ROOT) / name


def stored_names(initiative_ids: Iterable[int]) -> list[str]:
    """Return the stored names of all files of the initiatives, in one query.

    To be asked for before the rows are deleted, with the initiatives locked (FOR UPDATE): an upload that commits later
    then waits for the lock, and fails.
    """
    rows = Attachment.objects.filter(initiative__in=list(initiative_ids)).order_by()
    return list(rows.values_list("file", flat=True))


def remove_files_on_commit(names: Iterable[str]) -> None:
    """Remove files once the present transaction has committed; a rollback keeps them.

    A file that cannot be removed is logged and left to `sweep_files`: the deletion of its row stands.
    """
    names = list(names)

    def remove() -> None:
        for name in names:
            try:
                stored_path(name).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("attachment_file_not_removed", file=name, reason=error.strerror)

    if names:
        transaction.on_commit(remove)
