"""Callers: who speaks to the API in a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from tests.factories import UserFactory


def client_of(user: object) -> APIClient:
    """Return a client that sends the user's access token, as a real one does."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
    return client


@pytest.fixture
def anonymous() -> APIClient:
    """Somebody without a token."""
    return APIClient()


@pytest.fixture
def outsider(db: None) -> APIClient:
    """A user without any permission."""
    return client_of(UserFactory(username="outsider"))


@pytest.fixture
def reader(db: None) -> APIClient:
    """A user who may see everything of the domain."""
    user = UserFactory(username="reader")
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label__in=("people", "groups", "initiatives"), codename__startswith="view_"
        )
    )
    return client_of(user)


@pytest.fixture
def editor(db: None) -> APIClient:
    """A user who may see and change everything of the domain."""
    user = UserFactory(username="editor")
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label__in=("people", "groups", "initiatives"))
    )
    return client_of(user)


@pytest.fixture
def operator(db: None) -> Client:
    """Somebody who may do everything, logged in to the admin."""
    client = Client()
    client.force_login(UserFactory(username="operator", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def media_root(settings: object, tmp_path: Path) -> Path:
    """A media folder of the test's own."""
    settings.MEDIA_ROOT = tmp_path / "media"  # type: ignore[attr-defined]
    (tmp_path / "media").mkdir()
    return tmp_path / "media"
