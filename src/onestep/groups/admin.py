"""Campuses, knowledge areas, groups and leaderships in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.postgres.aggregates import StringAgg
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst

from onestep.administration import InlineResourceForm, ServiceAdmin, count_of
from onestep.groups import services
from onestep.groups.models import Campus, Group, KnowledgeArea, Leadership, Membership


class UsedAdmin(ServiceAdmin):
    """The forms of what others use: it is not deleted while they do."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the first rows that stand in the way, without reading all that there may be."""
        in_the_way = [line for row in objs for line in rows_in_the_way(row)]
        if in_the_way:
            return [str(row) for row in objs], {}, set(), in_the_way
        return super().get_deleted_objects(objs, request)


def rows_in_the_way(row: Campus | KnowledgeArea | Group) -> list[str]:
    """Return what forbids to delete the row, a line for each of the first rows of each kind."""
    conflict = services.deletion_conflict(row)
    lines = []
    for kind, count in conflict.extra["counts"].items() if conflict else ():
        named = conflict.extra[kind] if conflict else ()
        lines += [f"{capfirst(kind)}: {other['name']}" for other in named]
        if count > len(named):
            lines.append(f"{capfirst(kind)}: {count - len(named)} more")
    return lines


class GroupsFilter(admin.SimpleListFilter):
    """Whether there are groups of it."""

    title = "groups"
    parameter_name = "has_groups"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("yes", "Has groups"), ("no", "Has none")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen rows."""
        relation = {Campus: "campus", KnowledgeArea: "knowledge_areas"}[queryset.model]
        has_groups = Exists(Group.objects.filter(**{relation: OuterRef("pk")}))
        return queryset.filter(has_groups if self.value() == "yes" else ~has_groups) if self.value() else queryset


class CountingAdmin(UsedAdmin):
    """Lists rows with the number of their groups."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Count the groups in the same query."""
        count = count_of(self.model, "groups")
        return super().get_queryset(request).annotate(groups_count=count)  # type: ignore[no-any-return]

    @admin.display(description="groups", ordering="groups_count")
    def group_count(self, row: Any) -> int:
        """Return the number of groups."""
        return int(row.groups_count)


@admin.register(Campus)
class CampusAdmin(CountingAdmin):
    """Campuses, with the number of their groups."""

    list_display = ("name", "code", "location", "group_count")
    list_filter = (GroupsFilter, "location")
    fields = ("name", "code", "location", "created_at", "updated_at")
    readonly_fields = ("created_at", "updated_at")
    create_service = services.create_campus
    update_service = services.update_campus
    delete_service = services.delete_campus


@admin.register(KnowledgeArea)
class KnowledgeAreaAdmin(CountingAdmin):
    """Knowledge areas, with the number of their groups."""

    list_display = ("name", "group_count")
    list_filter = (GroupsFilter,)
    fields = ("name", "created_at", "updated_at")
    readonly_fields = ("created_at", "updated_at")
    create_service = services.create_knowledge_area
    update_service = services.update_knowledge_area
    delete_service = services.delete_knowledge_area


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """The members of a group, whom everyone adds and removes who may change the group, as over the API.

    Those who are there are shown and not made choices of, each of which would be a query.
    """

    model = Membership
    autocomplete_fields = ("person",)
    extra = 0
    verbose_name = "member"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Read the people in the same query, by name."""
        return super().get_queryset(request).select_related("person", "group").order_by("person__sort_name", "person")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may see groups."""
        return request.user.has_perm("groups.view_group") or self.has_add_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:  # type: ignore[override]
        """Return whether the user may change groups, or add the one that this is."""
        return request.user.has_perm("groups.change_group" if obj else "groups.add_group")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: a membership is there or not."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may change groups."""
        return request.user.has_perm("groups.change_group")


class LeadershipFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # not generic at run time
    """The leaderships of a group."""

    def clean(self) -> None:
        """Raise ValidationError where a person is appointed twice: each row alone would not show it."""
        super().clean()
        people = [form.cleaned_data["person"] for form in self.extra_forms if form.cleaned_data.get("person")]
        if len(people) > len(set(people)):
            raise ValidationError("Appoint each person once.")


class LeadershipInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """Who leads and led a group. New ones are made here; a row's link leads to where it is ended."""

    model = Leadership
    form = InlineResourceForm
    formset = LeadershipFormSet
    fields = ("person", "start_date", "end_date")
    autocomplete_fields = ("person",)
    extra = 0
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Leadership]:
        """Read the people in the same query."""
        return super().get_queryset(request).select_related("person", "group")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the form of a leadership knows which of its dates may change."""
        return False


@admin.register(Group)
class GroupAdmin(UsedAdmin):
    """Groups, with their members and leaderships."""

    list_display = ("short_name", "name", "kind", "campus", "member_count", "leaders")
    list_filter = ("kind", "campus", "knowledge_areas")
    list_select_related = ("campus",)
    fields = ("name", "short_name", "kind", "url", "campus", "knowledge_areas", "created_at", "updated_at")
    readonly_fields = ("created_at", "updated_at")
    autocomplete_fields = ("campus", "knowledge_areas")
    inlines = (LeadershipInline, MembershipInline)
    create_service = services.create_group
    update_service = services.update_group
    delete_service = services.delete_group

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Count the members, and join the names of today's leaders, in the same query."""
        names = (
            Leadership.objects.active()
            .filter(group=OuterRef("pk"))
            .order_by()
            .values("group")
            .annotate(names=StringAgg("person__name", ", ", order_by=("person__sort_name", "pk")))
            .values("names")
        )
        more = {"members_count": count_of(Group, "memberships"), "leader_names": Subquery(names)}
        return super().get_queryset(request).annotate(**more)  # type: ignore[no-any-return]

    @admin.display(description="members", ordering="members_count")
    def member_count(self, group: Any) -> int:
        """Return the number of members."""
        return int(group.members_count)

    @admin.display(description="led by", empty_value="nobody")
    def leaders(self, group: Any) -> str | None:
        """Return the names of those who lead today."""
        return group.leader_names  # type: ignore[no-any-return]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Add and remove members and leaderships through the services."""
        formset.save(commit=False)
        group = form.instance
        for row in formset.deleted_objects:
            if isinstance(row, Membership):
                services.remove_member(group, row.person)
            else:
                services.delete_leadership(row)
        for row in formset.new_objects:
            if isinstance(row, Membership):
                services.add_member(group, row.person)
            else:
                services.create_leadership(
                    group=group, person=row.person, start_date=row.start_date, end_date=row.end_date
                )


class ActiveFilter(admin.SimpleListFilter):
    """Whether the person leads the group today."""

    title = "active"
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("yes", "Leads today"), ("no", "Has ended or not begun")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep the chosen leaderships."""
        chosen = {"yes": queryset.active, "no": queryset.inactive}.get(self.value() or "")
        return chosen() if chosen else queryset


@admin.register(Leadership)
class LeadershipAdmin(ServiceAdmin):
    """Leaderships: who leads and led a group, from when to when."""

    list_display = ("person", "group", "start_date", "end_date")
    list_filter = (ActiveFilter, "group__campus", "start_date", "end_date")
    list_select_related = ("person", "group")
    search_help_text = "Words that all have to occur in the person or in the group, whatever their case and accents."
    fields = ("group", "person", "start_date", "end_date", "created_at", "updated_at")
    readonly_fields = ("created_at", "updated_at")
    autocomplete_fields = ("group", "person")
    actions = ("end_today",)
    create_service = services.create_leadership
    update_service = services.update_leadership
    delete_service = services.delete_leadership

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Leadership], bool]:
        """Search in people and groups."""
        return queryset.search(search_term), False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what stays: group and person of one that is there, and the dates of one that has ended."""
        kept = ("group", "person") if obj else ()
        dates = ("start_date", "end_date") if obj and obj.has_ended else ()
        return (*kept, *dates, *self.readonly_fields)

    @admin.action(description="End selected leaderships today", permissions=["change"])
    def end_today(self, request: HttpRequest, queryset: QuerySet[Leadership]) -> None:
        """End the chosen leaderships, all or none."""
        for leadership in queryset:
            services.update_leadership(leadership, end_date=timezone.localdate())
        self.message_user(request, "The selected leaderships end today.", messages.SUCCESS)
