"""The scheduler: requests in from any thread, outcomes out, and an engine that is built again when it crashes.

One thread owns the engine and turns its loop (`loop`), another prepares requests for it (`feeder`). When the engine crashes,
`recovery` decides which of the requests in flight go again. Without restarts left, all requests fail, and so do all later ones.

Invariant: a future is settled exactly once. A request waits, is in the feeder's or the loop's hands, or is between two engines.
Code that takes requests out of there to fail them holds the lock, so that a thread that hangs in the engine keeps no row to itself.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import chain

from typefold.runtime.engine import Engine, EngineInfo
from typefold.runtime.errors import PromptError
from typefold.runtime.ownership import Owner, notify_child, serving
from typefold.runtime.request import Outcome, Request
from typefold.runtime.scheduling.admission import HOLD
from typefold.runtime.scheduling.deduplicator import Deduplicator
from typefold.runtime.scheduling.feeder import Feeder
from typefold.runtime.scheduling.loop import Loop
from typefold.runtime.scheduling.pending import Broken, Deadlines, PendingRequest, RequestQueue, failure_of, settle
from typefold.runtime.scheduling.preparation import Size, sizes_of
from typefold.runtime.scheduling.recovery import ABANDONED, classify_after_crash, diagnose
from typefold.runtime.scheduling.saved_tokens import SavedTokens
from typefold.runtime.scheduling.watchdog import Abandoned, EngineHung, Watchdog
from typefold.runtime.statistics import Counts, Statistics, Stopwatch

logger = logging.getLogger(__name__)

_ENGINE = "an engine"
_ENDED = "the engine has ended, so that no tokens can be counted"
_PATIENCE = 30.0  # seconds that closing waits for a call into the engine before it breaks it off


class Scheduler:
    """Owns an engine, and answers requests with it in one continuous batch.

    Args:
        engine: The engine; from now on only this scheduler may touch it.
        deduplicate: Whether equal requests, greedy or seeded, share one generation.
        early_stop: Whether generation ends as soon as the answer is determined.
        rebuild: Builds the engine again after a crash; `None` where that can't be done.
        restarts: The number of times that it may be built again.
        watchdog: The seconds that a call into the engine may last before the engine is taken for dead; `None` for no limit.
        hold: The steps for which requests are held back at most, so that they enter the engine together (`admission`); by
            default as the engine needs it.
        stopwatch: Measures the time in which requests are in flight; schedulers of one model share one.

    Raises:
        TypeError: There are restarts, and no way to build the engine.

    Example:
        >>> from typefold.runtime import Request, Scheduler
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> scheduler = Scheduler(ScriptedEngine(answers=lambda request: "Hello."))
        >>> [future] = scheduler.submit([Request(prompt="Say hello.")])
        >>> future.result().text
        'Hello.'
        >>> scheduler.close()
    """

    def __init__(
        self,
        engine: Engine,
        *,
        deduplicate: bool = True,
        early_stop: bool = True,
        rebuild: Callable[[], Engine] | None = None,
        restarts: int = 0,
        watchdog: float | None = None,
        hold: int | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        if restarts and rebuild is None:
            raise TypeError(f"restarts={restarts} needs a way to build the engine again: rebuild=")
        self._owner = Owner()
        self._engine = engine
        self._deduplicate = deduplicate
        self._early_stop = early_stop
        self._rebuild = rebuild
        self._restarts = restarts
        self._limit = watchdog
        self._hold = hold
        self._waiting = RequestQueue()
        self._withdrawn: deque[PendingRequest] = deque()
        self._measured: deque[tuple[Sequence[Request], Future[list[Size]]]] = deque()
        self._between: list[PendingRequest] = []  # of an engine that crashed, until there is another
        self._deadlines = Deadlines()
        self._counts = Counts(stopwatch or Stopwatch())
        self._work = threading.Event()
        self._closing = False
        self._broken: Broken | None = None
        self._lock = threading.Lock()
        self._begin()
        self._thread = threading.Thread(target=self._drive, name="typefold-engine", daemon=True)
        self._thread.start()
        notify_child(self)

    @property
    def engine(self) -> Engine:
        """The engine. Any thread may read its facts; its methods are the scheduler's."""
        return self._engine

    @property
    def info(self) -> EngineInfo:
        """The facts of the engine."""
        return self._engine.info

    @property
    def statistics(self) -> Statistics:
        """The counts so far."""
        self._saved.count()
        waiting = len(self._waiting) + len(self._feeder) + len(self._between)
        return self._counts.snapshot(waiting=waiting, running=self._loop.running)

    @property
    def broken(self) -> str | None:
        """The reason why the engine can't be used any more, or `None` while it can."""
        return None if self._broken is None else self._broken.reason

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Queue requests; from any thread.

        Cancelling a future withdraws its request from the engine, unless others wait for the same answer.

        Args:
            requests: The requests. They join the batch that the engine is working on.

        Returns:
            A future each, in order. Each ends in an `Outcome` or a `PromptError`.

        Raises:
            UsedAfterFork: This is a child of the process that the engine is in.
        """
        self._owner.check(_ENGINE)
        several = [PendingRequest(request, self._withdraw) for request in requests]
        with self._lock:  # a request is either waiting before the loop ends, or fails here
            ended = self._closing or self._broken is not None
            self._counts.submitted += len(several)
            self._counts.retried += sum(request.attempt > 1 for request in requests)
            if not ended:
                self._deadlines.add(several)
                self._waiting.add(several)
        if ended:
            self._fail_all(several)
        if self._loop.running:  # the engine's thread is in a step, maybe; else it prepares the first few itself
            self._feeder.wake()
        if not self._work.is_set():  # it is cleared before the queue is looked at
            self._work.set()
        return [*several]

    def measure(self, requests: Sequence[Request]) -> list[Size]:
        """Return the tokens of requests without asking them; the engine's thread counts them, between two steps.

        Args:
            requests: The requests.

        Returns:
            A `Size` for each, in order.

        Raises:
            RuntimeError: The engine has ended.
            UsedAfterFork: This is a child of the process that the engine is in.
        """
        self._owner.check(_ENGINE)
        counted: Future[list[Size]] = Future()
        with self._lock:
            if self._closing or self._broken is not None:
                raise RuntimeError(_ENDED)
            self._measured.append((requests, counted))
        self._work.set()
        return counted.result()

    def close(self) -> None:
        """Abort all requests in flight, end the loop and free the engine. May be called twice.

        A call into the engine that does not return is broken off; where that can't be done, its thread is abandoned.
        """
        if self._owner.elsewhere:
            return
        with self._lock:
            self._closing = True
        self._work.set()
        if threading.current_thread() is self._thread or self._watchdog.abandoned:
            return
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            try:
                killed = self._engine.kill()
            except Exception:  # it may be in any state
                killed = False
            self._thread.join(_PATIENCE if killed else 0)
            if self._thread.is_alive() and self._watchdog.abandon():
                self._give_up(EngineHung(f"a call into it did not end within {_PATIENCE:g} s of closing it"))

    def forked(self) -> None:
        """In a child: end its copies of the requests, which are answered in the parent."""
        waiting = [*self._feeder.held(), *self._between, *self._waiting.drain()]
        for pending in [*chain(*self._loop.take_all()), *waiting]:
            pending.disown(self._owner.error(_ENGINE))

    def _withdraw(self, pending: PendingRequest) -> None:
        # A destructor may get here from anywhere, so no lock is taken that its thread may be holding. The loop need not
        # be woken: as long as a request can be withdrawn, it turns.
        self._counts.cancellation()
        self._withdrawn.append(pending)

    def _begin(self) -> None:
        """Begin to work with the engine."""
        deduplicator = Deduplicator(self._engine) if self._deduplicate else None
        watchdog = Watchdog(self._limit, self._engine.kill, self._give_up)
        hold = self._hold
        if hold is None:
            hold = HOLD if self._engine.info.decodes_as_graph else 0
        self._saved = SavedTokens(self._engine, self._counts)
        self._feeder = Feeder(
            self._engine,
            self._waiting,
            deduplicator,
            early_stop=self._early_stop,
            watchdog=Watchdog(self._limit, lambda: False, self._give_up, call="no prompts were tokenised"),
            tell=self._work.set,
            chore=self._saved.count_many,
        )
        self._loop = Loop(
            self._engine,
            self._feeder,
            self._withdrawn,
            self._deadlines,
            self._counts,
            saved=self._saved,
            deduplicator=deduplicator,
            hold=hold,
            beat=watchdog.beat,
        )
        self._watchdog = watchdog

    def _drive(self) -> None:
        """The engine's thread: turn the loop until it is closed, and after a crash the next engine's."""
        with serving("the engine"):
            try:
                while not self._turn():
                    self._begin()
                self._end()
            except Abandoned:  # it hung, and another thread has done the rest
                logger.warning("a call into the engine that had been given up came back")
            except BaseException as error:  # of a logging handler, say: no row may be left waiting
                with self._lock:
                    self._broken = self._broken or diagnose(error, self._restarts)
                self._end()
                raise

    def _turn(self) -> bool:
        """Turn the loop, waiting where it has nothing to do; whether that was the last engine."""
        watchdog, broken = self._watchdog, None
        try:
            for busy in self._loop.turns():
                if self._closing:
                    self._loop.abort()
                    return True
                self._counts.busy(busy)
                self._measure()
                if self._loop.rests:
                    watchdog.idle()
                    left = (self._deadlines.left() if busy else None, self._loop.patience)
                    self._work.wait(min((seconds for seconds in left if seconds is not None), default=None))
                    self._work.clear()
                    self._counts.busy(True)
                watchdog.beat()
        except Abandoned:
            raise
        except BaseException as error:  # the engine broke; whatever vLLM raises, no row may be left waiting
            broken = diagnose(watchdog.returned() or error, self._restarts)
            logger.error("the engine failed", exc_info=error)
        finally:
            watchdog.close()
        assert broken is not None  # the loop has no other end
        return not self._recovered(broken)  # outside of the handler: the error's frames hold the engine's memory

    def _measure(self) -> None:
        """Count the tokens of requests that somebody waits for."""
        while self._measured:
            requests, counted = self._measured.popleft()
            try:
                with self._feeder.preparing:
                    counted.set_result(sizes_of(self._engine, requests, early_stop=self._early_stop))
            except Exception as error:
                counted.set_exception(error)

    def _recovered(self, broken: Broken) -> bool:
        """Whether there is an engine again; its rows are waiting then, or have failed for good."""
        with self._lock:
            again, failed = classify_after_crash(self._loop.take_all(), broken.reason)
            self._waiting.put_back(self._feeder.end())
            self._between = [*again, *(pending for pending, _ in failed)]
        while self._rebuild is not None and self._counts.restarts < self._restarts and not self._closing:
            self._counts.restarts += 1
            logger.warning("building the engine again (%d of %d)", self._counts.restarts, self._restarts)
            self._close_engine()
            try:
                engine = self._rebuild()
            except BaseException as unable:  # as above
                logger.exception("the engine could not be built again")
                broken = diagnose(unable, self._restarts)
                continue
            if not self._adopted(engine, again):
                return False
            for pending, why in failed:
                self._fail(pending, why)
            return True
        with self._lock:
            if not self._closing:
                self._broken = broken
        return False

    def _adopted(self, engine: Engine, again: list[PendingRequest]) -> bool:
        """Adopt an engine that was built and queue the requests to retry; `False` where it is only to be freed."""
        with self._lock:
            self._engine = engine
            if self._closing:  # the closing thread may have given this one up, and failed the rows
                return False
            self._between = []
            self._waiting.put_back(again)
        return True

    def _give_up(self, error: EngineHung) -> None:
        """Do what the engine's thread, which hangs, would do at its end; by the watchdog's thread or a closing one."""
        with self._lock:
            if not self._closing:
                self._broken = Broken(str(error), ABANDONED)
            self._closing = True
        logger.error("the engine hangs and can't be ended; its thread and its memory are left behind")
        self._fail_all(self._take_all())
        self._counts.busy(False)
        self._deadlines.clear()
        self._work.set()  # it may be the feeder's that hangs

    def _end(self) -> None:
        with self._lock:
            self._closing = True
        self._fail_all(self._take_all())  # before the engine is closed, which may hang
        self._counts.busy(False)
        self._deadlines.clear()
        self._close_engine()

    def _take_all(self) -> list[PendingRequest]:
        with self._lock:
            taken = [*chain(*self._loop.take_all()), *self._feeder.end(), *self._between, *self._waiting.drain()]
            self._between = []
            while self._measured:
                self._measured.popleft()[1].set_exception(RuntimeError(_ENDED))
            return taken

    def _close_engine(self) -> None:
        """Free the engine, watched, since one that crashed may hang. Raises Abandoned after that."""
        if not self._feeder.join(_PATIENCE):
            logger.warning("a prompt is still being tokenised; the engine is closed all the same")
        limit = None if self._limit is None else max(self._limit, _PATIENCE)
        watchdog = self._watchdog = Watchdog(limit, self._engine.kill, self._give_up)
        watchdog.beat()
        try:
            self._saved.count()  # while there is a tokenizer
            self._engine.close()
        except BaseException:  # there is nothing more to be done about it
            logger.exception("closing the engine failed")
        finally:
            watchdog.close()
        watchdog.returned()

    def _fail_all(self, several: Iterable[PendingRequest]) -> None:
        interrupted: BaseException | None = None
        for pending in several:
            try:
                self._fail(pending, failure_of(pending, self._broken))
            except BaseException as error:  # Ctrl-C, mostly: the others are to end all the same
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _fail(self, pending: PendingRequest, error: PromptError) -> None:
        if pending.claim():
            self._counts.failure()
            settle(pending.set_exception, error)
