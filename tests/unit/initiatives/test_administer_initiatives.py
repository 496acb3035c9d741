"""Initiatives in the admin."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from onestep.initiatives.models import Initiative
from tests.factories import (
    CampusFactory,
    GroupFactory,
    InitiativeFactory,
    KnowledgeAreaFactory,
    PersonFactory,
    TeamMemberFactory,
    UserFactory,
)

LIST = "/admin/initiatives/initiative/"


def posted(initiative: Initiative, **changes: Any) -> dict[str, Any]:
    """Return what the page of an initiative sends when nothing was touched, with changes."""
    data: dict[str, Any] = {
        "name": initiative.name,
        "kind": initiative.kind,
        "description": initiative.description,
        "start_date": initiative.start_date,
        "end_date": initiative.end_date or "",
        "parent": initiative.parent_id or "",
        "coordinator": initiative.coordinator_id,
        "campus": initiative.campus_id or "",
        "groups": [],
        "knowledge_areas": [],
    }
    team = list(initiative.team_members.all()) if initiative.pk else []
    data |= {"team_members-TOTAL_FORMS": len(team), "team_members-INITIAL_FORMS": len(team)}
    for number, row in enumerate(team):
        data |= {
            f"team_members-{number}-id": row.pk,
            f"team_members-{number}-initiative": initiative.pk,
            f"team_members-{number}-role": row.role,
        }
    return data | changes


def page_of(initiative: Initiative) -> str:
    return reverse("admin:initiatives_initiative_change", args=[initiative.pk])


def change(operator: Client, initiative: Initiative, **changes: Any) -> Any:
    return operator.post(page_of(initiative), posted(initiative, **changes))


def said(response: Any) -> list[str]:
    """The messages that the next page shows."""
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_initiatives_list_takes_five_queries(
    operator: Client, django_assert_num_queries: Any, rows: int
) -> None:
    """One each for session and user, one to count the rows, one for the page, one for the campuses to choose from."""
    for _ in range(rows):
        InitiativeFactory(campus=CampusFactory(), parent=None)
    with django_assert_num_queries(5):
        response = operator.get(LIST)
    assert len(response.context["cl"].result_list) == rows


def test_administer_initiatives_list_search_and_filters(operator: Client) -> None:
    InitiativeFactory(name="Água limpa", kind="event", start_date=date(2999, 1, 1))
    root = InitiativeFactory(name="Coast")
    InitiativeFactory(name="Shore", parent=root, campus=CampusFactory())

    def listed(**query: Any) -> set[str]:
        return {row.name for row in operator.get(LIST, query).context["cl"].result_list}

    assert listed() == {"Água limpa", "Coast", "Shore"}
    assert listed(q="AGUA") == {"Água limpa"}
    assert listed(kind__exact="event") == {"Água limpa"}
    assert listed(status="upcoming") == {"Água limpa"}
    assert listed(status="active") == {"Coast", "Shore"}
    assert listed(root="yes") == {"Água limpa", "Coast"}
    assert listed(root="no") == {"Shore"}
    assert listed(campus__isnull="True") == {"Água limpa", "Coast"}


def test_administer_initiatives_autocomplete(operator: Client) -> None:
    """Parents, coordinators and campuses are found by typing, accents aside."""
    InitiativeFactory(name="Água limpa", coordinator__name="João Prado", campus=CampusFactory(name="Vitória"))
    for field, term, text in (
        ("parent", "agua", "Água limpa"),
        ("coordinator", "joao", "João Prado"),
        ("campus", "vitoria", "Vitória"),
    ):
        query = {"app_label": "initiatives", "model_name": "initiative", "field_name": field, "term": term}
        found = operator.get("/admin/autocomplete/", query).json()["results"]
        assert [row["text"] for row in found] == [text]


@pytest.mark.parametrize("members", [1, 20])
def test_administer_initiatives_page_takes_ten_queries(
    operator: Client, django_assert_num_queries: Any, members: int
) -> None:
    """However many there are on the team."""
    initiative = InitiativeFactory(parent=InitiativeFactory(), campus=CampusFactory())
    initiative.groups.add(GroupFactory())
    TeamMemberFactory.create_batch(members, initiative=initiative)
    operator.get(page_of(initiative))  # fills the cache of content types
    with django_assert_num_queries(10):
        assert operator.get(page_of(initiative)).status_code == 200


def test_administer_initiatives_add(operator: Client) -> None:
    parent, group, area, ana = InitiativeFactory(), GroupFactory(), KnowledgeAreaFactory(), PersonFactory()
    new = Initiative(name="Fair", kind="event", start_date=date(2024, 1, 1), coordinator=ana, parent=parent)
    data = posted(new, groups=[group.pk], knowledge_areas=[area.pk]) | {
        "team_members-TOTAL_FORMS": 1,
        "team_members-0-person": ana.pk,
        "team_members-0-role": "student",
    }
    assert operator.post(f"{LIST}add/", data).status_code == 302
    fair = Initiative.objects.get(name="Fair")
    assert (fair.parent, list(fair.groups.all()), list(fair.knowledge_areas.all())) == (parent, [group], [area])
    assert list(fair.team_members.values_list("person", "role")) == [(ana.pk, "student")]


def test_administer_initiatives_change(operator: Client) -> None:
    initiative = InitiativeFactory(name="Fair")
    group = GroupFactory()
    assert change(operator, initiative, name="Market", groups=[group.pk]).status_code == 302
    initiative.refresh_from_db()
    assert (initiative.name, list(initiative.groups.all())) == ("Market", [group])


def test_administer_initiatives_change_of_team(operator: Client) -> None:
    """A member gets another role, one leaves, one comes; the person of a row stays, whatever is sent."""
    initiative = InitiativeFactory()
    stays, leaves = TeamMemberFactory.create_batch(2, initiative=initiative)
    comes = PersonFactory()
    response = change(
        operator,
        initiative,
        **{
            "team_members-TOTAL_FORMS": 3,
            "team_members-0-role": "student",
            "team_members-0-person": comes.pk,
            "team_members-1-DELETE": "on",
            "team_members-2-person": comes.pk,
            "team_members-2-role": "member",
        },
    )
    assert response.status_code == 302
    assert dict(initiative.team_members.values_list("person", "role")) == {
        stays.person_id: "student",
        comes.pk: "member",
    }
    assert not initiative.team_members.filter(person=leaves.person).exists()


def test_administer_initiatives_person_twice_on_team(operator: Client) -> None:
    initiative = TeamMemberFactory().initiative
    person = initiative.team_members.get().person_id
    response = change(
        operator,
        initiative,
        **{"team_members-TOTAL_FORMS": 2, "team_members-1-person": person, "team_members-1-role": "student"},
    )
    assert response.status_code == 200
    [team] = response.context["inline_admin_formsets"]
    assert team.formset.errors == [{}, {"person": ["This person is on the team already."]}]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "This field is required."),
        ("end_date", "2024-02-29", "The end cannot be before the start."),
    ],
)
def test_administer_initiatives_refuses(operator: Client, field: str, value: str, message: str) -> None:
    """What the database's constraints say stands at the field."""
    response = change(operator, InitiativeFactory(), **{field: value})
    assert response.status_code == 200
    assert response.context["adminform"].form.errors == {field: [message]}


@pytest.mark.parametrize("depth", [1, 2])
def test_administer_initiatives_cycle(operator: Client, depth: int) -> None:
    """A parent that is below stands as an error at the field; what else was typed is still there."""
    initiative = below = InitiativeFactory(name="Coast")
    for level in range(depth):
        below = InitiativeFactory(name=f"Level {level + 1}", parent=below)
    response = change(operator, initiative, parent=below.pk, description="typed")
    assert response.status_code == 200
    form = response.context["adminform"].form
    message = f"Level {depth} is a part of Coast, so it cannot be its parent. Choose another parent."
    assert form.errors == {"parent": [message]}
    assert form["description"].value() == "typed"
    initiative.refresh_from_db()
    assert initiative.parent is None


def test_administer_initiatives_own_parent(operator: Client) -> None:
    """The database refuses it; the next page shows its words."""
    initiative = InitiativeFactory()
    response = change(operator, initiative, parent=initiative.pk)
    assert response.status_code == 302
    assert said(response) == ["An initiative cannot be its own parent."]
    initiative.refresh_from_db()
    assert initiative.parent is None


def test_administer_initiatives_move(operator: Client) -> None:
    initiative, parent = InitiativeFactory.create_batch(2)
    assert change(operator, initiative, parent=parent.pk).status_code == 302
    initiative.refresh_from_db()
    assert initiative.parent == parent


def test_administer_initiatives_delete(operator: Client) -> None:
    initiative = InitiativeFactory()
    url = reverse("admin:initiatives_initiative_delete", args=[initiative.pk])
    assert operator.get(url).status_code == 200
    assert operator.post(url, {"post": "yes"}).status_code == 302
    assert not Initiative.objects.exists()


@pytest.mark.parametrize("verb", ["get", "post"])
def test_administer_initiatives_delete_with_descendants(operator: Client, verb: str) -> None:
    """The page says how many are in the way, and deletes nothing."""
    root = InitiativeFactory(name="Coast")
    InitiativeFactory(parent=InitiativeFactory(parent=root))
    url = reverse("admin:initiatives_initiative_delete", args=[root.pk])
    response = getattr(operator, verb)(url, {"post": "yes"} if verb == "post" else None)
    assert response.status_code == 200
    assert response.context["protected"] == [
        "2 initiatives are below Coast. Move or delete what is below first, or have it deleted as well."
    ]
    assert Initiative.objects.count() == 3


def test_administer_initiatives_delete_when_a_child_comes_between(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was in the way when the page looked: the service refuses, and the next page shows its words."""
    root = InitiativeFactory(name="Coast")
    InitiativeFactory(parent=root)
    nothing = ([], {}, set(), [])
    monkeypatch.setattr("onestep.initiatives.admin.InitiativeAdmin.get_deleted_objects", lambda *args: nothing)
    response = operator.post(reverse("admin:initiatives_initiative_delete", args=[root.pk]), {"post": "yes"})
    assert response.status_code == 302
    assert said(response) == [
        "1 initiative is below Coast. Move or delete what is below first, or have it deleted as well."
    ]
    assert Initiative.objects.count() == 2


def test_administer_initiatives_delete_several(operator: Client) -> None:
    """A parent goes together with its child where both are chosen, and not without it."""
    root = InitiativeFactory()
    child = InitiativeFactory(parent=root)
    other = InitiativeFactory()
    action = {"action": "delete_selected", "post": "yes"}
    operator.post(LIST, action | {"_selected_action": [root.pk, other.pk]})
    assert Initiative.objects.count() == 3
    operator.post(LIST, action | {"_selected_action": [root.pk, child.pk]})
    assert list(Initiative.objects.all()) == [other]


@pytest.mark.django_db
def test_administer_initiatives_team_with_permission_for_initiatives() -> None:
    """Who may change initiatives changes their teams; who may only look sees them."""
    member = TeamMemberFactory(role="member")
    data = posted(member.initiative, **{"team_members-0-role": "student"})
    for codename, status, role in (("view_initiative", 403, "member"), ("change_initiative", 302, "student")):
        user = UserFactory(is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename=codename))
        client = Client()
        client.force_login(user)
        assert client.post(page_of(member.initiative), data).status_code == status
        member.refresh_from_db()
        assert member.role == role
