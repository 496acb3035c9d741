"""Campuses, knowledge areas and groups; who belongs to a group and who leads it."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from onestep.people.models import Person
from onestep.search import search_index, search_key, sort_key


class Campus(models.Model):
    """A place of the organisation. Its code is how people name it."""

    name = models.CharField(max_length=200)
    code = models.SlugField(max_length=20, db_index=False)
    location = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sort_name = sort_key("name")
    search_text = search_key("name", "code", "location")

    constraint_fields: ClassVar[dict[str, str]] = {"campus_code_unique": "code", "campus_name_present": "name"}

    class Meta:
        verbose_name_plural = "campuses"
        ordering = ("sort_name", "id")
        constraints = [
            models.UniqueConstraint(
                Upper("code"),
                name="campus_code_unique",
                violation_error_message="A campus with this code already exists.",
            ),
            models.CheckConstraint(
                condition=~Q(name=""), name="campus_name_present", violation_error_message="A name cannot be empty."
            ),
        ]
        indexes = [
            models.Index("sort_name", "id", name="campus_sort_name"),
            models.Index("code", "id", name="campus_code"),
            models.Index("created_at", "id", name="campus_created_at"),
            search_index("campus_search"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class KnowledgeArea(models.Model):
    """A field of knowledge, such as Botany."""

    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sort_name = sort_key("name")
    search_text = search_key("name")

    constraint_fields: ClassVar[dict[str, str]] = {
        "knowledgearea_name_unique": "name",
        "knowledgearea_name_present": "name",
    }

    class Meta:
        verbose_name = "knowledge area"
        ordering = ("sort_name", "id")
        constraints = [
            models.UniqueConstraint(
                "sort_name",
                name="knowledgearea_name_unique",
                violation_error_message="A knowledge area with this name already exists.",
            ),
            models.CheckConstraint(
                condition=~Q(name=""),
                name="knowledgearea_name_present",
                violation_error_message="A name cannot be empty.",
            ),
        ]
        indexes = [
            models.Index("sort_name", "id", name="knowledgearea_sort_name"),
            models.Index("created_at", "id", name="knowledgearea_created_at"),
            search_index("knowledgearea_search"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Group(models.Model):
    """A research or extension group of a campus."""

    class Kind(models.TextChoices):
        """What a group does."""

        RESEARCH = "research"
        EXTENSION = "extension"

    name = models.CharField(max_length=200)
    short_name = models.CharField(max_length=40)
    kind = models.CharField(max_length=20, choices=Kind)
    url = models.URLField("URL", max_length=500, blank=True)
    campus = models.ForeignKey(Campus, models.PROTECT, related_name="groups")
    knowledge_areas = models.ManyToManyField(KnowledgeArea, related_name="groups", blank=True)
    members = models.ManyToManyField(Person, through="Membership", related_name="groups")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sort_name = sort_key("name")
    sort_short_name = sort_key("short_name")
    search_text = search_key("name", "short_name")

    constraint_fields: ClassVar[dict[str, str]] = {
        "group_short_name_unique": "short_name",
        "group_name_present": "name",
        "group_kind_known": "kind",
    }

    class Meta:
        ordering = ("sort_name", "id")
        constraints = [
            models.UniqueConstraint(
                F("campus"),
                F("sort_short_name"),
                name="group_short_name_unique",
                violation_error_message="A group with this short name already exists on this campus.",
            ),
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(short_name=""),
                name="group_name_present",
                violation_error_message="A name cannot be empty.",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("research", "extension")),
                name="group_kind_known",
                violation_error_message="A group is of research or of extension.",
            ),
        ]
        indexes = [
            models.Index("sort_name", "id", name="group_sort_name"),
            models.Index("sort_short_name", "id", name="group_sort_short_name"),
            models.Index("created_at", "id", name="group_created_at"),
            search_index("group_search"),
        ]

    def __str__(self) -> str:
        """Return the short name."""
        return self.short_name


class Membership(models.Model):
    """A person's belonging to a group."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="memberships")
    person = models.ForeignKey(Person, models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("group", "person"),
                name="membership_unique",
                violation_error_message="This person is a member of the group already.",
            )
        ]

    def __str__(self) -> str:
        """Return person and group."""
        return f"{self.person}, {self.group}"


class Leadership(models.Model):
    """A time during which a person leads a group; without an end it is active."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="leaderships")
    person = models.ForeignKey(Person, models.CASCADE, related_name="leaderships")
    start_date = models.DateField(default=date.today)
    end_date = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    constraint_fields: ClassVar[dict[str, str]] = {
        "leadership_active_unique": "person",
        "leadership_dates_ordered": "end_date",
    }

    class Meta:
        ordering = ("-start_date", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("group", "person"),
                condition=Q(end_date=None),
                name="leadership_active_unique",
                violation_error_message="This person leads the group already.",
            ),
            models.CheckConstraint(
                condition=Q(end_date=None) | Q(end_date__gte=F("start_date")),
                name="leadership_dates_ordered",
                violation_error_message="The end cannot be before the start.",
            ),
        ]
        indexes = [
            models.Index("start_date", "id", name="leadership_start_date"),
            models.Index("created_at", "id", name="leadership_created_at"),
        ]

    def __str__(self) -> str:
        """Return person, group and dates."""
        return f"{self.person}, {self.group}, {self.start_date} to {self.end_date or 'now'}"
