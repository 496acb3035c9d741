"""`onestep load_sample_data`."""

from __future__ import annotations

from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from onestep.accounts.models import User
from onestep.groups.models import Campus, Group
from onestep.initiatives.models import Initiative, TeamMember
from onestep.people.models import Person

TODAY = "2026-03-01"


@pytest.fixture
def development(settings: Settings) -> None:
    """DEBUG is on, as in a development stack (the test runner turns it off)."""
    settings.DEBUG = True


def load(**options: object) -> str:
    """Run the command and return what it printed."""
    out = StringIO()
    call_command("load_sample_data", stdout=out, today=date.fromisoformat(TODAY), **options)
    return out.getvalue()


def values() -> list[tuple[object, ...]]:
    """Return what the initiatives say, ids apart."""
    fields = (
        "name",
        "description",
        "kind",
        "start_date",
        "end_date",
        "coordinator__name",
        "campus__code",
        "parent__name",
    )
    return list(Initiative.objects.order_by("id").values_list(*fields))


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_load_sample_data_amounts() -> None:
    printed = load(initiatives=60, people=25)
    assert "Stored 60 initiatives and 25 people" in printed
    assert "Log in as admin, password onestep-admin (development only)." in printed
    assert Initiative.objects.count() == 60
    assert Person.objects.count() == 25
    assert Campus.objects.count() == 8
    assert Group.objects.count() == 20
    assert set(Initiative.objects.values_list("kind", flat=True)) == {"program", "project", "event"}
    assert TeamMember.objects.filter(role="student").exists()
    assert all(
        start <= end for start, end in Initiative.objects.exclude(end_date=None).values_list("start_date", "end_date")
    )
    assert User.objects.get(username="admin").check_password("onestep-admin")


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_load_sample_data_is_reproducible() -> None:
    """The same seed makes the same data; another seed makes other data; a second load stands beside the first."""
    load(initiatives=40, people=20, seed=7)
    first = values()
    load(initiatives=40, people=20, seed=7)
    assert values() == first * 2
    load(initiatives=40, people=20, seed=8)
    assert values()[80:] != first


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_load_sample_data_once() -> None:
    load(initiatives=5, people=5)
    assert "There is data already: no sample data was added." in load(initiatives=5, people=5, once=True)
    assert Initiative.objects.count() == 5


@pytest.mark.django_db
def test_load_sample_data_outside_development() -> None:
    """Where DEBUG is off it is refused, and makes no administrator even when it is forced."""
    with pytest.raises(CommandError, match=r"^onestep\.E201 DEBUG is off"):
        load(initiatives=5, people=5)
    assert not Person.objects.exists()
    assert "Log in as" not in load(initiatives=5, people=5, force=True)
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("development")
def test_load_sample_data_of_nothing() -> None:
    with pytest.raises(CommandError, match=r"^onestep\.E202 There is nothing to make"):
        load(initiatives=0, people=5)
