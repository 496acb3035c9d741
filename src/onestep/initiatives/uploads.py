"""Files on their way in: received in pieces onto the media volume, counted and hashed, and gone unless they are kept.

A file is received in `.incoming` and moved by a rename, on the same volume, so that a stored name always has a complete
file. Closing what was not kept removes it; Django closes a request's files with the request. Only a killed process
leaves something, which `attachments.sweep_files` removes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, BinaryIO, Self, cast
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, DataAndFiles

from onestep.errors import InvalidError, TooLargeError, UnavailableError

logger = structlog.get_logger(__name__)

INCOMING = ".incoming"
FOLDER_MODE = 0o770  # the service's user and group, under which an upgraded or arbitrary user id runs too
NAME_LENGTH = 255  # characters
# What a request may have around the file: the other fields and the parts' headers.
ENVELOPE_BYTES = 64 * 1024
INCOMPLETE = "The body ended before all of it had arrived."


def stored_path(name: str) -> Path:
    """Return where the file with this stored name is."""
    return Path(settings.MEDIA_ROOT) / name


def clean_name(name: str) -> str:
    """Return the base name in NFC, without control and formatting characters, of 255 characters at the most.

    The ending stays. Empty where nothing is left.
    """
    base = re.split(r"[/\\]", name)[-1]
    spaced = "".join(" " if character.isspace() else character for character in base)
    visible = "".join(character for character in spaced if character.isprintable())
    text = unicodedata.normalize("NFC", " ".join(visible.split())).strip(" .")
    if len(text) <= NAME_LENGTH:
        return text
    ending = PurePath(text).suffix[:16]
    return text[: NAME_LENGTH - len(ending)] + ending


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise UnavailableError where the media volume is missing, read-only or full."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT}:
            code, detail = "storage_read_only", "the volume for files is missing or cannot be written to"
        elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
            code, detail = "storage_full", "the volume for files is full"
        else:
            raise
        logger.warning("media_volume_unusable", code=code, reason=str(error))
        raise UnavailableError(
            f"Files cannot be uploaded at the moment: {detail}. Everything else works. Tell whoever runs this service.",
            code=code,
        ) from error


def too_large() -> TooLargeError:
    """Return the error for a file that is over the limit."""
    limit = settings.ATTACHMENT_MAX_BYTES
    return TooLargeError(f"The file is larger than {limit // 2**20} MB, the limit for one file.", limit=limit)


class IncomingFile:
    """A file that is being received. `size` is in bytes, `sha256` in hexadecimal digits.

    Raises UnavailableError where the media volume cannot be written to.
    """

    def __init__(self, name: str) -> None:
        self.name = clean_name(name)
        self.size = 0
        self._digest = hashlib.sha256()
        self._kept = False
        self._path = stored_path(INCOMING) / uuid4().hex
        with storage_errors():
            _make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.file: BinaryIO = os.fdopen(descriptor, "r+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def sha256(self) -> str:
        """The hash of what has been received."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append to the file.

        Raises TooLargeError past the limit, and UnavailableError where the volume is full.
        """
        if self.size + len(chunk) > settings.ATTACHMENT_MAX_BYTES:
            raise too_large()
        with storage_errors():
            self.file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def move(self, name: str) -> None:
        """Give the complete file its stored name, such that it survives a power cut. It is not kept yet.

        Raises UnavailableError where the volume is full or cannot be written to.
        """
        target = stored_path(name)
        with storage_errors():
            self.file.flush()
            os.fchmod(self.file.fileno(), settings.FILE_UPLOAD_PERMISSIONS)
            os.fsync(self.file.fileno())
            _make_folder(target.parent)
            self._path.rename(target)
            self._path = target
            _sync_folder(target.parent)

    def keep(self) -> None:
        """Let the file stay when it is closed."""
        self._kept = True

    def close(self) -> None:
        """Close the file, and remove it where it is not kept."""
        try:
            self.file.close()
        except OSError as error:  # what is written last may not fit: the file goes either way
            logger.warning("incoming_file_not_closed", reason=error.strerror)
        if not self._kept:
            remove_file(self._path)


def remove_file(path: Path) -> bool:
    """Remove a file that may be gone already; log where that fails and return whether it worked."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("file_not_removed", path=str(path), reason=error.strerror)
        return False
    return True


def _make_folder(folder: Path) -> None:
    """Make a folder below MEDIA_ROOT and those above it; MEDIA_ROOT itself is the volume and has to be there."""
    path = Path(settings.MEDIA_ROOT)
    for part in folder.relative_to(path).parts:
        above, path = path, path / part
        if path.is_dir():
            continue
        path.mkdir(exist_ok=True)
        path.chmod(FOLDER_MODE)
        _sync_folder(above)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class IncomingFileHandler(FileUploadHandler):
    """Receives the part `file` of a multipart body, and no other file."""

    def __init__(self) -> None:
        super().__init__()
        self.incoming: IncomingFile | None = None

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin to receive.

        Raises InvalidError for another file than the one, and UnavailableError where it cannot be written.
        """
        if field_name != "file" or self.incoming:
            raise InvalidError({field_name: ["Send one file, as the field file."]})
        self.incoming = IncomingFile(file_name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece. Raises TooLargeError past the limit."""
        if self.incoming:
            self.incoming.write(raw_data)

    def file_complete(self, file_size: int) -> Any:
        """Return the complete file."""
        return self.incoming

    def upload_interrupted(self) -> None:
        """Remove a file whose end has not come."""
        self.close()

    def close(self) -> None:
        """Remove what was received, unless it is kept."""
        if self.incoming:
            self.incoming.close()


class _CountedBody:
    """A request's body that counts what was read of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.received = 0

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self.received += len(data)
        return data


class UploadParser(BaseParser):
    """Parses a multipart body with one file in it, which is written to the media volume while it arrives."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles[Any, Any]:
        """Return the fields and the file. Whatever goes wrong, nothing of the file stays.

        Raises ParseError for a body that is not multipart or ends too early, and TooLargeError for one that is larger
        than a file may be: at once where its length says so, else when the limit is passed. The rest is not read.
        """
        length = int((parser_context or {})["request"].META["CONTENT_LENGTH"])
        if length > settings.ATTACHMENT_MAX_BYTES + ENVELOPE_BYTES:
            raise too_large()
        body = _CountedBody(stream)
        handler = IncomingFileHandler()
        meta = {"CONTENT_TYPE": media_type, "CONTENT_LENGTH": length}
        with ExitStack() as undo:
            undo.callback(handler.close)
            try:
                data, files = MultiPartParser(meta, cast("Any", body), [handler], "utf-8").parse()
            except MultiPartParserError:
                raise ParseError("The body is not multipart/form-data.") from None
            except UnreadablePostError:
                raise ParseError(INCOMPLETE) from None
            if body.received < length:
                raise ParseError(INCOMPLETE)
            undo.pop_all()
        return DataAndFiles(data, files)
