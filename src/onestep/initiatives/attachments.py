"""What changes attachments: their rows and, in step with them, their files on the media volume."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from onestep.errors import InvalidError
from onestep.initiatives.file_types import FILE_TYPES, FileType, fitting_type, identify
from onestep.initiatives.models import Attachment, Initiative
from onestep.initiatives.uploads import INCOMING, IncomingFile, clean_name, remove_file, stored_path

# The folder on the media volume. A stored name says nothing of the file, so that nothing can be made of it.
FOLDER = "attachments"
ACCEPTED = ", ".join(ending.removeprefix(".") for kind in FILE_TYPES for ending in kind.endings)


def create_attachment(
    *, initiative: Initiative, file: IncomingFile, name: str = "", uploaded_by: Any = None
) -> Attachment:
    """Keep a received file as an attachment. Where that fails, for whatever reason, neither row nor file stays.

    The name is the file's own unless one is given. To be called outside of transactions, since the file stays only once
    the row is committed. Raises InvalidError where the content is not accepted or does not fit the name's ending, and
    UnavailableError where the media volume is full or cannot be written to.
    """
    with file:
        kind = _checked_type(file, name)
        stored = f"{FOLDER}/{timezone.now():%Y/%m}/{uuid4().hex}"
        committing = False
        try:
            with transaction.atomic(durable=True):
                file.move(stored)
                attachment = Attachment.objects.create(
                    initiative=initiative,
                    name=clean_name(name) or file.name,
                    media_type=kind.media_type,
                    size=file.size,
                    sha256=file.sha256,
                    file=stored,
                    uploaded_by=uploaded_by,
                )
                committing = True
        except (OperationalError, InterfaceError) as error:
            # Where the connection broke during the commit (no SQLSTATE came back), nobody knows whether there is a row.
            # The file stays for it; `sweep_files` asks again when the database answers.
            if committing and not getattr(error.__cause__, "pgcode", None):
                file.keep()
            raise
        file.keep()
    return attachment


@transaction.atomic
def delete_attachment(attachment: Attachment) -> None:
    """Delete an attachment; its file goes when that is committed."""
    remove_files_on_commit([str(attachment.file)])
    attachment.delete()


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
    paths = [stored_path(name) for name in names]

    def remove() -> None:
        for path in paths:
            remove_file(path)

    if paths:
        transaction.on_commit(remove)


def sweep_files(*, older_than: timedelta, dry_run: bool = False) -> list[str]:
    """Remove what killed processes have left, and return the names: half-received files, and files without a row.

    Only what has not been written to for `older_than` counts as left: a younger one may be an upload under way.
    """
    before = time.time() - older_than.total_seconds()
    found = _files_written_before(before)
    swept: list[str] = []
    while names := list(islice(found, 1000)):
        known = set(Attachment.objects.filter(file__in=names).order_by().values_list("file", flat=True))
        swept += [name for name in names if name not in known and (dry_run or remove_file(stored_path(name)))]
    return swept


def _files_written_before(before: float) -> Iterator[str]:
    """Return the names of old files in the two folders that are ours; `before` is in seconds since the epoch."""
    for folder in (INCOMING, FOLDER):
        for place, _, files in os.walk(stored_path(folder)):
            for path in (Path(place) / file for file in files):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        yield path.relative_to(settings.MEDIA_ROOT).as_posix()


def _checked_type(file: IncomingFile, name: str) -> FileType:
    """Return the kind of a received file. Raises InvalidError where it is not accepted, or its name does not fit."""
    field, shown = ("name", clean_name(name)) if name else ("file", file.name)
    if not file.size:
        raise InvalidError({"file": ["The file is empty."]})
    found = identify(file.file)
    if not found:
        raise InvalidError({"file": [f"The content is of no accepted kind: {ACCEPTED}; text in UTF-8, not markup."]})
    kind = fitting_type(found, shown)
    if kind is None:
        endings = " or ".join(ending for one in found for ending in one.endings)
        raise InvalidError({field: [f"The content is {found[0].label}: the name has to end in {endings}."]})
    return kind
