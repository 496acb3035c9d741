"""Small files of every kind, and bodies that arrive in a way of their own."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile

from onestep.initiatives.attachments import create_attachment
from onestep.initiatives.models import Attachment, Initiative
from onestep.initiatives.uploads import IncomingFile

BOUNDARY = "limit-of-a-part"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def archive(*parts: tuple[str, str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive; its first part is stored as it is, as OpenDocument wants it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        for number, (name, content) in enumerate(parts):
            packed.writestr(name, content, zipfile.ZIP_STORED if number == 0 else compression)
    return buffer.getvalue()


def office_file(main_type: str) -> bytes:
    """Return an Office file, with the declaration at the end as openpyxl writes it."""
    types = f'<Types><Override PartName="/main.xml" ContentType="application/{main_type}.main+xml"/></Types>'
    return archive(("docProps/app.xml", "<a/>"), ("main.xml", "<b/>"), ("[Content_Types].xml", types))


def open_document(kind: str) -> bytes:
    """Return an OpenDocument file."""
    return archive(("mimetype", f"application/vnd.oasis.opendocument.{kind}"), ("content.xml", "<c/>"))


OOXML = "vnd.openxmlformats-officedocument."
DOCX = office_file(f"{OOXML}wordprocessingml.document")
XLSX = office_file(f"{OOXML}spreadsheetml.sheet")
PPTX = office_file(f"{OOXML}presentationml.presentation")
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x02\0\0\0\x90wS\xde"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\7\0"


def uploaded(name: str = "notes.txt", content: bytes = b"hello") -> SimpleUploadedFile:
    """Return a file as the test client sends it."""
    return SimpleUploadedFile(name, content, "application/octet-stream")


def attach(initiative: Initiative, name: str = "notes.txt", content: bytes = b"hello") -> Attachment:
    """Attach a file to an initiative."""
    file = IncomingFile(name)
    file.write(content)
    return create_attachment(initiative=initiative, file=file)


def files_in(media_root: Path) -> list[str]:
    """Return the names of all files on the media volume."""
    return sorted(path.relative_to(media_root).as_posix() for path in media_root.rglob("*") if path.is_file())


def part(field: str, content: bytes, filename: str | None = None) -> bytes:
    """Return a part of a multipart body."""
    name = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"{name}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


class Arriving:
    """A body that arrives in pieces, and counts those that were read. A piece that is an error is raised."""

    def __init__(self, pieces: Iterable[bytes | Exception]) -> None:
        self._pieces: Iterator[bytes | Exception] = iter(pieces)
        self._rest = b""
        self.read_bytes = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        if not self._rest:
            piece = next(self._pieces, b"")
            if isinstance(piece, Exception):
                raise piece
            self._rest = piece
        data, self._rest = self._rest[:size], self._rest[size:]
        self.read_bytes += len(data)
        return data

    def readline(self, size: int = -1) -> bytes:
        """Refuse: a WSGI stream has it, and multipart bodies are not read by lines."""
        raise NotImplementedError
