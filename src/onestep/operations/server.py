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
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from onestep.operations import exporter, metrics, supervisor
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


class MeasuredArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter that gives each worker a place for its figures, and keeps an exporter beside the workers."""

    def __init__(self, app: Any) -> None:
        self.folder = metrics.prepare_folder()
        self.exporter = exporter.Exporter()
        super().__init__(app)

    def give_place(self, worker: Any) -> None:
        """Give the worker that is about to start the lowest place that is free."""
        worker.place = metrics.free_place(other.place for other in self.WORKERS.values())

    def manage_workers(self) -> None:
        """Keep the workers, and the exporter: called once a second, and whenever a process has ended."""
        super().manage_workers()
        self.exporter.keep(self.let_go)

    def let_go(self) -> None:
        """Close and forget what is the arbiter's, in a process that goes on as something else."""
        for number in (*self.SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for listener in self.LISTENERS:
            listener.close()
        for worker in self.WORKERS.values():
            worker.tmp.close()
        end_with_parent(signal.SIGKILL)

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002  (gunicorn's signature)
        """Stop the workers, then the exporter, which so sees the last request."""
        super().stop(graceful)
        self.exporter.stop()
        metrics.remove_folder(self.folder)


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
        if settings.METRICS_BIND:
            options |= {
                "pre_fork": lambda arbiter, worker: arbiter.give_place(worker),
                "post_fork": lambda arbiter, worker: metrics.take_place(worker.place),
                "child_exit": lambda arbiter, worker: metrics.leave_place(worker.place, arbiter.folder),
            }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until told to stop."""
        (MeasuredArbiter if settings.METRICS_BIND else Arbiter)(self).run()

    def load(self) -> Any:
        """Load the application, and what it would else load when the first request comes."""
        from onestep.wsgi import application  # noqa: PLC0415

        _ = get_resolver().url_patterns
        latest_migrations()
        gc.collect()
        gc.freeze()  # the collector does not touch what is shared from here on, so it stays shared
        return application


def end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process the signal when its parent ends, where it is Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


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
        end_with_parent(signal.SIGTERM)  # nothing serves on without a supervisor
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
