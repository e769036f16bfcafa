"""Whether the main thread was told to stop, by Ctrl-C or SIGTERM, while a batch ran in it.

A signal's exception comes up in whatever code runs, a row's too, which may swallow it. So it is noted here, and raised
again by the batch: wherever it takes its rows up again, or waits. `interrupts` notes it and takes it back.
"""

from __future__ import annotations

import threading

__all__ = ["check_stopped", "is_stopped", "stop"]


class Stop:
    """The state of the main thread: whether it was told to stop.

    Attributes:
        asked: The exception that ends its batch, once it was told to stop.
        noticed: Whether the batch knows.
    """

    def __init__(self) -> None:
        self.asked: type[BaseException] | None = None
        self.noticed = False


stop = Stop()


def is_stopped() -> bool:
    """Whether this is the main thread, and it was told to stop."""
    return stop.asked is not None and threading.current_thread() is threading.main_thread()


def check_stopped() -> None:
    """End the batch that runs here if it was told to stop.

    Raises:
        BaseException: It was: `KeyboardInterrupt` or `Terminated`.
    """
    if stop.asked is not None and is_stopped():
        stop.noticed = True
        raise stop.asked
