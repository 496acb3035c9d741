"""What is read of people."""

from __future__ import annotations

from typing import Any

from django.db import models
from rest_framework import serializers

from onestep.documents import Document
from onestep.people.models import Person


class PersonDocument(Document):
    """A person, with what they coordinate and are on the team of.

    Each of these lists holds the latest 20 at the most, with the number of all beside it: a filter of the other
    resource pages through the rest. The SQL names tables of `initiatives`, which Python here must not import: a
    document is a read across the house, and views are made when every table is there.
    """

    person = models.OneToOneField(Person, models.DO_NOTHING, primary_key=True, db_column="id", related_name="document")

    class Meta(Document.Meta):
        db_table = "person_document"

    view_sql = """
    SELECT p.id, (SELECT row_to_json(d) FROM (SELECT
        p.id, p.name, p.email, p.phone,
        (SELECT count(*) FROM initiatives_initiative i WHERE i.coordinator_id = p.id) AS coordinates_count,
        COALESCE((SELECT json_agg(c) FROM (
            SELECT i.id, i.name, i.kind FROM initiatives_initiative i WHERE i.coordinator_id = p.id
            ORDER BY i.start_date DESC, i.id DESC LIMIT 20) c), '[]'::json) AS coordinates,
        (SELECT count(*) FROM initiatives_teammember t WHERE t.person_id = p.id) AS teams_count,
        COALESCE((SELECT json_agg(c) FROM (
            SELECT i.id, i.name, i.kind, t.role FROM initiatives_teammember t
            JOIN initiatives_initiative i ON i.id = t.initiative_id WHERE t.person_id = p.id
            ORDER BY i.start_date DESC, i.id DESC LIMIT 20) c), '[]'::json) AS teams,
        p.created_at, p.updated_at
    ) d)::text AS body
    FROM people_person p
    """


class CoordinatedSerializer(serializers.Serializer[Any]):
    """An initiative that a person coordinates."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField([("program", "Program"), ("project", "Project"), ("event", "Event")])


class TeamSerializer(CoordinatedSerializer):
    """An initiative whose team a person is on."""

    role = serializers.ChoiceField([("member", "Member"), ("student", "Student")])


class PersonSerializer(serializers.Serializer[Any]):
    """A person."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.EmailField(allow_null=True)
    phone = serializers.CharField(help_text="Empty where it is not known.")
    coordinates_count = serializers.IntegerField(help_text="How many initiatives the person coordinates.")
    coordinates = CoordinatedSerializer(many=True, help_text="The latest 20; `/initiatives/?coordinator=<id>` has all.")
    teams_count = serializers.IntegerField(help_text="How many initiatives' teams the person is on.")
    teams = TeamSerializer(many=True, help_text="The latest 20; `/initiatives/?team_member=<id>` has all.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
