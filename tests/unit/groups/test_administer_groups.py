"""Groups in the admin."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from onestep.groups.models import Group, Leadership
from tests.factories import (
    CampusFactory,
    GroupFactory,
    InitiativeFactory,
    KnowledgeAreaFactory,
    LeadershipFactory,
    MembershipFactory,
    PersonFactory,
    UserFactory,
)

LIST = "/admin/groups/group/"


def posted(group: Group, **changes: Any) -> dict[str, Any]:
    """Return what the page of a group sends when nothing was touched, with changes."""
    data: dict[str, Any] = {
        "name": group.name,
        "short_name": group.short_name,
        "kind": group.kind,
        "url": group.url,
        "campus": group.campus_id,
        "knowledge_areas": [],
    }
    for prefix in ("memberships", "leaderships"):
        rows = list(getattr(group, prefix).all()) if group.pk else []
        data[f"{prefix}-TOTAL_FORMS"] = data[f"{prefix}-INITIAL_FORMS"] = len(rows)
        for number, row in enumerate(rows):
            data |= {f"{prefix}-{number}-id": row.pk, f"{prefix}-{number}-group": group.pk}
    return data | changes


def change(operator: Client, group: Group, **changes: Any) -> Any:
    return operator.post(reverse("admin:groups_group_change", args=[group.pk]), posted(group, **changes))


def inline_errors(response: Any) -> list[Any]:
    return [
        error
        for formset in response.context["inline_admin_formsets"]
        for error in (
            *formset.formset.non_form_errors(),
            *(form.errors for form in formset.formset.forms if form.errors),
        )
    ]


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_groups_list_takes_six_queries(operator: Client, django_assert_num_queries: Any, rows: int) -> None:
    """One each for session and user, one to count the rows, one for the page, two for the filters' choices."""
    for group in GroupFactory.create_batch(rows):
        LeadershipFactory(group=group)
        MembershipFactory.create_batch(2, group=group)
    with django_assert_num_queries(6):
        response = operator.get(LIST)
    assert len(response.context["cl"].result_list) == rows


def test_administer_groups_list_shows_members_and_leaders(operator: Client) -> None:
    group = GroupFactory()
    for name in ("Zoë", "Ávila"):
        LeadershipFactory(group=group, person__name=name)
    LeadershipFactory(group=group, end_date=date(2025, 1, 1))
    MembershipFactory.create_batch(3, group=group)
    response = operator.get(LIST)
    [row] = response.context["cl"].result_list
    assert (row.members_count, row.leader_names) == (3, "Ávila, Zoë")
    assert "Ávila, Zoë" in response.content.decode()


def test_administer_groups_list_filters(operator: Client) -> None:
    area = KnowledgeAreaFactory()
    group = GroupFactory(short_name="SÊDS", kind="extension")
    group.knowledge_areas.set([area, KnowledgeAreaFactory()])
    GroupFactory(short_name="TIDES")
    for query in (
        {"q": "seds"},
        {"kind__exact": "extension"},
        {"campus__id__exact": group.campus_id},
        {"knowledge_areas__id__exact": area.pk},
    ):
        assert list(operator.get(LIST, query).context["cl"].result_list) == [group]


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_groups_form_queries_do_not_grow(
    operator: Client, django_assert_num_queries: Any, rows: int
) -> None:
    """Session, user; group, areas, leaderships, members, campus."""
    group = GroupFactory()
    MembershipFactory.create_batch(rows, group=group)
    LeadershipFactory.create_batch(rows, group=group)
    address = reverse("admin:groups_group_change", args=[group.pk])
    operator.get(address)  # content types are read once in a process
    with django_assert_num_queries(7):
        response = operator.get(address)
    assert response.status_code == 200


def test_administer_groups_create(operator: Client) -> None:
    """With areas, members and a leader at once."""
    campus, area, leader, member = CampusFactory(), KnowledgeAreaFactory(), PersonFactory(), PersonFactory()
    group = Group(name=" Seeds ", short_name="SEEDS", kind="research", url="https://seeds.example.org", campus=campus)
    data = posted(group, knowledge_areas=[area.pk])
    data |= {"memberships-TOTAL_FORMS": 1, "memberships-0-person": member.pk}
    data |= {"leaderships-TOTAL_FORMS": 1, "leaderships-0-person": leader.pk, "leaderships-0-start_date": "2024-03-01"}
    response = operator.post(f"{LIST}add/", data)
    assert response.status_code == 302
    group = Group.objects.get()
    assert (group.name, group.short_name, group.campus) == ("Seeds", "SEEDS", campus)
    assert list(group.knowledge_areas.all()) == [area]
    assert list(group.members.all()) == [member]
    assert [(row.person, row.start_date, row.end_date) for row in group.leaderships.all()] == [
        (leader, date(2024, 3, 1), None)
    ]


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"name": " "}, {"name": ["This field is required."]}),
        ({"short_name": "gêo"}, {"short_name": ["A group with this short name already exists on this campus."]}),
        ({"url": "ftp://x.org"}, {"url": ["Give a web address that begins with https:// or http://."]}),
    ],
)
def test_administer_groups_change_invalid(
    operator: Client, values: dict[str, str], errors: dict[str, list[str]]
) -> None:
    group = GroupFactory()
    GroupFactory(short_name="GEO", campus=group.campus)
    response = change(operator, group, **values)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors == errors


def test_administer_groups_change(operator: Client) -> None:
    """Its values and areas; members and leaders that were not touched stay."""
    group = GroupFactory()
    membership, leadership = MembershipFactory(group=group), LeadershipFactory(group=group)
    area = KnowledgeAreaFactory()
    assert change(operator, group, kind="extension", knowledge_areas=[area.pk]).status_code == 302
    group.refresh_from_db()
    assert group.kind == "extension"
    assert group.knowledge_areas.get() == area
    assert group.memberships.get() == membership
    assert group.leaderships.get() == leadership


def test_administer_groups_add_and_remove_members(operator: Client) -> None:
    group = GroupFactory()
    leaves = MembershipFactory(group=group).person
    comes = PersonFactory()
    before = group.updated_at
    response = change(
        operator,
        group,
        **{"memberships-0-DELETE": "on", "memberships-TOTAL_FORMS": 2, "memberships-1-person": comes.pk},
    )
    assert response.status_code == 302
    assert list(group.members.all()) == [comes]
    assert leaves not in group.members.all()
    group.refresh_from_db()
    assert group.updated_at > before


def test_administer_groups_add_members_twice(operator: Client) -> None:
    group = GroupFactory()
    person = MembershipFactory(group=group).person
    response = change(operator, group, **{"memberships-TOTAL_FORMS": 2, "memberships-1-person": person.pk})
    assert response.status_code == 200
    refusal = [
        "Please correct the duplicate data for person.",
        {"__all__": ["Please correct the duplicate values below."]},
    ]
    assert inline_errors(response) == refusal
    person = PersonFactory()
    data = {"memberships-TOTAL_FORMS": 3, "memberships-1-person": person.pk, "memberships-2-person": person.pk}
    response = change(operator, group, **data)
    assert response.status_code == 200
    assert inline_errors(response) == refusal
    assert group.members.count() == 1


def test_administer_groups_add_and_delete_leaderships(operator: Client) -> None:
    group = GroupFactory()
    LeadershipFactory(group=group)
    person = PersonFactory()
    new = {"leaderships-1-person": person.pk, "leaderships-1-start_date": "2020-01-01"}
    new |= {"leaderships-1-end_date": "2021-01-01", "leaderships-TOTAL_FORMS": 2, "leaderships-0-DELETE": "on"}
    assert change(operator, group, **new).status_code == 302
    [row] = Leadership.objects.all()
    assert (row.person, row.start_date, row.end_date) == (person, date(2020, 1, 1), date(2021, 1, 1))


def test_administer_groups_leadership_of_the_page_is_not_changed(operator: Client) -> None:
    """What is shown is not written, whatever is sent."""
    leadership = LeadershipFactory(end_date=date(2025, 1, 1))
    assert change(operator, leadership.group, **{"leaderships-0-end_date": "2026-01-01"}).status_code == 302
    leadership.refresh_from_db()
    assert leadership.end_date == date(2025, 1, 1)


@pytest.mark.parametrize(
    ("start", "end", "errors"),
    [
        (
            "2025-01-01",
            "",
            [
                {
                    "person": ["This person leads the group already."],
                    "start_date": ["This person leads the group in a part of this time already."],
                }
            ],
        ),
        ("2023-01-01", "2022-01-01", [{"end_date": ["The end cannot be before the start."]}]),
        ("2024-04-01", "2024-05-01", [{"start_date": ["This person leads the group in a part of this time already."]}]),
    ],
)
def test_administer_groups_add_leadership_invalid(
    operator: Client, start: str, end: str, errors: list[dict[str, list[str]]]
) -> None:
    leadership = LeadershipFactory(start_date=date(2024, 3, 1))
    new = {"leaderships-1-person": leadership.person_id, "leaderships-1-start_date": start}
    new |= {"leaderships-1-end_date": end, "leaderships-TOTAL_FORMS": 2}
    response = change(operator, leadership.group, **new)
    assert response.status_code == 200
    assert inline_errors(response) == errors
    assert Leadership.objects.count() == 1


def test_administer_groups_appoint_a_person_twice(operator: Client) -> None:
    group = GroupFactory()
    person = PersonFactory().pk
    new = {"leaderships-TOTAL_FORMS": 2}
    for number in (0, 1):
        new |= {f"leaderships-{number}-person": person, f"leaderships-{number}-start_date": f"202{number}-01-01"}
    response = change(operator, group, **new)
    assert response.status_code == 200
    assert inline_errors(response) == ["Appoint each person once."]
    assert not Leadership.objects.exists()


def test_administer_groups_delete(operator: Client) -> None:
    """Memberships and leaderships go with it."""
    group = LeadershipFactory().group
    MembershipFactory(group=group)
    response = operator.post(reverse("admin:groups_group_delete", args=[group.pk]), {"post": "yes"})
    assert response.status_code == 302
    assert not Group.objects.exists()


def test_administer_groups_delete_in_use(operator: Client) -> None:
    group = GroupFactory()
    initiative = InitiativeFactory(name="Fair")
    initiative.groups.add(group)
    response = operator.post(reverse("admin:groups_group_delete", args=[group.pk]), {"post": "yes"})
    assert response.context["title"] == "Cannot delete group"
    assert response.context["protected"] == ["Initiatives: Fair"]
    assert initiative.groups.get() == group


def staff(*codenames: str) -> Client:
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="groups", codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def test_administer_groups_members_by_permission_to_change_groups(db: None) -> None:
    """As over the API: to change a group is to change its members; leaderships take their own permission."""
    group = LeadershipFactory().group
    person = PersonFactory()
    data = {"memberships-TOTAL_FORMS": 1, "memberships-0-person": person.pk, "leaderships-0-DELETE": "on"}
    change(staff("change_group"), group, **data)
    assert group.members.get() == person
    assert group.leaderships.exists()


def test_administer_groups_viewer_sees_members(db: None) -> None:
    group = MembershipFactory(person__name="Ana Viewed").group
    response = staff("view_group").get(reverse("admin:groups_group_change", args=[group.pk]))
    assert "Ana Viewed" in response.content.decode()
    assert change(staff("view_group"), group, **{"memberships-0-DELETE": "on"}).status_code == 403
    assert group.members.exists()


def test_administer_groups_autocomplete_finds_people(operator: Client) -> None:
    """Whatever the case and accents."""
    PersonFactory(name="João Conceição")
    query = {"app_label": "groups", "model_name": "membership", "field_name": "person", "term": "conceicao"}
    found = operator.get("/admin/autocomplete/", query).json()["results"]
    assert [row["text"] for row in found] == ["João Conceição"]
