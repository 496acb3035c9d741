"""Users and roles in the admin, and what logging in left behind.

The lists of simplejwt are not shown: they hold nothing that an operator could use.
"""

from __future__ import annotations

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from onestep.accounts.models import User

admin.site.unregister(OutstandingToken)
admin.site.unregister(BlacklistedToken)


@admin.register(User)
class UserAdmin(auth_admin.UserAdmin):  # type: ignore[type-arg]  # takes none when it runs
    """Who may sign in. Only a superuser makes a superuser, or changes one: an Administrator does not become more."""

    list_display = ("username", "email", "first_name", "last_name", "roles", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("username", "email", "first_name", "last_name")
    readonly_fields = ("last_login", "date_joined")
    actions = ("unlock",)

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        """Return the names of the user's roles."""
        return ", ".join(group.name for group in user.groups.all())

    @admin.action(description="Unlock logging in of selected users", permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Forget the failed attempts that were made with the users' names."""
        count = sum(AxesProxyHandler.reset_attempts(username=user.username) for user in queryset)
        self.message_user(request, f"{count} entries of failed log-ins were deleted.", messages.SUCCESS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Bring the roles along."""
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let only superusers make superusers."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let only superusers change superusers, their password included."""
        return super().has_change_permission(request, obj) and self._is_in_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let only superusers delete superusers."""
        return super().has_delete_permission(request, obj) and self._is_in_reach(request, obj)

    @staticmethod
    def _is_in_reach(request: HttpRequest, obj: Any) -> bool:
        return obj is None or request.user.is_superuser or not obj.is_superuser


class LeftBehindAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # takes none when it runs
    """Rows that logging in makes: to be read, and deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False


@admin.register(AccessAttempt)
class AccessAttemptAdmin(LeftBehindAdmin):
    """Failed log-ins that still count. Deleting one unlocks its user name for its address."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time", "path_info", "user_agent")
    search_fields = ("username", "ip_address")
    fields = ("username", "ip_address", "failures_since_start", "attempt_time", "path_info", "user_agent")


@admin.register(AccessLog)
class AccessLogAdmin(LeftBehindAdmin):
    """The last log-in of each user from each address."""

    list_display = ("username", "ip_address", "attempt_time", "path_info", "user_agent")
    search_fields = ("username", "ip_address")
    fields = list_display
