"""Engines that crash: who goes again, who fails, and that nobody is left waiting."""

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, wait
from types import SimpleNamespace
from typing import Any

import pytest

from typefold.runtime import Cancelled, Completion, Engine, EngineFailed, Request, Scheduler
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling import scheduler, watchdog

Step = Callable[["Crashing"], None]


def request(text: str, **facts: Any) -> Request:
    return Request(prompt=text, **facts)


class Crashing(ScriptedEngine):
    """An engine that does something before each step, such as raising.

    Args:
        before: What; the engine knows the prompts in its hands.
    """

    def __init__(self, before: Step = lambda engine: None, **options: Any) -> None:
        super().__init__(lambda asked: "yes", **options)
        self._before = before
        self.hands: dict[str, str] = {}
        self.most = 0
        self.thread = threading.current_thread()

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        self.hands[key] = str(request.prompt)
        self.most = max(self.most, len(self.hands))

    def step(self) -> Sequence[Completion]:
        self.thread = threading.current_thread()
        self._before(self)
        done = super().step()
        for completion in done:
            del self.hands[completion.key]
        return done

    def abort(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        super().abort(keys)
        for key in keys:
            self.hands.pop(key, None)


def crash_on(*prompts: str) -> Step:
    def before(engine: Crashing) -> None:
        if bad := set(prompts).intersection(engine.hands.values()):
            raise RuntimeError(f"{min(bad)} is poison")

    return before


class Makers:
    """Builds engines and remembers them.

    Args:
        before: What each of them does before a step.
    """

    def __init__(self, *before: Step, **options: Any) -> None:
        self._before = before
        self._options = options
        self.made: list[Crashing] = []

    def __call__(self) -> Crashing:
        before = self._before[min(len(self.made), len(self._before) - 1)]
        self.made.append(Crashing(before, **self._options))
        return self.made[-1]

    def scheduler(self, restarts: int, **options: Any) -> Scheduler:
        return Scheduler(self(), rebuild=self, restarts=restarts, deduplicate=False, **options)


def once(error: BaseException) -> Sequence[Step]:
    """The first engine raises, the others don't."""

    def before(engine: Crashing) -> None:
        raise error

    return before, lambda engine: None


def test_rows_in_flight_go_again_and_rows_that_wait_just_wait() -> None:
    makers = Makers(*once(RuntimeError("CUDA error")), max_num_seqs=4)
    asked = makers.scheduler(restarts=1)
    futures = asked.submit([request(str(n)) for n in range(40)])
    assert [future.result(30).text for future in futures] == ["yes"] * 40
    statistics = asked.statistics
    asked.close()
    assert (statistics.submitted, statistics.succeeded, statistics.restarts) == (40, 40, 1)
    first, second = makers.made
    assert first.closed
    assert len(second.requests) == 40  # those in flight once more, and the others for the first time


def test_a_row_that_makes_engines_crash_fails_alone_among_512() -> None:
    makers = Makers(crash_on("poison"), max_num_seqs=256)
    asked = makers.scheduler(restarts=3)
    prompts = [str(n) for n in range(700)]
    prompts[300] = "poison"
    futures = asked.submit([request(prompt) for prompt in prompts])
    ends = [future.exception(30) for future in futures]
    statistics = asked.statistics
    asked.close()
    assert [n for n, end in enumerate(ends) if end is not None] == [300]
    assert isinstance(ends[300], EngineFailed)
    assert "poison is poison; it was in flight at 3 crashes, at last alone" in str(ends[300])
    assert statistics.restarts == 3
    assert [engine.most for engine in makers.made[:3]] == [512, 22, 1]  # all, few, alone
    asked_again = sum(len(engine.requests) for engine in makers.made) - 700
    assert asked_again <= 512 + 22 + 1


def test_each_such_row_costs_three_restarts() -> None:
    makers = Makers(crash_on("a", "b", "c"), max_num_seqs=16)
    asked = makers.scheduler(restarts=9)
    prompts = [*map(str, range(20)), "a", *map(str, range(30)), "b", *map(str, range(40)), "c"]
    futures = asked.submit([request(prompt) for prompt in prompts])
    failed = {prompt for prompt, future in zip(prompts, futures, strict=True) if future.exception(30) is not None}
    assert failed == {"a", "b", "c"}
    assert asked.statistics.restarts <= 9
    asked.close()


def test_once_the_restarts_are_used_up_all_that_is_left_fails_and_says_so() -> None:
    makers = Makers(crash_on("poison"), max_num_seqs=1)
    asked = makers.scheduler(restarts=1)
    futures = asked.submit([request(prompt) for prompt in ("early", "poison", "late")])
    assert futures[0].result(30).text == "yes"
    for future in futures[1:]:
        with pytest.raises(EngineFailed, match="restarts=1 are used up; the engine's log says why"):
            future.result(30)
    [later] = asked.submit([request("later")])
    assert isinstance(later.exception(30), EngineFailed)
    statistics = asked.statistics
    asked.close()
    assert statistics.submitted == 4 == statistics.succeeded + statistics.failed
    assert statistics.running == statistics.waiting == 0
    assert makers.made[-1].closed


def test_an_engine_that_can_not_be_built_is_tried_again_while_there_are_restarts() -> None:
    makers, tries = Makers(*once(RuntimeError("CUDA error"))), 0

    def build() -> Engine:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("the GPU is still in use")
        if tries == 2:
            raise SystemExit(1)
        return makers()

    asked = Scheduler(makers(), rebuild=build, restarts=3)
    [future] = asked.submit([request("a")])
    assert future.result(30).text == "yes"
    assert asked.statistics.restarts == 3
    asked.close()

    def never() -> Engine:
        raise OSError("the GPU is gone")

    hopeless = Scheduler(Makers(*once(RuntimeError("CUDA error")))(), rebuild=never, restarts=2)
    [future] = hopeless.submit([request("a")])
    with pytest.raises(EngineFailed, match="OSError: the GPU is gone; restarts=2 are used up"):
        future.result(30)
    assert hopeless.broken == "OSError: the GPU is gone"
    hopeless.close()


@pytest.mark.parametrize("error", [MemoryError(), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_whatever_a_step_raises_no_row_is_left_waiting(error: BaseException) -> None:
    asked = Scheduler(Makers(*once(error))())
    [future] = asked.submit([request("a")])
    with pytest.raises(EngineFailed, match=type(error).__name__):
        future.result(30)
    asked.close()


@pytest.mark.parametrize("verb", ["add", "deltas", "abort"])
@pytest.mark.parametrize("restarts", [0, 1])
def test_what_fails_outside_of_a_step_is_a_crash_too(verb: str, restarts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise OSError("the socket is closed")

    inside, holding = threading.Event(), threading.Event()

    def hold(engine: Crashing) -> None:
        inside.set()
        holding.wait(30)

    makers = Makers(hold)
    engine = makers()
    monkeypatch.setattr(engine, verb, fail)
    asked = Scheduler(engine, rebuild=makers, restarts=restarts)
    futures = asked.submit([request(str(n)) for n in range(3)])
    if verb == "abort":
        assert inside.wait(30)
        futures[0].cancel()
    holding.set()
    wait(futures[1:], 30)
    for future in futures[1:]:
        if restarts:
            assert future.result().text == "yes"
        else:
            assert "OSError: the socket is closed" in str(future.exception())
    if verb == "abort":
        with pytest.raises(CancelledError):
            futures[0].result()
    statistics = asked.statistics
    asked.close()
    assert statistics.submitted == statistics.succeeded + statistics.failed + statistics.cancelled == 3


def test_a_streamed_answer_goes_again_unless_some_of_it_was_read() -> None:
    read: list[str] = []

    def crash_at(step: int) -> Makers:
        def before(engine: Crashing) -> None:
            if engine.steps == step - 1:
                raise RuntimeError("CUDA error")

        return Makers(before, lambda engine: None)

    unread = crash_at(1).scheduler(restarts=1)
    [future] = unread.submit([request("a", on_delta=read.append)])
    assert future.result(30).text == "yes" == "".join(read)
    unread.close()
    begun = crash_at(2).scheduler(restarts=1)
    [future] = begun.submit([request("a", on_delta=read.append)])
    with pytest.raises(EngineFailed, match="part of the answer was read already and can't be taken back: ask again"):
        future.result(30)
    assert begun.submit([request("b")])[0].result(30).text == "yes"
    begun.close()


def test_equal_requests_that_shared_an_answer_go_again_together() -> None:
    gate = threading.Event()

    def crash(engine: Crashing) -> None:
        gate.wait(30)
        raise RuntimeError("CUDA error")

    makers = Makers(crash, lambda engine: None)
    asked = Scheduler(makers(), rebuild=makers, restarts=1)
    futures = asked.submit([request("same", sampling={"temperature": 0}, row=row) for row in range(3)])
    futures[1].cancel()
    gate.set()
    assert futures[0].result(30).text == futures[2].result(30).text == "yes"
    statistics = asked.statistics
    asked.close()
    assert len(makers.made[-1].requests) == 1
    assert (statistics.succeeded, statistics.cancelled) == (2, 1)


def test_the_frames_of_a_crash_are_gone_before_the_next_engine_is_built() -> None:
    """They hold the model's memory, which the next engine needs."""

    class Weights:
        pass

    held: list[weakref.ref[Weights]] = []
    seen: list[bool] = []

    def before(engine: Crashing) -> None:
        weights = Weights()
        held.append(weakref.ref(weights))
        raise RuntimeError("CUDA error")

    makers = Makers(before, lambda engine: None)

    def build() -> Engine:
        gc.collect()
        seen.append(held[0]() is None)
        return makers()

    gc.collect()  # what other tests left may take its time to end, and is none of this one's
    log = logging.getLogger("typefold.runtime.scheduling.scheduler")
    log.disabled = True  # pytest keeps what is logged, with the exception
    try:
        asked = Scheduler(makers(), rebuild=build, restarts=1)
        asked.submit([request("a")])[0].result(300)
        asked.close()
    finally:
        log.disabled = False
    assert seen == [True]


@pytest.mark.parametrize("killable", [True, False])
def test_closing_breaks_off_a_call_that_hangs(killable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_PATIENCE", 0.05)
    inside, release = threading.Event(), threading.Event()

    def hang(engine: Crashing) -> None:
        inside.set()
        release.wait(30)
        if killable:
            raise RuntimeError("killed")

    class Killable(Crashing):
        def kill(self) -> bool:
            if killable:
                release.set()
            return killable

    engine = Killable(hang)
    asked = Scheduler(engine)
    [future] = asked.submit([request("a")])
    assert inside.wait(30)
    asked.close()
    assert isinstance(future.exception(30), Cancelled)
    asked.close()
    release.set()
    engine.thread.join(30)


class HangsInClose(Crashing):
    """An engine whose step raises and whose `close` then does not come back until it is told to, or is killed.

    Args:
        killable: Whether `kill` ends it.
    """

    def __init__(self, *, killable: bool = False) -> None:
        super().__init__(once(RuntimeError("CUDA error"))[0])
        self._killable = killable
        self.inside, self.release = threading.Event(), threading.Event()

    def kill(self) -> bool:
        if self._killable:
            self.release.set()
        return self._killable

    def close(self) -> None:
        self.inside.set()
        self.release.wait(60)
        super().close()


def test_rows_fail_though_the_engine_that_crashed_hangs_in_being_closed() -> None:
    engine = HangsInClose()
    asked = Scheduler(engine)
    [future] = asked.submit([request("a")])
    try:
        with pytest.raises(EngineFailed, match="CUDA error"):
            future.result(30)
        assert not engine.closed
    finally:
        engine.release.set()
    asked.close()
    assert engine.closed


def test_rows_end_when_closing_while_the_engine_that_crashed_hangs_in_being_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "_PATIENCE", 0.05)
    engine = HangsInClose()
    asked = Scheduler(engine, rebuild=lambda: pytest.fail("built again"), restarts=1)
    in_flight = asked.submit([request(str(n)) for n in range(3)])
    assert engine.inside.wait(30)
    assert asked.statistics.waiting == 3
    in_flight += asked.submit([request("later")])
    try:
        asked.close()
        assert [type(future.exception(0)) for future in in_flight] == [Cancelled] * 4
    finally:
        engine.release.set()
    engine.thread.join(30)
    assert engine.closed
    statistics = asked.statistics
    assert (statistics.failed, statistics.waiting, statistics.running) == (4, 0, 0)


@pytest.mark.parametrize("killable", [True, False])
def test_closing_an_engine_that_crashed_is_watched(killable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, later = HangsInClose(killable=killable), Crashing()
    clock = SimpleNamespace(monotonic=lambda: 1000.0 if engine.inside.is_set() else 0.0)
    monkeypatch.setattr(watchdog, "time", clock)
    asked = Scheduler(engine, rebuild=lambda: later, restarts=1, watchdog=100)
    [future] = asked.submit([request("a")])
    try:
        if killable:
            assert future.result(30).text == "yes"
        else:
            with pytest.raises(EngineFailed, match="no step of it ended within watchdog=100 s"):
                future.result(30)
            assert asked.broken is not None
    finally:
        engine.release.set()
    asked.close()
    engine.thread.join(30)
    assert later.closed is killable


def test_rows_end_when_closing_while_the_engine_is_built_again_and_the_engine_does_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "_PATIENCE", 0.05)
    building, release, later = threading.Event(), threading.Event(), Crashing()

    def build() -> Engine:
        building.set()
        release.wait(60)
        return later

    engine = Crashing(once(RuntimeError("CUDA error"))[0])
    asked = Scheduler(engine, rebuild=build, restarts=1)
    futures = asked.submit([request(str(n)) for n in range(3)])
    assert building.wait(30)
    try:
        asked.close()
        assert [type(future.exception(0)) for future in futures] == [Cancelled] * 3
    finally:
        release.set()
    engine.thread.join(30)
    assert later.closed
    assert not later.requests


def test_a_callback_that_exits_costs_no_other_row() -> None:
    def leave(_: object) -> None:
        raise SystemExit(1)

    inside, gate = threading.Event(), threading.Event()

    def hold(engine: Crashing) -> None:
        inside.set()
        gate.wait(30)

    asked = Scheduler(Crashing(hold))
    asked.submit([request("first")])
    assert inside.wait(30)
    futures = asked.submit([request(str(n), deadline=0 if n == 2 else None) for n in range(5)])
    for future in futures[:3]:
        future.add_done_callback(leave)
    asked.submit([request("streamed", on_delta=leave)])
    gate.set()
    assert [future.result(30).text for n, future in enumerate(futures) if n != 2] == ["yes"] * 4
    assert asked.broken is None
    asked.close()


def test_a_callback_that_exits_leaves_nobody_waiting_when_the_engine_fails() -> None:
    def leave(_: object) -> None:
        raise SystemExit(1)

    gate = threading.Event()

    def crash(engine: Crashing) -> None:
        gate.wait(30)
        raise RuntimeError("CUDA error")

    engine = Crashing(crash)
    asked = Scheduler(engine)
    futures = asked.submit([request(str(n)) for n in range(3)])
    for future in futures:
        future.add_done_callback(leave)
    gate.set()
    assert [type(future.exception(30)) for future in futures] == [EngineFailed] * 3
    asked.close()
    assert engine.closed


def test_restarts_need_a_way_to_build() -> None:
    with pytest.raises(TypeError, match="restarts=1 needs a way to build the engine again: rebuild="):
        Scheduler(ScriptedEngine(), restarts=1)
