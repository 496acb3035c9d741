"""Leaderships in the admin."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onestep.groups.models import Leadership
from tests.factories import GroupFactory, LeadershipFactory, PersonFactory

LIST = "/admin/groups/leadership/"


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def address_of(leadership: Leadership) -> str:
    return reverse("admin:groups_leadership_change", args=[leadership.pk])


@pytest.mark.parametrize("rows", [1, 30])
def test_administer_leaderships_list_takes_five_queries(
    operator: Client, django_assert_num_queries: Any, rows: int
) -> None:
    """One each for session and user, one to count the rows, one for the page, one for the filter of campuses."""
    LeadershipFactory.create_batch(rows)
    with django_assert_num_queries(5):
        response = operator.get(LIST)
    assert len(response.context["cl"].result_list) == rows


def test_administer_leaderships_list_filters(operator: Client) -> None:
    goes_on = LeadershipFactory(person__name="João", group__name="Seeds")
    ended = LeadershipFactory(person__name="Bia", group__name="Tides", end_date=date(2025, 1, 1))
    for query, found in [
        ({"q": "JOAO"}, [goes_on]),
        ({"q": "tides"}, [ended]),
        ({"active": "yes"}, [goes_on]),
        ({"active": "no"}, [ended]),
        ({"group__campus__id__exact": ended.group.campus_id}, [ended]),
    ]:
        assert list(operator.get(LIST, query).context["cl"].result_list) == found


def test_administer_leaderships_create(operator: Client) -> None:
    group, person = GroupFactory(), PersonFactory()
    data = {"group": group.pk, "person": person.pk, "start_date": "2024-03-01", "end_date": ""}
    assert operator.post(f"{LIST}add/", data).status_code == 302
    row = Leadership.objects.get()
    assert (row.group, row.person, row.start_date, row.end_date) == (group, person, date(2024, 3, 1), None)


@pytest.mark.parametrize(
    ("start", "end", "errors"),
    [
        ("2025-01-01", "", {"person": ["This person leads the group already."]}),
        ("2023-01-01", "2022-01-01", {"end_date": ["The end cannot be before the start."]}),
        ("2024-04-01", "2024-05-01", {"start_date": ["This person leads the group in a part of this time already."]}),
    ],
)
def test_administer_leaderships_create_invalid(
    operator: Client, start: str, end: str, errors: dict[str, list[str]]
) -> None:
    there = LeadershipFactory(start_date=date(2024, 3, 1))
    data = {"group": there.group_id, "person": there.person_id, "start_date": start, "end_date": end}
    response = operator.post(f"{LIST}add/", data)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors.items() >= errors.items()
    assert Leadership.objects.count() == 1


def test_administer_leaderships_end(operator: Client) -> None:
    leadership = LeadershipFactory(start_date=date(2024, 3, 1))
    data = {"start_date": "2024-03-01", "end_date": "2025-03-01"}
    assert operator.post(address_of(leadership), data).status_code == 302
    leadership.refresh_from_db()
    assert leadership.end_date == date(2025, 3, 1)


def test_administer_leaderships_ended_one_keeps_its_dates(operator: Client) -> None:
    """The form shows them, and does not take them."""
    leadership = LeadershipFactory(start_date=date(2024, 3, 1), end_date=date(2025, 3, 1))
    form = operator.get(address_of(leadership)).context["adminform"].form
    assert list(form.fields) == []
    operator.post(address_of(leadership), {"start_date": "2024-01-01", "end_date": ""})
    leadership.refresh_from_db()
    assert (leadership.start_date, leadership.end_date) == (date(2024, 3, 1), date(2025, 3, 1))


def test_administer_leaderships_end_several_today(operator: Client) -> None:
    rows = LeadershipFactory.create_batch(2)
    data = {"action": "end_today", "_selected_action": [row.pk for row in rows]}
    assert messages_of(operator.post(LIST, data, follow=True)) == ["The selected leaderships end today."]
    assert {row.end_date for row in Leadership.objects.all()} == {timezone.localdate()}


def test_administer_leaderships_end_several_one_has_ended(operator: Client) -> None:
    """All or none."""
    ended = LeadershipFactory(person__name="Ana", group__short_name="SEEDS", end_date=date(2025, 3, 1))
    rows = [LeadershipFactory(start_date=date(2025, 1, 1)), ended]
    data = {"action": "end_today", "_selected_action": [row.pk for row in rows]}
    assert messages_of(operator.post(LIST, data, follow=True)) == [
        "Ana led SEEDS until 2025-03-01, and an ended leadership keeps its dates. "
        "To appoint the person again, make a new one."
    ]
    assert Leadership.objects.get(pk=rows[0].pk).end_date is None


def test_administer_leaderships_end_before_the_start(operator: Client) -> None:
    leadership = LeadershipFactory(start_date=timezone.localdate() + timedelta(days=1))
    data = {"action": "end_today", "_selected_action": [leadership.pk]}
    assert messages_of(operator.post(LIST, data, follow=True)) == ["The end cannot be before the start."]


def test_administer_leaderships_delete(operator: Client) -> None:
    leadership = LeadershipFactory()
    operator.post(reverse("admin:groups_leadership_delete", args=[leadership.pk]), {"post": "yes"})
    assert not Leadership.objects.exists()
