"""Users of the API and the admin."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """Someone who may sign in. A model of our own from the first migration, since it cannot be swapped in later."""
