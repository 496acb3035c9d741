"""Attachments in the admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from onestep.initiatives.models import Attachment
from tests.factories import AttachmentFactory, InitiativeFactory, UserFactory
from tests.unit.initiatives.attachment_files import attach, files_in

LIST = "/admin/initiatives/attachment/"


@pytest.fixture
def operator(db: None) -> Client:
    """Somebody who may do everything, logged in to the admin."""
    client = Client()
    client.force_login(UserFactory(username="operator", is_staff=True, is_superuser=True))
    return client


def names(response: Any) -> list[str]:
    return [row.name for row in response.context["cl"].result_list]


def test_administer_attachments_anonymous(db: None) -> None:
    response = Client().get(LIST)
    assert response.status_code == 302
    assert response["Location"] == f"/admin/login/?next={LIST}"


def test_administer_attachments_without_permission(db: None) -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    assert client.get(LIST).status_code == 403


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_attachments_list_takes_four_queries(
    operator: Client, django_assert_num_queries: Any, rows: int
) -> None:
    """One each for session and user, one to count the rows, one for the page."""
    for _ in range(rows):
        AttachmentFactory(uploaded_by=UserFactory())
    with django_assert_num_queries(4):
        response = operator.get(LIST)
    assert len(names(response)) == rows


def test_administer_attachments_list(operator: Client) -> None:
    attachment = AttachmentFactory(name="ata.pdf", media_type="application/pdf", size=2048, initiative__name="Fair")
    page = operator.get(LIST).content.decode()
    assert "2.0\xa0KB" in page
    assert "Fair" in page
    assert f'<a href="/api/v1/attachments/{attachment.pk}/content/">Download</a>' in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "RELATORIO"}, ["Relatório.pdf"]),
        ({"media_type": "text/plain"}, ["notes.txt"]),
        ({"media_type": "application/zip"}, []),
    ],
)
def test_administer_attachments_search_and_filter(operator: Client, query: dict[str, str], found: list[str]) -> None:
    AttachmentFactory(name="Relatório.pdf", media_type="application/pdf")
    AttachmentFactory(name="notes.txt")
    assert names(operator.get(LIST, query)) == found


def test_administer_attachments_read_only(operator: Client) -> None:
    url = f"{LIST}{AttachmentFactory(name='ata.txt').pk}/change/"
    page = operator.get(url).content.decode()
    assert "ata.txt" in page
    assert 'name="_save"' not in page
    assert operator.post(url, {"name": "other.txt"}).status_code == 403
    assert operator.get(f"{LIST}add/").status_code == 403
    assert Attachment.objects.get().name == "ata.txt"


@pytest.mark.parametrize("way", ["one", "chosen"])
def test_administer_attachments_delete_removes_file(
    operator: Client, media_root: Path, django_capture_on_commit_callbacks: Any, way: str
) -> None:
    attachment = attach(InitiativeFactory())
    with django_capture_on_commit_callbacks(execute=True):
        if way == "one":
            operator.post(f"{LIST}{attachment.pk}/delete/", {"post": "yes"})
        else:
            operator.post(LIST, {"action": "delete_selected", "_selected_action": attachment.pk, "post": "yes"})
    assert not Attachment.objects.exists()
    assert files_in(media_root) == []


def test_administer_attachments_download_by_session(media_root: Path, db: None) -> None:
    """The link works for who may see the list."""
    user = UserFactory(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_attachment"))
    client = Client()
    client.force_login(user)
    attachment = attach(InitiativeFactory(), "notes.txt", b"hello")
    assert client.get(LIST).status_code == 200
    response = client.get(f"/api/v1/attachments/{attachment.pk}/content/")
    assert b"".join(response.streaming_content) == b"hello"
