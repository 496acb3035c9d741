"""What changes initiatives: their values, their place in the hierarchy, their teams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.db import connection, transaction

from onestep.errors import ConflictError
from onestep.groups.models import Campus, Group, KnowledgeArea
from onestep.initiatives.attachments import remove_files_on_commit, stored_names
from onestep.initiatives.hierarchy import ids_below, read_ancestors
from onestep.initiatives.models import Initiative, TeamMember
from onestep.people.models import Person

# A person and the role that they have on a team.
TeamEntry = tuple[Person, str]


@transaction.atomic
def create_initiative(  # noqa: PLR0913  (an initiative has as many values)
    *,
    name: str,
    kind: str,
    start_date: date,
    coordinator: Person,
    description: str = "",
    end_date: date | None = None,
    parent: Initiative | None = None,
    campus: Campus | None = None,
    groups: Iterable[Group] = (),
    knowledge_areas: Iterable[KnowledgeArea] = (),
    team: Sequence[TeamEntry] = (),
) -> Initiative:
    """Create an initiative with its groups, knowledge areas and team.

    Raises IntegrityError where the end is before the start.
    """
    initiative = Initiative.objects.create(
        name=name,
        kind=kind,
        start_date=start_date,
        coordinator=coordinator,
        description=description,
        end_date=end_date,
        parent=parent,
        campus=campus,
    )
    initiative.groups.add(*groups)
    initiative.knowledge_areas.add(*knowledge_areas)
    _store_team_members(initiative, team)
    return initiative


@transaction.atomic
def update_initiative(
    initiative: Initiative,
    *,
    groups: Iterable[Group] | None = None,
    knowledge_areas: Iterable[KnowledgeArea] | None = None,
    team: Sequence[TeamEntry] | None = None,
    **changes: Any,
) -> Initiative:
    """Change the given fields (name, kind, start_date, coordinator, description, end_date, parent, campus).

    Groups, knowledge areas and team, where they are given, replace those that are there. Columns that are not given are
    not written. Raises ConflictError where the parent is below the initiative, and IntegrityError where it is the
    initiative itself or where the end is before the start.
    """
    conflict = parent_conflict(initiative, changes.get("parent"))
    if conflict:
        raise conflict
    for field, value in changes.items():
        setattr(initiative, field, value)
    initiative.save(update_fields=[*changes, "updated_at"])
    if groups is not None:
        initiative.groups.set(groups)
    if knowledge_areas is not None:
        initiative.knowledge_areas.set(knowledge_areas)
    if team is not None:
        _replace_team(initiative, team)
    return initiative


@transaction.atomic
def set_team_member(initiative: Initiative, person: Person, *, role: str) -> None:
    """Put a person on the team, or give them another role. Who has that role already keeps it, and nothing changes."""
    held = initiative.team_members.filter(person=person).values_list("role", flat=True).first()
    if held != role:
        _store_team_members(initiative, [(person, role)])
        _touch(initiative)


@transaction.atomic
def remove_team_member(initiative: Initiative, person: Person) -> None:
    """Take a person off the team. Who is not on it stays off, and nothing changes."""
    removed, _ = initiative.team_members.filter(person=person).delete()
    if removed:
        _touch(initiative)


def delete_initiative(initiative: Initiative, *, with_descendants: bool = False) -> None:
    """Delete an initiative with its team and attachments, and on demand everything below it too, or nothing at all.

    Raises ConflictError where there is something below it and it was not asked to go; it says how many.
    """
    delete_initiatives([initiative], with_descendants=with_descendants)


@transaction.atomic
def delete_initiatives(initiatives: Sequence[Initiative], *, with_descendants: bool = False) -> None:
    """Delete several initiatives like `delete_initiative`, all or none. They may be below each other."""
    if with_descendants or len(initiatives) > 1:
        lock_hierarchy()
    rows = Initiative.objects.select_for_update().order_by("pk")
    doomed = set(rows.filter(pk__in=[initiative.pk for initiative in initiatives]).values_list("pk", flat=True))
    conflict = None if with_descendants else deletion_conflict(initiatives)
    if conflict:
        raise conflict
    level = doomed
    while level:
        # No child can be added to a locked row: who tries waits, and then finds the parent gone. So once a level is
        # locked, its children are all there are.
        level = set(rows.filter(parent__in=level).values_list("pk", flat=True)) - doomed
        doomed |= level
    names = stored_names(doomed)
    Initiative.objects.filter(pk__in=doomed).delete()
    remove_files_on_commit(names)


def lock_hierarchy() -> None:
    """Keep every other transaction from changing whose parent is whose, until the present one ends.

    It is the lock of the database's trigger against cycles. To be taken before any row of an initiative is locked.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('onestep.initiatives.hierarchy', 0))")


def parent_conflict(initiative: Initiative, parent: Initiative | None) -> ConflictError | None:
    """Return what forbids this parent, which is that it is below the initiative; None where nothing does.

    The answer holds until the end of the transaction, since the hierarchy is locked for it.
    """
    if parent is None:
        return None
    lock_hierarchy()
    above = read_ancestors(parent.pk) or []
    if initiative.pk not in {row["id"] for row in above}:
        return None
    detail = f"{parent.name} is a part of {initiative.name}, so it cannot be its parent. Choose another parent."
    return ConflictError(detail, code="hierarchy_cycle", errors={"parent": [detail]})


def deletion_conflict(initiatives: Sequence[Initiative]) -> ConflictError | None:
    """Return what forbids to delete the initiatives, which is that others are below them; None where none are."""
    count = ids_below(*(initiative.pk for initiative in initiatives)).count()
    if not count:
        return None
    names = initiatives[0].name if len(initiatives) == 1 else "those to delete"
    below = f"{count} initiative is" if count == 1 else f"{count} initiatives are"
    return ConflictError(
        f"{below} below {names}. Move or delete what is below first, or have it deleted as well.",
        code="has_descendants",
        descendants=count,
    )


def _replace_team(initiative: Initiative, team: Sequence[TeamEntry]) -> None:
    """Make the team this one. Rows that stay as they are are not touched."""
    held = dict(initiative.team_members.values_list("person", "role"))
    gone = held.keys() - {person.pk for person, _ in team}
    initiative.team_members.filter(person__in=gone).delete()
    _store_team_members(initiative, [(person, role) for person, role in team if held.get(person.pk) != role])


def _store_team_members(initiative: Initiative, team: Iterable[TeamEntry]) -> None:
    """Insert rows, or give those that are there the new role."""
    TeamMember.objects.bulk_create(
        [TeamMember(initiative=initiative, person=person, role=role) for person, role in team],
        update_conflicts=True,
        unique_fields=["initiative", "person"],
        update_fields=["role"],
    )


def _touch(initiative: Initiative) -> None:
    """Note the time of a change that is in no column of the initiative: its document shows some of the team only."""
    initiative.save(update_fields=["updated_at"])
