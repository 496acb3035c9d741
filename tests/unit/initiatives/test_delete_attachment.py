"""`DELETE /api/v1/attachments/{id}/`, and the files of what else is deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from onestep.initiatives.attachments import delete_attachment, remove_files_on_commit, stored_names
from onestep.initiatives.models import Attachment
from tests.factories import AttachmentFactory, InitiativeFactory
from tests.unit.initiatives.attachment_files import attach, files_in

URL = "/api/v1/attachments/"


@pytest.mark.parametrize(
    ("caller", "status"), [("anonymous", 401), ("outsider", 403), ("reader", 403), ("editor", 204)]
)
def test_delete_attachment_callers(request: pytest.FixtureRequest, db: None, caller: str, status: int) -> None:
    attachment = AttachmentFactory()
    assert request.getfixturevalue(caller).delete(f"{URL}{attachment.pk}/").status_code == status
    assert Attachment.objects.exists() == (status != 204)


def test_delete_attachment_removes_file(
    editor: APIClient, media_root: Path, django_capture_on_commit_callbacks: Any
) -> None:
    """Not before the commit: until then the row may come back."""
    attachment, other = attach(InitiativeFactory()), attach(InitiativeFactory())
    with django_capture_on_commit_callbacks() as callbacks:
        assert editor.delete(f"{URL}{attachment.pk}/").status_code == 204
    assert len(files_in(media_root)) == 2
    for callback in callbacks:
        callback()
    assert files_in(media_root) == [other.file.name]


def test_delete_attachment_stale(editor: APIClient, media_root: Path) -> None:
    attachment = attach(InitiativeFactory())
    response = editor.delete(f"{URL}{attachment.pk}/", HTTP_IF_MATCH='"old"')
    assert response.status_code == 412
    assert Attachment.objects.exists()
    assert files_in(media_root) == [attachment.file.name]


def test_delete_attachment_unknown(editor: APIClient) -> None:
    assert editor.delete(f"{URL}999999/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_delete_attachment_rolled_back(media_root: Path) -> None:
    attachment = attach(InitiativeFactory())
    with transaction.atomic():
        delete_attachment(Attachment.objects.get())
        transaction.set_rollback(True)
    assert Attachment.objects.exists()
    assert files_in(media_root) == [attachment.file.name]


@pytest.mark.django_db(transaction=True)
def test_delete_attachment_file_gone_already(media_root: Path) -> None:
    attachment = attach(InitiativeFactory())
    (media_root / attachment.file.name).unlink()
    delete_attachment(attachment)
    assert not Attachment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_remove_files_of_initiatives(media_root: Path, django_assert_num_queries: Any) -> None:
    """What the deletion of initiatives calls."""
    deleted, kept = InitiativeFactory.create_batch(2), InitiativeFactory()
    for initiative in (*deleted, kept):
        attachment = attach(initiative)
    with transaction.atomic():
        with django_assert_num_queries(1):
            names = stored_names([initiative.pk for initiative in deleted])
        remove_files_on_commit(names)
        for initiative in deleted:
            initiative.delete()
        assert len(files_in(media_root)) == 3
    assert files_in(media_root) == [attachment.file.name]


@pytest.mark.django_db(transaction=True)
def test_delete_initiative_removes_files(editor: APIClient, media_root: Path) -> None:
    initiative = InitiativeFactory()
    attach(initiative)
    kept = attach(InitiativeFactory())
    assert editor.delete(f"/api/v1/initiatives/{initiative.pk}/").status_code == 204
    assert files_in(media_root) == [kept.file.name]
