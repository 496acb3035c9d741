"""What the admin pages of the domain have in common: they search as the API does, and write through the services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from onestep.errors import DomainError
from onestep.http.problems import describe
from onestep.search import search

# How many rows a page names that stand in the way of a deletion.
NAMED_ROWS = 10


def count_of(model: type[models.Model], relation: str) -> Subquery:
    """Return an expression that counts the rows related to each row of `model`.

    A subquery for each count, because joins for several of them would multiply the rows.
    """
    rows = model._default_manager.filter(pk=OuterRef("pk")).order_by().annotate(rows=Count(relation)).values("rows")
    return Subquery(rows[:1])


class ResourceForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A form that shows what a constraint of the model says at the field that the model names for it."""

    def add_error(self, field: str | None, error: Any) -> None:
        """Add an error to a field, or to the form."""
        if field is None and hasattr(error, "error_dict"):
            for found in error.error_dict.pop(NON_FIELD_ERRORS, []):
                super().add_error(self._field_of(found.message), found)
        super().add_error(field, error)

    def _get_validation_exclusions(self) -> set[str]:
        """Let constraints on generated columns be checked: they follow from the fields that they are made of."""
        generated = {field.name for field in self.instance._meta.fields if field.generated}
        return set(super()._get_validation_exclusions()) - generated  # type: ignore[misc]  # the stubs lack it

    def _field_of(self, message: object) -> str | None:
        """Return the field that the model names for the constraint with this message, if the form has it."""
        named = getattr(self.instance, "constraint_fields", {})
        for constraint in self.instance._meta.constraints:
            field = named.get(constraint.name)
            if field in self.fields and constraint.get_violation_error_message() == message:
                return str(field)
        return None


class InlineResourceForm(ResourceForm):
    """A form of a row on the page of its parent, which checks the constraints that name the parent too."""

    def validate_unique(self) -> None:
        """Check what the framework leaves out, since the parent may be new: the database then has no row of it yet."""
        super().validate_unique()
        try:
            self.instance.validate_constraints(exclude=self._get_validation_exclusions())
        except ValidationError as error:
            self._update_errors(error)  # type: ignore[attr-defined]  # the stubs lack it


class ServiceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The forms of a resource. A rule that a service refuses is a message on the page, and nothing is changed."""

    create_service: ClassVar[Callable[..., models.Model]]
    update_service: ClassVar[Callable[..., models.Model]]
    delete_service: ClassVar[Callable[..., None]]
    form = ResourceForm
    search_fields = ("search_text",)
    search_help_text = "Words that all have to occur, whatever their case and accents."
    show_full_result_count = False
    list_per_page = 50

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Search by the trigram index."""
        return search(queryset, search_term), False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Create a row, or change those of its values that differ."""
        if change and not form.changed_data:
            return
        if change:
            row = self.model._default_manager.select_for_update(of=("self",)).get(pk=obj.pk)
            row = type(self).update_service(row, **{name: form.cleaned_data[name] for name in form.changed_data})
        else:
            row = type(self).create_service(**form.cleaned_data)
        obj.__dict__.update(row.__dict__)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row."""
        type(self).delete_service(obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Delete the chosen rows, all or none."""
        with transaction.atomic():
            for row in queryset:
                type(self).delete_service(row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name some of the rows that stand in the way, not all of what may be thousands."""
        deleted, counts, missing_permissions, protected = super().get_deleted_objects(objs, request)
        if len(protected) > NAMED_ROWS:
            protected = [*protected[:NAMED_ROWS], f"… and {len(protected) - NAMED_ROWS} more"]
        return deleted, counts, missing_permissions, protected

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or take a form."""
        return self._in_words(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask whether to delete a row, or delete it."""
        return self._in_words(request, super().delete_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the rows, or do what was chosen with some of them: for all or none, the log of it included."""
        view = super().changelist_view
        return self._in_words(request, transaction.atomic(view) if request.method == "POST" else view, *args, **kwargs)

    def _in_words(self, request: HttpRequest, view: Callable[..., Any], *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the view's answer; where a rule refuses it, the page that was sent, with what the rule says."""
        try:
            return view(request, *args, **kwargs)  # type: ignore[no-any-return]
        except (DomainError, IntegrityError) as error:
            problem = describe(error)
            found = [message for field in problem.get("errors", {}).values() for message in field]
            self.message_user(request, " ".join(found) or problem["detail"], messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
