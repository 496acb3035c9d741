"""What is written of initiatives."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from onestep.groups.models import Campus, Group, KnowledgeArea
from onestep.http.fields import MAX_ID, RelatedIdField, RelatedIdOrCodeField, RelatedIdsField, TextField
from onestep.initiatives.models import Initiative, TeamMember
from onestep.people.models import Person


class TeamMemberInputSerializer(serializers.Serializer[Any]):
    """A person on the team, and as what."""

    person = serializers.IntegerField(min_value=1, max_value=MAX_ID, help_text="The id of a person.")
    role = serializers.ChoiceField(TeamMember.Role.choices)


class TeamRoleInputSerializer(serializers.Serializer[Any]):
    """As what a person is on the team."""

    role = serializers.ChoiceField(TeamMember.Role.choices)


class InitiativeInputSerializer(serializers.Serializer[Any]):
    """The values of an initiative."""

    name = TextField(max_length=300)
    description = TextField(max_length=20_000, required=False, allow_blank=True)
    kind = serializers.ChoiceField(Initiative.Kind.choices)
    start_date = serializers.DateField()
    end_date = serializers.DateField(
        required=False, allow_null=True, help_text="The last day, not before the start; null while the end is open."
    )
    # The framework keeps fields apart from its own attribute of this name.
    parent = RelatedIdField(  # type: ignore[assignment]
        Initiative.objects.all(),
        required=False,
        allow_null=True,
        help_text="What it is a part of; nothing that is below it (409 `hierarchy_cycle`).",
    )
    coordinator = RelatedIdField(Person.objects.all(), help_text="The id of a person.")
    campus = RelatedIdOrCodeField(Campus.objects.all(), required=False, allow_null=True)
    groups = RelatedIdsField(Group.objects.all(), required=False, help_text="Ids. They replace those that are there.")
    knowledge_areas = RelatedIdsField(
        KnowledgeArea.objects.all(), required=False, help_text="Ids. They replace those that are there."
    )
    team: Any = serializers.ListSerializer(
        child=TeamMemberInputSerializer(),
        required=False,
        max_length=500,
        help_text="It replaces the team that is there.",
    )

    def validate_team(self, entries: list[dict[str, Any]]) -> list[tuple[Person, str]]:
        """Return the people, looked up in one query, with their roles."""
        people = Person.objects.in_bulk([entry["person"] for entry in entries])
        seen: set[int] = set()
        errors: dict[str, Any] = {}
        for index, pk in enumerate(entry["person"] for entry in entries):
            if pk not in people:
                errors[str(index)] = {"person": [f"There is none with the id {pk}."]}
            elif pk in seen:
                errors[str(index)] = {"person": ["This person is on the team already."]}
            seen.add(pk)
        if errors:
            raise serializers.ValidationError(errors)
        return [(people[entry["person"]], entry["role"]) for entry in entries]
