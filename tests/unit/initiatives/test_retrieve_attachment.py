"""`GET /api/v1/attachments/{id}/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.factories import AttachmentFactory

URL = "/api/v1/attachments/"


@pytest.mark.parametrize(("caller", "status"), [("anonymous", 401), ("outsider", 403), ("reader", 200)])
def test_retrieve_attachment_callers(request: pytest.FixtureRequest, db: None, caller: str, status: int) -> None:
    url = f"{URL}{AttachmentFactory().pk}/"
    assert request.getfixturevalue(caller).get(url).status_code == status


def test_retrieve_attachment_same_as_in_list(reader: APIClient) -> None:
    attachment = AttachmentFactory()
    assert reader.get(f"{URL}{attachment.pk}/").json() == reader.get(URL).json()["results"][0]


def test_retrieve_attachment_held(reader: APIClient, django_assert_num_queries: object) -> None:
    """One query for the user and the permissions, one for the document."""
    url = f"{URL}{AttachmentFactory().pk}/"
    tag = reader.get(url)["ETag"]
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert reader.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304


def test_retrieve_attachment_unknown(reader: APIClient) -> None:
    response = reader.get(f"{URL}999999/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such attachment."


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_change_attachment_not_offered(editor: APIClient, verb: str) -> None:
    response = getattr(editor, verb)(f"{URL}{AttachmentFactory().pk}/", {"name": "x.txt"})
    assert response.status_code == 405
