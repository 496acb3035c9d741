"""`GET /api/v1/auth/me/`."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from rest_framework.test import APIClient

from tests.factories import UserFactory
from tests.unit.accounts.clients import ME, problem_of
from tests.unit.callers import client_of


def test_read_me_anonymous(anonymous: APIClient) -> None:
    response = anonymous.get(ME)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="onestep"'
    assert problem_of(response)["type"] == "urn:onestep:problem:not_authenticated"


@pytest.mark.django_db
def test_read_me_complete(django_assert_num_queries: Any) -> None:
    """In two queries: the user with their permissions, their roles."""
    user = UserFactory(username="ada", email="ada@example.org", first_name="Ada", last_name="Lovelace", is_staff=True)
    role = Group.objects.create(name="Clerk")
    role.permissions.set(Permission.objects.filter(codename__in=["view_person", "view_campus"]))
    user.groups.add(role)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_person", "add_person"]))
    with django_assert_num_queries(2):
        response = client_of(user).get(ME)
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-store"
    assert response.json() == {
        "id": user.pk,
        "username": "ada",
        "email": "ada@example.org",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "is_staff": True,
        "is_superuser": False,
        "roles": ["Clerk"],
        "permissions": ["groups.view_campus", "people.add_person", "people.view_person"],
    }


def test_read_me_without_permission(outsider: APIClient) -> None:
    """Everybody may ask who they are."""
    body = outsider.get(ME).json()
    assert (body["username"], body["roles"], body["permissions"]) == ("outsider", [], [])


def test_read_me_superuser_has_all_permissions(db: None) -> None:
    body = client_of(UserFactory(is_superuser=True)).get(ME).json()
    assert len(body["permissions"]) == Permission.objects.count()


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_read_me_other_verbs(outsider: APIClient, verb: str) -> None:
    assert getattr(outsider, verb)(ME).status_code == 405
