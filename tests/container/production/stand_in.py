"""A replica that does what its address says: run with `python3 -c` in a container, for what a real one cannot show.

    /slow/SECONDS     answers after so long
    /break-off        reads the request, and closes the connection without an answer
    /close            stops to listen, and answers then
    else              answers with the request as it came: its verb, its headers in order, and its body's length

`/health/ready` is 503 while the file /tmp/not-ready is there, and a line in /tmp/checks. Each other request is a line
in /tmp/requests, verb and address, before anything else happens. Nothing listens while the file /tmp/closed is there.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NOT_READY, CLOSED, CHECKS, REQUESTS = map(Path, ("/tmp/not-ready", "/tmp/closed", "/tmp/checks", "/tmp/requests"))
listens_not = threading.Event()


class Replica(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def answer(self) -> None:
        """Answer one request."""
        if self.path == "/health/ready":
            status = 503 if NOT_READY.exists() else 200
            with CHECKS.open("a") as came:
                came.write(f"{status}\n")
            self.say(status, {})
            return
        with REQUESTS.open("a") as came:
            came.write(f"{self.command} {self.path}\n")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.removeprefix("/slow/").partition("?")[0]))
        if self.path == "/close":
            CLOSED.touch()
            listens_not.wait()
        if self.path.startswith("/break-off"):
            self.close_connection = True
            return
        self.say(200, {"verb": self.command, "headers": self.headers.items(), "body": len(body)})

    do_GET = do_POST = do_PUT = answer  # noqa: N815  (the library's names)

    def say(self, status: int, body: object) -> None:
        """Send an answer."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    """Listens with room for many."""

    request_queue_size = 200


def main() -> None:
    """Listen, and not while told to be closed."""
    while True:
        with Server(("", 8000), Replica) as server:
            listens_not.clear()
            threading.Thread(target=server.serve_forever, args=[0.01]).start()
            while not CLOSED.exists():
                time.sleep(0.005)
            server.shutdown()
        listens_not.set()
        while CLOSED.exists():
            time.sleep(0.005)


main()
