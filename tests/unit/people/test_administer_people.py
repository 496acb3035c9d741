"""People in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from onestep.people.models import Person
from tests.factories import InitiativeFactory, PersonFactory, TeamMemberFactory, UserFactory

LIST = "/admin/people/person/"
ADD = "/admin/people/person/add/"


@pytest.fixture
def operator(db: None) -> Client:
    """Somebody who may do everything, logged in to the admin."""
    client = Client()
    client.force_login(UserFactory(username="operator", is_staff=True, is_superuser=True))
    return client


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_people_list_takes_four_queries(operator: Client, django_assert_num_queries: Any, rows: int) -> None:
    """One each for session and user, one to count the rows, one for the page."""
    for person in PersonFactory.create_batch(rows):
        TeamMemberFactory(person=person, initiative=InitiativeFactory(coordinator=person))
    with django_assert_num_queries(4):
        response = operator.get(LIST)
    assert len(response.context["cl"].result_list) == rows


def test_administer_people_list_counts(operator: Client) -> None:
    """Two that coordinate and three teams are not six of each."""
    person = PersonFactory()
    InitiativeFactory.create_batch(2, coordinator=person)
    other = PersonFactory()
    for initiative in InitiativeFactory.create_batch(3, coordinator=other):
        TeamMemberFactory(person=person, initiative=initiative)
    rows = {row.pk: (row.coordinates_count, row.teams_count) for row in operator.get(LIST).context["cl"].result_list}
    assert rows == {person.pk: (2, 3), other.pk: (3, 0)}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "conceicao JOAO"}, ["João Conceição"]),
        ({"q": "joao@example"}, ["João Conceição"]),
        ({"coordinates": "yes"}, ["Ana"]),
        ({"coordinates": "no"}, ["Bia", "João Conceição"]),
        ({"on_team": "yes"}, ["Bia"]),
        ({"on_team": "no"}, ["Ana", "João Conceição"]),
        ({"has_email": "yes"}, ["Ana", "João Conceição"]),
        ({"has_email": "no"}, ["Bia"]),
        ({"o": "-4"}, ["Ana", "João Conceição", "Bia"]),
    ],
)
def test_administer_people_list_filters(operator: Client, query: dict[str, str], names: list[str]) -> None:
    initiative = InitiativeFactory(coordinator=PersonFactory(name="Ana"))
    TeamMemberFactory(initiative=initiative, person=PersonFactory(name="Bia", email=None))
    PersonFactory(name="João Conceição", email="joao@example.org")
    assert [row.name for row in operator.get(LIST, query).context["cl"].result_list] == names


def test_administer_people_create(operator: Client) -> None:
    """What is written in the form is trimmed, and an address that is left empty is not known."""
    response = operator.post(ADD, {"name": " Zoë ", "email": "", "phone": ""}, follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    person = Person.objects.get()
    assert (person.name, person.email, person.phone) == ("Zoë", None, "")
    operator.post(ADD, {"name": "Ana", "email": "Ana@EXAMPLE.org", "phone": ""})
    assert Person.objects.get(name="Ana").email == "Ana@example.org"


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"name": "  "}, {"name": ["This field is required."]}),
        ({"email": "zoe"}, {"email": ["Enter a valid email address."]}),
        ({"email": "ANA@EXAMPLE.ORG"}, {"email": ["A person with this e-mail address already exists."]}),
    ],
)
def test_administer_people_create_invalid(
    operator: Client, values: dict[str, str], errors: dict[str, list[str]]
) -> None:
    PersonFactory(email="ana@example.org")
    response = operator.post(ADD, {"name": "Zoë", "email": "", "phone": "", **values})
    assert response.status_code == 200
    assert response.context["adminform"].form.errors == errors
    assert Person.objects.count() == 1


def test_administer_people_change(operator: Client) -> None:
    person = PersonFactory(name="Zoë", phone="1")
    address = reverse("admin:people_person_change", args=[person.pk])
    response = operator.post(address, {"name": "Zoë Prado", "email": person.email, "phone": "1"}, follow=True)
    assert messages_of(response) == [f'The person “<a href="{address}">Zoë Prado</a>” was changed successfully.']
    person.refresh_from_db()
    assert (person.name, person.phone) == ("Zoë Prado", "1")


def test_administer_people_save_without_change(operator: Client) -> None:
    person = PersonFactory()
    address = reverse("admin:people_person_change", args=[person.pk])
    operator.post(address, {"name": person.name, "email": person.email, "phone": person.phone})
    assert Person.objects.get().updated_at == person.updated_at


def test_administer_people_delete(operator: Client) -> None:
    person = PersonFactory()
    response = operator.post(reverse("admin:people_person_delete", args=[person.pk]), {"post": "yes"})
    assert response.status_code == 302
    assert not Person.objects.exists()


def test_administer_people_delete_who_coordinates(operator: Client) -> None:
    """The page names ten initiatives that stand in the way, and how many more there are."""
    person = PersonFactory(name="Zoë")
    InitiativeFactory.create_batch(12, coordinator=person)
    response = operator.post(reverse("admin:people_person_delete", args=[person.pk]), {"post": "yes"})
    assert response.status_code == 200
    assert response.context["title"] == "Cannot delete person"
    assert len(response.context["protected"]) == 11
    assert response.context["protected"][-1] == "… and 2 more"
    assert Person.objects.filter(pk=person.pk).exists()


def test_administer_people_delete_several_who_coordinate(operator: Client) -> None:
    """All or none."""
    people = [PersonFactory(), InitiativeFactory().coordinator]
    data = {"action": "delete_selected", "_selected_action": [person.pk for person in people], "post": "yes"}
    response = operator.post(LIST, data)
    assert response.status_code == 200
    assert response.context["title"] == "Cannot delete people"
    assert Person.objects.count() == 2


def test_administer_people_refused_by_the_service(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What becomes true only after the page was checked is a message too: here an initiative appears in between."""
    person = PersonFactory(name="Zoë")
    address = reverse("admin:people_person_delete", args=[person.pk])
    InitiativeFactory(coordinator=person)
    admin = "onestep.people.admin.PersonAdmin.get_deleted_objects"
    monkeypatch.setattr(admin, lambda self, objs, request: ([], {}, set(), []))
    response = operator.post(address, {"post": "yes"}, follow=True)
    assert messages_of(response) == ["Zoë coordinates 1 initiative. Give them another coordinator first."]
    assert Person.objects.filter(pk=person.pk).exists()


def test_administer_people_viewer(db: None) -> None:
    """Staff without permissions on people are refused."""
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    response = client.get(LIST)
    assert response.status_code == 403
    assert "You do not have permission to see this page." in response.content.decode()
