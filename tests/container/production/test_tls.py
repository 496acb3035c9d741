"""HTTPS in both ways: a certificate of one's own in the balancer, and Caddy with automatic certificates before it.

Both are on one stack here. Caddy signs its certificates itself (CADDY_ISSUER=internal), instead of ACME: no authority
reaches the machine of a test.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from tests.container.production.stack import ProductionStack, production_stack
from tests.container.service import image_id
from tests.container.stack import free_port, wait_until

DOMAIN, SECOND = "onestep.test", "www.onestep.test"
CONNECTIONS = 40  # of one client
HSTS = "strict-transport-security"


@dataclass
class Answer:
    """What curl got: the version of HTTP, the status, the headers, and the body."""

    version: str
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Secured:
    """The stack, the authorities' certificates that clients of either way trust, and Caddy's ports."""

    stack: ProductionStack
    certificate: Path
    authority: Path
    http_port: int
    tls_port: int

    def curl(self, url: str, *options: str) -> Answer:
        """Send a request as any client would, with our certificates trusted and the name known."""
        ports = (self.stack.port, self.http_port, self.tls_port)
        pairs = [f"{name}:{port}:127.0.0.1" for name in (DOMAIN, SECOND) for port in ports]
        names = [part for pair in pairs for part in ("--resolve", pair)]
        trust = ["--cacert", str(self.authority if f":{self.tls_port}" in url else self.certificate)]
        command = ["curl", "--silent", "--show-error", "--include", "--max-time", "10", *names, *trust, *options, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{done.stdout}"
        head, _, body = done.stdout.partition("\n\n")
        first, *lines = head.splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(first.split()[0], int(first.split()[1]), headers, body)

    def is_healthy(self, service: str) -> bool:
        """Return whether the service's container is healthy."""
        return self.stack.containers(service)[0].attrs["State"]["Health"]["Status"] == "healthy"

    @property
    def by_balancer(self) -> str:
        """The balancer's own port, where TLS is by a certificate of one's own."""
        return f"{DOMAIN}:{self.stack.port}"

    @property
    def by_caddy(self) -> str:
        """Caddy's port."""
        return f"{DOMAIN}:{self.tls_port}"


def make_certificate(certificate: Path, pem: Path) -> None:
    """Write a certificate, and it together with its key as the balancer takes it, over what is there."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "-"]
    about = ["-days", "2", "-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:{DOMAIN}"]
    made = subprocess.run(
        ["openssl", "req", "-x509", *key, *about, "-out", str(certificate)], check=True, capture_output=True, text=True
    )
    pem.write_text(certificate.read_text() + made.stdout)
    pem.chmod(0o444)


WRONG = {
    "no file": ({"TLS_CERTIFICATE": "{folder}/nothing.pem"}, "E082"),
    "no key": ({"TLS_CERTIFICATE": "{folder}/certificate.pem"}, "E082"),
    "unreadable": ({"TLS_CERTIFICATE": "{folder}/private.pem"}, "E082"),
    "HTTPS off": ({"TLS_CERTIFICATE": "{folder}/with-key.pem", "HTTPS": "0"}, "E083"),
    "no name": ({"COMPOSE_PROFILES": "tls"}, "E084"),
    "names run together": ({"COMPOSE_PROFILES": "tls", "DOMAIN": "a.test,b.test"}, "E084"),
    "open past Caddy": ({"COMPOSE_PROFILES": "tls", "DOMAIN": DOMAIN, "BIND_ADDRESS": "0.0.0.0"}, "E085"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_stops_the_start(tmp_path: Path, wrong: str) -> None:
    """At once, in words, before anything is started."""
    settings, error = WRONG[wrong]
    make_certificate(tmp_path / "certificate.pem", tmp_path / "with-key.pem")
    private = tmp_path / "private.pem"
    private.write_text((tmp_path / "with-key.pem").read_text())
    private.chmod(0o400)
    filled = {name: value.format(folder=tmp_path) for name, value in settings.items()}
    with production_stack(tmp_path, up=False, settings={"HTTPS": "1", **filled}) as stack:
        done = stack.run("make", "prod-up")
        assert done.returncode != 0
        reported = [line.split()[0] for line in done.stderr.splitlines() if line.startswith("onestep.")]
        assert reported == [f"onestep.{error}"], done.stderr
        assert stack.containers("balancer") == []


@pytest.fixture(scope="module")
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A stack with HTTPS in both ways."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, pem = folder / "certificate.pem", folder / "with-key.pem"
    make_certificate(certificate, pem)
    http_port, tls_port = free_port(), free_port()
    settings = {
        "ALLOWED_HOSTS": f"{DOMAIN},{SECOND}",
        "HTTPS": "1",
        "TLS_CERTIFICATE": str(pem),
        "COMPOSE_PROFILES": "tls",
        "DOMAIN": f"{DOMAIN}, {SECOND}",
        "CADDY_ISSUER": "internal",
        "TLS_BIND_ADDRESS": "127.0.0.1",
        "HTTP_PORT": str(http_port),
        "TLS_PORT": str(tls_port),
        "WEB_REPLICAS": "1",
        "CLIENT_CONNECTIONS": str(CONNECTIONS),
        "REQUEST_SECONDS": "30",
    }
    failed_before = request.session.testsfailed
    with production_stack(folder, settings=settings) as stack:
        authority = folder / "authority.pem"
        read = ["cat", "/var/lib/caddy/pki/authorities/local/root.crt"]
        authority.write_bytes(stack.containers("caddy")[0].exec_run(read).output)
        yield Secured(stack, certificate, authority, http_port, tls_port)
        if request.session.testsfailed > failed_before:
            stack.print_logs()


@pytest.mark.parametrize("way", ["by_balancer", "by_caddy"])
def test_https_is_http2_with_hsts(secured: Secured, way: str) -> None:
    """A browser gets HTTP/2, and is told to come by HTTPS for a year; who has HTTP/1.1 alone is served too."""
    address = f"https://{getattr(secured, way)}/api/v1/people/"
    answer = secured.curl(address, "--http2")
    assert (answer.version, answer.status) == ("HTTP/2", 401)
    assert answer.headers[HSTS] == "max-age=31536000"
    assert json.loads(answer.body)["type"] == "urn:onestep:problem:not_authenticated"
    assert secured.curl(address, "--http1.1").version == "HTTP/1.1"


def test_http_is_redirected_on_the_same_port(secured: Secured) -> None:
    """The balancer tells plain HTTP from TLS by its first bytes."""
    answer = secured.curl(f"http://{secured.by_balancer}/api/v1/people/?search=x")
    assert answer.status == 301
    assert answer.headers["location"] == f"https://{secured.by_balancer}/api/v1/people/?search=x"
    assert HSTS not in answer.headers


def test_http_is_redirected_by_caddy(secured: Secured) -> None:
    answer = secured.curl(f"http://{DOMAIN}:{secured.http_port}/api/v1/people/?search=x")
    assert answer.status == 308
    assert answer.headers["location"] == f"https://{secured.by_caddy}/api/v1/people/?search=x"


def test_caddy_has_a_certificate_for_each_name(secured: Secured) -> None:
    assert secured.curl(f"https://{SECOND}:{secured.tls_port}/health/live").status == 200
    answer = secured.curl(f"http://{SECOND}:{secured.http_port}/health/live")
    assert (answer.status, answer.headers["location"]) == (308, f"https://{SECOND}:{secured.tls_port}/health/live")


@pytest.mark.parametrize("way", ["by_balancer", "by_caddy"])
def test_old_tls_is_refused(secured: Secured, way: str) -> None:
    """Whatever the client would put up with."""
    url = f"https://{getattr(secured, way)}/health/live"
    assert secured.curl(url, "--tlsv1.2", "--tls-max", "1.2").status == 200
    assert secured.curl(url, "--tlsv1.3").status == 200
    old = ["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0", "--insecure"]
    name = ["--resolve", f"{getattr(secured, way)}:127.0.0.1"]
    refused = subprocess.run(["curl", "--silent", "--show-error", *old, *name, url], capture_output=True, check=False)
    assert (refused.returncode, b"alert protocol version" in refused.stderr) == (35, True), refused.stderr


def test_neither_is_no_request(secured: Secured) -> None:
    """What is neither TLS nor HTTP is closed without a word."""
    with socket.create_connection(("127.0.0.1", secured.stack.port), timeout=5) as connection:
        connection.sendall(b"\x00\x01\x02\x03 hello\r\n\r\n")
        assert connection.recv(100) == b""


def test_silent_connections_are_bounded(secured: Secured) -> None:
    """By client address, before a byte has told what they want: one more than twice CLIENT_CONNECTIONS is closed.

    Which one of them it is, is for the order in which they arrive to say.
    """
    with ExitStack() as kept:
        address = ("127.0.0.1", secured.stack.port)
        every = [kept.enter_context(socket.create_connection(address)) for _ in range(2 * CONNECTIONS)]
        assert select.select(every, [], [], 0.5)[0] == []
        every.append(kept.enter_context(socket.create_connection(address)))
        [closed] = select.select(every, [], [], 5)[0]
        assert closed.recv(1) == b""
    wait_until(lambda: secured.curl(f"https://{secured.by_balancer}/health/live").status == 200, at_most=5)


@pytest.fixture(scope="module")
def elsewhere(secured: Secured) -> Iterator[Container]:
    """A client with another address, on the network from which Caddy is reached."""
    container = docker.from_env().containers.run(
        image_id(),
        entrypoint=["sleep", "600"],
        network=f"{secured.stack.project}_public",
        labels={"com.docker.compose.project": secured.stack.project},
        init=True,
        detach=True,
    )
    yield container
    container.remove(force=True)


ASK = """
import http.client, ssl, socket, sys
context = ssl._create_unverified_context()
class Connection(http.client.HTTPSConnection):
    def connect(self):
        plain = socket.create_connection(("caddy", 443), timeout=5)
        self.sock = context.wrap_socket(plain, server_hostname=sys.argv[1])
connection = Connection(sys.argv[1])
connection.request("GET", sys.argv[2], headers={"X-Forwarded-For": "192.0.2.1"})
print(connection.getresponse().status)
"""


def test_addresses_of_clients_come_through_caddy(secured: Secured, elsewhere: Container) -> None:
    """Two clients in turns: the balancer and the app see each with its own address, and believe none that is forged."""
    elsewhere.reload()
    theirs = elsewhere.attrs["NetworkSettings"]["Networks"][f"{secured.stack.project}_public"]["IPAddress"]
    for number in range(3):
        forged = ("--header", "X-Forwarded-For: 192.0.2.1", "--header", "Forwarded: for=192.0.2.1")
        assert secured.curl(f"https://{secured.by_caddy}/api/v1/ours-{number}/", *forged).status == 404
        asked = elsewhere.exec_run(["python3", "-c", ASK, DOMAIN, f"/api/v1/theirs-{number}/"])
        assert asked.output.decode().strip() == "404", asked.output
    gateway = secured.stack.containers("balancer")[0].attrs["NetworkSettings"]["Networks"]
    ours = gateway[f"{secured.stack.project}_public"]["Gateway"]
    expected = {
        f"/api/v1/{who}-{number}/": ip for who, ip in (("ours", ours), ("theirs", theirs)) for number in range(3)
    }

    def seen(service: str, path: str) -> dict[str, str]:
        """Return the client's address by path, by the log of a service."""
        lines = secured.stack.containers(service)[0].logs(stderr=False).decode().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        found = {str(event.get(path, "")).removeprefix("GET "): event.get("ip", "") for event in events}
        return {name: ip for name, ip in found.items() if name in expected}

    wait_until(lambda: len(seen("web", "request")) == len(expected), at_most=5)
    assert seen("balancer", "path") == expected
    assert seen("web", "request") == expected


def test_only_caddy_speaks_for_clients(secured: Secured, elsewhere: Container) -> None:
    """The port on which addresses are believed is on the network of the two alone."""
    ask = "import socket, sys; socket.create_connection((sys.argv[1], 8001), timeout=3)"
    networks = secured.stack.containers("balancer")[0].attrs["NetworkSettings"]["Networks"]
    for client, network in ((elsewhere, "public"), (secured.stack.containers("web")[0], "application")):
        address = networks[f"{secured.stack.project}_{network}"]["IPAddress"]
        asked = client.exec_run(["python3", "-c", ask, address])
        assert b"ConnectionRefusedError" in asked.output
    members = docker.from_env().networks.get(f"{secured.stack.project}_edge").attrs["Containers"].values()
    assert {one["Name"] for one in members} == {f"{secured.stack.project}-{name}-1" for name in ("balancer", "caddy")}


def test_caddy_may_do_little(secured: Secured) -> None:
    """No root, no capability, a root file system that it cannot write to; and it is healthy."""
    caddy = secured.stack.containers("caddy")[0]
    limits = caddy.attrs["HostConfig"]
    assert caddy.attrs["State"]["Health"]["Status"] == "healthy"
    assert limits["ReadonlyRootfs"] is True
    assert limits["Memory"] > 0
    assert limits["PidsLimit"] > 0
    status = caddy.exec_run(["cat", "/proc/1/status"]).output.decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["10003"] * 4
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


def served_certificate(port: int) -> bytes:
    """Return the certificate that a client is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def test_certificates_outlive_caddy(secured: Secured) -> None:
    """They are in a volume: a container made anew has the same, and asks no authority for another."""
    before = served_certificate(secured.tls_port)
    secured.stack.compose("rm", "--stop", "--force", "--volumes", "caddy")  # of volumes those without a name
    secured.stack.compose("up", "--detach", "--wait", "--no-deps", "caddy")
    assert secured.curl(f"https://{secured.by_caddy}/health/live").status == 200
    assert served_certificate(secured.tls_port) == before


def test_renewed_certificate_is_taken_up(secured: Secured) -> None:
    """As docs/operations.md says: written over the old one, then the balancer is started again."""
    before = served_certificate(secured.stack.port)
    pem = secured.certificate.with_name("with-key.pem")
    make_certificate(secured.certificate, pem)
    secured.stack.make("prod-compose", "RUN=restart balancer")
    wait_until(lambda: secured.is_healthy("balancer"), at_most=20)
    assert secured.curl(f"https://{secured.by_balancer}/health/live").status == 200
    assert served_certificate(secured.stack.port) not in {b"", before}
