"""What is read of initiatives: the document of each, its subtree, and what it belongs to."""

from __future__ import annotations

from typing import Any

from django.db import models
from rest_framework import serializers

from onestep.documents import Document
from onestep.groups.documents import (
    CampusReferenceSerializer,
    GroupReferenceSerializer,
    KnowledgeAreaReferenceSerializer,
    PersonReferenceSerializer,
)
from onestep.initiatives.models import Initiative, Status, TeamMember


class InitiativeDocument(Document):
    """An initiative with what it belongs to, who carries it, and how much there is below it.

    Lists inside are ordered by id: that is the order of the indexes they are read from, so nothing is sorted, and each
    row that they name is one look at its primary key. Joins, and lists by name, cost half as much again.
    """

    initiative = models.OneToOneField(
        Initiative, models.DO_NOTHING, primary_key=True, db_column="id", related_name="document"
    )

    class Meta(Document.Meta):
        db_table = "initiative_document"

    view_sql = """
    SELECT i.id, (SELECT row_to_json(d) FROM (SELECT
        i.id, i.name, i.description, i.kind,
        CASE WHEN i.start_date > CURRENT_DATE THEN 'upcoming'
            WHEN i.end_date < CURRENT_DATE THEN 'completed' ELSE 'active' END AS status,
        i.start_date, i.end_date,
        (SELECT row_to_json(s) FROM (
            SELECT p.id, p.name, p.kind FROM initiatives_initiative p WHERE p.id = i.parent_id) s) AS parent,
        (SELECT row_to_json(s) FROM (
            SELECT p.id, p.name, p.email FROM people_person p WHERE p.id = i.coordinator_id) s) AS coordinator,
        (SELECT row_to_json(s) FROM (
            SELECT c.id, c.name, c.code FROM groups_campus c WHERE c.id = i.campus_id) s) AS campus,
        ARRAY(SELECT (SELECT row_to_json(s) FROM (
                SELECT g.id, g.name, g.short_name FROM groups_group g WHERE g.id = t.group_id) s)
            FROM initiatives_initiative_groups t WHERE t.initiative_id = i.id ORDER BY t.group_id) AS groups,
        ARRAY(SELECT (SELECT row_to_json(s) FROM (
                SELECT a.id, a.name FROM groups_knowledgearea a WHERE a.id = t.knowledgearea_id) s)
            FROM initiatives_initiative_knowledge_areas t WHERE t.initiative_id = i.id
            ORDER BY t.knowledgearea_id) AS knowledge_areas,
        (SELECT count(*) FROM initiatives_teammember t WHERE t.initiative_id = i.id) AS team_count,
        ARRAY(SELECT (SELECT row_to_json(s) FROM (SELECT (SELECT row_to_json(r) FROM (
                SELECT p.id, p.name FROM people_person p WHERE p.id = t.person_id) r) AS person, t.role) s)
            FROM initiatives_teammember t WHERE t.initiative_id = i.id ORDER BY t.person_id LIMIT 50) AS team,
        (SELECT count(*) FROM initiatives_initiative c WHERE c.parent_id = i.id) AS children_count,
        (SELECT count(*) FROM initiatives_attachment a WHERE a.initiative_id = i.id) AS attachments_count,
        i.created_at, i.updated_at
    ) d)::text AS body
    FROM initiatives_initiative i
    """


class InitiativeReferenceSerializer(serializers.Serializer[Any]):
    """An initiative, as others name it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Initiative.Kind.choices)


class CoordinatorSerializer(serializers.Serializer[Any]):
    """Who coordinates an initiative."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.EmailField(allow_null=True)


class TeamMemberSerializer(serializers.Serializer[Any]):
    """A person on the team of an initiative."""

    person = PersonReferenceSerializer()
    role = serializers.ChoiceField(TeamMember.Role.choices)


class InitiativeSerializer(serializers.Serializer[Any]):
    """A program, a project or an event."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField(help_text="Empty where there is none.")
    kind = serializers.ChoiceField(Initiative.Kind.choices)
    status = serializers.ChoiceField(
        Status.choices, help_text="As of today (UTC), by the dates: on its last day an initiative is still active."
    )
    start_date = serializers.DateField()
    end_date = serializers.DateField(allow_null=True, help_text="The last day; null where the end is open.")
    parent = InitiativeReferenceSerializer(allow_null=True, help_text="What it is a part of.")
    coordinator = CoordinatorSerializer()
    campus = CampusReferenceSerializer(allow_null=True)
    groups = GroupReferenceSerializer(many=True, help_text="In the order of their ids.")
    knowledge_areas = KnowledgeAreaReferenceSerializer(many=True, help_text="In the order of their ids.")
    team_count = serializers.IntegerField(help_text="How many people are on the team.")
    team = TeamMemberSerializer(many=True, help_text="The first 50 by id; `/people/?team_of=<id>` has all of them.")
    children_count = serializers.IntegerField(help_text="How many initiatives have this one as their parent.")
    attachments_count = serializers.IntegerField(help_text="`/attachments/?initiative=<id>` lists them.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class TreeNodeSerializer(InitiativeReferenceSerializer):
    """An initiative in a tree."""

    status = serializers.ChoiceField(Status.choices)
    start_date = serializers.DateField()
    end_date = serializers.DateField(allow_null=True)
    children_count = serializers.IntegerField(help_text="How many children there are, shown or not.")
    has_more = serializers.BooleanField(
        help_text="Whether children are left out, by the depth or by the number of nodes; ask for this node's own tree."
    )

    def get_fields(self) -> dict[str, Any]:
        """Add the children, which are nodes too."""
        return super().get_fields() | {"children": TreeNodeSerializer(many=True, help_text="Ordered by name.")}


class TreeSerializer(serializers.Serializer[Any]):
    """An initiative and what is below it."""

    depth = serializers.IntegerField(help_text="How many levels below the root were asked for.")
    truncated = serializers.BooleanField(
        help_text="Whether there are more nodes in that depth than are shown; those nearest to the root come first."
    )
    root = TreeNodeSerializer()


class AncestorsSerializer(serializers.Serializer[Any]):
    """What an initiative is a part of."""

    results = InitiativeReferenceSerializer(many=True, help_text="From the root to the parent; empty for a root.")
