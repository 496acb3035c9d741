"""Programs, projects and events, their hierarchy, teams and attachments."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, CharField, F, Q, Value, When
from django.db.models.lookups import GreaterThanOrEqual, LessThan

from onestep.dates import END_KEY, CurrentDate
from onestep.groups.models import Campus, Group, KnowledgeArea
from onestep.people.models import Person
from onestep.search import search_index, search_key, sort_key


class Status(models.TextChoices):
    """Where an initiative is in its time; derived from its dates, never stored."""

    UPCOMING = "upcoming"
    ACTIVE = "active"
    COMPLETED = "completed"


class InitiativeQuerySet(models.QuerySet[Any]):
    """Reads of initiatives."""

    def with_status(self, *statuses: str) -> Self:
        """Keep those that have one of the statuses today."""
        condition = Q(pk__in=())
        for status in statuses:
            condition |= self._status_conditions()[Status(status)]
        return self.filter(condition)

    def annotate_status(self) -> Self:
        """Add `status`, as of today."""
        cases = [When(condition, then=Value(status)) for status, condition in self._status_conditions().items()]
        return self.annotate(status=Case(*cases, output_field=CharField()))

    @staticmethod
    def _status_conditions() -> dict[Status, Q]:
        """What each status means. The document's SQL says the same; a test holds both together."""
        begun = Q(start_date__lte=CurrentDate())
        return {
            Status.UPCOMING: Q(start_date__gt=CurrentDate()),
            Status.ACTIVE: begun & Q(GreaterThanOrEqual(END_KEY, CurrentDate())),
            Status.COMPLETED: begun & Q(LessThan(END_KEY, CurrentDate())),
        }


class Initiative(models.Model):
    """A program, a project or an event."""

    class Kind(models.TextChoices):
        """What an initiative is."""

        PROGRAM = "program"
        PROJECT = "project"
        EVENT = "event"

    name = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=20, choices=Kind)
    start_date = models.DateField()
    end_date = models.DateField(null=True, blank=True)
    parent = models.ForeignKey("self", models.RESTRICT, related_name="children", null=True, blank=True)
    coordinator = models.ForeignKey(Person, models.PROTECT, related_name="coordinated")
    campus = models.ForeignKey(Campus, models.PROTECT, related_name="initiatives", null=True, blank=True)
    groups = models.ManyToManyField(Group, related_name="initiatives", blank=True)
    knowledge_areas = models.ManyToManyField(KnowledgeArea, related_name="initiatives", blank=True)
    team = models.ManyToManyField(Person, through="TeamMember", related_name="initiatives")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sort_name = sort_key("name")
    search_text = search_key("name", "description")

    objects = InitiativeQuerySet.as_manager()

    constraint_fields: ClassVar[dict[str, str]] = {
        "initiative_name_present": "name",
        "initiative_kind_known": "kind",
        "initiative_dates_ordered": "end_date",
        "initiative_not_own_parent": "parent",
    }

    class Meta:
        ordering = ("sort_name", "id")
        constraints = [
            models.CheckConstraint(
                condition=Q(name__regex=r"\S"),
                name="initiative_name_present",
                violation_error_message="A name cannot be empty.",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("program", "project", "event")),
                name="initiative_kind_known",
                violation_error_message="An initiative is a program, a project or an event.",
            ),
            models.CheckConstraint(
                condition=Q(end_date=None) | Q(end_date__gte=F("start_date")),
                name="initiative_dates_ordered",
                violation_error_message="The end cannot be before the start.",
            ),
            models.CheckConstraint(
                condition=Q(parent=None) | ~Q(parent=F("id")),
                name="initiative_not_own_parent",
                violation_error_message="An initiative cannot be its own parent.",
            ),
        ]
        indexes = [
            models.Index("sort_name", "id", name="initiative_sort_name"),
            models.Index("start_date", "id", name="initiative_start_date"),
            models.Index(END_KEY, "id", name="initiative_end_date"),
            models.Index("created_at", "id", name="initiative_created_at"),
            models.Index("updated_at", "id", name="initiative_updated_at"),
            search_index("initiative_search"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class TeamMember(models.Model):
    """A person's part in the team of an initiative."""

    class Role(models.TextChoices):
        """As what a person takes part."""

        MEMBER = "member"
        STUDENT = "student"

    # The unique constraint's index begins with the initiative, and serves for it; a team is read from that index alone.
    initiative = models.ForeignKey(Initiative, models.CASCADE, related_name="team_members", db_index=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="team_memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.MEMBER)

    constraint_fields: ClassVar[dict[str, str]] = {"teammember_unique": "person", "teammember_role_known": "role"}

    class Meta:
        verbose_name = "team member"
        constraints = [
            models.UniqueConstraint(
                fields=("initiative", "person"),
                include=("role",),
                name="teammember_unique",
                violation_error_message="This person is on the team already.",
            ),
            models.CheckConstraint(
                condition=Q(role__in=("member", "student")),
                name="teammember_role_known",
                violation_error_message="A role is member or student.",
            ),
        ]

    def __str__(self) -> str:
        """Return person and role."""
        return f"{self.person} ({self.role})"


class Attachment(models.Model):
    """A file of an initiative. The file lies on the media volume under a name that says nothing of its content."""

    initiative = models.ForeignKey(Initiative, models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField("size in bytes")
    sha256 = models.CharField("SHA-256", max_length=64)
    file = models.FileField(max_length=100, unique=True)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True)
    uploaded_at = models.DateTimeField(auto_now_add=True)
    sort_name = sort_key("name")
    search_text = search_key("name")

    class Meta:
        ordering = ("-uploaded_at", "-id")
        indexes = [
            models.Index("sort_name", "id", name="attachment_sort_name"),
            models.Index("uploaded_at", "id", name="attachment_uploaded_at"),
            models.Index("size", "id", name="attachment_size"),
            search_index("attachment_search"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
