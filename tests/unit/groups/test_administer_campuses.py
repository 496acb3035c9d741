"""Campuses and knowledge areas in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from onestep.groups.models import Campus, KnowledgeArea
from tests.factories import CampusFactory, GroupFactory, InitiativeFactory, KnowledgeAreaFactory, UserFactory

LIST = "/admin/groups/campus/"
AREAS = "/admin/groups/knowledgearea/"


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_campuses_list_takes_five_queries(
    operator: Client, django_assert_num_queries: Any, rows: int
) -> None:
    """One each for session and user, one to count the rows, one for the page, one for the filter of locations."""
    for campus in CampusFactory.create_batch(rows):
        GroupFactory(campus=campus)
    with django_assert_num_queries(5):
        response = operator.get(LIST)
    assert len(response.context["cl"].result_list) == rows


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_knowledge_areas_list_takes_four_queries(
    operator: Client, django_assert_num_queries: Any, rows: int
) -> None:
    for area in KnowledgeAreaFactory.create_batch(rows):
        GroupFactory().knowledge_areas.add(area)
    with django_assert_num_queries(4):
        response = operator.get(AREAS)
    assert len(response.context["cl"].result_list) == rows


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["Serra", "Vitória"]),
        ({"q": "vitoria VIX"}, ["Vitória"]),
        ({"has_groups": "yes"}, ["Vitória"]),
        ({"has_groups": "no"}, ["Serra"]),
        ({"location": "Norte"}, ["Serra"]),
        ({"o": "-4"}, ["Vitória", "Serra"]),
    ],
)
def test_administer_campuses_list_filters(operator: Client, query: dict[str, str], names: list[str]) -> None:
    GroupFactory.create_batch(2, campus=CampusFactory(name="Vitória", code="VIX"))
    CampusFactory(name="Serra", location="Norte")
    rows = operator.get(LIST, query).context["cl"].result_list
    assert [row.name for row in rows] == names
    assert {row.name: row.groups_count for row in rows}.get("Vitória", 2) == 2


@pytest.mark.parametrize(("query", "names"), [({"has_groups": "yes"}, ["Botany"]), ({"q": "agua"}, ["Água"])])
def test_administer_knowledge_areas_list_filters(operator: Client, query: dict[str, str], names: list[str]) -> None:
    GroupFactory().knowledge_areas.add(KnowledgeAreaFactory(name="Botany"))
    KnowledgeAreaFactory(name="Água")
    assert [row.name for row in operator.get(AREAS, query).context["cl"].result_list] == names


def test_administer_campuses_create(operator: Client) -> None:
    response = operator.post(f"{LIST}add/", {"name": " Vitória ", "code": "VIX", "location": ""}, follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    campus = Campus.objects.get()
    assert (campus.name, campus.code, campus.location) == ("Vitória", "VIX", "")


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"name": "  "}, {"name": ["This field is required."]}),
        ({"code": "srr"}, {"code": ["A campus with this code already exists."]}),
        ({"code": "V X"}, {"code": ["A code consists of letters, digits, hyphens and underscores."]}),
    ],
)
def test_administer_campuses_create_invalid(
    operator: Client, values: dict[str, str], errors: dict[str, list[str]]
) -> None:
    CampusFactory(code="SRR")
    response = operator.post(f"{LIST}add/", {"name": "Vitória", "code": "VIX", "location": "", **values})
    assert response.status_code == 200
    assert response.context["adminform"].form.errors == errors
    assert Campus.objects.count() == 1


def test_administer_campuses_change(operator: Client) -> None:
    campus = CampusFactory(code="VIX")
    address = reverse("admin:groups_campus_change", args=[campus.pk])
    response = operator.post(address, {"name": "Vitória", "code": "vix", "location": campus.location}, follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    campus.refresh_from_db()
    assert (campus.name, campus.code) == ("Vitória", "vix")


def test_administer_campuses_delete(operator: Client) -> None:
    campus = CampusFactory()
    response = operator.post(reverse("admin:groups_campus_delete", args=[campus.pk]), {"post": "yes"})
    assert response.status_code == 302
    assert not Campus.objects.exists()


def test_administer_campuses_delete_in_use(operator: Client) -> None:
    """The page names the first ten of each kind that stand in the way, and how many more there are."""
    campus = CampusFactory(name="Vitória")
    groups = GroupFactory.create_batch(12, campus=campus)
    InitiativeFactory(name="Fair", campus=campus)
    address = reverse("admin:groups_campus_delete", args=[campus.pk])
    for response in (operator.get(address), operator.post(address, {"post": "yes"})):
        assert response.status_code == 200
        assert response.context["title"] == "Cannot delete campus"
        assert response.context["protected"] == [
            *(f"Groups: {group.name}" for group in groups[:10]),
            "Groups: 2 more",
            "Initiatives: Fair",
        ]
    assert Campus.objects.exists()


def test_administer_campuses_delete_several_one_in_use(operator: Client) -> None:
    """All or none."""
    campuses = [CampusFactory(), GroupFactory().campus]
    data = {"action": "delete_selected", "_selected_action": [row.pk for row in campuses], "post": "yes"}
    response = operator.post(LIST, data)
    assert response.context["title"] == "Cannot delete campuses"
    assert Campus.objects.count() == 2


def test_administer_campuses_comes_into_use_in_between(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page did not know when it was checked the service refuses, in words, and nothing says it was done."""
    campus = GroupFactory(campus__name="Vitória").campus
    monkeypatch.setattr("onestep.groups.admin.rows_in_the_way", lambda row: [])
    monkeypatch.setattr(
        "onestep.administration.ServiceAdmin.get_deleted_objects", lambda self, objs, request: ([], {}, set(), [])
    )
    refused = ["Vitória is used by 1 group. Change it first."]
    address = reverse("admin:groups_campus_delete", args=[campus.pk])
    assert messages_of(operator.post(address, {"post": "yes"}, follow=True)) == refused
    data = {"action": "delete_selected", "_selected_action": [campus.pk], "post": "yes"}
    assert messages_of(operator.post(LIST, data, follow=True)) == refused
    assert Campus.objects.exists()
    assert not LogEntry.objects.exists()


def test_administer_knowledge_areas_create_change_delete(operator: Client) -> None:
    operator.post(f"{AREAS}add/", {"name": "Botany"})
    area = KnowledgeArea.objects.get()
    operator.post(reverse("admin:groups_knowledgearea_change", args=[area.pk]), {"name": "Botânica"})
    area.refresh_from_db()
    assert area.name == "Botânica"
    response = operator.post(f"{AREAS}add/", {"name": "BOTANICA"})
    assert response.context["adminform"].form.errors == {"name": ["A knowledge area with this name already exists."]}
    operator.post(reverse("admin:groups_knowledgearea_delete", args=[area.pk]), {"post": "yes"})
    assert not KnowledgeArea.objects.exists()


def test_administer_knowledge_areas_delete_in_use(operator: Client) -> None:
    """A label of an initiative is not lost with it, which Django alone would not see."""
    area = KnowledgeAreaFactory()
    InitiativeFactory(name="Fair").knowledge_areas.add(area)
    response = operator.post(reverse("admin:groups_knowledgearea_delete", args=[area.pk]), {"post": "yes"})
    assert response.context["protected"] == ["Initiatives: Fair"]
    assert KnowledgeArea.objects.exists()


@pytest.mark.parametrize("address", [LIST, AREAS, "/admin/groups/group/", "/admin/groups/leadership/"])
def test_administer_groups_without_permission(db: None, address: str) -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    assert client.get(address).status_code == 403
