"""What a file is by its content."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import pytest

from onestep.initiatives import file_types
from onestep.initiatives.file_types import FILE_TYPES, FileType, fitting_type, identify
from tests.unit.initiatives.attachment_files import (
    DOCX,
    GIF,
    JPEG,
    OOXML,
    PDF,
    PNG,
    PPTX,
    WEBP,
    XLSX,
    archive,
    office_file,
    open_document,
)

TEXTS = (file_types.TEXT, file_types.MARKDOWN, file_types.CSV)


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (PDF, (file_types.PDF,)),
        (PNG, (file_types.PNG,)),
        (JPEG, (file_types.JPEG,)),
        (GIF, (file_types.GIF,)),
        (b"GIF87a" + GIF[6:], (file_types.GIF,)),
        (WEBP, (file_types.WEBP,)),
        (DOCX, (file_types.DOCX,)),
        (XLSX, (file_types.XLSX,)),
        (PPTX, (file_types.PPTX,)),
        (open_document("text"), (file_types.ODT,)),
        (open_document("spreadsheet"), (file_types.ODS,)),
        (open_document("presentation"), (file_types.ODP,)),
        (archive(("notes.txt", "hello")), (file_types.ZIP,)),
        (archive(), (file_types.ZIP,)),
        (b"hello\n", TEXTS),
        ("# Título\n\n<b>negrito</b>".encode(), TEXTS),
        ("\ufeffnome;valor\nação;1\n".encode(), TEXTS),
        ("é".encode() * 100_000, TEXTS),
        (b"BM, MZ and %PDF are how other files begin", TEXTS),
        (b"#hashtag", TEXTS),
    ],
)
def test_identify_accepted(content: bytes, kinds: tuple[FileType, ...]) -> None:
    assert identify(io.BytesIO(content)) == kinds


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html>",
        b" \r\n\t<HTML>",
        b"\xef\xbb\xbf<script>alert(1)</script>",
        b"\n" * 100_000 + b"<svg/>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"<!-- --><svg/>",
        "<html>".encode("utf-16"),
        b"#!/bin/sh\n",
        b"#!/usr/bin/env python3\n",
        b"MZ\x90\0\3\0\0\0",
        b"\x7fELF\2\1\1\0",
        b"\xcf\xfa\xed\xfe\7\0\0\1",
        b"\xca\xfe\xba\xbe\0\0\0\x34",
        b"hello\0",
        b"hello" * 20_000 + b"\0",
        b"caf\xe9",
        b"hello \xc3",
        b"RIFF\x1a\0\0\0WAVEfmt ",
        b"PK\3\4 and no more",
        archive(("notes.txt", "hello"))[:-10],
        b"MZ" + archive(("notes.txt", "hello")),
    ],
)
def test_identify_refused(content: bytes) -> None:
    assert identify(io.BytesIO(content)) == ()


@pytest.mark.parametrize(
    "content",
    [
        office_file("vnd.ms-word.document.macroEnabled"),
        office_file(f"{OOXML}wordprocessingml.template"),
        open_document("graphics"),
        archive(("mimetype", "application/epub+zip")),
        archive(("first", ""), ("[Content_Types].xml", DOCX.hex()), compression=zipfile.ZIP_BZIP2),
    ],
)
def test_identify_other_packages_are_archives(content: bytes) -> None:
    """With macros, for instance: they pass as what they are, under a name that says archive."""
    assert identify(io.BytesIO(content)) == (file_types.ZIP,)


def test_identify_takes_little_memory() -> None:
    """Neither very many parts nor a part that unpacks to very much are taken into memory."""
    many = archive(*((f"{number}", "") for number in range(50_000)))
    bomb = archive(("a", ""), ("[Content_Types].xml", "\0" * 50_000_000))
    for content in (many, bomb):
        file = io.BytesIO(content)
        tracemalloc.start()
        try:
            assert identify(file) == (file_types.ZIP,)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 * 1024 * 1024


def test_fitting_type_by_ending() -> None:
    assert fitting_type(TEXTS, "a.MD") == file_types.MARKDOWN
    assert fitting_type(TEXTS, "a.b.csv") == file_types.CSV
    assert fitting_type(TEXTS, "a.html") is None
    assert fitting_type(TEXTS, "a") is None


def test_endings_belong_to_one_type() -> None:
    endings = [ending for kind in FILE_TYPES for ending in kind.endings]
    assert len(endings) == len(set(endings))
