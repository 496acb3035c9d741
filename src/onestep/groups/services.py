"""What changes campuses, knowledge areas, groups, members and leaderships."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import PROTECT, ManyToManyRel, Model
from django.utils import timezone

from onestep.errors import ConflictError, InvalidError
from onestep.groups.models import Campus, Group, KnowledgeArea, Leadership, Membership
from onestep.people.models import Person

# How many rows of each kind the refusal to delete names.
NAMED_ROWS = 10
IN_USE: dict[type[Model], str] = {
    Campus: "campus_in_use",
    KnowledgeArea: "knowledge_area_in_use",
    Group: "group_in_use",
}
Row = TypeVar("Row", bound=Model)


@transaction.atomic
def create_campus(*, name: str, code: str, location: str = "") -> Campus:
    """Create a campus.

    Raises IntegrityError where the code is another's, whatever its case.
    """
    return Campus.objects.create(name=name, code=code, location=location)


@transaction.atomic
def update_campus(campus: Campus, **changes: Any) -> Campus:
    """Change the given fields (name, code, location) of a campus.

    Raises IntegrityError where the code is another's, whatever its case.
    """
    return _change(campus, changes)


@transaction.atomic
def delete_campus(campus: Campus) -> None:
    """Delete a campus.

    Raises ConflictError where groups or initiatives are on it.
    """
    _refuse_in_use(campus)
    campus.delete()


@transaction.atomic
def create_knowledge_area(*, name: str) -> KnowledgeArea:
    """Create a knowledge area.

    Raises IntegrityError where the name is another's, whatever its case and accents.
    """
    return KnowledgeArea.objects.create(name=name)


@transaction.atomic
def update_knowledge_area(knowledge_area: KnowledgeArea, **changes: Any) -> KnowledgeArea:
    """Change the name of a knowledge area.

    Raises IntegrityError where the name is another's, whatever its case and accents.
    """
    return _change(knowledge_area, changes)


@transaction.atomic
def delete_knowledge_area(knowledge_area: KnowledgeArea) -> None:
    """Delete a knowledge area.

    Raises ConflictError where groups or initiatives have it: they would lose it without anybody seeing it, and who may
    delete a knowledge area need not be allowed to change them.
    """
    _refuse_in_use(knowledge_area)
    knowledge_area.delete()


@transaction.atomic
def create_group(  # noqa: PLR0913  (a group has as many values)
    *,
    name: str,
    short_name: str,
    kind: str,
    campus: Campus,
    url: str = "",
    knowledge_areas: Iterable[KnowledgeArea] = (),
    members: Iterable[Person] = (),
) -> Group:
    """Create a group with its knowledge areas and members.

    Raises IntegrityError where the short name is another group's of the campus.
    """
    group = Group.objects.create(name=name, short_name=short_name, kind=kind, campus=campus, url=url)
    _insert_knowledge_areas(group, knowledge_areas)
    _insert_members(group, members)
    return group


@transaction.atomic
def update_group(
    group: Group,
    *,
    knowledge_areas: Iterable[KnowledgeArea] | None = None,
    members: Iterable[Person] | None = None,
    **changes: Any,
) -> Group:
    """Change the given fields (name, short_name, kind, campus, url) of a group.

    Knowledge areas and members, where they are given, replace those that are there. Raises IntegrityError where the
    short name is another group's of the campus.
    """
    group = _change(group, changes)
    if knowledge_areas is not None:
        areas = list(knowledge_areas)
        Group.knowledge_areas.through._default_manager.filter(group=group).exclude(knowledgearea__in=areas).delete()
        _insert_knowledge_areas(group, areas)
    if members is not None:
        people = list(members)
        group.memberships.exclude(person__in=people).delete()
        _insert_members(group, people)
    return group


@transaction.atomic
def delete_group(group: Group) -> None:
    """Delete a group, with its memberships and the history of its leadership.

    Raises ConflictError where initiatives name it.
    """
    _refuse_in_use(group)
    group.delete()


@transaction.atomic
def add_member(group: Group, person: Person) -> None:
    """Make a person a member of a group. Who is one already stays one, and the group unchanged."""
    _, is_new = Membership.objects.get_or_create(group=group, person=person)
    if is_new:
        _touch(group)


@transaction.atomic
def remove_member(group: Group, person: Person) -> None:
    """End a person's membership of a group. Who is not a member stays none, and the group unchanged."""
    removed, _ = group.memberships.filter(person=person).delete()
    if removed:
        _touch(group)


@transaction.atomic
def create_leadership(
    *, group: Group, person: Person, start_date: date | None = None, end_date: date | None = None
) -> Leadership:
    """Appoint a person to lead a group, from today where no start is given; with an end, it is entered as history.

    Raises IntegrityError where the person leads the group in a part of that time already, or the dates do not fit.
    """
    return Leadership.objects.create(
        group=group, person=person, start_date=start_date or timezone.localdate(), end_date=end_date
    )


@transaction.atomic
def update_leadership(leadership: Leadership, **changes: Any) -> Leadership:
    """Change the start_date and end_date of a leadership; to give the end is how it ends.

    Raises ConflictError where it has ended, InvalidError where group or person would change, and IntegrityError where
    the dates do not fit. Values that are as they were count as no change.
    """
    present: Leadership = Leadership.objects.select_for_update().get(pk=leadership.pk)
    changes = {field: value for field, value in changes.items() if value != getattr(present, field)}
    errors: dict[str, list[str]] = {
        field: [f"A leadership keeps its {field}. End this one, and make a new one."]
        for field in ("group", "person")
        if field in changes
    }
    if errors:
        raise InvalidError(errors)
    if changes and present.has_ended:
        raise ConflictError(
            f"{present.person} led {present.group} until {present.end_date}, and an ended leadership keeps its dates. "
            "To appoint the person again, make a new one.",
            code="leadership_ended",
            start_date=present.start_date,
            end_date=present.end_date,
        )
    return _change(present, changes) if changes else present


@transaction.atomic
def delete_leadership(leadership: Leadership) -> None:
    """Delete a leadership that was entered by mistake; one that is over is ended, not deleted."""
    leadership.delete()


def deletion_conflict(row: Campus | KnowledgeArea | Group) -> ConflictError | None:
    """Return what forbids to delete the row: the rows of other kinds that it would be taken from, or None.

    Who uses it is found by the models' relations, since this app must not know those above it.
    """
    counts: dict[str, int] = {}
    first: dict[str, list[dict[str, Any]]] = {}
    uses = []
    for relation in row._meta.related_objects:
        if not isinstance(relation, ManyToManyRel) and relation.on_delete is not PROTECT:
            continue
        rows = getattr(row, str(relation.get_accessor_name())).order_by("pk")
        count = rows.count()
        if count:
            names = relation.related_model._meta
            kind = str(names.verbose_name_plural)
            counts[kind] = count
            first[kind] = list(rows.values("id", "name")[:NAMED_ROWS])
            uses.append(f"{count} {kind if count > 1 else names.verbose_name}")
    if not uses:
        return None
    return ConflictError(
        f"{row.name} is used by {' and '.join(uses)}. Change {'them' if sum(counts.values()) > 1 else 'it'} first.",
        code=IN_USE[type(row)],
        counts=counts,
        **first,
    )


def _refuse_in_use(row: Campus | KnowledgeArea | Group) -> None:
    """Raise ConflictError where other rows use this one.

    The row is locked before: who would begin to use it waits for the end of this transaction, and is refused then.
    """
    type(row)._default_manager.select_for_update().get(pk=row.pk)
    conflict = deletion_conflict(row)
    if conflict:
        raise conflict


def _change(row: Row, changes: Mapping[str, Any]) -> Row:
    for field, value in changes.items():
        setattr(row, field, value)
    row.save()
    return row


def _touch(group: Group) -> None:
    """Note the time of a change that is in no column of the group: its document shows some of the members only."""
    group.save(update_fields=["updated_at"])


def _insert_knowledge_areas(group: Group, knowledge_areas: Iterable[KnowledgeArea]) -> None:
    through = Group.knowledge_areas.through
    through._default_manager.bulk_create(
        [through(group=group, knowledgearea=area) for area in knowledge_areas], ignore_conflicts=True
    )


def _insert_members(group: Group, people: Iterable[Person]) -> None:
    Membership.objects.bulk_create([Membership(group=group, person=person) for person in people], ignore_conflicts=True)
