"""What our Compose files may ask of the engine: rules on what `docker compose config` resolves them to.

trivy has no checks for Compose files, so these are our own. They hold for development and production alike; what
differs is a parameter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What an entrypoint that starts as root needs to give a folder to a user, and to become that user for good.
CAPABILITIES = {"CHOWN", "DAC_READ_SEARCH", "FOWNER", "SETGID", "SETPCAP", "SETUID"}
DATABASE_IMAGES = re.compile(r"postgres:|.*pgbouncer")
HOST_NAMESPACES = ("network_mode", "pid", "ipc", "userns_mode", "uts", "cgroup")


def resolve(
    folder: Path, *files: str, project: str = "onestep", env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what Compose makes of the files in a folder. Raises AssertionError where it refuses them."""
    command = ["docker", "compose", f"--project-name={project}", *(f"--file={file}" for file in files)]
    finished = subprocess.run(
        [*command, "--profile=*", "config", "--format=json"],
        cwd=folder,
        env={**os.environ, **(env or {})},
        check=False,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return dict(json.loads(finished.stdout))


def broken_rules(
    config: Mapping[str, Any],
    folder: Path,
    *,
    doors: Mapping[str, str],
    read_only: bool = False,
    unattended: bool = False,
) -> list[str]:
    """Return what is wrong with a resolved file of a project in `folder`, one sentence each.

    `doors` are the services that may publish ports, with the address of this machine on which they may. With
    `read_only`, as in production, each container has a root file system that it cannot write to. What runs `unattended`
    fills no disk with its log, and does not try for ever what fails.
    """
    found = []
    built_here = {service.get("image") for service in config["services"].values() if "build" in service}
    jobs = {
        name
        for service in config["services"].values()
        for name, it in service.get("depends_on", {}).items()
        if it["condition"] == "service_completed_successfully"
    }
    for name, service in config["services"].items():
        found += [f"{name}: {fault}" for fault in port_faults(service, doors.get(name))]
        found += [f"{name}: {fault}" for fault in privilege_faults(service)]
        found += [f"{name}: {fault}" for fault in mount_faults(service, folder)]
        found += [f"{name}: {fault}" for fault in limit_faults(service)]
        if read_only and not service.get("read_only"):
            found.append(f"{name}: its root file system is writable; set read_only: true")
        if service.get("healthcheck", {}).get("disable") and name not in jobs:
            found.append(f"{name}: its health check is switched off, and it is no job that ends")
        if unattended:
            found += [f"{name}: {fault}" for fault in endurance_faults(service)]
        if DATABASE_IMAGES.match(service.get("image", "")):
            found += [f"{name}: {fault}" for fault in network_faults(service, config["networks"])]
            # An image of ours brings its own.
            if "build" not in service and not service.get("healthcheck", {}).get("test"):
                found.append(f"{name}: it has no health check")
        if "container_name" in service:
            found.append(f"{name}: container_name stands in the way of a second stack")
        image = service.get("image")
        if image not in built_here and image.rpartition("/")[2].partition(":")[2] in {"", "latest"}:
            found.append(f"{name}: the image {image} is of no version")
    for kind in ("networks", "volumes"):
        found += [
            f"{kind}.{name}: it is shared with other projects, under the name {it['name']}"
            for name, it in config.get(kind, {}).items()
            if it.get("external") or it["name"] != f"{config['name']}_{name}"
        ]
    return found


def port_faults(service: Mapping[str, Any], address: str | None) -> Iterator[str]:
    """Yield the ports that are published and should not be, or not on this address."""
    for port in service.get("ports", []):
        if address is None:
            yield f"port {port['target']} is published, and it is no door"
        elif port.get("host_ip", "0.0.0.0") != address:
            yield f"port {port['target']} is published on {port.get('host_ip', '0.0.0.0')}, not on {address}"


def privilege_faults(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield what gives a process more than it needs."""
    if service.get("privileged"):
        yield "it is privileged"
    for key in HOST_NAMESPACES:
        if str(service.get(key, "")).startswith(("host", "container:", "service:")):
            yield f"{key}: {service[key]} is not its own"
    for key in ("devices", "device_cgroup_rules", "security_opt", "volumes_from"):
        for value in service.get(key, []):
            if key != "security_opt" or "unconfined" in value or "disable" in value:
                yield f"{key}: {value}"
    if not {"no-new-privileges:true", "no-new-privileges"} & set(service.get("security_opt", [])):
        yield "it may gain privileges; set security_opt: [no-new-privileges:true]"
    if service.get("cap_drop") != ["ALL"]:
        yield "it keeps the engine's capabilities; set cap_drop: [ALL]"
    for capability in sorted(set(service.get("cap_add", [])) - CAPABILITIES):
        yield f"it has the capability {capability}"


def mount_faults(service: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield folders of the host that are mounted, other than the project's own."""
    for volume in service.get("volumes", []):
        source = Path(volume.get("source", ""))
        if volume["type"] == "bind" and not source.is_relative_to(folder):
            yield f"it mounts {source} of the host"


def limit_faults(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a container may take without limit."""
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not (service.get("mem_limit") or limits.get("memory")):
        yield "its memory has no limit; set mem_limit"
    if not (service.get("pids_limit") or limits.get("pids")):
        yield "the number of its processes has no limit; set pids_limit"


def endurance_faults(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield what grows, or goes on, without end."""
    if not {"max-size", "max-file"} <= service.get("logging", {}).get("options", {}).keys():
        yield "its log has no bound; set logging options max-size and max-file"
    policy = service.get("restart", "no")
    if policy != "no" and not re.fullmatch(r"on-failure:[1-9][0-9]?", policy):
        yield f"restart: {policy} has no end; set on-failure:10"


def network_faults(service: Mapping[str, Any], networks: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a database could be reached."""
    for name in service.get("networks", {}):
        if not networks[name].get("internal"):
            yield f"it is on the network {name}, which is not internal"
