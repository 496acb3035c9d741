"""Initiatives and their teams in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from onestep.administration import InlineResourceForm, ResourceForm, ServiceAdmin
from onestep.initiatives import services
from onestep.initiatives.models import Initiative, Status, TeamMember


class StatusFilter(admin.SimpleListFilter):
    """The status of today."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(str(value), str(label)) for value, label in Status.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep the initiatives of the chosen status."""
        return queryset.with_status(self.value()) if self.value() in Status.values else queryset


class PlaceFilter(admin.SimpleListFilter):
    """Whether an initiative is a part of another."""

    title = "place"
    parameter_name = "root"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("yes", "Part of nothing"), ("no", "Part of another")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Initiative]) -> QuerySet[Initiative]:
        """Keep the chosen initiatives."""
        return queryset.filter(parent__isnull=self.value() == "yes") if self.value() else queryset


class InitiativeForm(ResourceForm):
    """A form that says at the field why a parent is refused."""

    def clean(self) -> dict[str, Any] | None:
        """Check the parent. What is found holds until the initiative is stored, which is in the same transaction."""
        values = super().clean()
        if self.instance.pk and "parent" in self.changed_data:
            conflict = services.parent_conflict(self.instance, self.cleaned_data.get("parent"))
            if conflict:
                self.add_error("parent", conflict.detail)
        return values


class TeamMemberForm(InlineResourceForm):
    """A member of a team. Who is one already may get another role; the person stays."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        person = self.fields.get("person")
        if person and self.instance.pk:
            # The choices of a person's field would be a query for each row.
            person.disabled = True
            person.widget = forms.Select(choices=[(self.instance.person_id, str(self.instance.person))])


class TeamMemberInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """The team of an initiative, which everyone changes who may change the initiative, as over the API."""

    model = TeamMember
    form = TeamMemberForm
    autocomplete_fields = ("person",)
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamMember]:
        """Read the people in the same query, by name."""
        return super().get_queryset(request).select_related("person", "initiative").order_by("person__sort_name", "pk")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may see initiatives."""
        return request.user.has_perm("initiatives.view_initiative") or self.has_add_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:  # type: ignore[override]
        """Return whether the user may change initiatives, or add the one that this is."""
        return request.user.has_perm(f"initiatives.{'change' if obj else 'add'}_initiative")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may change initiatives."""
        return request.user.has_perm("initiatives.change_initiative")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may change initiatives."""
        return request.user.has_perm("initiatives.change_initiative")


@admin.register(Initiative)
class InitiativeAdmin(ServiceAdmin):
    """Initiatives, with their teams."""

    form = InitiativeForm
    list_display = ("name", "kind", "status", "start_date", "end_date", "coordinator", "campus")
    list_filter = ("kind", StatusFilter, PlaceFilter, "campus")
    list_select_related = ("coordinator", "campus")
    ordering = ("-start_date", "-id")
    fields = (
        "name",
        "kind",
        "description",
        ("start_date", "end_date", "status"),
        "parent",
        "coordinator",
        "campus",
        "groups",
        "knowledge_areas",
        ("created_at", "updated_at"),
    )
    readonly_fields = ("status", "created_at", "updated_at")
    autocomplete_fields = ("parent", "coordinator", "campus", "groups", "knowledge_areas")
    inlines = (TeamMemberInline,)
    create_service = services.create_initiative
    update_service = services.update_initiative
    delete_service = services.delete_initiative

    def get_queryset(self, request: HttpRequest) -> Any:
        """Derive the status in the same query."""
        return super().get_queryset(request).annotate_status()  # type: ignore[attr-defined]

    @admin.display(description="status", empty_value="-")
    def status(self, initiative: Any) -> str | None:
        """Return the status of today; None for an initiative that is being added."""
        status = getattr(initiative, "status", None)
        return str(Status(status).label) if status else None

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say how many initiatives are below those to delete, without reading them."""
        conflict = services.deletion_conflict(list(objs))
        if conflict:
            return [str(row) for row in objs], {}, set(), [conflict.detail]
        return super().get_deleted_objects(objs, request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the chosen initiatives, all or none; they may be below each other."""
        services.delete_initiatives(list(queryset))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Change the team through the services."""
        formset.save(commit=False)
        for member in formset.deleted_objects:
            services.remove_team_member(form.instance, member.person)
        for member in [*formset.new_objects, *(row for row, _ in formset.changed_objects)]:
            services.set_team_member(form.instance, member.person, role=member.role)
