"""Saved tokens: those that were not generated, since the ones before had determined the answer.

Counting them takes a tokenizer, which the engine's thread has better things to do with: it notes what was cut off, and the count is made
when the statistics are read, or by the feeder where much has been noted. An engine that only its own thread may ask counts at once.
"""

from __future__ import annotations

import threading
from functools import cached_property

from typefold.compiler.grammar.early_stop import ForcedEnding
from typefold.runtime.engine import Engine, TokenizesAhead
from typefold.runtime.request import Outcome, Request
from typefold.runtime.scheduling.pending import Limits
from typefold.runtime.statistics import Counts

_LENGTHS = 4096  # texts of which the number of tokens is known
_MANY = 1024  # different ends of answers that may be noted


class SavedTokens:
    """The tokens that one engine saved."""

    def __init__(self, engine: Engine, counts: Counts) -> None:
        self._engine = engine
        self._counts = counts
        self._at_once = not isinstance(engine, TokenizesAhead)
        # The number of times by what was noted: a text and its rest, or a text and the number of its tokens that were written.
        self._noted: dict[tuple[str, str | int], int] = {}
        self._lengths: dict[str, int] = {}
        self._lock = threading.Lock()  # for what is noted, so that noting never waits for counting
        self._counting = threading.Lock()

    def note(self, limits: Limits, written: Outcome, whole: str) -> None:
        """Note an answer that was completed; the engine's thread calls this."""
        early = limits.early_stop
        end: tuple[str, str | int] = whole, written.output_tokens
        if isinstance(early, ForcedEnding) and (stop := early.stop_of(written.text)) is not None:
            end = stop, early.rests[stop]
        with self._lock:
            self._noted[end] = self._noted.get(end, 0) + 1
        if self._at_once:
            self.count()

    def count_many(self) -> None:
        if len(self._noted) >= _MANY:
            self.count()

    def count(self) -> None:
        """Count what was noted."""
        if not self._noted:
            return
        with self._counting:
            with self._lock:
                noted, self._noted = self._noted, {}
            for (text, rest), times in noted.items():
                saved = (
                    self._tokens_of(text) - rest
                    if isinstance(rest, int)
                    else self._tokens_of(text + rest) - self._tokens_of(text) + 1
                )
                self._counts.tokens_saved += times * max(0, saved)

    def _tokens_of(self, text: str) -> int:
        """Return the number of tokens that the tokenizer makes of an answer, with the one that ends it."""
        if (known := self._lengths.get(text)) is None:
            if len(self._lengths) >= _LENGTHS:
                self._lengths.clear()
            try:
                known = len(self._engine.tokenize(Request(prompt=text))) - self._bare + 1
            except Exception:  # a tokenizer's, which costs no more than a count
                known = 1
            self._lengths[text] = known
        return known

    @cached_property
    def _bare(self) -> int:
        """The tokens that the tokenizer puts around any text."""
        return len(self._engine.tokenize(Request(prompt="")))
