"""The watchdog: it is late by its own clock, so nothing here depends on how fast a machine is."""

import threading
from collections.abc import Callable

import pytest

from typefold.runtime import Request, Scheduler
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling.watchdog import Abandoned, EngineHung, Watchdog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(
    clock: Clock, kill: Callable[[], bool], *, limit: float | None = 0.1
) -> tuple[Watchdog, list[EngineHung], threading.Event]:
    given_up: list[EngineHung] = []
    told = threading.Event()

    def give_up(error: EngineHung) -> None:
        given_up.append(error)
        told.set()

    return Watchdog(limit, kill, give_up, now=clock, grace=0.05), given_up, told


def test_a_call_that_is_late_is_broken_off_and_its_thread_comes_back_with_the_reason() -> None:
    clock, killed = Clock(), threading.Event()

    def kill() -> bool:
        killed.set()
        return True

    dog, given_up, _ = watched(clock, kill)
    dog.beat()
    clock.now = 1.0
    assert killed.wait(30)
    reason = dog.returned()
    assert isinstance(reason, EngineHung)
    assert str(reason) == "no step of it ended within watchdog=0.1 s"
    assert not given_up
    dog.close()


def test_a_call_that_comes_back_by_itself_after_the_kill_is_told_at_its_next_beat() -> None:
    clock, killed = Clock(), threading.Event()

    def kill() -> bool:
        killed.set()
        return True

    dog = Watchdog(0.1, kill, lambda error: None, now=clock, grace=30)
    dog.beat()
    clock.now = 1.0
    assert killed.wait(30)
    with pytest.raises(EngineHung):
        dog.beat()
    assert dog.returned() is not None
    dog.close()


@pytest.mark.parametrize("killable", [True, False])
def test_a_thread_that_does_not_come_back_is_left_behind(killable: bool) -> None:
    clock = Clock()
    dog, given_up, told = watched(clock, lambda: killable)
    dog.beat()
    clock.now = 1.0
    assert told.wait(30)
    assert len(given_up) == 1
    assert dog.abandoned
    for come_back in (dog.beat, dog.idle, dog.returned):
        with pytest.raises(Abandoned):
            come_back()
    dog.close()


def test_a_kill_that_fails_leaves_the_thread_behind() -> None:
    def kill() -> bool:
        raise OSError("no such process")

    clock = Clock()
    dog, given_up, told = watched(clock, kill)
    dog.beat()
    clock.now = 1.0
    assert told.wait(30)
    assert given_up
    dog.close()


def test_nothing_is_late_that_rests_or_beats() -> None:
    clock, looked = Clock(), threading.Event()

    def now() -> float:
        looked.set()
        return clock.now

    dog = Watchdog(0.1, lambda: pytest.fail("killed"), lambda error: None, now=now)
    dog.beat()
    dog.idle()
    clock.now = 100.0
    dog.beat()
    looked.clear()
    assert looked.wait(30)  # the watchdog has looked, and found it in time
    dog.idle()
    assert dog.returned() is None
    dog.close()


def test_without_a_limit_there_is_no_thread() -> None:
    before = threading.active_count()
    dog, _, _ = watched(Clock(), lambda: False, limit=None)
    dog.beat()
    assert threading.active_count() == before
    dog.close()


def no_thread(self: threading.Thread) -> None:
    """As `Thread.start` at the end of the interpreter, from Python 3.12 on."""
    raise RuntimeError("can't create new thread at interpreter shutdown")


def test_at_the_end_of_the_interpreter_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    dog, given_up, _ = watched(clock, lambda: False)
    dog.beat()
    clock.now = 1.0
    dog.beat()  # late, which nobody has seen
    dog.close()
    assert dog.returned() is None
    assert not given_up


def test_an_engine_is_closed_at_the_end_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runtimes that are left open are closed there, by a thread that runs already."""
    engine = ScriptedEngine(answers=lambda request: "yes")
    scheduler = Scheduler(engine, watchdog=60)
    [future] = scheduler.submit([Request(prompt="Well?")])
    assert future.result(60).text == "yes"
    closed = threading.Event()
    monkeypatch.setattr(engine, "close", closed.set)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    scheduler.close()
    assert closed.is_set()
