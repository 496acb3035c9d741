"""Campuses, knowledge areas and groups; who belongs to a group and who leads it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils import timezone

from onestep.dates import END_KEY, CurrentDate
from onestep.people.models import Person
from onestep.search import search, search_index, search_key, sort_key

code_form = RegexValidator(r"^[-a-zA-Z0-9_]+\Z", "A code consists of letters, digits, hyphens and underscores.")
web_address = URLValidator(["http", "https"], message="Give a web address that begins with https:// or http://.")


class Campus(models.Model):
    """A place of the organisation. Its code is how people name it."""

    name = models.CharField(max_length=200)
    code = models.CharField(max_length=20, validators=[code_form], help_text="Unique whatever the case.")
    location = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sort_name = sort_key("name")
    sort_code = sort_key("code")
    search_text = search_key("name", "code", "location")

    constraint_fields: ClassVar[dict[str, str]] = {
        "campus_code_unique": "code",
        "campus_code_valid": "code",
        "campus_name_present": "name",
    }

    class Meta:
        verbose_name_plural = "campuses"
        ordering = ("sort_name", "id")
        constraints = [
            models.UniqueConstraint(
                "sort_code",
                name="campus_code_unique",
                violation_error_message="A campus with this code already exists.",
            ),
            models.CheckConstraint(
                condition=Q(code__regex=r"^[-a-zA-Z0-9_]+$"),
                name="campus_code_valid",
                violation_error_message="A code consists of letters, digits, hyphens and underscores.",
            ),
            models.CheckConstraint(
                condition=Q(name__regex=r"\S"),
                name="campus_name_present",
                violation_error_message="A name cannot be empty.",
            ),
        ]
        indexes = [
            models.Index("sort_name", "id", name="campus_sort_name"),
            models.Index("sort_code", "id", name="campus_sort_code"),
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
                condition=Q(name__regex=r"\S"),
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
    short_name = models.CharField(max_length=40, help_text="Unique on its campus, whatever case and accents.")
    kind = models.CharField(max_length=20, choices=Kind)
    url = models.CharField("URL", max_length=500, blank=True, validators=[web_address])
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
        "group_short_name_present": "short_name",
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
                condition=Q(name__regex=r"\S"),
                name="group_name_present",
                violation_error_message="A name cannot be empty.",
            ),
            models.CheckConstraint(
                condition=Q(short_name__regex=r"\S"),
                name="group_short_name_present",
                violation_error_message="A short name cannot be empty.",
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

    # The unique constraint's index begins with the group, and serves for it.
    group = models.ForeignKey(Group, models.CASCADE, related_name="memberships", db_index=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="memberships")

    constraint_fields: ClassVar[dict[str, str]] = {"membership_unique": "person"}

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


class LeadershipQuerySet(models.QuerySet[Any]):
    """Reads of leaderships."""

    def active(self) -> Self:
        """Keep those of today."""
        return self.filter(self._active())

    def inactive(self) -> Self:
        """Keep those that have ended or have not begun."""
        return self.exclude(self._active())

    def search(self, text: str) -> Self:
        """Keep those whose person or whose group has every word of the text."""
        return self.filter(
            Q(person__in=search(Person.objects.all(), text)) | Q(group__in=search(Group.objects.all(), text))
        )

    @staticmethod
    def _active() -> Q:
        return Q(start_date__lte=CurrentDate()) & (Q(end_date=None) | Q(end_date__gt=CurrentDate()))


class Leadership(models.Model):
    """A time during which a person leads a group: from the day it starts to the day it ends, if it does.

    On the day of the end it is over, so that whoever ends it sees that at once, and a new one may start. Ended ones are
    the group's history: they keep their dates, and whoever leads again has a new row.
    """

    group = models.ForeignKey(Group, models.CASCADE, related_name="leaderships")
    person = models.ForeignKey(Person, models.CASCADE, related_name="leaderships")
    start_date = models.DateField(default=timezone.localdate)
    end_date = models.DateField(
        null=True, blank=True, help_text="The day it ends: from then on it is history. Empty while it goes on."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LeadershipQuerySet.as_manager()

    constraint_fields: ClassVar[dict[str, str]] = {
        "leadership_active_unique": "person",
        "leadership_dates_ordered": "end_date",
        "leadership_no_overlap": "start_date",
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
            ExclusionConstraint(
                expressions=[
                    ("group", RangeOperators.EQUAL),
                    ("person", RangeOperators.EQUAL),
                    (
                        Func(
                            "start_date", "end_date", Value("[)"), function="daterange", output_field=DateRangeField()
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                name="leadership_no_overlap",
                violation_error_message="This person leads the group in a part of this time already.",
            ),
        ]
        indexes = [
            models.Index("start_date", "id", name="leadership_start_date"),
            models.Index(END_KEY, "id", name="leadership_end_date"),
            models.Index("created_at", "id", name="leadership_created_at"),
        ]

    def __str__(self) -> str:
        """Return person, group and dates."""
        return f"{self.person}, {self.group}, {self.start_date} to {self.end_date or 'now'}"

    @property
    def has_ended(self) -> bool:
        """Whether the end has come: an ended leadership keeps its dates."""
        return self.end_date is not None and self.end_date <= timezone.localdate()

    def clean(self) -> None:
        """Raise ValidationError where the end is before the start, which the database cannot make a range of."""
        if self.start_date and self.end_date and self.end_date < self.start_date:
            raise ValidationError({"end_date": "The end cannot be before the start."})
