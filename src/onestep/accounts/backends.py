"""Authentication by password, and permissions in one query."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import Q


class PermissionsBackend(ModelBackend):
    """Django's backend, which reads a user's own and their groups' permissions in one query instead of two."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the user's permissions as `app_label.codename`; none for an inactive user."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if not hasattr(user_obj, "_permissions"):
            rows = Permission.objects.order_by()
            if not user_obj.is_superuser:
                rows = rows.filter(Q(user=user_obj) | Q(group__user=user_obj))
            user_obj._permissions = {
                f"{label}.{codename}" for label, codename in rows.values_list("content_type__app_label", "codename")
            }
        return user_obj._permissions  # type: ignore[no-any-return]
