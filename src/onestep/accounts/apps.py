"""The application of accounts."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """Registers the app, and the making of roles at the end of every migration."""

    name = "onestep.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Make the roles after this app, the last one: by then the permissions of all are there."""
        from onestep.accounts.roles import make_roles  # noqa: PLC0415  (what is loaded first must not need the rest)

        post_migrate.connect(make_roles, sender=self, dispatch_uid="onestep.accounts.make_roles")
