"""Who may do what: Django's model permissions, per verb, for reading too."""

from __future__ import annotations

from rest_framework.permissions import DjangoModelPermissions


class ModelPermissions(DjangoModelPermissions):
    """Asks for the `view` permission on reads, where Django REST framework asks for none."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }


class ChangePermissions(ModelPermissions):
    """For what is a part of a row, such as its team: who may change the row may add to the part and remove from it."""

    perms_map = {
        **ModelPermissions.perms_map,
        "DELETE": ["%(app_label)s.change_%(model_name)s"],
    }
