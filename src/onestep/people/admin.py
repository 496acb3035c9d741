"""People in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from onestep.administration import ServiceAdmin, count_of
from onestep.people import services
from onestep.people.models import Person


class RelatedFilter(admin.SimpleListFilter):
    """Whether a person is related to anything by `relation`."""

    relation: str
    choices_in_words: tuple[str, str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return list(zip(("yes", "no"), self.choices_in_words, strict=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        """Keep the chosen people."""
        if not self.value():
            return queryset
        return queryset.related_by(self.relation, present=self.value() == "yes")  # type: ignore[attr-defined, no-any-return]


class CoordinatesFilter(RelatedFilter):
    """Whether a person coordinates an initiative."""

    title = "coordination"
    parameter_name = "coordinates"
    relation = "coordinated"
    choices_in_words = ("Coordinates initiatives", "Coordinates none")


class TeamFilter(RelatedFilter):
    """Whether a person is on a team."""

    title = "teams"
    parameter_name = "on_team"
    relation = "team_memberships"
    choices_in_words = ("Is on a team", "Is on none")


class EmailFilter(admin.SimpleListFilter):
    """Whether an e-mail address is known."""

    title = "e-mail address"
    parameter_name = "has_email"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("yes", "Known"), ("no", "Not known")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        """Keep the chosen people."""
        return queryset.filter(email__isnull=self.value() == "no") if self.value() else queryset


@admin.register(Person)
class PersonAdmin(ServiceAdmin):
    """Lists people with how many initiatives they coordinate and are on the team of."""

    list_display = ("name", "email", "phone", "coordinates", "teams")
    list_filter = (CoordinatesFilter, TeamFilter, EmailFilter)
    fields = ("name", "email", "phone", "created_at", "updated_at")
    readonly_fields = ("created_at", "updated_at")
    create_service = services.create_person
    update_service = services.update_person
    delete_service = services.delete_person

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        """Count what people do in the same query."""
        counts = {
            "coordinates_count": count_of(Person, "coordinated"),
            "teams_count": count_of(Person, "team_memberships"),
        }
        return super().get_queryset(request).annotate(**counts)  # type: ignore[no-any-return]

    @admin.display(description="coordinates", ordering="coordinates_count")
    def coordinates(self, person: Any) -> int:
        """Return how many initiatives the person coordinates."""
        return int(person.coordinates_count)

    @admin.display(description="teams", ordering="teams_count")
    def teams(self, person: Any) -> int:
        """Return how many teams the person is on."""
        return int(person.teams_count)
