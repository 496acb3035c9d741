"""The ready-made roles: Django groups that are made after a migration where they are absent, and never changed after.

                                                            Viewer   Coordinator                Administrator
people, groups, initiatives                                 view     view, add, change          everything
leaderships (a history: ended, not deleted)                 view     view, add, change          everything
memberships, team members, attachments                      view     view, add, change, delete  everything
campuses, knowledge areas                                   view     view, add, change          everything
users, roles                                                                                    everything
failed log-ins (deleting one unlocks) and last log-ins                                          view, delete

So a Coordinator may take apart what they put together, and deletes no person, group or initiative. Only a superuser
makes a superuser, or changes one (`onestep.accounts.admin`).
"""

from __future__ import annotations

from typing import Any

from django.apps import apps as installed_apps

VIEW = ("view",)
EDIT = ("view", "add", "change")
ALL = ("view", "add", "change", "delete")
WHOLES = (
    "people.person",
    "groups.campus",
    "groups.knowledgearea",
    "groups.group",
    "groups.leadership",
    "initiatives.initiative",
)
PARTS = ("groups.membership", "initiatives.teammember", "initiatives.attachment")

ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "Viewer": dict.fromkeys(WHOLES + PARTS, VIEW),
    "Coordinator": dict.fromkeys(WHOLES, EDIT) | dict.fromkeys(PARTS, ALL),
    "Administrator": dict.fromkeys((*WHOLES, *PARTS, "accounts.user", "auth.group"), ALL)
    | dict.fromkeys(("axes.accessattempt", "axes.accesslog"), ("view", "delete")),
}


def make_roles(apps: Any = installed_apps, using: str = "default", **kwargs: Any) -> None:
    """Make the roles that are absent. Where a migration stopped before all their permissions are there, make none.

    `migrate` passes the models as the database has them, and `flush` none.
    """
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:
        return
    groups = group_model.objects.using(using)
    absent = set(ROLES) - set(groups.filter(name__in=ROLES).values_list("name", flat=True))
    if not absent:
        return
    rows = permission_model.objects.using(using).select_related("content_type")
    found = {(row.content_type.app_label, row.codename): row for row in rows}
    wanted = {
        name: {
            (app_label, f"{verb}_{model}")
            for resource, verbs in ROLES[name].items()
            for app_label, model in [resource.split(".")]
            for verb in verbs
        }
        for name in sorted(absent)
    }
    if any(keys - found.keys() for keys in wanted.values()):
        return
    for name, keys in wanted.items():
        groups.create(name=name).permissions.set([found[key] for key in keys])
