"""Users in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from onestep.accounts.models import User
from tests.factories import UserFactory
from tests.unit.accounts.clients import obtain

USERS = "/admin/accounts/user/"


def browser_of(user: User) -> Client:
    """Return a browser in which the user is logged in."""
    browser = Client()
    browser.force_login(user, backend="onestep.accounts.backends.PermissionsBackend")
    return browser


@pytest.fixture
def root(db: None) -> Client:
    """A superuser."""
    return browser_of(UserFactory(username="root", is_staff=True, is_superuser=True))


@pytest.fixture
def administrator(db: None) -> Client:
    """Somebody with the role Administrator, who may use the admin."""
    user = UserFactory(username="administrator", is_staff=True)
    user.groups.add(Group.objects.get(name="Administrator"))
    return browser_of(user)


@pytest.mark.parametrize("rows", [1, 30])
def test_list_users_takes_a_constant_number_of_queries(root: Client, rows: int, django_assert_num_queries: Any) -> None:
    """Session, user, two counts, the rows, their roles, the filter's roles."""
    for user in UserFactory.create_batch(rows):
        user.groups.add(*Group.objects.all())
    with django_assert_num_queries(7):
        page = root.get(USERS).content.decode()
    assert page.count("Administrator, Coordinator, Viewer") == rows


@pytest.mark.parametrize("more", [1, 30])
def test_change_user_takes_a_constant_number_of_queries(
    root: Client, more: int, django_assert_num_queries: Any
) -> None:
    """Session, user, the row; the chosen and all roles; the chosen and all permissions, with their models' names."""
    user = UserFactory()
    kind = ContentType.objects.get_for_model(User)
    for n in range(more):
        user.user_permissions.add(Permission.objects.create(content_type=kind, codename=f"do_{n}", name=f"Do {n}"))
    with django_assert_num_queries(7):
        assert f"Do {more - 1}" in root.get(f"{USERS}{user.pk}/change/").content.decode()


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    """Return what the admin's form sends for the user."""
    return {"username": user.username, "first_name": "", "last_name": "", "email": "", "is_active": "on"} | changes


def test_change_user_gives_a_role(administrator: Client) -> None:
    user = UserFactory(username="ada")
    role = Group.objects.get(name="Viewer")
    assert administrator.post(f"{USERS}{user.pk}/change/", form_of(user, groups=[role.pk])).status_code == 302
    assert list(user.groups.all()) == [role]


def test_add_user(administrator: Client) -> None:
    """The password is held against the rules."""
    form = {"username": "ada", "usable_password": "true", "password1": "short", "password2": "short"}
    assert "This password is too short." in administrator.post(f"{USERS}add/", form).content.decode()
    form |= {"password1": "correct horse battery", "password2": "correct horse battery"}
    assert administrator.post(f"{USERS}add/", form).status_code == 302
    assert obtain("ada").status_code == 200


def test_change_user_makes_no_superuser(administrator: Client, root: Client) -> None:
    """An Administrator does not become more, by no form; a superuser makes superusers."""
    user = UserFactory(username="ada")
    administrator.post(f"{USERS}{user.pk}/change/", form_of(user, is_superuser="on"))
    user.refresh_from_db()
    assert not user.is_superuser
    root.post(f"{USERS}{user.pk}/change/", form_of(user, is_superuser="on"))
    user.refresh_from_db()
    assert user.is_superuser


def test_change_user_who_is_superuser(administrator: Client) -> None:
    """Only a superuser changes, deletes or gives a new password to one."""
    boss = UserFactory(username="boss", is_superuser=True)
    address = f"{USERS}{boss.pk}"
    assert administrator.get(f"{address}/change/").status_code == 200
    assert administrator.post(f"{address}/change/", form_of(boss, is_active="")).status_code == 403
    assert administrator.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    new = {"password1": "another horse 1", "password2": "another horse 1", "usable_password": "true"}
    assert administrator.post(f"{address}/password/", new).status_code == 403
    administrator.post(USERS, {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"})
    boss.refresh_from_db()
    assert boss.is_active
    assert boss.check_password("correct horse battery")


def test_unlock_users(administrator: Client) -> None:
    """The action on the list of users, as well as deleting a failed log-in, lets them try again at once."""
    user = UserFactory(username="ada")
    for unlock in ("action", "delete"):
        for _ in range(5):
            obtain("ada", "wrong")
        assert obtain("ada").status_code == 429
        [attempt] = AccessAttempt.objects.all()
        if unlock == "action":
            form = {"action": "unlock", "_selected_action": [user.pk]}
            page = administrator.post(USERS, form, follow=True).content.decode()
            assert "1 entries of failed log-ins were deleted." in page
        else:
            address = f"/admin/axes/accessattempt/{attempt.pk}/delete/"
            assert administrator.post(address, {"post": "yes"}).status_code == 302
        assert obtain("ada").status_code == 200


def test_list_log_ins(administrator: Client) -> None:
    """What logging in left behind can be read and deleted, not written."""
    UserFactory(username="ada")
    obtain("ada")
    obtain("grace", "wrong")
    for model, name in (("accessattempt", "grace"), ("accesslog", "ada")):
        assert name in administrator.get(f"/admin/axes/{model}/").content.decode()
        assert administrator.get(f"/admin/axes/{model}/add/").status_code == 403


@pytest.mark.parametrize("address", ["token_blacklist/outstandingtoken/", "axes/accessfailurelog/"])
def test_list_of_no_use(root: Client, address: str) -> None:
    assert root.get(f"/admin/{address}").status_code == 404


def test_list_users_without_permission(db: None) -> None:
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name="Coordinator"))
    assert browser_of(user).get(USERS).status_code == 403
