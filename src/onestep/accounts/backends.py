"""Authentication by password, and permissions in one query."""

from __future__ import annotations

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_credentials
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from onestep.accounts.permissions import read_permissions


class PermissionsBackend(ModelBackend):
    """Django's backend, with one query instead of two for a user's own and their roles' permissions."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the user of this name and password, or None.

        Raises PermissionDenied where too many attempts have failed by now. The backend before this one has looked
        already, but of many attempts at once each passes that look while no other has failed yet. With this second
        one, no more than LOGIN_ATTEMPT_LIMIT attempts learn whether they were right, however many are sent together.
        """
        user = super().authenticate(request, username, password, **kwargs)
        if (
            user is not None
            and request is not None
            and not AxesProxyHandler.is_allowed(request, get_credentials(username))
        ):
            request.axes_locked_out = True  # type: ignore[attr-defined]
            raise PermissionDenied
        return user

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the user's permissions as `app_label.codename`; none for an inactive user, or for a single object."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            user_obj._perm_cache = read_permissions(user_obj)
        return user_obj._perm_cache  # type: ignore[no-any-return]
