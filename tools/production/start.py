"""`make prod-up`, `prod-quiesce`, `prod-down`, `prod-logs`, `prod-compose`: what starts, stops and shows the stack."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, NoReturn

from tools.production.backups import stop_services
from tools.production.data_mount import require_data_mount
from tools.production.deploy import migrate, number_of_replicas, replace, require_time_to_stop
from tools.production.images import build_others, build_web, image_id
from tools.production.lock import alone
from tools.production.rollout import Rollout
from tools.production.stack import Production
from tools.production.steps import Steps, say


def start(production: Production) -> None:
    """Start the stack and wait until it is healthy.

    Images that are not there are built from this checkout: the first time, and on another host. What
    runs is brought to today's settings: replicas of `web` by a rollout, other services by being made anew.
    Raises ProductionError with everything that is missing, before anything is started.
    """
    production.require()
    require_data_mount(production)
    require_time_to_stop(production)
    with alone(production):
        steps = Steps()
        noted = production.state().get("ONESTEP_IMAGE", "")
        if not image_id(noted):
            if noted:
                say(f"The image that ran, {noted}, is not on this host: this checkout's takes its place.")
            production.note(ONESTEP_IMAGE=build_web(production, steps))
        build_others(production, steps, missing_only=True)
        image = production.state()["ONESTEP_IMAGE"]
        services = production.config()["services"]
        first = needed_by("web", services) - {"migrate"} | {"balancer"}
        with steps.step(f"Start {', '.join(sorted(first))}"):
            production.output("up", "--detach", "--wait", "--no-deps", *sorted(first))
        with steps.step("Migrate the database"):
            migrate(production, image)
        rollout = Rollout(production, steps, image=image, number=number_of_replicas(production))
        if not rollout.is_done:
            replace(production, rollout, steps, image)
        # A backup that failed is loud enough: what serves does not wait for its health.
        production.output("up", "--detach", "--no-deps", "backup")
        rest = sorted(services.keys() - first - {"backup", "migrate", "web"})
        if rest:
            with steps.step(f"Start {', '.join(rest)}"):
                production.output("up", "--detach", "--wait", "--no-deps", *rest)
        steps.summary(f"All runs. The balancer listens on {address(services['balancer'])}.")


def stop(production: Production) -> None:
    """Stop the stack: replicas finish what they have first. The data stays."""
    with alone(production):
        production.compose("down")
        say("Stopped. The data is in its volumes; make prod-up starts again.")


def quiesce(production: Production) -> None:
    """Stop what writes: replicas finish what they have, and the balancer answers 503. Database and backups run on."""
    with alone(production):
        stop_services(production)
        say("Nothing writes any more; requests get 503. make prod-up serves again.")


def follow_logs(production: Production) -> None:
    """Follow the logs of all services, from the last lines of each. Leaving by Ctrl-C is no fault."""
    with suppress(KeyboardInterrupt):
        production.compose("logs", "--follow", "--tail=50")


def run_compose(production: Production, *arguments: str) -> NoReturn:
    """Become `docker compose` with this stack's files and settings, on the caller's terminal."""
    os.execvpe("docker", production.command(*arguments), production.environment())


def create_superuser(production: Production) -> NoReturn:
    """Become `onestep createsuperuser` in a replica, which asks for name and password."""
    run_compose(production, "exec", "web", "onestep", "createsuperuser")


def needed_by(service: str, services: dict[str, Any]) -> set[str]:
    """Return the services that a service waits for, and those that they wait for."""
    found: set[str] = set()
    for name in services[service].get("depends_on", {}):
        found |= {name} | needed_by(name, services)
    return found


def address(balancer: dict[str, Any]) -> str:
    """Return where the balancer is reached from outside."""
    return ", ".join(f"{port.get('host_ip', '0.0.0.0')}:{port['published']}" for port in balancer["ports"])
