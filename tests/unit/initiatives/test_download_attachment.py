"""`GET /api/v1/attachments/{id}/content/` and `GET /media/<name>`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from onestep.initiatives.models import Attachment
from tests.factories import AttachmentFactory, InitiativeFactory, UserFactory
from tests.unit.initiatives.attachment_files import PDF, attach, files_in

CONTENT = b"0123456789"
pytestmark = pytest.mark.usefixtures("media_root")


@pytest.fixture
def attachment(db: None) -> Attachment:
    """A text of ten bytes."""
    return attach(InitiativeFactory(), "notes.txt", CONTENT)


@pytest.fixture(params=["content", "media"])
def url(request: pytest.FixtureRequest, attachment: Attachment) -> str:
    """Both addresses of the file."""
    if request.param == "media":
        return f"/media/{attachment.file.name}"
    return f"/api/v1/attachments/{attachment.pk}/content/"


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content)


@pytest.mark.parametrize(("caller", "status"), [("anonymous", 401), ("outsider", 403), ("reader", 200)])
def test_download_attachment_callers(request: pytest.FixtureRequest, url: str, caller: str, status: int) -> None:
    response = request.getfixturevalue(caller).get(url)
    response.close()
    assert response.status_code == status


def test_download_attachment_complete(reader: APIClient, url: str) -> None:
    response = reader.get(url)
    assert content(response) == CONTENT
    assert {name: response[name] for name in response.headers if name not in {"Vary", "Allow"}}.items() >= {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "10",
        "Content-Disposition": 'attachment; filename="notes.txt"',
        "ETag": f'"{hashlib.sha256(CONTENT).hexdigest()}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }.items()


def test_download_attachment_by_session(url: str) -> None:
    """A link in a page of the admin has no token."""
    user = UserFactory()
    client = Client()
    client.force_login(user)
    assert client.get(url).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_attachment"))
    assert content(client.get(url)) == CONTENT


def test_download_attachment_whatever_is_accepted(reader: APIClient, url: str) -> None:
    assert content(reader.get(url, HTTP_ACCEPT="image/png")) == CONTENT


def test_download_attachment_takes_two_queries(reader: APIClient, url: str, django_assert_num_queries: Any) -> None:
    """One for the user and the permissions, one for the row."""
    with django_assert_num_queries(2):
        reader.get(url).close()


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("ata de março.pdf", "attachment; filename*=utf-8''ata%20de%20mar%C3%A7o.pdf"),
        ('the "plan".pdf', r'attachment; filename="the \"plan\".pdf"'),
    ],
)
def test_download_attachment_name(reader: APIClient, db: None, name: str, disposition: str) -> None:
    attachment = attach(InitiativeFactory(), name, PDF)
    response = reader.get(f"/api/v1/attachments/{attachment.pk}/content/")
    assert content(response) == PDF
    assert response["Content-Disposition"] == disposition
    assert response["Content-Type"] == "application/pdf"


def test_download_attachment_held(reader: APIClient, url: str) -> None:
    tag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    response = reader.get(url, HTTP_IF_NONE_MATCH=tag)
    assert response.status_code == 304
    assert response["ETag"] == tag
    assert response.content == b""
    assert content(reader.get(url, HTTP_IF_NONE_MATCH='"another"')) == CONTENT


@pytest.mark.parametrize(
    ("asked", "part", "bounds"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-99", CONTENT, "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
    ],
)
def test_download_attachment_range(reader: APIClient, url: str, asked: str, part: bytes, bounds: str) -> None:
    response = reader.get(url, HTTP_RANGE=asked)
    assert response.status_code == 206
    assert content(response) == part
    assert response["Content-Length"] == str(len(part))
    assert response["Content-Range"] == bounds


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_download_attachment_range_outside(reader: APIClient, url: str, asked: str) -> None:
    response = reader.get(url, HTTP_RANGE=asked)
    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */10"
    assert response.json()["type"] == "urn:onestep:problem:range_not_satisfiable"
    assert response.json()["detail"] == "The file has 10 bytes."


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "bytes=5-2", "bytes=-", "lines=0-3", "bytes=a-b"])
def test_download_attachment_range_not_understood(reader: APIClient, url: str, asked: str) -> None:
    response = reader.get(url, HTTP_RANGE=asked)
    assert response.status_code == 200
    assert content(response) == CONTENT


@pytest.mark.parametrize(("held", "status"), [(hashlib.sha256(CONTENT).hexdigest(), 206), ("another", 200)])
def test_download_attachment_range_of_held_form(reader: APIClient, url: str, held: str, status: int) -> None:
    """What was begun is gone on with only where the file is still the same."""
    response = reader.get(url, HTTP_RANGE="bytes=4-", HTTP_IF_RANGE=f'"{held}"')
    response.close()
    assert response.status_code == status


def test_download_attachment_file_missing(
    reader: APIClient, attachment: Attachment, media_root: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    (media_root / attachment.file.name).unlink()
    response = reader.get(url)
    assert response.status_code == 404
    assert response.json()["type"] == "urn:onestep:problem:file_missing"
    assert response.json()["detail"] == (
        "The file of this attachment is not in the volume for files. Tell whoever runs this service."
    )
    assert "attachment_file_unreadable" in caplog.text


def test_download_attachment_unknown(reader: APIClient) -> None:
    response = reader.get("/api/v1/attachments/999999/content/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such attachment."


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        ".incoming/0123456789abcdef0123456789abcdef",
        "../settings.py",
        "attachments/2024/03/../../secret.txt",
        "%2e%2e/secret.txt",
        "/etc/passwd",
        "attachments%00",
        "attachments/2024/03/" + "0" * 32,
    ],
)
def test_download_media_unknown_name(reader: APIClient, media_root: Path, name: str) -> None:
    """A name is one that the database knows, or nothing, though a file may be there."""
    (media_root / "notes.txt").write_text("here")
    (media_root / "attachments").mkdir()
    (media_root / "secret.txt").write_text("here")
    response = reader.get(f"/media/{name}")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is nothing at this address."


def test_download_media_row_of_a_foreign_name(reader: APIClient, media_root: Path) -> None:
    """Not even a row leads out of the folder of attachments."""
    (media_root.parent / "secret.txt").write_text("here")
    AttachmentFactory(file="../secret.txt")
    assert reader.get("/media/../secret.txt").status_code == 404
    assert files_in(media_root) == []
