"""What a user may do: their own permissions and their roles', in one query."""

from __future__ import annotations

from django.db import connection

from onestep.accounts.models import User

# Written by hand because every request runs it, and Django takes longer to put such a query together (1.3 ms) than
# PostgreSQL to answer it. A join to the users would grow with the number of members of a role.
PERMISSIONS_SQL = """
SELECT t.app_label || '.' || p.codename
FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
WHERE (SELECT is_superuser FROM accounts_user WHERE id = %(user)s) OR p.id = ANY (ARRAY(
    SELECT permission_id FROM accounts_user_user_permissions WHERE user_id = %(user)s
    UNION ALL
    SELECT g.permission_id FROM auth_group_permissions g
    JOIN accounts_user_groups u ON u.group_id = g.group_id WHERE u.user_id = %(user)s
))
"""


def read_permissions(user: User) -> set[str]:
    """Return a user's permissions as `app_label.codename`; every one there is for a superuser."""
    with connection.cursor() as cursor:
        cursor.execute(PERMISSIONS_SQL, {"user": user.pk})
        return {row[0] for row in cursor.fetchall()}


def find_user(pk: int) -> User | None:
    """Return a user together with their permissions, in one query."""
    sql = f"SELECT u.*, ARRAY({PERMISSIONS_SQL}) AS permissions FROM accounts_user u WHERE u.id = %(user)s"  # noqa: S608
    for user in User.objects.raw(sql, {"user": pk}):
        user._perm_cache = set(user.permissions)  # type: ignore[attr-defined]  # where PermissionsBackend looks
        return user
    return None
