"""`onestep createsuperuser`."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from onestep.accounts.models import User


@pytest.mark.django_db
def test_create_superuser_without_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """From DJANGO_SUPERUSER_* alone."""
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "root")
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "root@example.org")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    out = io.StringIO()
    call_command("createsuperuser", interactive=False, stdout=out)
    assert out.getvalue() == "Superuser created successfully.\n"
    user = User.objects.get()
    assert (user.username, user.email, user.is_staff, user.is_superuser) == ("root", "root@example.org", True, True)
    assert user.check_password("correct horse battery")


@pytest.mark.django_db
def test_create_superuser_with_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, address and password are asked for, and a weak password is refused until somebody insists."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = []

    def answer(prompt: str = "") -> str:
        asked.append(prompt)
        return {"Username: ": "root", "Email address: ": "root@example.org"}.get(prompt, "n")

    passwords = iter(["short", "short", "correct horse battery", "correct horse battery"])
    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("getpass.getpass", lambda prompt="": next(passwords))
    monkeypatch.setattr("django.contrib.auth.management.get_system_username", lambda: "")
    errors = io.StringIO()
    call_command("createsuperuser", stdin=Terminal(), stdout=io.StringIO(), stderr=errors)
    assert asked[:2] == ["Username: ", "Email address: "]
    assert "at least 10 characters" in errors.getvalue()
    user = User.objects.get()
    assert (user.username, user.is_superuser) == ("root", True)
    assert user.check_password("correct horse battery")


@pytest.mark.django_db
def test_create_superuser_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    options: dict[str, Any] = {"interactive": False, "username": "root", "email": "", "stdout": io.StringIO()}
    call_command("createsuperuser", **options)
    with pytest.raises(CommandError, match="That username is already taken"):
        call_command("createsuperuser", **options)
