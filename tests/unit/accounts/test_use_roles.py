"""What each role may do over the API, verb by verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from tests.factories import CampusFactory, PersonFactory, UserFactory
from tests.unit.callers import client_of

VERBS = ("list", "retrieve", "post", "put", "patch", "delete")
ALLOWED: dict[str, dict[str, int]] = {
    "nobody": {},
    "Viewer": {"list": 200, "retrieve": 200},
    "Coordinator": {"list": 200, "retrieve": 200, "post": 201, "put": 200, "patch": 200},
    "Administrator": {"list": 200, "retrieve": 200, "post": 201, "put": 200, "patch": 200, "delete": 204},
}
RESOURCES: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "/api/v1/people/": (PersonFactory, {"name": "Ada"}),
    "/api/v1/campuses/": (CampusFactory, {"name": "North", "code": "N1"}),
}


def caller(role: str) -> APIClient:
    """Return the client of a new user with this role."""
    user = UserFactory()
    user.groups.set(Group.objects.filter(name=role))
    return client_of(user)


@pytest.mark.django_db
@pytest.mark.parametrize("url", RESOURCES)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", ALLOWED)
def test_use_roles(role: str, verb: str, url: str) -> None:
    factory, body = RESOURCES[url]
    row = f"{url}{factory().pk}/"
    client = caller(role)
    send = {
        "list": lambda: client.get(url),
        "retrieve": lambda: client.get(row),
        "post": lambda: client.post(url, body, format="json"),
        "put": lambda: client.put(row, body, format="json"),
        "patch": lambda: client.patch(row, {"name": "Grace"}, format="json"),
        "delete": lambda: client.delete(row),
    }
    response = send[verb]()
    assert response.status_code == ALLOWED[role].get(verb, 403)


@pytest.mark.django_db
@pytest.mark.parametrize("url", RESOURCES)
@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_use_no_role_anonymous(anonymous: APIClient, verb: str, url: str) -> None:
    factory, body = RESOURCES[url]
    address = url if verb == "post" else f"{url}{factory().pk}/"
    assert getattr(anonymous, verb)(address, body, format="json").status_code == 401
