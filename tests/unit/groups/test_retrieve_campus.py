"""`GET /api/v1/campuses/{id}/`."""

from __future__ import annotations

from rest_framework.test import APIClient

from tests.factories import CampusFactory


def test_retrieve_campus_anonymous(anonymous: APIClient, db: None) -> None:
    assert anonymous.get(f"/api/v1/campuses/{CampusFactory().pk}/").status_code == 401


def test_retrieve_campus_without_permission(outsider: APIClient) -> None:
    assert outsider.get(f"/api/v1/campuses/{CampusFactory().pk}/").status_code == 403


def test_retrieve_campus(reader: APIClient) -> None:
    campus = CampusFactory(name="Vitória")
    response = reader.get(f"/api/v1/campuses/{campus.pk}/")
    assert response.status_code == 200
    assert response.json()["name"] == "Vitória"
    again = reader.get(f"/api/v1/campuses/{campus.pk}/", headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304


def test_retrieve_campus_not_there(reader: APIClient) -> None:
    response = reader.get("/api/v1/campuses/7/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such campus."
