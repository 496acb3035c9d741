"""What a container of the production image may do, and who reaches whom between networks and stacks."""

from __future__ import annotations

import inspect
import json
import socket
from collections.abc import Iterator

import pytest
from docker.models.containers import Container

from tests.container.service import USER_ID, Service, Web
from tests.container.stack import Stack

Address = tuple[str, int]

# What is asked, and what only PostgreSQL (https://www.postgresql.org/docs/15/protocol-message-formats.html) and only
# OneStep answer. To connect is no proof: there are machines whose way out accepts any connection.
QUESTIONS = {5432: bytes([0, 0, 0, 8, 4, 210, 22, 47]), 8000: b"GET /health/live HTTP/1.0\r\nHost: any\r\n\r\n"}
ANSWERS = {5432: (b"N", b"S"), 8000: (b'{"status": "ok"}',)}

# Of /proc/PID/status, see proc(5). Seccomp 2 is a filter: the engine's default one.
CONFINED = {
    "Uid": "\t".join([str(USER_ID)] * 4),
    **dict.fromkeys(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"], "0" * 16),
    "NoNewPrivs": "1",
    "Seccomp": "2",
}


@pytest.fixture(scope="module")
def web(production: Service) -> Web:
    [web] = production.start_web()
    web.wait_until_ready()
    return web


@pytest.fixture(scope="module")
def development(stack: Stack, production: Service) -> dict[str, Container]:
    """The containers of a development stack that is up beside the production service, by service."""
    return {name: production.engine.containers.get(stack.compose("ps", "-q", name).strip()) for name in ("db", "web")}


def run(container: Container, command: str, *, user: str = "") -> tuple[int, str]:
    """Run a shell command in the container; return its exit status and what it prints."""
    done = container.exec_run(["sh", "-c", command], user=user)
    return done.exit_code, done.output.decode()


def test_every_process_is_confined(web: Web) -> None:
    """No process is root's, has or can get a capability or a privilege, or makes a system call without the filter."""
    _, output = run(web.container, "cat /proc/[0-9]*/status")
    processes = [dict(line.split(":\t", 1) for line in text.splitlines()) for text in split_processes(output)]
    ours = [process for process in processes if process["Name"] not in {"sh", "cat"}]
    assert len(ours) >= 4, output  # the supervisor, gunicorn and two workers
    for process in ours:
        assert {name: process[name] for name in CONFINED} == CONFINED


def split_processes(output: str) -> Iterator[str]:
    """Yield the text of each process of some `/proc/*/status` in a row."""
    yield from (f"Name:{text}" for text in output.split("Name:")[1:])


@pytest.mark.parametrize("path", ["/x", "/app/src/x", "/app/staticfiles/x", "/opt/onestep/x", "/usr/local/x", "/etc/x"])
def test_root_file_system_is_read_only(web: Web, path: str) -> None:
    """Even for root, in the same container; and none of the service's own work needs it."""
    status, output = run(web.container, f"touch {path}", user="0")
    assert status != 0, f"root wrote {path}"
    assert "Read-only file system" in output


@pytest.mark.parametrize("folder", ["/tmp", "/app/media", "/dev/shm"])
def test_what_must_be_writable_is(web: Web, folder: str) -> None:
    assert run(web.container, f"touch {folder}/x && rm {folder}/x") == (0, "")


@pytest.mark.parametrize("path", ["/app/src/x", "/opt/onestep/x", "/usr/local/x", "/etc/x"])
def test_code_is_safe_where_root_is_writable(production: Service, path: str) -> None:
    """Where somebody forgets `read_only`, the user that it runs as can still not change the code."""
    command = {"entrypoint": ["sh"], "read_only": False}
    done = production.onestep("-c", f"touch {path}", **command)
    assert done.status != 0
    assert "Permission denied" in done.output


def test_only_port_8000_is_listened_on_and_published(web: Web) -> None:
    """From inside, where every socket shows; the engine's own name server at 127.0.0.11 apart."""
    _, output = run(web.container, "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6")
    columns = [line.split() for line in output.splitlines() if ":" in line.split()[0]]
    listening = {row[1] for row in columns if row[3] in {"0A", "07"} and not row[1].startswith("0B00007F")}
    assert listening == {f"00000000:{8000:04X}"}
    web.container.reload()
    published = {port: to for port, to in web.container.ports.items() if to}
    assert published == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": web.url.rpartition(":")[2]}]}


def test_database_is_out_of_reach_of_the_host(production: Service, development: dict[str, Container]) -> None:
    """No port of it is published, and at its own address nothing answers either."""
    for database in (production.database, development["db"]):
        database.reload()
        assert not any(database.ports.values())
        assert reached([(address, 5432) for address in addresses(database)]) == []


def test_database_is_out_of_reach_of_the_public_network(
    production: Service, web: Web, development: dict[str, Container], stack: Stack
) -> None:
    """A stranger on the network of the web containers reaches these, and neither database, by name or by address."""
    for network, database, open_to_it in (
        (production.web_network.name, production.database, web.container),
        (f"{stack.project}_web", development["db"], development["web"]),
    ):
        theirs = [("db", 5432), (database.name, 5432), *((address, 5432) for address in addresses(database))]
        shared = (addresses_in(open_to_it)[network], 8000)
        assert reached_from(production, network, [*theirs, shared]) == [shared]


def test_two_stacks_do_not_reach_each_other(
    production: Service, web: Web, development: dict[str, Container], stack: Stack
) -> None:
    """Asked from within each container of a development stack and a production service that are up side by side."""
    stacks = [
        {"db": production.database, "web": web.container, "port": int(web.url.rpartition(":")[2])},
        {**development, "port": stack.port},
    ]
    for mine, other in (stacks, stacks[::-1]):
        for container in (mine["db"], mine["web"]):
            own = [("db", 5432), ("web", 8000)]
            strange = [(address, 5432) for address in (other["db"].name, *addresses(other["db"]))]
            strange += [(address, 8000) for address in (other["web"].name, *addresses(other["web"]))]
            assert reached_from(production, f"container:{container.id}", own + strange) == own


def test_two_stacks_share_no_volume(production: Service, web: Web, development: dict[str, Container]) -> None:
    ours, theirs = (
        {mount.get("Name") or mount["Source"] for container in containers for mount in mounts(container)}
        for containers in ((production.database, web.container), development.values())
    )
    assert len(ours) >= 2
    assert len(theirs) >= 3
    assert not ours & theirs


def mounts(container: Container) -> list[dict[str, str]]:
    """Return what the engine says of a container's mounts."""
    container.reload()
    return list(container.attrs["Mounts"])


def addresses_in(container: Container) -> dict[str, str]:
    """Return a container's address in each of its networks."""
    container.reload()
    return {name: network["IPAddress"] for name, network in container.attrs["NetworkSettings"]["Networks"].items()}


def addresses(container: Container) -> list[str]:
    """Return all addresses of a container."""
    return list(addresses_in(container).values())


def ask(host: str, port: int, question: str) -> str:
    """Return what an address answers to some bytes, both in hexadecimal; "" where nothing does."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(bytes.fromhex(question))
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(4096), b"")).hex()
    except OSError:
        return ""


def reached(targets: list[Address]) -> list[Address]:
    """Return those of the addresses that answer as PostgreSQL (on 5432) or OneStep (on 8000), asked from here."""
    return understood(targets, [ask(host, port, QUESTIONS[port].hex()) for host, port in targets])


def reached_from(production: Service, network: str, targets: list[Address]) -> list[Address]:
    """Return the same, asked from within a network or, as `container:ID`, from where a container is in its networks."""
    questions = [(host, port, QUESTIONS[port].hex()) for host, port in targets]
    program = (
        f"from __future__ import annotations\nimport json, socket, sys\n{inspect.getsource(ask)}\n"
        "print(json.dumps([ask(*question) for question in json.loads(sys.argv[1])]))"
    )
    where = {"network_mode": network, "network": None} if network.startswith("container:") else {"network": network}
    done = production.onestep("-c", program, json.dumps(questions), entrypoint=["python3"], **where)
    assert done.status == 0, done.output
    return understood(targets, json.loads(done.output))


def understood(targets: list[Address], answers: list[str]) -> list[Address]:
    """Return the addresses whose answer is one that only the right service gives."""
    return [
        target
        for target, answer in zip(targets, answers, strict=True)
        if bytes.fromhex(answer).endswith(ANSWERS[target[1]]) and (target[1] != 5432 or len(answer) == 2)
    ]
