"""One factory per model."""

from __future__ import annotations

from datetime import date

import factory
from factory.django import DjangoModelFactory

from onestep.accounts.models import User
from onestep.groups.models import Campus, Group, KnowledgeArea, Leadership, Membership
from onestep.initiatives.models import Attachment, Initiative, TeamMember
from onestep.people.models import Person


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    password = factory.django.Password("correct horse battery")


class PersonFactory(DjangoModelFactory[Person]):
    class Meta:
        model = Person

    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.Sequence(lambda n: f"person{n}@example.org")
    phone = "+55 27 3335 0000"


class CampusFactory(DjangoModelFactory[Campus]):
    class Meta:
        model = Campus

    name = factory.Sequence(lambda n: f"Campus {n}")
    code = factory.Sequence(lambda n: f"C{n}")
    location = "Vitória"


class KnowledgeAreaFactory(DjangoModelFactory[KnowledgeArea]):
    class Meta:
        model = KnowledgeArea

    name = factory.Sequence(lambda n: f"Area {n}")


class GroupFactory(DjangoModelFactory[Group]):
    class Meta:
        model = Group

    name = factory.Sequence(lambda n: f"Group {n}")
    short_name = factory.Sequence(lambda n: f"G{n}")
    kind = "research"
    campus = factory.SubFactory(CampusFactory)


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    group = factory.SubFactory(GroupFactory)
    person = factory.SubFactory(PersonFactory)


class LeadershipFactory(DjangoModelFactory[Leadership]):
    class Meta:
        model = Leadership

    group = factory.SubFactory(GroupFactory)
    person = factory.SubFactory(PersonFactory)
    start_date = date(2024, 3, 1)


class InitiativeFactory(DjangoModelFactory[Initiative]):
    class Meta:
        model = Initiative

    name = factory.Sequence(lambda n: f"Initiative {n}")
    kind = "project"
    start_date = date(2024, 3, 1)
    coordinator = factory.SubFactory(PersonFactory)


class TeamMemberFactory(DjangoModelFactory[TeamMember]):
    class Meta:
        model = TeamMember

    initiative = factory.SubFactory(InitiativeFactory)
    person = factory.SubFactory(PersonFactory)
    role = "member"


class AttachmentFactory(DjangoModelFactory[Attachment]):
    """A row without a file; `create_attachment` makes both."""

    class Meta:
        model = Attachment

    initiative = factory.SubFactory(InitiativeFactory)
    name = factory.Sequence(lambda n: f"file{n}.txt")
    media_type = "text/plain"
    size = 5
    sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of "hello"
    file = factory.Sequence(lambda n: f"attachments/2024/03/{n:032x}")
