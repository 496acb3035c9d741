"""What changes people."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from onestep.errors import ConflictError
from onestep.people.models import Person

# How many initiatives the refusal to delete a person names.
NAMED_INITIATIVES = 10


@transaction.atomic
def create_person(*, name: str, email: str | None = None, phone: str = "") -> Person:
    """Create a person.

    Raises IntegrityError where the e-mail address is another's, whatever its case.
    """
    return Person.objects.create(name=name, email=email or None, phone=phone)


@transaction.atomic
def update_person(person: Person, **changes: Any) -> Person:
    """Change the given fields (name, email, phone) of a person.

    Raises IntegrityError where the e-mail address is another's, whatever its case.
    """
    if "email" in changes:
        changes["email"] = changes["email"] or None
    for field, value in changes.items():
        setattr(person, field, value)
    person.save()
    return person


@transaction.atomic
def delete_person(person: Person) -> None:
    """Delete a person, who leaves teams and groups with that.

    Raises ConflictError where the person coordinates initiatives; it names some of them.
    """
    try:
        person.delete()
    except ProtectedError as error:
        blocking = sorted(error.protected_objects, key=lambda row: row.pk)
        count = len(blocking)
        raise ConflictError(
            f"{person.name} coordinates {count} initiative{'s' if count > 1 else ''}. Give them another coordinator first.",
            code="person_coordinates",
            count=count,
            initiatives=[{"id": row.pk, "name": str(row)} for row in blocking[:NAMED_INITIATIVES]],
        ) from None
