"""People: who coordinates, staffs and leads."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower

from onestep.search import search_index, search_key, sort_key


class Person(models.Model):
    """A person whom the organisation works with; not necessarily someone who may sign in."""

    name = models.CharField(max_length=200)
    email = models.EmailField("e-mail address", max_length=254, null=True, blank=True)  # noqa: DJ001  (unknown is not an address)
    phone = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    sort_name = sort_key("name")
    search_text = search_key("name", "email")

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
                condition=~models.Q(name=""),
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
