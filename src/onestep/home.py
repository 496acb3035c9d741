"""`/`: what OneStep is, where to go on, and how the service is. It needs no database, to say that there is none."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from onestep.operations.health import DEGRADED, OK, UNAVAILABLE, readiness
from onestep.operations.sample_data import ADMIN_PASSWORD, ADMIN_USERNAME

LABELS = {
    "database": "Database",
    "migrations": "Migrations",
    "storage": "Storage",
    "backup": "Backup",
    "process": "Process",
}
WORDS = {OK: "In order", DEGRADED: "Restricted", UNAVAILABLE: "Not available"}


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the page; with DEBUG also the log-in that the sample data brings."""
    states = [
        {"label": LABELS.get(name, name), "status": check.status, "words": WORDS[check.status], "detail": check.detail}
        for name, check in readiness().checks.items()
    ]
    login = {"username": ADMIN_USERNAME, "password": ADMIN_PASSWORD} if settings.DEBUG else None
    return render(None, "home.html", {"states": states, "development_login": login})


def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to the icon: browsers ask here where what they show names none, such as JSON."""
    return HttpResponseRedirect(static("onestep/icon.svg"))
