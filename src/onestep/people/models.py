"""People: who coordinates, staffs and leads."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef
from django.db.models.functions import Lower

from onestep.search import search_index, search_key, sort_key


class PersonQuerySet(models.QuerySet["Person"]):
    """Reads of people."""

    def with_email(self, address: str) -> Self:
        """Keep the person who has the e-mail address, whatever its case."""
        # As the unique index has it, so that the index serves it.
        return self.alias(folded_email=Lower("email")).filter(folded_email=Lower(models.Value(address)))

    def related_by(self, relation: str, *, present: bool = True) -> Self:
        """Keep those who have a row by the relation, or those who have none."""
        found = Exists(Person.objects.filter(pk=OuterRef("pk"), **{f"{relation}__isnull": False}).order_by())
        return self.filter(found if present else ~found)


class Person(models.Model):
    """A person whom the organisation works with; not necessarily someone who may sign in."""

    name = models.CharField(max_length=200)
    email = models.EmailField("e-mail address", max_length=254, null=True, blank=True)  # noqa: DJ001  (unknown is not an address)
    phone = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sort_name = sort_key("name")
    search_text = search_key("name", "email")

    objects = PersonQuerySet.as_manager()

    constraint_fields: ClassVar[dict[str, str]] = {"person_email_unique": "email", "person_name_present": "name"}

    class Meta:
        verbose_name_plural = "people"
        ordering = ("sort_name", "id")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="person_email_unique",
                violation_error_message="A person with this e-mail address already exists.",
            ),
            models.CheckConstraint(
                condition=models.Q(name__regex=r"\S"),
                name="person_name_present",
                violation_error_message="A name cannot be empty.",
            ),
        ]
        indexes = [
            models.Index("sort_name", "id", name="person_sort_name"),
            models.Index("created_at", "id", name="person_created_at"),
            search_index("person_search"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
