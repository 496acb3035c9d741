"""`POST /api/v1/attachments/`."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, OperationalError, connection
from rest_framework.test import APIClient

from onestep.initiatives.attachments import ACCEPTED
from onestep.initiatives.models import Attachment
from onestep.initiatives.uploads import clean_name
from tests.factories import InitiativeFactory, UserFactory
from tests.unit.initiatives.attachment_files import (
    DOCX,
    END,
    MULTIPART,
    PDF,
    PNG,
    XLSX,
    Arriving,
    attach,
    files_in,
    part,
    uploaded,
)

URL = "/api/v1/attachments/"
pytestmark = pytest.mark.usefixtures("media_root")


def send(client: APIClient, body: Arriving, length: int) -> Any:
    """Send a body of a declared length, whatever arrives of it."""
    return client.generic("POST", URL, content_type=MULTIPART, CONTENT_LENGTH=str(length), **{"wsgi.input": body})


def assert_nothing_stays(media_root: Path) -> None:
    assert not Attachment.objects.exists()
    assert files_in(media_root) == []


@pytest.mark.parametrize(("caller", "status"), [("anonymous", 401), ("outsider", 403), ("reader", 403)])
def test_create_attachment_not_allowed(
    request: pytest.FixtureRequest, media_root: Path, db: None, caller: str, status: int
) -> None:
    """The body of who may not upload is not read."""
    body = Arriving([part("file", b"hello", "notes.txt"), END])
    response = send(request.getfixturevalue(caller), body, 500)
    assert response.status_code == status
    assert body.read_bytes == 0
    assert_nothing_stays(media_root)


def test_create_attachment_complete(editor: APIClient, media_root: Path) -> None:
    initiative = InitiativeFactory(name="Herbarium")
    response = editor.post(URL, {"initiative": initiative.pk, "file": uploaded("plano.pdf", PDF)})
    assert response.status_code == 201
    attachment = Attachment.objects.get()
    assert response["Location"] == f"http://testserver{URL}{attachment.pk}/"
    body = response.json()
    assert body.pop("uploaded_at").startswith(f"{attachment.uploaded_at:%Y-%m-%dT%H:%M}")
    assert body == {
        "id": attachment.pk,
        "initiative": {"id": initiative.pk, "name": "Herbarium"},
        "name": "plano.pdf",
        "media_type": "application/pdf",
        "size": len(PDF),
        "sha256": hashlib.sha256(PDF).hexdigest(),
        "uploaded_by": {"id": attachment.uploaded_by_id, "username": "editor"},
        "content_url": f"/api/v1/attachments/{attachment.pk}/content/",
    }
    assert editor.get(response["Location"])["ETag"] == response["ETag"]


def test_create_attachment_file_on_volume(editor: APIClient, media_root: Path) -> None:
    """The name on the volume tells nothing, and the modes are those of the settings."""
    editor.post(URL, {"initiative": InitiativeFactory().pk, "file": uploaded("plano.pdf", PDF)})
    attachment = Attachment.objects.get()
    assert files_in(media_root) == [attachment.file.name]
    path = media_root / attachment.file.name
    assert path.read_bytes() == PDF
    assert path.relative_to(media_root).parts[:-1] == ("attachments", *f"{attachment.uploaded_at:%Y %m}".split())
    assert len(path.name) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in media_root.rglob("*") if folder.is_dir()} == {0o770}


def test_create_attachment_under_given_name(editor: APIClient) -> None:
    data = {"initiative": InitiativeFactory().pk, "file": uploaded("scan0001.pdf", PDF), "name": "Ata de março.pdf"}
    response = editor.post(URL, data)
    assert response.status_code == 201
    assert response.json()["name"] == "Ata de março.pdf"


def test_create_attachment_ignores_claimed_type(editor: APIClient) -> None:
    file = uploaded("dados.csv", b"a,b\n1,2\n")
    file.content_type = "text/html"
    response = editor.post(URL, {"initiative": InitiativeFactory().pk, "file": file})
    assert response.json()["media_type"] == "text/csv"


NOT_ACCEPTED = f"The content is of no accepted kind: {ACCEPTED}; text in UTF-8, not markup."


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", "The file is empty."),
        ("page.txt", b"<!DOCTYPE html><script>alert(1)</script>", NOT_ACCEPTED),
        ("page.pdf", b"<html><body onload=alert(1)>", NOT_ACCEPTED),
        ("picture.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', NOT_ACCEPTED),
        ("program.txt", b"\x7fELF\x02\x01\x01\0", NOT_ACCEPTED),
        ("script.txt", b"#!/bin/sh\nid\n", NOT_ACCEPTED),
        ("latin.txt", "Relatório".encode("latin-1"), NOT_ACCEPTED),
        ("picture.pdf", PNG, "The content is a PNG image: the name has to end in .png."),
        ("table.docx", XLSX, "The content is an Excel workbook: the name has to end in .xlsx."),
        ("letter.zip", DOCX, "The content is a Word document: the name has to end in .docx."),
        ("page.html", b"hello", "The content is text: the name has to end in .txt or .md or .csv."),
        ("README", b"hello", "The content is text: the name has to end in .txt or .md or .csv."),
    ],
)
def test_create_attachment_refused_content(
    editor: APIClient, media_root: Path, name: str, content: bytes, message: str
) -> None:
    response = editor.post(URL, {"initiative": InitiativeFactory().pk, "file": uploaded(name, content)})
    assert response.status_code == 400
    assert response.json()["errors"] == {"file": [message]}
    assert_nothing_stays(media_root)


def test_create_attachment_given_name_does_not_fit(editor: APIClient, media_root: Path) -> None:
    data = {"initiative": InitiativeFactory().pk, "file": uploaded("notes.txt"), "name": "notes.html"}
    response = editor.post(URL, data)
    assert response.status_code == 400
    assert response.json()["errors"] == {"name": ["The content is text: the name has to end in .txt or .md or .csv."]}
    assert_nothing_stays(media_root)


def test_create_attachment_nothing_given(editor: APIClient) -> None:
    response = editor.post(URL, {"note": "x"})
    assert response.status_code == 400
    assert response.json()["errors"] == {
        "initiative": ["This field is required."],
        "file": ["No file was submitted."],
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [("999999", "There is none with the id 999999."), ("x", "Give the id of an initiative.")],
)
def test_create_attachment_unknown_initiative(editor: APIClient, media_root: Path, value: str, message: str) -> None:
    response = editor.post(URL, {"initiative": value, "file": uploaded()})
    assert response.status_code == 400
    assert response.json()["errors"] == {"initiative": [message]}
    assert_nothing_stays(media_root)


@pytest.mark.parametrize("second", ["file", "other"])
def test_create_attachment_two_files(editor: APIClient, media_root: Path, second: str) -> None:
    pieces = [part("file", b"hello", "a.txt"), part(second, b"hello", "b.txt"), END]
    response = send(editor, Arriving(pieces), sum(map(len, pieces)))
    assert response.status_code == 400
    assert response.json()["errors"] == {second: ["Send one file, as the field file."]}
    assert_nothing_stays(media_root)


def test_create_attachment_json(editor: APIClient) -> None:
    response = editor.post(URL, {"initiative": 1}, format="json")
    assert response.status_code == 415
    assert response.json()["type"] == "urn:onestep:problem:unsupported_media_type"


def test_create_attachment_not_multipart(editor: APIClient) -> None:
    response = editor.generic("POST", URL, "hello", content_type="multipart/form-data")
    assert response.status_code == 400
    assert response.json()["detail"] == "The body is not multipart/form-data."


def test_create_attachment_without_length(editor: APIClient) -> None:
    response = editor.generic("POST", URL, content_type=MULTIPART, HTTP_TRANSFER_ENCODING="chunked")
    assert response.status_code == 411
    assert response.json()["type"] == "urn:onestep:problem:length_required"
    assert response.json()["detail"] == "Send the body with its Content-Length: a chunked one is not read."


def test_create_attachment_too_large_by_length(editor: APIClient, media_root: Path, settings: Any) -> None:
    """Not a byte of it is read."""
    settings.ATTACHMENT_MAX_BYTES = 1024 * 1024
    body = Arriving([part("file", b"x" * 5_000_000, "a.txt"), END])
    response = send(editor, body, 5_000_000)
    assert response.status_code == 413
    problem = response.json()
    assert problem["type"] == "urn:onestep:problem:too_large"
    assert problem["detail"] == "The file is larger than 1 MB, the limit for one file."
    assert problem["limit"] == 1024 * 1024
    assert body.read_bytes == 0
    assert_nothing_stays(media_root)


def test_create_attachment_too_large_while_arriving(editor: APIClient, media_root: Path, settings: Any) -> None:
    """Where the length allows for other fields, the file itself is counted."""
    settings.ATTACHMENT_MAX_BYTES = 100_000
    pieces = [part("file", b"x" * 100_001, "a.txt"), END]
    response = send(editor, Arriving(pieces), sum(map(len, pieces)))
    assert response.status_code == 413
    assert_nothing_stays(media_root)


def test_create_attachment_as_large_as_allowed(editor: APIClient, settings: Any) -> None:
    settings.ATTACHMENT_MAX_BYTES = 100_000
    data = {"initiative": InitiativeFactory().pk, "file": uploaded(content=b"x" * 100_000)}
    assert editor.post(URL, data).status_code == 201


@pytest.mark.parametrize("missing", [1, len(END), len(END) + 1, 100, 200_000])
def test_create_attachment_cut_short(editor: APIClient, media_root: Path, missing: int) -> None:
    """The id comes last, and would be taken for another where its end is missing."""
    InitiativeFactory(pk=1)
    whole = part("file", b"x" * 300_000, "a.txt") + part("initiative", b"12") + END
    response = send(editor, Arriving([whole[:-missing]]), len(whole))
    assert response.status_code == 400
    assert response.json()["type"] == "urn:onestep:problem:malformed"
    assert response.json()["detail"] == "The body ended before all of it had arrived."
    assert_nothing_stays(media_root)


def test_create_attachment_connection_lost(editor: APIClient, media_root: Path) -> None:
    body = Arriving([part("file", b"x" * 200_000, "a.txt"), ConnectionResetError("gone")])
    response = send(editor, body, 1_000_000)
    assert response.status_code == 400
    assert response.json()["detail"] == "The body ended before all of it had arrived."
    assert_nothing_stays(media_root)


def test_create_attachment_takes_constant_memory(editor: APIClient, media_root: Path) -> None:
    initiative = InitiativeFactory()
    size = 20 * 1024 * 1024
    block = b"0123456789abcde\n" * 4096
    begin, end = part("initiative", str(initiative.pk).encode()) + part("file", b"", "big.txt")[:-2], b"\r\n" + END
    body = Arriving([begin, *([block] * (size // len(block))), end])
    tracemalloc.start()
    try:
        response = send(editor, body, len(begin) + size + len(end))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status_code == 201
    assert response.json()["size"] == size
    assert peak < 4 * 1024 * 1024


def test_create_attachment_volume_missing(editor: APIClient, settings: Any, tmp_path: Path) -> None:
    """The folder of the volume is not made: what is put there would be gone with the container."""
    settings.MEDIA_ROOT = tmp_path / "absent"
    response = editor.post(URL, {"initiative": InitiativeFactory().pk, "file": uploaded()})
    assert response.status_code == 503
    problem = response.json()
    assert problem["type"] == "urn:onestep:problem:storage_read_only"
    assert problem["detail"] == (
        "Files cannot be uploaded at the moment: the volume for files is missing or cannot be written to. "
        "Everything else works. Tell whoever runs this service."
    )
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("number", "error_id"),
    [
        (errno.EROFS, "storage_read_only"),
        (errno.EACCES, "storage_read_only"),
        (errno.ENOSPC, "storage_full"),
        (errno.EDQUOT, "storage_full"),
    ],
)
def test_create_attachment_volume_fails(
    editor: APIClient, media_root: Path, monkeypatch: pytest.MonkeyPatch, number: int, error_id: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    initiative = InitiativeFactory()
    monkeypatch.setattr(os, "fsync", fail)
    response = editor.post(URL, {"initiative": initiative.pk, "file": uploaded()})
    assert response.status_code == 503
    assert response.json()["type"] == f"urn:onestep:problem:{error_id}"
    assert response["Retry-After"]
    assert_nothing_stays(media_root)


@pytest.mark.django_db(transaction=True)
def test_create_attachment_commit_fails(media_root: Path) -> None:
    """The initiative is deleted meanwhile: the database says so at the commit."""
    initiative = InitiativeFactory()
    stale = type(initiative).objects.get(pk=initiative.pk)
    initiative.delete()
    with pytest.raises(IntegrityError):
        attach(stale)
    assert_nothing_stays(media_root)


@pytest.mark.django_db(transaction=True)
def test_create_attachment_connection_breaks_during_commit(media_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether the row is there: the file stays for it, until it is swept."""

    def break_off() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    initiative = InitiativeFactory()
    monkeypatch.setattr(connection, "_commit", break_off)
    with pytest.raises(OperationalError):
        attach(initiative)
    monkeypatch.undo()
    assert not Attachment.objects.exists()
    assert len(files_in(media_root)) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("with_token", [True, False])
def test_create_attachment_by_session(media_root: Path, *, with_token: bool) -> None:
    """A browser's form has its CSRF token in the body, which is parsed for it."""
    user = UserFactory()
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="initiatives"))
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    client.cookies["csrftoken"] = "a" * 32
    token = {"csrfmiddlewaretoken": "a" * 32} if with_token else {}
    response = client.post(URL, {"initiative": InitiativeFactory().pk, "file": uploaded(), **token})
    if with_token:
        assert response.status_code == 201
    else:
        assert response.status_code == 403
        assert_nothing_stays(media_root)


def test_create_attachment_form_in_browser(editor: APIClient) -> None:
    """The browsable API has a form for it."""
    page = editor.get(URL, HTTP_ACCEPT="text/html").content.decode()
    assert 'enctype="multipart/form-data"' in page
    assert 'name="file"' in page


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\ana\\ata.pdf", "ata.pdf"),
        ("a\r\nSet-Cookie: x\0.txt", "a Set-Cookie: x.txt"),
        ("fatura\u202efdp.exe.pdf", "faturafdp.exe.pdf"),
        ("  two \u00a0 words .txt. ", "two words .txt"),
        ("ata de marc\u0327o.txt", "ata de março.txt"),
        (".pdf", "pdf"),
        ("x" * 300 + ".docx", "x" * 250 + ".docx"),
        ("..", ""),
    ],
)
def test_clean_name(given: str, kept: str) -> None:
    assert clean_name(given) == kept
