"""Stopping: SIGTERM (a time limit, scancel) and Ctrl-C end a job in order, never in the middle of a write.

with stopped_in_order() as uninterrupted:
    try:
        work()
    finally:
        with uninterrupted():
            save()
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_in_order() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Turn the first SIGTERM into SystemExit(143) and the first SIGINT into KeyboardInterrupt.

    What it yields makes a block that a signal cannot interrupt: it is raised after the block. Later
    signals are ignored until the end. Outside of the main thread nothing is changed.
    """
    received: list[int] = []
    deferring = False

    def stop(number: int) -> None:
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1 and not deferring:
            stop(number)

    @contextmanager
    def uninterrupted() -> Iterator[None]:
        nonlocal deferring
        before, deferring = len(received), True
        try:
            yield
        finally:
            deferring = False
        if before == 0 and received:
            stop(received[0])

    if threading.current_thread() is not threading.main_thread():
        yield uninterrupted
        return
    handlers = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield uninterrupted
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
