"""`calibrated_threshold`: the probability from which a first function's answers may stand, with a guarantee.

Errors are 0 or 1, so their bounds are exact binomial tails. Where all rows count (`of="all"`), a lower threshold lets more wrong
answers stand, never fewer: this is the control of a monotone risk (Bates et al. 2021, arXiv:2101.02703), and the accuracy target of
BARGAIN (Zeighami et al. 2025, arXiv:2509.02896). Of the answers that stand (`of="kept"`) the share of wrong ones is not monotone:
thresholds that are fixed beforehand are tested in order, from several beginnings (Learn then Test, Angelopoulos et al. 2021,
arXiv:2110.01052).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from itertools import starmap
from numbers import Real
from typing import Any, Literal, TypeVar

from typefold.compiler.guards import class_of, is_list_or_tuple
from typefold.errors import PromptUsageError
from typefold.programs.voting import Votes
from typefold.response_types import Scored
from typefold.tables.columns import refuse_no_rows

T = TypeVar("T")

ABOVE_ALL = math.nextafter(1.0, 2.0)
"""A threshold that no probability meets: every row goes on."""

_GRID = tuple(1 - 2 ** (-step / 4) for step in range(80, -1, -1))  # from 1 - 1e-6 to 0, closer together near 1
_BEGINNINGS = _GRID[::10]
_ROUNDING = 1e-6  # of a sum of floats


def calibrated_threshold(
    labelled: Iterable[tuple[Scored[T] | Votes[T], T]],
    *,
    target: float = 0.95,
    delta: float = 0.05,
    of: Literal["all", "kept"] = "all",
) -> float:
    """Find the lowest probability at which the first function of a cascade may be believed, with a guarantee.

    For rows that are drawn as the labelled ones were, all but `delta` of the calibrations keep the promise: of all rows at most
    `1 - target` are answered wrongly by the first function (the cascade is then at most so much less often right than the second
    function alone), or, with `of="kept"`, of those that it answers at least `target` are right.

    Args:
        labelled: Answers of the first function, each with the right one, or with that of the second function. They must not
            be rows by which the prompt was chosen.
        target: The least share of right answers.
        delta: The probability with which the promise may fail, by bad luck with the labelled rows.
        of: The rows of which `target` is a share: of all, or of those that the first function keeps, which is stricter.

    Returns:
        The threshold for `doubt`, a little above 1 where nothing can be promised of fewer than all rows: then every row goes on.
        With the defaults that is always so below 59 rows.

    Raises:
        PromptUsageError: There are no labelled rows, one is no pair of an answer and one of its choices, or a number is not
            between 0 and 1.

    Example:
        >>> from typefold import Scored, calibrated_threshold
        >>> sure = Scored(value="keep", probabilities={"keep": 0.9, "drop": 0.1})
        >>> unsure = Scored(value="keep", probabilities={"keep": 0.6, "drop": 0.4})
        >>> calibrated_threshold([(sure, "keep")] * 80 + [(unsure, "drop")] * 20)
        0.9
    """
    numbers: list[tuple[str, Any]] = [("target", target), ("delta", delta)]
    for name, value in numbers:
        number = float(value) if isinstance(value, Real) else math.nan
        if not 0 < number < 1 or not 0 < 1 - number < 1:
            raise PromptUsageError(f"calibrated_threshold: {name} is a number between 0 and 1, not {value!r}")
    if of not in ("all", "kept"):
        raise PromptUsageError(f"calibrated_threshold: of is 'all' or 'kept', not {of!r}")
    refuse_no_rows(labelled, "calibrated_threshold")
    rows = sorted(starmap(_judged, enumerate(labelled)), reverse=True)
    if not rows:
        raise PromptUsageError("calibrated_threshold: there are no labelled rows")
    if of == "kept":
        return _of_kept(rows, 1 - target, delta)
    allowed = _most_errors(len(rows), 1 - target, delta)
    wrong = [probability for probability, right in rows if not right]
    if len(wrong) <= allowed:
        return 0.0
    limit = wrong[max(allowed, 0)] if allowed >= 0 else ABOVE_ALL
    return min((probability for probability, _ in rows if probability > limit), default=ABOVE_ALL)


def _judged(row: int, labelled: Any) -> tuple[float, bool]:
    """Return the probability of an answer, or its share of the votes, and whether it is right. Raises PromptUsageError."""
    where = f"calibrated_threshold: row {row}"
    if not is_list_or_tuple(labelled) or len(labelled) != 2:
        raise PromptUsageError(f"{where} is no pair of an answer and the right one: {labelled!r:.80}")
    answer, right = labelled
    if class_of(answer) is Scored:
        found: Scored[Any] = answer
        if found.value not in found.probabilities or not 0 <= found.probability <= 1 + _ROUNDING:
            raise PromptUsageError(f"{where}: no probability of the answer from 0 to 1 is stated: {found!r:.80}")
        if isinstance(right, Hashable) and right in found.probabilities:
            return found.probability, bool(found.value == right)
        raise PromptUsageError(f"{where}: {right!r:.80} is none of the choices of the answer, {found!r:.80}")
    if class_of(answer) is not Votes:
        raise PromptUsageError(
            f"{where}: the answer is neither Scored nor Votes: {answer!r:.80}; leave failed rows out"
        )
    votes: Votes[Any] = answer
    if not votes.counts:
        return 0.0, False
    return votes.counts[0][1] / (votes.total + votes.failed), bool(votes.winner == right)


def _most_errors(rows: int, risk: float, delta: float) -> int:
    """Return the most errors among so many rows that are improbable (`delta`) at a risk; -1 where none would be."""
    tail, errors = _log_chance(rows, 0, risk), 0
    total = math.exp(tail)
    while total <= delta and errors < rows:
        errors += 1
        total += math.exp(_log_chance(rows, errors, risk))
    return errors - 1


def _log_chance(rows: int, errors: int, risk: float) -> float:
    ways = math.lgamma(rows + 1) - math.lgamma(errors + 1) - math.lgamma(rows - errors + 1)
    return ways + errors * math.log(risk) + (rows - errors) * math.log1p(-risk)


def _of_kept(rows: Sequence[tuple[float, bool]], risk: float, delta: float) -> float:
    best = ABOVE_ALL
    for beginning in _BEGINNINGS:
        for threshold in _GRID[_GRID.index(beginning) :]:
            kept = [right for probability, right in rows if probability >= threshold]
            if kept.count(False) > _most_errors(len(kept), risk, delta / len(_BEGINNINGS)):
                break
            best = min(best, threshold)
    return best
