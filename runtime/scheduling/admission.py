"""Admission: the number of requests that may be in the engine, so that most of its steps are of decodes alone.

On a GPU a step without a prompt runs as one graph. A step into which even one short prompt comes is run piece by piece, at half as
much again (33 ms for 24, at 512 requests). Where rows end one by one, and others take their places at once, almost every step is of
that kind. So requests are held back while many run, until an eighth as many can enter together, or some steps have passed since
the first of them could. Where few run, none is held.

Answers of a few tokens end too fast for that. Where a sixteenth of the requests ends in each step, every step has a prompt in it
anyway, so the engine is given a few steps' worth of requests ahead, and takes them by itself.

Invariant: a request that is the next one, and for which there is a place, waits for as many steps as `hold` says at most.
"""

from __future__ import annotations

import math

HOLD = 8
"""The steps for which a request is held back at most, by engines whose decodes run as one graph."""

FEED = 2
"""The multiple of `max_num_seqs` at which the engine's queue is kept where no request is held back."""

_FEW = 16  # where no more run, none is held back
_SHARE = 1 / 8  # of the running requests: so many enter together
_SHORT = 1 / 16  # of the running requests: where as many end in a step, answers are short
_MEMORY = 8  # steps over which the share that ends in a step is averaged
_MOST = 1 / 4  # the share that counts for a step, since answers of one length end together once and not all the time
_AHEAD = 6  # steps for which an engine whose answers are short has requests of its own


class Admission:
    """Decides before each step how many requests may be in the engine.

    Args:
        max_num_seqs: The number of requests that the engine runs at once.
        hold: The steps for which a request may be held back; 0 keeps the engine's queue full.

    Example:
        >>> admission = Admission(512, hold=8)
        >>> admission.limit(waiting=3, running=509)  # held back
        509
        >>> admission.limit(waiting=60, running=452)
        512
    """

    def __init__(self, max_num_seqs: int, *, hold: int) -> None:
        self._most = max_num_seqs
        self._hold = hold if max_num_seqs > _FEW else 0
        self._held = 0  # steps since a request could have entered
        self._turnover = 0.0  # the share of the running requests that ends in a step

    def limit(self, waiting: int, running: int, tokens: int | None = None) -> int:
        """Return the number of requests that may be in the engine in the step to come. Asked once before each.

        Where nothing runs, the `tokens` that the first request may have say for the time being how soon answers end.
        """
        if not self._hold:
            return FEED * self._most
        if not running and tokens is not None:
            self._turnover = min(_MOST, 1 / max(1, tokens))
        entering = min(waiting, self._most - running)
        is_short = self._turnover >= _SHORT
        waits = 0 < entering < _SHARE * running and running > _FEW and not is_short
        if waits and self._held < self._hold:
            self._held += 1
            return running
        self._held = 0
        ahead = math.ceil(_AHEAD * self._turnover * self._most) if is_short else 0
        return min(FEED * self._most, self._most + ahead)

    def stepped(self, ended: int, running: int) -> None:
        """Note a step: the requests that it ended, of those that were in the engine."""
        self._turnover += (min(_MOST, ended / max(1, running)) - self._turnover) / _MEMORY
