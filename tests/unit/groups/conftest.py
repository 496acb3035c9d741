"""Who uses the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories import UserFactory


@pytest.fixture
def operator(db: None) -> Client:
    """Somebody who may do everything, logged in to the admin."""
    client = Client()
    client.force_login(UserFactory(username="operator", is_staff=True, is_superuser=True))
    return client
