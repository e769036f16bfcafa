"""What becomes of the rows that were in flight when an engine crashed.

The rows go again, twice at most. The first crash may have had any reason, so they go again with few others: a row
that makes engines crash is then found among few. Who is in flight at a second crash goes again alone; who is in flight at
a third one, being alone, is the row that it is about, and fails. So such a row costs three restarts, whatever shares its
batch, and no other row fails for it. With groups of the square root of what the engine holds, no row waits long: a crash
of 512 rows makes 23 groups, and a second one 23 rows that go alone.

Everything here is decided from how many crashes a row was in (`Entry.crashes`). Left out: answers that were being
streamed, whose reader has seen the beginning already; they fail.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from typefold.runtime.engine import EngineGone
from typefold.runtime.errors import EngineFailed
from typefold.runtime.scheduling.pending import Broken, Entry, facts_of
from typefold.runtime.scheduling.watchdog import EngineHung

__all__ = ["LEFT_BEHIND", "at_once", "diagnosed", "sorted_out"]

_CRASHES = 3  # in as many a row may be in flight before it fails

LEFT_BEHIND = (
    "a call that hangs in this process, or in an LLM of yours, can't be ended, so its thread and memory are left behind; "
    "an engine that is loaded by name with VLLM_ENABLE_V1_MULTIPROCESSING=1 has a process of its own, which can be"
)
"""What to do about an engine that hangs and can't be killed."""


def at_once(crashes: int, most: int) -> int:
    """How many requests may be in the engine together, if one of them was in flight at so many crashes.

    Args:
        crashes: The most of any of them.
        most: How many may be there where none was.
    """
    if not crashes:
        return most
    return math.isqrt(most) if crashes < _CRASHES - 1 else 1


def sorted_out(flights: Iterable[Sequence[Entry]], reason: str) -> tuple[list[Entry], list[tuple[Entry, EngineFailed]]]:
    """Who goes again after a crash, and who fails, with the error.

    Args:
        flights: Who was in flight; those who waited for the same answer together.
        reason: Why the engine crashed.
    """
    again: list[Entry] = []
    failed: list[tuple[Entry, EngineFailed]] = []
    for waiters in flights:
        for entry in waiters:
            entry.flight = None
        crashes = 1 + max((entry.crashes for entry in waiters), default=0)
        for entry in waiters:
            entry.crashes = crashes
            if entry.heard:
                todo = "part of the answer was read already and can't be taken back: ask again"
            elif crashes >= _CRASHES:
                todo = (
                    f"it was in flight at {crashes} crashes, at last alone, so it seems to cause them: look at this row"
                )
            else:
                again.append(entry)
                continue
            failed.append((entry, EngineFailed(**facts_of(entry.request, entry.written), reason=reason, todo=todo)))
    return again, failed


def diagnosed(error: BaseException, restarts: int) -> Broken:
    """What happened to an engine, and what to do about it where it is not built again.

    Args:
        error: What its call raised.
        restarts: How often it may be built again.
    """
    told = isinstance(error, EngineGone | EngineHung)  # in words for users
    reason = str(error) if told else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or "out of memory" in reason.lower():
        todo = "lower max_num_seqs, max_model_len or gpu_memory_utilization"
    elif restarts:
        todo = f"restarts={restarts} are used up; the engine's log says why it keeps failing"
    else:
        todo = "Runtime(..., restarts=2) builds the engine again and asks these rows again"
    return Broken(reason, todo)
