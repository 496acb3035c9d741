"""What the database itself refuses, whoever writes, and what a person reads then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from django.db import IntegrityError, connection
from django.db.models import F, Model

from onestep.http.problems import describe
from onestep.initiatives.models import Initiative, TeamMember
from tests.factories import InitiativeFactory, TeamMemberFactory


def own_parent() -> None:
    InitiativeFactory()
    Initiative.objects.update(parent=F("pk"))


def same_person() -> None:
    member = TeamMemberFactory()
    TeamMemberFactory(initiative=member.initiative, person=member.person)


VIOLATIONS: dict[str, tuple[Callable[[], object], str, str]] = {
    "initiative_name_present": (lambda: InitiativeFactory(name=" \t"), "name", "A name cannot be empty."),
    "initiative_kind_known": (
        lambda: InitiativeFactory(kind="meeting"),
        "kind",
        "An initiative is a program, a project or an event.",
    ),
    "initiative_dates_ordered": (
        lambda: InitiativeFactory(start_date=date(2024, 1, 2), end_date=date(2024, 1, 1)),
        "end_date",
        "The end cannot be before the start.",
    ),
    "initiative_not_own_parent": (own_parent, "parent", "An initiative cannot be its own parent."),
    "teammember_unique": (same_person, "person", "This person is on the team already."),
    "teammember_role_known": (lambda: TeamMemberFactory(role="boss"), "role", "A role is member or student."),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", VIOLATIONS)
def test_constraint(name: str) -> None:
    violate, field, message = VIOLATIONS[name]
    with pytest.raises(IntegrityError, match=name) as caught:
        violate()
    problem = describe(caught.value)
    assert (problem["status"], problem["errors"]) == (400, {field: [message]})


@pytest.mark.parametrize("model", [Initiative, TeamMember])
def test_every_constraint_has_a_test(model: type[Model]) -> None:
    assert {constraint.name for constraint in model._meta.constraints} <= set(VIOLATIONS)


@pytest.mark.django_db
def test_one_day_is_long_enough() -> None:
    InitiativeFactory(start_date=date(2024, 1, 1), end_date=date(2024, 1, 1))


@pytest.mark.django_db
def test_no_cycle() -> None:
    """A cycle is no model's constraint, but a trigger's; it has a name like one."""
    root = InitiativeFactory()
    leaf = InitiativeFactory(parent=InitiativeFactory(parent=root))
    with pytest.raises(IntegrityError) as caught:
        Initiative.objects.filter(pk=root.pk).update(parent=leaf)
    assert caught.value.__cause__.diag.constraint_name == "initiative_no_cycle"  # type: ignore[union-attr]


@pytest.mark.django_db
def test_no_cycle_in_one_statement() -> None:
    """Neither by an INSERT that brings all of its rows."""
    person = InitiativeFactory().coordinator
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="would be its own ancestor"):
        cursor.execute(
            """
            INSERT INTO initiatives_initiative
                (id, name, description, kind, start_date, coordinator_id, parent_id, created_at, updated_at)
            SELECT n, n::text, '', 'event', '2024-01-01', %s, 1001 - n %% 2, now(), now()
            FROM generate_series(1000, 1001) n
            """,
            [person.pk],
        )
