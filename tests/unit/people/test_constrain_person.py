"""What the database itself refuses of a person, whoever writes."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from onestep.people.models import Person
from tests.factories import PersonFactory


@pytest.mark.django_db
def test_constrain_person_email_unique_whatever_the_case() -> None:
    PersonFactory(email="zoe@example.org")
    with pytest.raises(IntegrityError, match="person_email_unique"):
        Person.objects.create(name="Zoë", email="ZOE@EXAMPLE.ORG")


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_constrain_person_name_present(name: str) -> None:
    with pytest.raises(IntegrityError, match="person_name_present"):
        Person.objects.create(name=name)
