"""The application of accounts."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Registers the app."""

    name = "onestep.accounts"
    label = "accounts"
