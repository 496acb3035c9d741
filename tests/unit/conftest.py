"""Starts the server before Django reads its settings, and gives tests their callers."""

from __future__ import annotations

import os
import tempfile

import django
from django.conf import settings

from tests.unit.postgres import server_version, start_server

DATABASE_URL, ORIGIN = start_server()
for name in ("POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "DB_HOST", "DB_PORT", "LOG_DIR"):
    os.environ.pop(name, None)
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "onestep.settings",
    "DEBUG": "1",
    "SECRET_KEY": "tests-only-key-that-is-long-enough-for-an-hmac-of-sha-256-to-be-content",
    "DATABASE_URL": DATABASE_URL,
    "ALLOWED_HOSTS": "testserver,localhost",
    "MEDIA_ROOT": tempfile.mkdtemp(prefix="onestep-media-"),
    "STATIC_ROOT": tempfile.mkdtemp(prefix="onestep-static-"),
    "LOG_LEVEL": "WARNING",
}

django.setup()

# Pages in tests link static files by their own names: nothing is collected, so there is no manifest of hashed ones.
settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
# Hashing a password takes half a second in production, on purpose.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

from tests.unit.callers import (  # noqa: E402, F401  (after the setup)
    anonymous,
    editor,
    media_root,
    operator,
    outsider,
    reader,
)


def pytest_report_header() -> str:
    """Say which server the tests speak to."""
    return f"PostgreSQL {server_version(DATABASE_URL)} ({ORIGIN})"
