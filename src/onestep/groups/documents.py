"""What is read of campuses, knowledge areas, groups and leaderships.

A campus and a knowledge area count their groups and not their initiatives: groups are hundreds, initiatives may be a
million, and each row of a list would count its own. `/initiatives/?campus=<id>&count=true` counts them when asked.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from rest_framework import serializers

from onestep.documents import Document
from onestep.groups.models import Campus, Group, KnowledgeArea, Leadership


class CampusDocument(Document):
    """A campus, with the number of its groups."""

    campus = models.OneToOneField(Campus, models.DO_NOTHING, primary_key=True, db_column="id", related_name="document")

    class Meta(Document.Meta):
        db_table = "campus_document"

    view_sql = """
    SELECT c.id, (SELECT row_to_json(d) FROM (SELECT
        c.id, c.name, c.code, c.location,
        (SELECT count(*) FROM groups_group g WHERE g.campus_id = c.id) AS groups_count,
        c.created_at, c.updated_at
    ) d)::text AS body
    FROM groups_campus c
    """


class KnowledgeAreaDocument(Document):
    """A knowledge area, with the number of its groups."""

    knowledge_area = models.OneToOneField(
        KnowledgeArea, models.DO_NOTHING, primary_key=True, db_column="id", related_name="document"
    )

    class Meta(Document.Meta):
        db_table = "knowledge_area_document"

    view_sql = """
    SELECT a.id, (SELECT row_to_json(d) FROM (SELECT
        a.id, a.name,
        (SELECT count(*) FROM groups_group_knowledge_areas t WHERE t.knowledgearea_id = a.id) AS groups_count,
        a.created_at, a.updated_at
    ) d)::text AS body
    FROM groups_knowledgearea a
    """


class GroupDocument(Document):
    """A group, with its campus, knowledge areas, today's leaders and the first 50 members by name."""

    group = models.OneToOneField(Group, models.DO_NOTHING, primary_key=True, db_column="id", related_name="document")

    class Meta(Document.Meta):
        db_table = "group_document"

    view_sql = """
    SELECT g.id, (SELECT row_to_json(d) FROM (SELECT
        g.id, g.name, g.short_name, g.kind, g.url,
        (SELECT row_to_json(s) FROM (
            SELECT c.id, c.name, c.code FROM groups_campus c WHERE c.id = g.campus_id) s) AS campus,
        COALESCE((SELECT json_agg(s) FROM (
            SELECT a.id, a.name FROM groups_group_knowledge_areas t
            JOIN groups_knowledgearea a ON a.id = t.knowledgearea_id WHERE t.group_id = g.id
            ORDER BY a.sort_name, a.id) s), '[]'::json) AS knowledge_areas,
        COALESCE((SELECT json_agg(s) FROM (
            SELECT l.id, json_build_object('id', p.id, 'name', p.name) AS person, l.start_date FROM groups_leadership l
            JOIN people_person p ON p.id = l.person_id
            WHERE l.group_id = g.id AND l.start_date <= CURRENT_DATE
            AND (l.end_date IS NULL OR l.end_date > CURRENT_DATE)
            ORDER BY p.sort_name, l.id) s), '[]'::json) AS leaders,
        (SELECT count(*) FROM groups_membership m WHERE m.group_id = g.id) AS members_count,
        COALESCE((SELECT json_agg(s) FROM (
            SELECT p.id, p.name FROM groups_membership m JOIN people_person p ON p.id = m.person_id
            WHERE m.group_id = g.id ORDER BY p.sort_name, p.id LIMIT 50) s), '[]'::json) AS members,
        g.created_at, g.updated_at
    ) d)::text AS body
    FROM groups_group g
    """


class LeadershipDocument(Document):
    """A leadership, with its group and person."""

    leadership = models.OneToOneField(
        Leadership, models.DO_NOTHING, primary_key=True, db_column="id", related_name="document"
    )

    class Meta(Document.Meta):
        db_table = "leadership_document"

    view_sql = """
    SELECT l.id, (SELECT row_to_json(d) FROM (SELECT
        l.id,
        (SELECT row_to_json(s) FROM (
            SELECT g.id, g.name, g.short_name FROM groups_group g WHERE g.id = l.group_id) s) AS "group",
        (SELECT row_to_json(s) FROM (
            SELECT p.id, p.name FROM people_person p WHERE p.id = l.person_id) s) AS person,
        l.start_date, l.end_date,
        l.start_date <= CURRENT_DATE AND (l.end_date IS NULL OR l.end_date > CURRENT_DATE) AS active,
        l.created_at, l.updated_at
    ) d)::text AS body
    FROM groups_leadership l
    """


class CampusReferenceSerializer(serializers.Serializer[Any]):
    """A campus, as others name it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    code = serializers.CharField()


class KnowledgeAreaReferenceSerializer(serializers.Serializer[Any]):
    """A knowledge area, as others name it."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class PersonReferenceSerializer(serializers.Serializer[Any]):
    """A person, as others name them."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class GroupReferenceSerializer(serializers.Serializer[Any]):
    """A group, as others name it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    short_name = serializers.CharField()


class LeaderSerializer(serializers.Serializer[Any]):
    """Who leads a group today."""

    id = serializers.IntegerField(help_text="The id of the leadership.")
    person = PersonReferenceSerializer()
    start_date = serializers.DateField()


class CampusSerializer(serializers.Serializer[Any]):
    """A campus."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    code = serializers.CharField()
    location = serializers.CharField(help_text="Empty where it is not known.")
    groups_count = serializers.IntegerField(help_text="How many groups the campus has.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class KnowledgeAreaSerializer(serializers.Serializer[Any]):
    """A knowledge area."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    groups_count = serializers.IntegerField(help_text="How many groups have the knowledge area.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class GroupSerializer(serializers.Serializer[Any]):
    """A group."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    short_name = serializers.CharField()
    kind = serializers.ChoiceField(Group.Kind.choices)
    url = serializers.CharField(help_text="Empty where there is none.")
    campus = CampusReferenceSerializer()
    knowledge_areas = KnowledgeAreaReferenceSerializer(many=True)
    leaders = LeaderSerializer(many=True, help_text="Who leads today; `/leaderships/?group=<id>` has the history.")
    members_count = serializers.IntegerField(help_text="How many members the group has.")
    members = PersonReferenceSerializer(
        many=True, help_text="The first 50 by name; `/people/?group=<id>` has all of them."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class LeadershipSerializer(serializers.Serializer[Any]):
    """A leadership."""

    id = serializers.IntegerField()
    group = GroupReferenceSerializer()
    person = PersonReferenceSerializer()
    start_date = serializers.DateField()
    end_date = serializers.DateField(allow_null=True, help_text="The day it ends; null while it goes on.")
    active = serializers.BooleanField(help_text="Whether the person leads the group today.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
