"""gunicorn, as OneStep runs it: threaded workers forked from a process that has loaded the application once."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.urls import get_resolver
from gunicorn import glogging  # type: ignore[import-untyped]
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from onestep.operations import supervisor
from onestep.operations.health import draining, latest_migrations

# From Linux's sys/prctl.h: the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1

# What gunicorn gets beyond its own time to end before the supervisor ends it.
MARGIN_SECONDS = 5


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's log, as JSON lines with all others. It writes none for a request: the application does."""

    def setup(self, cfg: Any) -> None:
        """Leave the writing to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]
    """The application under gunicorn. Nothing but Django's settings configures it."""

    def load_config(self) -> None:
        """Take the settings over."""
        options = {
            "bind": settings.BIND,
            "workers": settings.WEB_WORKERS,
            "threads": settings.WEB_THREADS,
            "worker_class": "gthread",
            "preload_app": True,  # loaded once, and shared by all workers
            "limit_request_line": settings.MAX_REQUEST_LINE,
            "keepalive": settings.KEEPALIVE_SECONDS,
            "graceful_timeout": settings.GRACEFUL_TIMEOUT,
            "max_requests": 0,  # a worker that ends on its own drops what waits in its socket
            # Each worker shows by a file that it is alive; on a disk that could block it.
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
            "control_socket_disable": True,
            "forwarded_allow_ips": "",  # which proxies are believed is for NUM_PROXIES to say
            "logger_class": Logger,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Load the application, and what it would else load when the first request comes."""
        from onestep.wsgi import application  # noqa: PLC0415

        _ = get_resolver().url_patterns
        latest_migrations()
        gc.collect()
        gc.freeze()  # the collector does not touch what is shared from here on, so it stays shared
        return application


def serve() -> NoReturn:
    """Start gunicorn in a process of its own, and become its supervisor. Call it with no connection or thread open."""
    signal.pthread_sigmask(signal.SIG_BLOCK, supervisor.WATCHED)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    server = os.fork()
    if server == 0:
        os.close(writing)
        os.setpgid(0, 0)  # of its own: Ctrl-C reaches the supervisor alone, and SIGKILL all workers
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # nothing serves on without a supervisor
        for name in supervisor.WATCHED:
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, supervisor.WATCHED)
        draining.watch(reading)
        Server().run()
        sys.exit(0)
    os.close(reading)
    os.set_inheritable(writing, True)  # noqa: FBT003
    orders = {
        "server": server,
        "drain_pipe": writing,
        "drain_seconds": settings.DRAIN_SECONDS,
        "stop_seconds": settings.GRACEFUL_TIMEOUT + MARGIN_SECONDS,
    }
    # An interpreter anew, which lets go of all the memory that the checks before took.
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(Path(supervisor.__file__)), json.dumps(orders)])  # noqa: S606
