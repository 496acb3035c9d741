"""The ready-made roles: made once, and left as somebody edits them."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from onestep.accounts.roles import make_roles

DOMAIN = {"people", "groups", "initiatives"}
RESOURCES = {
    "person",
    "campus",
    "knowledgearea",
    "group",
    "membership",
    "leadership",
    "initiative",
    "teammember",
    "attachment",
}


def codenames(role: str) -> set[str]:
    """Return the codenames of a role's permissions."""
    return set(Permission.objects.filter(group__name=role).values_list("codename", flat=True))


@pytest.mark.django_db
def test_make_roles_after_migrate() -> None:
    """All three are there after `onestep migrate`, which made this database."""
    assert codenames("Viewer") == {f"view_{name}" for name in RESOURCES}
    parts = {"membership", "teammember", "attachment"}
    assert codenames("Coordinator") == {
        f"{verb}_{name}" for verb in ("view", "add", "change") for name in RESOURCES
    } | {f"delete_{name}" for name in parts}
    assert codenames("Administrator") == {
        f"{verb}_{name}" for verb in ("view", "add", "change", "delete") for name in RESOURCES | {"user"}
    } | {f"{verb}_{name}" for verb in ("view", "delete") for name in ("accessattempt", "accesslog")}


@pytest.mark.django_db
def test_make_roles_administrator_has_the_whole_domain() -> None:
    """A model that is added to the domain and forgotten in the roles shows here."""
    rows = Permission.objects.filter(content_type__app_label__in=DOMAIN | {"accounts"})
    assert not rows.exclude(group__name="Administrator").exists()


@pytest.mark.django_db
def test_make_roles_leaves_an_edited_role() -> None:
    """A role that is there stays as it is, an emptied one too; one that is gone is made again."""
    Group.objects.get(name="Viewer").permissions.clear()
    Group.objects.get(name="Coordinator").permissions.set(Permission.objects.filter(codename="delete_person"))
    Group.objects.get(name="Administrator").delete()
    call_command("migrate", verbosity=0)
    assert codenames("Viewer") == set()
    assert codenames("Coordinator") == {"delete_person"}
    assert "delete_person" in codenames("Administrator")


@pytest.mark.django_db
def test_make_roles_waits_for_all_permissions() -> None:
    """A migration that stopped halfway makes no role that would stay incomplete."""
    Group.objects.all().delete()
    Permission.objects.filter(codename="view_attachment").delete()
    make_roles(apps)
    assert not Group.objects.exists()


def test_make_roles_before_there_are_groups() -> None:
    """A migration that has not come to `auth` yet, or went back before it, has no roles to make."""

    class NoApps:
        def get_model(self, *names: str) -> Any:
            raise LookupError(names)

    make_roles(NoApps())
