"""What changes people."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import BaseUserManager
from django.db import transaction

from onestep.errors import ConflictError
from onestep.people.models import Person

# How many initiatives the refusal to delete a person names.
NAMED_INITIATIVES = 10


@transaction.atomic
def create_person(*, name: str, email: str | None = None, phone: str = "") -> Person:
    """Create a person.

    Raises IntegrityError where the e-mail address is another's, whatever its case.
    """
    return Person.objects.create(name=name, email=_normalize(email), phone=phone)


@transaction.atomic
def update_person(person: Person, **changes: Any) -> Person:
    """Change the given fields (name, email, phone) of a person.

    Raises IntegrityError where the e-mail address is another's, whatever its case.
    """
    if "email" in changes:
        changes["email"] = _normalize(changes["email"])
    for field, value in changes.items():
        setattr(person, field, value)
    person.save()
    return person


@transaction.atomic
def delete_person(person: Person) -> None:
    """Delete a person, who leaves teams and groups with that.

    Raises ConflictError where the person coordinates initiatives; it names some of them.
    """
    coordinated = person.coordinated.order_by("pk")  # a relation of `initiatives`
    named = list(coordinated.values("id", "name")[:NAMED_INITIATIVES])
    if named:
        count = coordinated.count()
        raise ConflictError(
            f"{person.name} coordinates {count} initiative{'s' if count > 1 else ''}. "
            "Give them another coordinator first.",
            code="person_coordinates",
            count=count,
            initiatives=named,
        )
    person.delete()


def _normalize(email: str | None) -> str | None:
    """Return the address with its domain in lower case, which is never told apart by case; None for no address."""
    return BaseUserManager.normalize_email(email) or None
