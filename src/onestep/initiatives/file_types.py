"""Which kinds of file are accepted as attachments, told by their content.

The list holds what an initiative's papers are: documents, pictures, tables, archives, plain text. It holds nothing that
a browser would run in this service's name (HTML, SVG, XML) and nothing that an operating system runs. What is not on it
is refused, so nothing needs to be known about it. A client's claim (its Content-Type) is not looked at; the ending of
the name has to fit the content.

The checks are written out here, because a library of signatures answers another question, what a file most likely is:
by content alone it takes each ZIP archive for a Word file, and a text that begins with "BM" for a picture.
"""

from __future__ import annotations

import codecs
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO, cast

CHUNK = 64 * 1024  # bytes
# How much of an archive's table of contents, or of a part in it, is ever read into memory.
ARCHIVE_LIMIT = 1024 * 1024  # bytes


@dataclass(frozen=True)
class FileType:
    """A kind of file: its media type, what a person calls it, and the endings of its names."""

    media_type: str
    label: str
    endings: tuple[str, ...]


_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."

PDF = FileType("application/pdf", "a PDF file", (".pdf",))
PNG = FileType("image/png", "a PNG image", (".png",))
JPEG = FileType("image/jpeg", "a JPEG image", (".jpg", ".jpeg"))
GIF = FileType("image/gif", "a GIF image", (".gif",))
WEBP = FileType("image/webp", "a WebP image", (".webp",))
DOCX = FileType(f"{_OOXML}wordprocessingml.document", "a Word document", (".docx",))
XLSX = FileType(f"{_OOXML}spreadsheetml.sheet", "an Excel workbook", (".xlsx",))
PPTX = FileType(f"{_OOXML}presentationml.presentation", "a PowerPoint presentation", (".pptx",))
ODT = FileType(f"{_ODF}text", "an OpenDocument text", (".odt",))
ODS = FileType(f"{_ODF}spreadsheet", "an OpenDocument spreadsheet", (".ods",))
ODP = FileType(f"{_ODF}presentation", "an OpenDocument presentation", (".odp",))
ZIP = FileType("application/zip", "a ZIP archive", (".zip",))
TEXT = FileType("text/plain", "text", (".txt",))
MARKDOWN = FileType("text/markdown", "text", (".md",))
CSV = FileType("text/csv", "text", (".csv",))
FILE_TYPES = (PDF, PNG, JPEG, GIF, WEBP, DOCX, XLSX, PPTX, ODT, ODS, ODP, ZIP, TEXT, MARKDOWN, CSV)

_BEGINNINGS = (
    (b"%PDF-", PDF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
)
# The declarations of the main part, without macros: a file with macros declares another.
_OOXML_PARTS = {
    f"{DOCX.media_type}.main+xml".encode(): DOCX,
    f"{XLSX.media_type}.main+xml".encode(): XLSX,
    f"{PPTX.media_type}.main+xml".encode(): PPTX,
}
_ODF_TYPES = {kind.media_type.encode(): kind for kind in (ODT, ODS, ODP)}


def identify(file: BinaryIO) -> tuple[FileType, ...]:
    """Return the accepted kinds that the content can be; more than one for text, none for what is not accepted.

    Reads the file in pieces, from its beginning.
    """
    file.seek(0)
    head = file.read(16)
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return (kind,)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return (WEBP,)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _identify_archive(file)
    return (TEXT, MARKDOWN, CSV) if _is_text(file) else ()


def fitting_type(found: tuple[FileType, ...], name: str) -> FileType | None:
    """Return the one of the kinds that the ending of the name belongs to."""
    ending = PurePath(name).suffix.lower()
    return next((kind for kind in found if ending in kind.endings), None)


class _BoundedReader:
    """Reads a file, never much at once: how much `zipfile` asks for is a number in the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes. Raises _TooLongError past the limit."""
        data = self._file.read(size if 0 <= size <= ARCHIVE_LIMIT else ARCHIVE_LIMIT + 1)
        if len(data) > ARCHIVE_LIMIT:
            raise _TooLongError
        return data


class _TooLongError(Exception):
    """A table of contents is longer than is read here."""


def _identify_archive(file: BinaryIO) -> tuple[FileType, ...]:
    try:
        with zipfile.ZipFile(cast("BinaryIO", _BoundedReader(file))) as archive:
            return (_office_type(archive) or ZIP,)
    except _TooLongError:
        return (ZIP,)  # of very many files, as no office document is
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError, OSError):
        return ()


def _office_type(archive: zipfile.ZipFile) -> FileType | None:
    names = archive.namelist()
    if names[:1] == ["mimetype"]:
        return _ODF_TYPES.get(_read_part(archive, "mimetype").strip())
    if "[Content_Types].xml" in names:
        declared = _read_part(archive, "[Content_Types].xml")
        return next((kind for part, kind in _OOXML_PARTS.items() if part in declared), None)
    return None


def _read_part(archive: zipfile.ZipFile, name: str) -> bytes:
    part = archive.getinfo(name)
    if part.flag_bits & 1 or part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return b""  # encrypted, or packed in a way that cannot be unpacked piece by piece
    with archive.open(part) as stream:
        return stream.read(ARCHIVE_LIMIT)


def _is_text(file: BinaryIO) -> bool:
    """Return whether the content is UTF-8 without NUL, and neither markup nor a script.

    Browsers take a text for HTML or SVG by how it begins, white space aside (https://mimesniff.spec.whatwg.org/).
    """
    file.seek(0)
    if file.read(2) == b"#!":
        return False
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    begun = False
    try:
        for chunk in _chunks(file):
            text = decoder.decode(chunk)
            if "\0" in text:
                return False
            start = text.lstrip("\ufeff \t\r\n\v\f") if not begun else ""
            if start.startswith("<"):
                return False
            begun = begun or bool(start)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK):
        yield chunk
