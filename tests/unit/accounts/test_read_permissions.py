"""What `PermissionsBackend` says of a user's permissions is what Django's own backend says, in one query."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Group, Permission

from onestep.accounts.backends import PermissionsBackend
from onestep.accounts.models import User
from tests.factories import UserFactory

OWN = {"people.view_person", "people.add_person"}
ROLES = {"people.view_person", "groups.view_campus", "groups.change_campus"}


def permission(name: str) -> Permission:
    """Return the permission `app_label.codename`."""
    app_label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app_label, codename=codename)


@pytest.fixture
def clerk(db: None) -> User:
    """A user with permissions of their own and of two roles, who shares one with both."""
    user = UserFactory(username="clerk")
    user.user_permissions.set(map(permission, OWN))
    for name in ROLES - {"people.view_person"}:
        role = Group.objects.create(name=name)
        role.permissions.set([permission(name), permission("people.view_person")])
        user.groups.add(role)
    other = UserFactory(username="other")
    other.user_permissions.set([permission("initiatives.delete_initiative")])
    return user


def test_read_permissions(clerk: User, django_assert_num_queries: Any) -> None:
    """One query, however often they are asked for."""
    with django_assert_num_queries(1):
        assert clerk.get_all_permissions() == OWN | ROLES
        assert clerk.has_perms(["people.add_person", "groups.change_campus"])
        assert not clerk.has_perm("people.delete_person")
        assert clerk.has_module_perms("people")
        assert not clerk.has_module_perms("initiatives")


def test_read_permissions_apart(clerk: User) -> None:
    assert clerk.get_user_permissions() == OWN
    assert clerk.get_group_permissions() == ROLES


def test_read_permissions_of_one_object(clerk: User) -> None:
    """There are none for single objects."""
    assert clerk.get_all_permissions(clerk) == set()
    assert not clerk.has_perm("people.add_person", clerk)


def test_read_permissions_with_nobody() -> None:
    """Somebody anonymous or inactive has none, a superuser too; the database, which is not there, is not asked."""
    backend = PermissionsBackend()
    assert backend.get_all_permissions(AnonymousUser()) == set()
    assert backend.get_all_permissions(User(pk=1, is_active=False, is_superuser=True)) == set()


def test_read_permissions_of_superuser(db: None, django_assert_num_queries: Any) -> None:
    user = UserFactory(is_superuser=True)
    with django_assert_num_queries(0):
        assert user.has_perm("people.delete_person")
        assert user.has_module_perms("initiatives")
    everything = {f"{row.content_type.app_label}.{row.codename}" for row in Permission.objects.all()}
    assert user.get_all_permissions() == everything


@pytest.mark.parametrize("name", ["people.view_person", "groups.change_campus", "people.add_person"])
def test_read_permissions_the_other_way_round(clerk: User, name: str) -> None:
    """`with_perm` finds who has a permission."""
    superuser = UserFactory(is_superuser=True)
    UserFactory(is_superuser=True, is_active=False)
    found = User.objects.with_perm(name, backend="onestep.accounts.backends.PermissionsBackend")
    assert set(found) == {clerk, superuser}


def test_read_permissions_as_django_does(clerk: User) -> None:
    for user in User.objects.all():
        expected = ModelBackend().get_all_permissions(User.objects.get(pk=user.pk))
        assert PermissionsBackend().get_all_permissions(user) == expected
