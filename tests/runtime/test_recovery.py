"""Requests that are retried after a crash, the number that run together, and the errors of the others."""

import pytest

from typefold.runtime import EngineGone, Request
from typefold.runtime.scheduling.pending import PendingRequest
from typefold.runtime.scheduling.recovery import admission_limit, classify_after_crash, diagnose
from typefold.runtime.scheduling.watchdog import EngineHung


def entry(crashes: int = 0, *, heard: bool = False) -> PendingRequest:
    made = PendingRequest(Request(prompt="x"), lambda entry: None)
    made.crashes, made.is_read = crashes, heard
    return made


@pytest.mark.parametrize(("most", "few"), [(512, 22), (2048, 45), (2, 1), (32, 5)])
def test_the_more_crashes_a_row_was_in_the_fewer_go_with_it(most: int, few: int) -> None:
    assert [admission_limit(crashes, most) for crashes in range(4)] == [most, few, 1, 1]


def test_a_row_goes_three_times_at_most() -> None:
    row, goes = entry(), 0
    while True:
        goes += 1
        again, failed = classify_after_crash([[row]], "it broke")
        if failed:
            break
        assert again == [row]
    assert goes == 3
    [(who, error)] = failed
    assert who is row
    assert str(error).startswith("generate: the engine failed: it broke; it was in flight at 3 crashes, at last alone")


def test_those_who_wait_for_one_answer_count_alike() -> None:
    old, new = entry(2), entry()
    again, failed = classify_after_crash([[old, new], [entry(), entry()]], "it broke")
    assert [who for who, _ in failed] == [old, new]
    assert [who.crashes for who in again] == [1, 1]


def test_who_has_read_something_does_not_go_again() -> None:
    read, unread = entry(heard=True), entry()
    again, [(who, _)] = classify_after_crash([[read, unread]], "it broke")
    assert (again, who) == ([unread], read)


@pytest.mark.parametrize(
    ("error", "restarts", "reason", "todo"),
    [
        (RuntimeError("CUDA error"), 0, "RuntimeError: CUDA error", "Runtime(..., restarts=2) builds"),
        (RuntimeError("CUDA error"), 2, "RuntimeError: CUDA error", "restarts=2 are used up"),
        (RuntimeError("CUDA out of memory. Tried"), 2, "RuntimeError: CUDA out of memory. Tried", "lower max_num_seqs"),
        (MemoryError(), 0, "MemoryError: ", "lower max_num_seqs"),
        (EngineGone("its process was killed"), 0, "its process was killed", "Runtime(..., restarts=2) builds"),
        (EngineHung("it was late"), 1, "it was late", "restarts=1 are used up"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_happened_and_what_to_do(error: Exception, restarts: int, reason: str, todo: str) -> None:
    broken = diagnose(error, restarts)
    assert broken.reason == reason
    assert broken.todo.startswith(todo)
