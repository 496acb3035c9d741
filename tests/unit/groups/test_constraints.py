"""What the database itself refuses, whoever writes, and what a person reads then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from django.db import IntegrityError
from django.db.models import Model

from onestep.groups.models import Campus, Group, KnowledgeArea, Leadership, Membership
from onestep.http.problems import describe
from tests.factories import (
    CampusFactory,
    GroupFactory,
    KnowledgeAreaFactory,
    LeadershipFactory,
    MembershipFactory,
)


def overlapping() -> None:
    ended = LeadershipFactory(start_date=date(2020, 1, 1), end_date=date(2021, 1, 1))
    LeadershipFactory(
        group=ended.group, person=ended.person, start_date=date(2020, 12, 31), end_date=date(2020, 12, 31)
    )
    LeadershipFactory(group=ended.group, person=ended.person, start_date=date(2020, 12, 31), end_date=date(2022, 1, 1))


def same_membership() -> None:
    membership = MembershipFactory()
    MembershipFactory(group=membership.group, person=membership.person)


def same_leadership() -> None:
    leadership = LeadershipFactory()
    LeadershipFactory(group=leadership.group, person=leadership.person)


def same_short_name() -> None:
    group = GroupFactory(short_name="geo")
    GroupFactory(short_name="GÉO", campus=group.campus)


VIOLATIONS: dict[str, tuple[Callable[[], object], str, str]] = {
    "campus_name_present": (lambda: CampusFactory(name=" \t"), "name", "A name cannot be empty."),
    "campus_code_valid": (
        lambda: CampusFactory(code="V X"),
        "code",
        "A code consists of letters, digits, hyphens and underscores.",
    ),
    "campus_code_unique": (
        lambda: [CampusFactory(code=code) for code in ("vix", "VIX")],
        "code",
        "A campus with this code already exists.",
    ),
    "knowledgearea_name_present": (lambda: KnowledgeAreaFactory(name=""), "name", "A name cannot be empty."),
    "knowledgearea_name_unique": (
        lambda: [KnowledgeAreaFactory(name=name) for name in ("Genética", "GENETICA")],
        "name",
        "A knowledge area with this name already exists.",
    ),
    "group_name_present": (lambda: GroupFactory(name=" "), "name", "A name cannot be empty."),
    "group_short_name_present": (
        lambda: GroupFactory(short_name="\n"),
        "short_name",
        "A short name cannot be empty.",
    ),
    "group_kind_known": (lambda: GroupFactory(kind="other"), "kind", "A group is of research or of extension."),
    "group_short_name_unique": (
        same_short_name,
        "short_name",
        "A group with this short name already exists on this campus.",
    ),
    "membership_unique": (same_membership, "person", "This person is a member of the group already."),
    "leadership_active_unique": (same_leadership, "person", "This person leads the group already."),
    "leadership_dates_ordered": (
        lambda: LeadershipFactory(start_date=date(2024, 1, 2), end_date=date(2024, 1, 1)),
        "end_date",
        "The end cannot be before the start.",
    ),
    "leadership_no_overlap": (
        overlapping,
        "start_date",
        "This person leads the group in a part of this time already.",
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_constraint_is_violated(db: None, name: str) -> None:
    violate, field, message = VIOLATIONS[name]
    with pytest.raises(IntegrityError) as caught:
        violate()
    assert caught.value.__cause__.diag.constraint_name == name  # type: ignore[union-attr]
    answer = describe(caught.value)
    assert answer["status"] == 400
    assert answer["errors"] == {field: [message]}


@pytest.mark.parametrize("model", [Campus, KnowledgeArea, Group, Membership, Leadership])
def test_constraint_has_its_test(model: type[Model]) -> None:
    names = {constraint.name for constraint in model._meta.constraints}
    assert names <= set(VIOLATIONS)
    assert names == set(model.constraint_fields)  # type: ignore[attr-defined]


def test_leaderships_that_touch_do_not_overlap(db: None) -> None:
    first = LeadershipFactory(start_date=date(2020, 1, 1), end_date=date(2021, 1, 1))
    LeadershipFactory(group=first.group, person=first.person, start_date=date(2021, 1, 1))
    assert Leadership.objects.count() == 2
