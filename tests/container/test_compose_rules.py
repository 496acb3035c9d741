"""The Compose files keep their rules, and each rule finds the fault that it is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.container.compose_rules import broken_rules, resolve
from tests.container.stack import CHECKOUT

Config = dict[str, Any]
LOOPBACK = {"web": "127.0.0.1"}


@pytest.fixture(scope="module")
def development() -> Config:
    return resolve(CHECKOUT, "compose.yml")


def test_development_stack_keeps_the_rules(development: Config) -> None:
    assert broken_rules(development, CHECKOUT, doors=LOOPBACK) == []


def test_production_stack_keeps_the_rules() -> None:
    """With no default but what an operator has to give. From outside only Caddy is reached, where there is one."""
    production = resolve(CHECKOUT, "compose.prod.yml", project="onestep-production", env={"ALLOWED_HOSTS": "a.example"})
    doors = {"balancer": "127.0.0.1", "caddy": "0.0.0.0", "grafana": "127.0.0.1"}
    assert broken_rules(production, CHECKOUT, doors=doors, read_only=True, unattended=True) == []


def test_debug_switch_opens_the_database_to_this_machine_alone() -> None:
    debug = resolve(CHECKOUT, "compose.yml", "compose.debug.yml")
    assert broken_rules(debug, CHECKOUT, doors={**LOOPBACK, "db": "127.0.0.1"}) == [
        "db: it is on the network web, which is not internal"
    ]


def test_names_of_two_stacks_have_nothing_in_common(development: Config) -> None:
    """Volumes and networks have the project's name before their own."""
    other = resolve(CHECKOUT, "compose.yml", project="onestep-b")
    for kind in ("volumes", "networks"):
        ours, theirs = ({it["name"] for it in config[kind].values()} for config in (development, other))
        assert not ours & theirs


def publish(service: str, **port: Any) -> Callable[[Config], None]:
    """Return a change that publishes one more port."""
    return lambda config: config["services"][service].setdefault("ports", []).append({"target": 1234, **port})


def put(service: str, key: str, value: Any) -> Callable[[Config], None]:
    """Return a change of one key of a service; None takes it away."""

    def change(config: Config) -> None:
        config["services"][service][key] = value
        if value is None:
            del config["services"][service][key]

    return change


def mount(source: str) -> Callable[[Config], None]:
    """Return a change that mounts a folder of the host."""
    return lambda config: config["services"]["web"]["volumes"].append(
        {"type": "bind", "source": source, "target": "/x"}
    )


FAULTS: dict[str, tuple[Callable[[Config], Any], str]] = {
    "database published": (publish("db", host_ip="127.0.0.1"), "db: port 1234 is published, and it is no door"),
    "web on all addresses": (publish("web"), "web: port 1234 is published on 0.0.0.0, not on 127.0.0.1"),
    "privileged": (put("web", "privileged", True), "web: it is privileged"),
    "host network": (put("web", "network_mode", "host"), "web: network_mode: host is not its own"),
    "host processes": (put("db", "pid", "host"), "db: pid: host is not its own"),
    "device": (put("web", "devices", ["/dev/kvm"]), "web: devices: /dev/kvm"),
    "no seccomp": (
        put("web", "security_opt", ["no-new-privileges:true", "seccomp:unconfined"]),
        "web: security_opt: seccomp:unconfined",
    ),
    "new privileges": (
        put("web", "security_opt", None),
        "web: it may gain privileges; set security_opt: [no-new-privileges:true]",
    ),
    "capabilities kept": (
        put("migrate", "cap_drop", None),
        "migrate: it keeps the engine's capabilities; set cap_drop: [ALL]",
    ),
    "capability added back": (put("web", "cap_add", ["NET_ADMIN"]), "web: it has the capability NET_ADMIN"),
    "Docker's socket": (mount("/var/run/docker.sock"), "web: it mounts /var/run/docker.sock of the host"),
    "folder above": (mount(str(CHECKOUT.parent)), f"web: it mounts {CHECKOUT.parent} of the host"),
    "no memory limit": (put("web", "mem_limit", None), "web: its memory has no limit; set mem_limit"),
    "no process limit": (
        put("db", "pids_limit", None),
        "db: the number of its processes has no limit; set pids_limit",
    ),
    "database in the open": (
        lambda config: config["networks"]["database"].pop("internal"),
        "db: it is on the network database, which is not internal",
    ),
    "no health check": (put("db", "healthcheck", None), "db: it has no health check"),
    "health check off": (
        put("web", "healthcheck", {"disable": True}),
        "web: its health check is switched off, and it is no job that ends",
    ),
    "latest": (put("db", "image", "postgres:latest"), "db: the image postgres:latest is of no version"),
    "fixed name": (put("db", "container_name", "db"), "db: container_name stands in the way of a second stack"),
    "shared volume": (
        lambda config: config["volumes"]["media_volume"].update(name="media"),
        "volumes.media_volume: it is shared with other projects, under the name media",
    ),
    "foreign network": (
        lambda config: config["networks"]["web"].update(external=True),
        "networks.web: it is shared with other projects, under the name onestep_web",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_rule_finds_its_fault(development: Config, fault: str) -> None:
    change, sentence = FAULTS[fault]
    config = copy.deepcopy(development)
    change(config)
    assert broken_rules(config, CHECKOUT, doors=LOOPBACK) == [sentence]


def test_production_wants_a_read_only_root(development: Config) -> None:
    found = broken_rules(development, CHECKOUT, doors=LOOPBACK, read_only=True)
    assert found == [
        f"{name}: its root file system is writable; set read_only: true" for name in sorted(development["services"])
    ]


def test_production_wants_an_end_of_logs_and_restarts(development: Config) -> None:
    config = copy.deepcopy(development)
    for service in config["services"].values():
        service.update(restart="no", logging={"options": {"max-size": "1m", "max-file": "2"}})
    config["services"]["web"]["restart"] = "unless-stopped"
    del config["services"]["db"]["logging"]["options"]["max-file"]
    assert broken_rules(config, CHECKOUT, doors=LOOPBACK, unattended=True) == [
        "db: its log has no bound; set logging options max-size and max-file",
        "web: restart: unless-stopped has no end; set on-failure:10",
    ]
