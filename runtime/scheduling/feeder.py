"""The feeder: makes waiting requests ready for the engine, ahead of it, in a thread of its own.

Rendering and tokenising prompts takes as long as many an engine's step. So a thread takes waiting requests in chunks, in order, and
prepares them while the engine works; the engine's thread then only adds them. The distance is bounded: a million rows that wait cost
no tokens. Where the engine's thread has nothing else to do it prepares a few requests itself, so that a single call is handed from
thread to thread once and not twice. Engines that say nothing of it (`TokenizesAhead`) have all their requests prepared there, each
when there is room for it.

Invariant: one thread at a time prepares, under a lock. A request waits, is in a chunk, or is ready, and chunks are taken and made ready
in the order of the queue. `end` takes out all that is here, whatever a thread does with it then: it finds that the feeder has ended,
and drops it.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable

from typefold.runtime.engine import Engine, TokenizesAhead
from typefold.runtime.scheduling.deduplicator import Deduplicator
from typefold.runtime.scheduling.pending import PendingRequest, RequestQueue
from typefold.runtime.scheduling.preparation import Prepared, Preparer
from typefold.runtime.scheduling.watchdog import Abandoned, EngineHung, Watchdog

_CHUNK = 64  # requests that are prepared together
_FEW = 8  # where the engine waits for them
_CHARACTERS = 1 << 18  # of their prompts: a long one is a chunk by itself
_TOKENS = 1 << 21  # that are kept ready, at about 36 bytes each
_IMAGE = 1 << 14  # as many as an image is taken for


class Feeder:
    """The requests between the queue and the loop of one engine."""

    def __init__(
        self,
        engine: Engine,
        waiting: RequestQueue,
        deduplicator: Deduplicator | None,
        *,
        early_stop: bool,
        watchdog: Watchdog,  # of its own thread
        tell: Callable[[], None],  # wakes the engine's thread
        chore: Callable[[], None],  # done beside each chunk
    ) -> None:
        self._waiting = waiting
        self._deduplicator = deduplicator
        self._preparer = Preparer(engine, deduplicator, early_stop=early_stop)
        self._watchdog = watchdog
        self._tell = tell
        self._chore = chore
        self.is_ahead = isinstance(engine, TokenizesAhead)
        self._most = max(engine.info.max_num_seqs, _CHUNK)
        self._chunk: list[PendingRequest] = []
        self._ready: deque[Prepared] = deque()
        self._identities: Counter[bytes] = Counter()  # of those
        self._tokens = 0  # of those
        self._ended = False
        self._fault: BaseException | None = None  # that its thread ended with
        self._lock = threading.Lock()  # for what is held
        self.preparing = threading.Lock()  # held by the thread that prepares
        self._work = threading.Event()
        self._thread: threading.Thread | None = None
        if self.is_ahead:
            self._thread = threading.Thread(target=self._serve, name="typefold-feeder", daemon=True)
            self._thread.start()

    def __len__(self) -> int:
        return len(self._chunk) + len(self._ready)

    @property
    def is_busy(self) -> bool:
        """Whether any request waits or is here."""
        return bool(self._ready or self._chunk or self._waiting)

    @property
    def available(self) -> int:
        """The number of requests that may be taken at once."""
        return len(self._ready) if self.is_ahead else len(self._ready) + len(self._waiting)

    @property
    def next_tokens(self) -> int | None:
        """The tokens that the answer of the next request may have, if it is ready."""
        limits = prepared.limits if (prepared := self._next()) is not None else None
        return None if limits is None else limits.asked

    @property
    def is_behind(self) -> bool:
        """Whether requests are on their way to being ready."""
        return self.is_ahead and bool(self._chunk or self._waiting)

    def wake(self) -> None:
        """Have waiting requests prepared while the calling thread does something else; from any thread."""
        if self.is_ahead and self._waiting and len(self._ready) <= self._most // 2 and not self._work.is_set():
            self._work.set()  # it is cleared before the queue is looked at

    def first(self) -> PendingRequest | None:
        """Return the next request that is ready, or can be made so at once; those that are done are dropped.

        Raises whatever ended the feeder's thread, since without it no request would be ready any more.
        """
        if self._fault is not None:
            raise self._fault
        while (prepared := self._next()) is not None:
            if not prepared.pending.done():
                return prepared.pending
            self._take_ready()
            self.wake()  # those behind it have their turn
        return None if self.is_ahead else self._waiting.first()

    def take(self) -> Prepared | None:
        """Take out the request that `first` returned; `None` where it was withdrawn meanwhile, and no other is there."""
        if not self.is_ahead:
            return self._prepared_now()
        prepared = self._take_ready()
        self.wake()
        return prepared

    def _prepared_now(self) -> Prepared | None:
        if (pending := self._waiting.first()) is None:
            return None
        self._chunk = [pending]  # before it is taken out, so that it is always somewhere
        self._waiting.take()
        prepared = self._preparer.prepare_one(pending)
        self._chunk = []
        return prepared

    def complete(self, prepared: Prepared) -> None:
        """Give a request its tokens, which had none since an equal one had them: that one is gone."""
        with self.preparing:
            self._preparer.complete(prepared)

    def prepare_few(self) -> None:
        """Prepare some requests in the engine's thread, unless another does so."""
        if self.is_ahead and not self._ready and self._waiting:
            self._prepare(_FEW, blocking=False)

    def end(self) -> list[PendingRequest]:
        """Take out all requests that are here; nothing is prepared any more."""
        with self._lock:
            self._ended = True
            held = self.held()
            self._ready.clear()
            self._identities.clear()
            self._chunk = []
        self._work.set()
        self._watchdog.close()
        return held

    def held(self) -> list[PendingRequest]:
        return [*(prepared.pending for prepared in [*self._ready]), *self._chunk]

    def join(self, seconds: float) -> bool:
        """Wait until the thread no longer uses the engine; return whether it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _serve(self) -> None:
        try:
            while not self._ended:
                self._work.clear()
                self._watchdog.beat()
                ready = len(self._ready)
                self._chore()
                has_room = ready < self._most and self._tokens < _TOKENS
                if has_room and self._prepare(_CHUNK if ready else _FEW):
                    self._work.set()
                else:
                    self._watchdog.idle()
                self._tell()  # that there is more, or that those which waited are gone
                self._work.wait()
        except (Abandoned, EngineHung):
            pass  # another thread has done the rest
        except BaseException as error:  # the loop ends of it, as of any other crash
            self._fault = error
            self._tell()

    def _prepare(self, most: int, *, blocking: bool = True) -> bool:
        """Prepare a chunk, and return whether there was any."""
        if not self.preparing.acquire(blocking=blocking):
            return False
        try:
            with self._lock:
                if not self._ended:
                    self._take_chunk(most)
                chunk = [*self._chunk]
            try:
                prepared = self._preparer.prepare(chunk, self._is_asked)
            except BaseException as error:  # the loop ends of it, as of any other crash
                prepared = [Prepared(pending, error=error) for pending in chunk]
            with self._lock:
                if not self._ended:
                    self._ready.extend(prepared)
                    self._identities.update(each.identity for each in prepared if each.identity is not None)
                    self._tokens += sum(map(_tokens_of, prepared))
                    self._chunk = []
            return bool(chunk)
        finally:
            self.preparing.release()

    def _take_chunk(self, most: int) -> None:
        characters = 0
        while len(self._chunk) < most and (pending := self._waiting.first()) is not None:
            characters += _size(pending)
            if self._chunk and characters > _CHARACTERS:
                break
            self._chunk.append(pending)  # before it is taken out, so that it is always somewhere
            self._waiting.take()

    def _is_asked(self, identity: bytes) -> bool:
        """Return whether the loop will find an equal request in flight or answered, most likely."""
        return identity in self._identities or (self._deduplicator is not None and self._deduplicator.knows(identity))

    def _next(self) -> Prepared | None:
        with self._lock:  # another thread may end the feeder at any moment
            return self._ready[0] if self._ready else None

    def _take_ready(self) -> Prepared | None:
        with self._lock:
            if not self._ready:
                return None
            prepared = self._ready.popleft()
            self._tokens -= _tokens_of(prepared)
            if (identity := prepared.identity) is not None:
                self._identities[identity] -= 1
                if not self._identities[identity]:
                    del self._identities[identity]
        return prepared


def _tokens_of(prepared: Prepared) -> int:
    return len(prepared.token_ids or ())


def _size(pending: PendingRequest) -> int:
    prompt = pending.request.prompt
    if isinstance(prompt, str):
        return len(prompt)
    try:
        return sum(len(message.content) + _IMAGE * len(message.images) for message in prompt)
    except Exception:  # it is no prompt, which its preparation finds too, as the error of its row
        return 0
