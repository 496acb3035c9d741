"""New replicas beside the old ones, and the old ones only stopped once the balancer sends requests to the new.

As docker-rollout and Swarm's `start-first` do it, with two things more: a new replica counts once the balancer says
that it sends requests to it, not once Docker calls it healthy; and the same steps end well from whatever an earlier run
left behind, since what is new and what is old is read from the containers and not remembered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from tools.production.replicas import (
    Replica,
    inspect_again,
    is_draining,
    last_lines,
    replicas,
    served_by_balancer,
)
from tools.production.stack import Production, ProductionError, run
from tools.production.steps import Steps, say

ALONE = Path(__file__).with_name("alone.yml")
MOST = 10  # replicas: the balancer has 20 places, and a rollout needs twice as many as there are
LOOK_AGAIN_SECONDS = 0.25
WITHDRAW_SECONDS = 10  # the balancer gives a check 5, and makes the next one half a second later


class NotReadyError(Exception):
    """A new replica did not become ready; in words."""


class Rollout:
    """The way from the replicas that are there to `number` of them that run `image` with today's settings."""

    def __init__(self, production: Production, steps: Steps, *, image: str, number: int) -> None:
        self.production = production
        self.steps = steps
        self.number = number
        self.env = {"ONESTEP_IMAGE": image, "WEB_REPLICAS": str(number)}
        self.hashes: dict[str, set[str]] = {}
        self.timeout = float(production.setting("DEPLOY_TIMEOUT", "120"))

    @cached_property
    def present(self) -> list[Replica]:
        """The replicas before anything is done, without those that an earlier run has told to stop: they are ending."""
        found = replicas(self.production, "web")
        ending = [replica for replica in found if replica.running and is_draining(replica)]
        if ending:
            with self.steps.step(f"Wait for {names(ending)}, which an earlier run has told to stop"):
                wait_for_end(ending)
            found = replicas(self.production, "web")
        return found

    def is_current(self, replica: Replica) -> bool:
        """Return whether a replica is what Compose would start today, but for how many replicas it was told of."""
        told = replica.environment.get("WEB_REPLICAS", "")
        if told not in self.hashes:
            env = {**self.env, "WEB_REPLICAS": told}
            ways: list[list[str]] = [[], [f"--file={ALONE}"]]  # by `docker compose up`, and by a rollout
            hashes = [self.production.output(*way, "config", "--hash=web", env=env) for way in ways]
            self.hashes[told] = {line.split()[-1] for line in hashes}
        return replica.config_hash in self.hashes[told]

    @property
    def current(self) -> list[Replica]:
        """Those that stay, the healthy and oldest first; those that have ended are started again."""
        found = [replica for replica in self.present if self.may_stay(replica)]
        return sorted(found, key=lambda replica: (replica.health != "healthy", not replica.running, replica.number))

    @property
    def old(self) -> list[Replica]:
        """Those that go: of another image, with settings that have changed, or unhealthy."""
        return [replica for replica in self.present if not self.may_stay(replica)]

    def may_stay(self, replica: Replica) -> bool:
        """Return whether a replica is as it should be, or will be once it is started."""
        return self.is_current(replica) and not (replica.running and replica.health == "unhealthy")

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        kept = self.current
        return not self.old and len(kept) == self.number and all(replica.state == "running" for replica in kept)

    def run(self, commit: Callable[[], None]) -> None:
        """Do it; `commit` notes the new state, once the new replicas serve and before an old one is stopped.

        Raises ProductionError where a new one does not become ready: it is removed, and those before serve on. An
        interruption until then does the same.
        """
        kept, surplus = self.current[: self.number], self.current[self.number :]
        remove([replica for replica in [*self.old, *surplus] if not replica.running])
        leaving = [replica for replica in [*self.old, *surplus] if replica.running]
        serving = [replica for replica in kept if replica.running]
        try:
            new = self.start(self.number - len(serving), [*leaving, *serving])
            with self.steps.step(f"Wait until the balancer sends requests to {names([*serving, *new])}"):
                self.wait([*serving, *new], new)
        except NotReadyError as error:
            self.undo(leaving, serving)
            stays = "Those before it serve on." if leaving or serving else "It was left for you to look at."
            raise ProductionError(
                ("E095", f"{error}", f"{stays} Its last lines are above; make prod-status shows what runs.")
            ) from error
        except BaseException:
            self.undo(leaving, serving)
            raise
        commit()
        if leaving:
            with self.steps.step(f"Drain and stop {names(leaving)}"):
                self.withdraw(leaving, [*serving, *new])
                stop(leaving)

    def start(self, missing: int, staying: list[Replica]) -> list[Replica]:
        """Start what is missing beside those that are there; return the new ones."""
        if not missing:
            return []
        before = {replica.id for replica in staying}
        with self.steps.step(f"Start {missing} beside {names(staying)}" if staying else f"Start {missing}"):
            flags = ["--detach", "--no-deps", "--no-recreate", "--no-build", f"--scale=web={len(staying) + missing}"]
            self.production.output("up", *flags, "web", env=self.env)
        new = [replica for replica in replicas(self.production, "web") if replica.id not in before]
        say(f"  {names(new)}")
        return new

    def wait(self, awaited: list[Replica], new: list[Replica]) -> None:
        """Wait until each is healthy, and the balancer, where one runs, sends requests to each.

        Raises NotReadyError as soon as a new one has ended or is unhealthy, and after DEPLOY_TIMEOUT seconds.
        """
        until = time.monotonic() + self.timeout
        fresh = {replica.id for replica in new}
        balanced = self.is_balanced()
        while True:
            waiting = []
            for replica in inspect_again(awaited):
                if replica.id in fresh and (replica.state != "running" or replica.restarts):
                    self.give_up(replica, f"{replica.name} ended with exit status {replica.exit_code}.")
                if replica.id in fresh and replica.health == "unhealthy":
                    self.give_up(replica, f"{replica.name} runs, but is not healthy.")
                if replica.health != "healthy":
                    waiting.append(replica)
            if not waiting and balanced:
                served = served_by_balancer(awaited[-1])
                waiting = [replica for replica in inspect_again(awaited) if not replica.addresses & served]
            if not waiting:
                return
            if time.monotonic() > until:
                self.give_up(waiting[0], f"{waiting[0].name} is not ready after {self.timeout:g} s (DEPLOY_TIMEOUT).")
            time.sleep(LOOK_AGAIN_SECONDS)

    @staticmethod
    def give_up(replica: Replica, why: str) -> None:
        """Print a replica's last lines. Raises NotReadyError."""
        say(f"  {why} Its last lines:")
        say(last_lines(replica))
        raise NotReadyError(why)

    def undo(self, leaving: list[Replica], serving: list[Replica]) -> None:
        """Stop and remove what was started. Where nothing else serves there is nothing to go back to: it stays."""
        untouched = leaving or serving
        if not untouched:
            return
        before = {replica.id for replica in untouched}
        started = [replica for replica in replicas(self.production, "web") if replica.id not in before]
        if started:
            with self.steps.step(f"Roll back: stop and remove {names(started)}; {names(untouched)} were not touched"):
                self.withdraw(started, untouched)
                stop(started)

    def withdraw(self, some: list[Replica], staying: list[Replica]) -> None:
        """Fail the readiness of some, and wait until the balancer says that it sends them nothing more.

        DRAIN_SECONDS would do, but not where this host is so busy that the balancer's checks take longer. What gets no
        requests yet is left alone: until it serves, the signal would end it. An older image takes no notice of it.
        """
        if not self.is_balanced():
            return
        with suppress(ProductionError):  # a balancer that does not say so is no reason to leave them running
            served = served_by_balancer(staying[0])
            running = [replica for replica in inspect_again(some) if replica.state == "running"]
            serving = [replica for replica in running if replica.addresses & served]
            if serving:
                run(["docker", "kill", "--signal=USR1", *(replica.id for replica in serving)], capture=True)
            until = time.monotonic() + WITHDRAW_SECONDS
            addresses = frozenset().union(*(replica.addresses for replica in serving))
            while time.monotonic() < until and addresses & served_by_balancer(staying[0]):
                time.sleep(LOOK_AGAIN_SECONDS)

    def is_balanced(self) -> bool:
        """Return whether a balancer runs: not so where the stack is being started."""
        return any(replica.running for replica in replicas(self.production, "balancer"))


def names(some: list[Replica]) -> str:
    """Return the containers' names without the project's."""
    return ", ".join(f"{replica.service}-{replica.number}" for replica in some) or "nothing"


def stop(some: list[Replica]) -> None:
    """Stop containers, all at once, each with the time that it has for that, and remove them; say who was killed."""
    running = [replica.id for replica in some if replica.running]
    if running:
        run(["docker", "stop", *running], capture=True)
    for replica in inspect_again(some):
        if replica.exit_code == 137:  # 128 + SIGKILL
            say(f"  onestep.E053 {replica.name} had to be killed: it did not end in {replica.stop_timeout} s.")
    remove(some)


def wait_for_end(some: list[Replica]) -> None:
    """Wait until containers that are stopping have ended; stop those that have not in their time."""
    until = time.monotonic() + max(replica.stop_timeout for replica in some)
    while any(replica.running for replica in inspect_again(some)) and time.monotonic() < until:
        time.sleep(LOOK_AGAIN_SECONDS)
    stop(inspect_again(some))


def remove(some: list[Replica]) -> None:
    """Remove containers that have ended."""
    if some:
        run(["docker", "rm", *(replica.id for replica in some)], capture=True)
