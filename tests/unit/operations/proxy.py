"""A TCP proxy before the tests' server that can fall silent, as a paused server or a network that swallows packets."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import closing

from django.db import connection


class SilentProxy:
    """Passes connections on to the tests' PostgreSQL. While `silent` is set it accepts them, and passes nothing on."""

    def __init__(self) -> None:
        self.silent = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self._stop, self._stopped = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> SilentProxy:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.close()
        self._thread.join()

    def _connect(self) -> socket.socket:
        host, port = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        target = socket.socket(socket.AF_UNIX)
        target.connect(f"{host}/.s.PGSQL.{port}")
        return target

    def _run(self) -> None:
        pairs: dict[socket.socket, socket.socket] = {}
        with closing(self._server), closing(self._stopped), self._selector as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(0.05):
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    if source is self._stopped:
                        for end in pairs:
                            end.close()
                        return
                    if source is self._server:
                        client, target = self._server.accept()[0], self._connect()
                        pairs |= {client: target, target: client}
                        selector.register(client, selectors.EVENT_READ)
                        selector.register(target, selectors.EVENT_READ)
                    elif not self.silent.is_set():
                        self._pass_on(source, pairs, selector)
                if self.silent.is_set():
                    time.sleep(0.02)  # what waits to be read wakes the loop at once

    def _pass_on(
        self, source: socket.socket, pairs: dict[socket.socket, socket.socket], selector: selectors.BaseSelector
    ) -> None:
        if source not in pairs:
            return  # its other end has just closed both
        data = source.recv(65536)
        if data:
            pairs[source].sendall(data)
            return
        for end in (source, pairs[source]):
            pairs.pop(end, None)
            selector.unregister(end)
            end.close()
