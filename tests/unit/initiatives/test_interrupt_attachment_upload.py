"""Uploads that end before they are complete, over a real socket to a real server."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from rest_framework_simplejwt.tokens import AccessToken

from onestep.initiatives.attachments import sweep_files
from onestep.initiatives.models import Attachment
from tests.factories import InitiativeFactory, UserFactory
from tests.unit.initiatives.attachment_files import END, MULTIPART, files_in, part

pytestmark = pytest.mark.django_db(transaction=True)


class Server:
    """gunicorn with one worker, on the tests' database and a media folder of its own."""

    def __init__(self, listener: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.listener = listener
        self.process = process
        user = UserFactory()
        user.user_permissions.add(Permission.objects.get(codename="add_attachment"))
        self.token = AccessToken.for_user(user)

    def begin(self, body: bytes, length: int) -> socket.socket:
        """Send a request that declares `length` bytes, and so much of it as `body` has."""
        client = socket.create_connection(self.listener.getsockname(), timeout=30)
        head = (
            "POST /api/v1/attachments/ HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: {MULTIPART}\r\nContent-Length: {length}\r\n\r\n"
        )
        client.sendall(head.encode() + body)
        return client


@pytest.fixture
def server(media_root: Path) -> Iterator[Server]:
    """The server; requests wait in the socket until it has started."""
    address = connection.settings_dict
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "POSTGRES_DB": str(address["NAME"]),
        "POSTGRES_USER": str(address["USER"]),
        "POSTGRES_PASSWORD": str(address["PASSWORD"]),
        "DB_HOST": str(address["HOST"]),
        "DB_PORT": str(address["PORT"]),
        "MEDIA_ROOT": str(media_root),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "gunicorn", "onestep.wsgi", "--worker-class=gthread", "--threads=2"]
        process = subprocess.Popen(
            [*command, f"--bind=fd://{listener.fileno()}"],
            env=environment,
            pass_fds=[listener.fileno()],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Server(listener, process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for what the server does; fail after half a minute."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "It did not happen in 30 s."
        time.sleep(0.01)


def answer(client: socket.socket) -> str:
    """Return all that the server sends until it closes the connection."""
    with client:
        received = b""
        while data := client.recv(65536):
            received += data
    return received.decode()


def receiving(media_root: Path) -> bool:
    """Whether a file is there of which a part has arrived."""
    return any(path.stat().st_size > 100_000 for path in (media_root / ".incoming").glob("*"))


@pytest.mark.parametrize("reset", [False, True])
def test_interrupt_upload_client_gone(server: Server, media_root: Path, *, reset: bool) -> None:
    """Nothing stays of the half, and the next upload is served."""
    initiative = part("initiative", str(InitiativeFactory().pk).encode())
    whole = initiative + part("file", b"x" * 1_000_000, "notes.txt") + END
    client = server.begin(whole[:500_000], len(whole))
    wait_until(lambda: receiving(media_root))
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_until(lambda: files_in(media_root) == [])
    assert not Attachment.objects.exists()

    client = server.begin(whole, len(whole))
    assert client.recv(100).startswith(b"HTTP/1.1 201 Created\r\n")
    client.close()
    assert files_in(media_root) == [Attachment.objects.get().file.name]


def test_interrupt_upload_server_killed(server: Server, media_root: Path) -> None:
    """What a killed process leaves is no attachment, and is swept."""
    whole = part("file", b"x" * 1_000_000, "notes.txt") + END
    with server.begin(whole[:500_000], len(whole)):
        wait_until(lambda: receiving(media_root))
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(30)
    [left] = files_in(media_root)
    assert left.startswith(".incoming/")
    assert sweep_files(older_than=timedelta()) == [left]
    assert files_in(media_root) == []
    assert not Attachment.objects.exists()


def test_interrupt_upload_too_large(server: Server, media_root: Path) -> None:
    """The answer comes and the connection ends, though of ten gigabytes but a little has been sent."""
    client = server.begin(part("file", b"x" * 50_000, "notes.txt"), 10**10)
    text = answer(client)
    assert text.startswith("HTTP/1.1 413 ")
    assert "The file is larger than 25 MB, the limit for one file." in text
    assert files_in(media_root) == []
