"""How a run ends before its time, and what becomes of its words where nobody is there to read them."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STDOUT, STDERR = 1, 2
INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_in_order() -> None:
    """Let SIGTERM, and SIGHUP of a terminal that is gone, interrupt this process as Ctrl-C does.

    Under `nohup` SIGHUP stays ignored.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hang_up)


@contextmanager
def interruption_put_off() -> Iterator[Callable[[], None]]:
    """Put an interruption off, until the block calls what it is given: then it comes, if there was one."""
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in INTERRUPTING}
    caught = {number: handler for number, handler in before.items() if callable(handler)}

    def let_through() -> None:
        while caught:
            signal.signal(*caught.popitem())
        if came:
            first = came[0]
            came.clear()
            signal.raise_signal(first)

    for number in list(caught):
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield let_through
    finally:
        let_through()


def drop_lost_outputs() -> None:
    """Send to nowhere what goes to a terminal or a pipe that is gone, for this process and for what it starts.

    Writing there fails, or ends who writes.
    """
    lost = [number for number in (STDOUT, STDERR) if _is_lost(number)]
    if lost:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in lost:
            os.dup2(nowhere, number)
        os.close(nowhere)


def _is_lost(number: int) -> bool:
    poll = select.poll()
    poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _hang_up(number: int, frame: FrameType | None) -> None:
    # It comes from the shell, and from the kernel again when that has ended: one is enough.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt
