"""Sample data: a believable university, of any size, the same for the same seed.

Rows are made here and stored with COPY, in one transaction: 100,000 initiatives take half a minute.
This is the only module of operations that knows the domain.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, models, transaction
from tqdm import tqdm

from onestep.groups.models import Campus, Group, KnowledgeArea, Leadership, Membership
from onestep.initiatives.models import Initiative, TeamMember
from onestep.operations import sample_words as words
from onestep.people.models import Person

# The administrator of a development stack. It is printed with the links, and made only where DEBUG is on.
ADMIN_USERNAME = "admin"
ADMIN_PASSWORD = "onestep-admin"  # noqa: S105

BATCH = 5_000
YEARS_BACK = 6


@dataclass(frozen=True)
class Amounts:
    """How many rows to make."""

    initiatives: int
    people: int
    seed: int


def has_data() -> bool:
    """Return whether there is an initiative or a person already."""
    return Initiative.objects.exists() or Person.objects.exists()


def create_administrator() -> bool:
    """Create the development administrator; return False where the name is taken."""
    users = get_user_model()._default_manager
    if users.filter(username=ADMIN_USERNAME).exists():
        return False
    users.create_superuser(ADMIN_USERNAME, "admin@example.org", ADMIN_PASSWORD)
    return True


@transaction.atomic
def load_sample_data(amounts: Amounts, *, today: date, show_progress: bool | None = None) -> dict[str, int]:
    """Store a university whose initiatives lie around `today`; return the number of rows by table.

    The same amounts, seed and day give the same values, ids apart. Campuses and knowledge areas that are there
    already are used.
    """
    maker = _Maker(amounts, today)
    written: dict[str, int] = {}
    with tqdm(
        total=maker.estimated_rows, unit=" rows", disable=None if show_progress is None else not show_progress
    ) as bar:
        for model, columns, rows in maker.tables():
            written[model._meta.db_table] = _copy(model, columns, rows, bar)
    with connection.cursor() as cursor:
        for table in written:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(table)}")
    return written


def _copy(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], bar: Any) -> int:
    """Write rows with COPY in batches; return how many. The columns are the database's."""
    quote = connection.ops.quote_name
    sql = f"COPY {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) FROM STDIN"
    count = 0
    iterator = iter(rows)
    with connection.cursor() as cursor:
        while batch := list(islice(iterator, BATCH)):
            text = "".join("\t".join(map(_field, row)) + "\n" for row in batch)
            cursor.copy_expert(sql, StringIO(text))
            count += len(batch)
            bar.update(len(batch))
    return count


def _field(value: Any) -> str:
    """Return a value in COPY's text format (https://www.postgresql.org/docs/15/sql-copy.html)."""
    if value is None:
        return r"\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Take ids from the table's sequence, so that rows can name each other before they are stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],
        )
        return [row[0] for row in cursor.fetchall()]


class _Maker:
    """Makes the rows, table by table, in an order in which foreign keys point backwards."""

    def __init__(self, amounts: Amounts, today: date) -> None:
        self.random = random.Random(amounts.seed)  # noqa: S311  (reproducible, not secret)
        self.amounts = amounts
        self.today = today
        self.now = datetime.combine(today, time(8), UTC)
        self.people = _reserve_ids(Person, amounts.people)
        self.initiatives = _reserve_ids(Initiative, amounts.initiatives)
        self.campuses = self._existing_or_new(Campus, "code", [campus[1] for campus in words.CAMPUSES])
        self.areas = self._existing_or_new(KnowledgeArea, "name", words.KNOWLEDGE_AREAS)
        self.group_count = min(400, max(len(words.GROUP_SUBJECTS), amounts.initiatives // 250))
        self.groups = _reserve_ids(Group, self.group_count)
        self.estimated_rows = amounts.people + amounts.initiatives * 8 + self.group_count * 12

    def _existing_or_new(
        self, model: type[models.Model], field: str, values: Sequence[str]
    ) -> dict[str, tuple[int, bool]]:
        """Map each value to the id of its row, and whether that row has to be stored."""
        existing = dict(model._default_manager.filter(**{f"{field}__in": values}).values_list(field, "pk"))
        missing = [value for value in values if value not in existing]
        new = dict(zip(missing, _reserve_ids(model, len(missing)), strict=True))
        return {value: (existing.get(value) or new[value], value in new) for value in values}

    def tables(self) -> Iterator[tuple[type[models.Model], list[str], Iterable[Sequence[Any]]]]:
        """Yield each table's model, columns and rows."""
        stamps = ["created_at", "updated_at"]
        yield Campus, ["id", "name", "code", "location", *stamps], self._campus_rows()
        yield KnowledgeArea, ["id", "name", *stamps], self._area_rows()
        yield Person, ["id", "name", "email", "phone", *stamps], self._person_rows()
        yield Group, ["id", "name", "short_name", "kind", "url", "campus_id", *stamps], self._group_rows()
        yield Group.knowledge_areas.through, ["group_id", "knowledgearea_id"], self._group_area_rows()
        yield Membership, ["group_id", "person_id"], self._membership_rows()
        yield Leadership, ["group_id", "person_id", "start_date", "end_date", *stamps], self._leadership_rows()
        columns = [
            "id",
            "name",
            "description",
            "kind",
            "start_date",
            "end_date",
            "parent_id",
            "coordinator_id",
            "campus_id",
        ]
        yield Initiative, [*columns, *stamps], self._initiative_rows()
        yield (
            Initiative.groups.through,
            ["initiative_id", "group_id"],
            self._initiative_links(self.groups, (1, 1, 2, 2, 3)),
        )
        areas = [pk for pk, _ in self.areas.values()]
        yield (
            Initiative.knowledge_areas.through,
            ["initiative_id", "knowledgearea_id"],
            self._initiative_links(areas, (1, 2, 2, 3)),
        )
        yield TeamMember, ["initiative_id", "person_id", "role"], self._team_rows()

    def _campus_rows(self) -> Iterator[Sequence[Any]]:
        for name, code, location in words.CAMPUSES:
            pk, new = self.campuses[code]
            if new:
                yield pk, name, code, location, self.now, self.now

    def _area_rows(self) -> Iterator[Sequence[Any]]:
        for name, (pk, new) in self.areas.items():
            if new:
                yield pk, name, self.now, self.now

    def _person_rows(self) -> Iterator[Sequence[Any]]:
        for pk in self.people:
            first = self.random.choice(words.FIRST_NAMES)
            middle, last = self.random.sample(words.LAST_NAMES, 2)
            # The address carries the id: it is unique, also beside what an earlier run stored.
            email = f"person{pk}@university.example" if self.random.random() < 0.9 else None
            phone = f"+55 27 3{self.random.randrange(100, 999)} {self.random.randrange(1000, 9999)}"
            yield pk, f"{first} {middle} {last}", email, phone if self.random.random() < 0.6 else "", self.now, self.now

    def _group_rows(self) -> Iterator[Sequence[Any]]:
        codes = list(self.campuses)
        for number, pk in enumerate(self.groups):
            subject, _ = words.GROUP_SUBJECTS[number % len(words.GROUP_SUBJECTS)]
            code = codes[(number * 3 + number // len(codes)) % len(codes)]
            initials = "".join(
                word[0].upper() for word in subject.split() if word not in {"and", "in", "of", "the", "other"}
            )
            kind = "extension" if number % 3 == 2 else "research"
            yield (
                pk,
                f"{subject}, {code}" if number >= len(words.GROUP_SUBJECTS) else subject,
                f"{initials}{pk}",
                kind,
                f"https://groups.university.example/{initials.lower()}{pk}",
                self.campuses[code][0],
                self.now,
                self.now,
            )

    def _group_area_rows(self) -> Iterator[Sequence[Any]]:
        others = [pk for pk, _ in self.areas.values()]
        for number, group in enumerate(self.groups):
            own = self.areas[words.GROUP_SUBJECTS[number % len(words.GROUP_SUBJECTS)][1]][0]
            yield group, own
            other = self.random.choice(others)
            if other != own:
                yield group, other

    def _membership_rows(self) -> Iterator[Sequence[Any]]:
        for group in self.groups:
            for person in self._some_people(6, 14):
                yield group, person

    def _leadership_rows(self) -> Iterator[Sequence[Any]]:
        for group in self.groups:
            leaders = self._some_people(1, 3)
            start = self.today - timedelta(days=self.random.randrange(365 * 4, 365 * YEARS_BACK))
            for person in leaders[:-1]:
                end = start + timedelta(days=self.random.randrange(200, 700))
                yield group, person, start, end, self.now, self.now
                start = end + timedelta(days=1)
            for person in leaders[-1:]:
                yield group, person, start, None, self.now, self.now

    def _some_people(self, least: int, most: int) -> list[int]:
        return self.random.sample(self.people, min(len(self.people), self.random.randint(least, most)))

    def _initiative_rows(self) -> Iterator[Sequence[Any]]:
        """Programs first, then projects below programs, then events below projects or programs; some stand alone."""
        total = len(self.initiatives)
        programs = max(1, total * 8 // 100)
        projects = programs + total * 52 // 100
        campuses = [pk for pk, _ in self.campuses.values()]
        places = [campus[0] for campus in words.CAMPUSES]
        forms: Sequence[str]
        starts: list[date] = []
        for number, pk in enumerate(self.initiatives):
            if number < programs:
                kind, forms, parents, span = "program", words.PROGRAM_FORMS, 0, (700, 1800)
            elif number < projects:
                kind, forms, parents, span = "project", words.PROJECT_FORMS, programs, (180, 800)
            else:
                kind, forms, parents, span = "event", words.EVENT_FORMS, projects, (0, 6)
            parent = self.random.randrange(parents) if parents and self.random.random() < 0.8 else None
            earliest = starts[parent] if parent is not None else self.today - timedelta(days=365 * YEARS_BACK)
            latest = self.today + timedelta(days=240)
            start = earliest + timedelta(days=self.random.randrange(max(1, (latest - earliest).days)))
            starts.append(start)
            end = start + timedelta(days=self.random.randint(*span))
            where = self.random.randrange(len(places))
            filled = {"topic": self.random.choice(words.TOPICS), "place": places[where]}
            name = self.random.choice(forms).format(**filled)
            known = min(
                self.now, datetime.combine(start, time(9), UTC) - timedelta(days=self.random.randrange(20, 120))
            )
            yield (
                pk,
                name[0].upper() + name[1:],
                self.random.choice(words.DESCRIPTIONS).format(**filled),
                kind,
                start,
                None if kind != "event" and self.random.random() < 0.12 else end,
                self.initiatives[parent] if parent is not None else None,
                self.random.choice(self.people),
                campuses[where] if self.random.random() < 0.95 else None,
                known,
                known,
            )

    def _initiative_links(self, targets: Sequence[int], counts: Sequence[int]) -> Iterator[Sequence[Any]]:
        for initiative in self.initiatives:
            for target in self.random.sample(targets, min(len(targets), self.random.choice(counts))):
                yield initiative, target

    def _team_rows(self) -> Iterator[Sequence[Any]]:
        for initiative in self.initiatives:
            for place, person in enumerate(self._some_people(2, 6)):
                yield initiative, person, "member" if place < 2 else "student"
