"""Recovery: the retry of rows that were in flight when an engine crashed.

Such rows go again, twice at most: after a first crash in small groups, after a second alone. A row in flight at a third crash, being
alone, is its cause, and fails. So such a row costs three restarts, and no other row fails for it. With groups of the square root of
the engine's capacity no row waits long: a crash of 512 rows makes 23 groups, and a second one 23 rows that go alone. Left out:
streamed answers whose beginning was read already; they fail.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from typefold.runtime.engine import EngineGone
from typefold.runtime.errors import EngineFailed
from typefold.runtime.scheduling.pending import Broken, PendingRequest, error_fields
from typefold.runtime.scheduling.watchdog import EngineHung

_CRASHES = 3  # a row in flight at so many fails

ABANDONED = (
    "a call that hangs in this process, or in an LLM of yours, can't be ended, so its thread and memory are left behind; "
    "an engine that is loaded by name with VLLM_ENABLE_V1_MULTIPROCESSING=1 has a process of its own, which can be"
)
"""Advice about an engine that hangs and can't be killed."""


def admission_limit(crashes: int, most: int) -> int:
    """Return the number of requests that may be in the engine together."""
    if not crashes:
        return most
    return math.isqrt(most) if crashes < _CRASHES - 1 else 1


def classify_after_crash(
    generations: Iterable[Sequence[PendingRequest]], reason: str
) -> tuple[list[PendingRequest], list[tuple[PendingRequest, EngineFailed]]]:
    """Split in-flight requests after a crash into those to retry and those to fail, with their errors."""
    retried: list[PendingRequest] = []
    failed: list[tuple[PendingRequest, EngineFailed]] = []
    for waiters in generations:
        crashes = 1 + max((pending.crashes for pending in waiters), default=0)
        for pending in waiters:
            pending.generation, pending.crashes = None, crashes
            if pending.is_read:
                todo = "part of the answer was read already and can't be taken back: ask again"
            elif crashes >= _CRASHES:
                todo = (
                    f"it was in flight at {crashes} crashes, at last alone, so it seems to cause them: look at this row"
                )
            else:
                retried.append(pending)
                continue
            fields = error_fields(pending.request, pending.partial_text)
            failed.append((pending, EngineFailed(**fields, reason=reason, todo=todo)))
    return retried, failed


def diagnose(error: BaseException, restarts: int) -> Broken:
    """Return the reason of an engine's end, and advice for the case that it is not built again."""
    for_users = isinstance(error, EngineGone | EngineHung)
    reason = str(error) if for_users else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or "out of memory" in reason.lower():
        todo = "lower max_num_seqs, max_model_len or gpu_memory_utilization"
    elif restarts:
        todo = f"restarts={restarts} are used up; the engine's log says why it keeps failing"
    else:
        todo = "Runtime(..., restarts=2) builds the engine again and asks these rows again"
    return Broken(reason, todo)
