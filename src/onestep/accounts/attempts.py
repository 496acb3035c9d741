"""How often logging in may fail: counted in the database, so for all workers and replicas together.

Within LOGIN_LOCKOUT_MINUTES, and until one succeeds, there may fail

- LOGIN_ATTEMPT_LIMIT attempts for one user name from one address;
- 20 times as many from one address, whatever the names: somebody tries a few passwords on everybody;
- 20 times as many for one user name, whatever the addresses: somebody guesses from many machines.

The last two spare a user at an address from which they have logged in before, so that they shut nobody out of where
they usually work: not a known user who is attacked, nor the colleagues of somebody who attacks.

An address is a whole network of the smallest kind, /64, in IPv6, where whoever has one address has all of these.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any

import structlog
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.db.models import Max, Q, Sum
from django.http import HttpRequest, HttpResponse

from onestep.http.client_address import client_address
from onestep.http.failures import error_page

logger = structlog.get_logger(__name__)

# How many times the limit of one name from one address may fail for one name, or from one address, alone.
WIDE = 20
IPV6_NETWORK_BITS = 64


def counted_address(request: HttpRequest) -> str | None:
    """Return the address, or in IPv6 the network, that attempts are counted by; None where there is none to see."""
    for text in (client_address(request), request.META.get("REMOTE_ADDR", "")):
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            continue
        if not isinstance(address, IPv6Address):
            return str(address)
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        host_bits = 128 - IPV6_NETWORK_BITS
        return str(IPv6Address(int(address) >> host_bits << host_bits))
    return None


class AttemptHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """The rules above, on the tables of django-axes."""

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        """Return whether another attempt is refused, in one or two queries."""
        username = get_client_username(request, credentials)
        here, name = Q(ip_address=request.axes_ip_address), Q(username=username)
        counts = recent_attempts(request, credentials).aggregate(
            both=Sum("failures_since_start", filter=here & name, default=0),
            here=Sum("failures_since_start", filter=here, default=0),
            name=Sum("failures_since_start", filter=name, default=0),
        )
        limit: int = settings.AXES_FAILURE_LIMIT
        if counts["both"] >= limit:
            return True
        widely = counts["name"] >= limit * WIDE or (counts["here"] >= limit * WIDE and request.axes_ip_address)
        return bool(widely) and not AccessLog.objects.filter(here & name).exists()

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        """Count the failure."""
        super().user_login_failed(sender, credentials, request, **kwargs)
        # Without the name: some type their password into its field.
        logger.warning("log_in_failed", refused=request.axes_locked_out)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Forget the failures of this user from this address, and remember the address as one of theirs."""
        super().user_logged_in(sender, request, user, **kwargs)
        theirs = {"username": user.get_username(), "ip_address": request.axes_ip_address}
        latest = {
            "attempt_time": request.axes_attempt_time,
            "user_agent": request.axes_user_agent,
            "path_info": request.axes_path_info,
        }
        if theirs["ip_address"] and not AccessLog.objects.filter(**theirs).update(**latest):
            AccessLog.objects.create(**theirs, **latest)
        logger.info("logged_in", user_id=user.pk)


def recent_attempts(request: Any, credentials: dict[str, Any] | None) -> Any:
    """Return the failures that still count, for this name from anywhere and from this address for any name."""
    return AccessAttempt.objects.filter(
        Q(ip_address=request.axes_ip_address) | Q(username=get_client_username(request, credentials)),
        attempt_time__gte=request.axes_attempt_time - settings.AXES_COOLOFF_TIME,
    )


def refuse(request: Any, response: HttpResponse, credentials: dict[str, Any] | None = None) -> HttpResponse:
    """Answer 429: a problem under `/api/`, a page elsewhere. Retry-After says when the last failure expires."""
    AxesProxyHandler.update_request(request)
    latest = recent_attempts(request, credentials).aggregate(at=Max("attempt_time"))["at"] or request.axes_attempt_time
    left: timedelta = latest + settings.AXES_COOLOFF_TIME - request.axes_attempt_time
    seconds = max(1, ceil(left.total_seconds()))
    minutes = ceil(seconds / 60)
    detail = (
        f"Logging in failed too often. Try again in {minutes} minute{'s' if minutes > 1 else ''}, "
        "or ask an administrator to unlock it."
    )
    answer = error_page(429, "Too many attempts", detail, code="too_many_attempts")(request)
    answer["Retry-After"] = str(seconds)
    answer["Cache-Control"] = "no-store"
    return answer
