"""What is written of campuses, knowledge areas, groups and leaderships."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from onestep.groups.models import Campus, Group, KnowledgeArea, code_form, web_address
from onestep.http.fields import RelatedIdField, RelatedIdOrCodeField, RelatedIdsField, TextField
from onestep.people.models import Person


class CampusInputSerializer(serializers.Serializer[Any]):
    """The values of a campus."""

    name = TextField(max_length=200)
    code = TextField(
        max_length=20,
        validators=[code_form],
        help_text="No other campus's, whatever its case.",
    )
    location = TextField(max_length=200, required=False, allow_blank=True)


class KnowledgeAreaInputSerializer(serializers.Serializer[Any]):
    """The values of a knowledge area."""

    name = TextField(max_length=200, help_text="No other knowledge area's, whatever its case and accents.")


class GroupInputSerializer(serializers.Serializer[Any]):
    """The values of a group. Its leaders are written at `/leaderships/`."""

    name = TextField(max_length=200)
    short_name = TextField(max_length=40, help_text="No other group's of the campus, whatever its case and accents.")
    kind = serializers.ChoiceField(Group.Kind.choices)
    url = TextField(
        max_length=500,
        required=False,
        allow_blank=True,
        validators=[web_address],
    )
    campus = RelatedIdOrCodeField(Campus.objects.all())
    knowledge_areas = RelatedIdsField(
        KnowledgeArea.objects.all(), required=False, help_text="Ids. They replace those that are there."
    )
    members = RelatedIdsField(
        Person.objects.all(), required=False, help_text="Ids of people. They replace those that are there."
    )


class LeadershipInputSerializer(serializers.Serializer[Any]):
    """The values of a leadership. Group and person of one that is there stay; its dates stay once it has ended."""

    group = RelatedIdField(Group.objects.all())
    person = RelatedIdField(Person.objects.all())
    start_date = serializers.DateField(required=False, help_text="Today where it is left out.")
    end_date = serializers.DateField(
        required=False, allow_null=True, help_text="The day it ends; null while it goes on. An end that has come stays."
    )
