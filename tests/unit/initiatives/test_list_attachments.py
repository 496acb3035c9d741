"""`GET /api/v1/attachments/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.initiatives.models import Attachment
from tests.factories import AttachmentFactory, InitiativeFactory, UserFactory

URL = "/api/v1/attachments/"


def names(client: APIClient, **params: object) -> list[str]:
    return [row["name"] for row in client.get(URL, params).json()["results"]]


@pytest.mark.parametrize(("caller", "status"), [("anonymous", 401), ("outsider", 403), ("reader", 200)])
def test_list_attachments_callers(request: pytest.FixtureRequest, db: None, caller: str, status: int) -> None:
    assert request.getfixturevalue(caller).get(URL).status_code == status


def test_list_attachments_complete(reader: APIClient) -> None:
    user = UserFactory(username="ana")
    attachment = AttachmentFactory(name="ata.txt", initiative__name="Herbarium", uploaded_by=user)
    body = reader.get(URL).json()
    [row] = body["results"]
    assert row.pop("uploaded_at").startswith(f"{attachment.uploaded_at:%Y-%m-%dT%H:%M}")
    assert row == {
        "id": attachment.pk,
        "initiative": {"id": attachment.initiative_id, "name": "Herbarium"},
        "name": "ata.txt",
        "media_type": "text/plain",
        "size": 5,
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "uploaded_by": {"id": user.pk, "username": "ana"},
        "content_url": f"/api/v1/attachments/{attachment.pk}/content/",
    }


def test_list_attachments_of_deleted_user(reader: APIClient) -> None:
    user = UserFactory()
    AttachmentFactory(uploaded_by=user)
    user.delete()
    [row] = reader.get(URL).json()["results"]
    assert row["uploaded_by"] is None


@pytest.mark.parametrize("rows", [1, 30])
def test_list_attachments_takes_two_queries(reader: APIClient, django_assert_num_queries: object, rows: int) -> None:
    """One for the user and the permissions, one for the page."""
    AttachmentFactory.create_batch(rows)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(reader.get(URL, {"page_size": 100}).json()["results"]) == rows


def test_list_attachments_filters(reader: APIClient) -> None:
    initiative, user = InitiativeFactory(), UserFactory()
    AttachmentFactory(name="a.txt", initiative=initiative, size=10)
    AttachmentFactory(name="b.pdf", media_type="application/pdf", size=20)
    AttachmentFactory(name="c.txt", uploaded_by=user, size=30)
    for name, day in (("a.txt", "2024-03-01"), ("b.pdf", "2024-03-02"), ("c.txt", "2024-03-03")):
        Attachment.objects.filter(name=name).update(uploaded_at=f"{day}T12:00:00Z")
    assert names(reader, initiative=initiative.pk) == ["a.txt"]
    assert names(reader, media_type="application/pdf") == ["b.pdf"]
    assert names(reader, uploaded_by=user.pk) == ["c.txt"]
    assert names(reader, size__gte=20) == ["c.txt", "b.pdf"]
    assert names(reader, size__gte=11, size__lte=29) == ["b.pdf"]
    assert names(reader, uploaded_at__gte="2024-03-02T12:00:00Z", uploaded_at__lte="2024-03-02T12:00:00Z") == ["b.pdf"]
    assert names(reader, uploaded_at__gte="2024-03-04T09:59:00+21:59") == ["c.txt"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("initiative", "999999", "There is none with the id 999999."),
        ("uploaded_by", "999999", "There is none with the id 999999."),
        ("media_type", "text/html", "Select a valid choice. text/html is not one of the available choices."),
        ("size__gte", "big", "Enter a number."),
        ("size__lte", "0.5", "Ensure that there are no more than 0 decimal places."),
        ("uploaded_at__gte", "yesterday", "Enter a valid date/time."),
        ("uploaded_at__lte", "0001-01-01T00:00:00+01:00", "Enter a valid date/time."),
        ("kind", "pdf", "There is no such filter."),
    ],
)
def test_list_attachments_invalid_filter(reader: APIClient, name: str, value: str, message: str) -> None:
    response = reader.get(URL, {name: value})
    assert response.status_code == 400
    assert response.json()["errors"] == {name: [message]}


def test_list_attachments_search_ignores_case_and_accents(reader: APIClient) -> None:
    AttachmentFactory(name="Relatório Anual.pdf")
    AttachmentFactory(name="Relatório.pdf")
    assert names(reader, search="ANUAL relatorio") == ["Relatório Anual.pdf"]


def test_list_attachments_orderings(reader: APIClient) -> None:
    AttachmentFactory(name="b.txt", size=1)
    AttachmentFactory(name="Á.txt", size=3)
    AttachmentFactory(name="c.txt", size=2)
    assert names(reader) == ["c.txt", "Á.txt", "b.txt"]
    assert names(reader, ordering="uploaded_at") == ["b.txt", "Á.txt", "c.txt"]
    assert names(reader, ordering="name") == ["Á.txt", "b.txt", "c.txt"]
    assert names(reader, ordering="-size") == ["Á.txt", "c.txt", "b.txt"]


@pytest.mark.parametrize("ordering", ["name", "-name", "size", "-size", "uploaded_at", "-uploaded_at"])
def test_list_attachments_pages_give_each_once(reader: APIClient, ordering: str) -> None:
    rows = AttachmentFactory.create_batch(7, name="same.txt")
    seen, url = [], f"{URL}?page_size=2&ordering={ordering}"
    while url:
        body = reader.get(url).json()
        seen += [row["id"] for row in body["results"]]
        url = body["next"]
    assert sorted(seen) == [row.pk for row in rows]
