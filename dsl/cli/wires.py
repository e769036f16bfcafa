"""Which wire does a function answer best with? It is run on labelled rows in each, and what came is counted.

The wires take turns: each comes first for its share of the rows, so that none gains by prompts that another has left in the
prefix cache. Rows are the same for all, so wires are compared row by row. Left out: whose function it is and where rows
come from (`typefold.cli.wires_command`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, TypeVar

from returns.result import Result, Success

from typefold.compiler import JsonFormat
from typefold.programs.run import run
from typefold.runtime import Statistics
from typefold.runtimes.runtime import Runtime

__all__ = ["Trial", "advice", "compare", "difference", "interval"]

R = TypeVar("R")
_Z = 1.96  # of 95%


@dataclass
class Trial:
    """What came of one wire.

    Attributes:
        wire: The wire's name.
        marks: For each row whether its answer was right, by the row's number.
        failed: Rows that gave no value, or one that can't be compared.
        problem: What the first of these gave.
        output_tokens: Tokens of the answers.
        prompt_tokens: Tokens of the prompts.
        steps: Steps of the engine.
        seconds: How long it took.
    """

    wire: str
    marks: dict[int, bool] = field(default_factory=dict[int, bool])
    failed: int = 0
    problem: Exception | None = None
    output_tokens: int = 0
    prompt_tokens: int = 0
    steps: int = 0
    seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        """The share of rows that were right."""
        return sum(self.marks.values()) / max(1, len(self.marks))

    def per_row(self, total: float) -> float:
        """A total by the row."""
        return total / max(1, len(self.marks))

    def line(self) -> dict[str, str | float]:
        """What a table shows of it."""
        low, high = interval(sum(self.marks.values()), len(self.marks))
        return {
            "wire": self.wire,
            "right": f"{self.accuracy:.3f} [{low:.3f}, {high:.3f}]",
            "failed": self.failed,
            "tokens out a row": round(self.per_row(self.output_tokens), 1),
            "tokens in a row": round(self.per_row(self.prompt_tokens), 1),
            "rows/s": round(len(self.marks) / self.seconds, 1) if self.seconds else 0.0,
            "engine steps": self.steps,
        }


def compare(
    programs: dict[str, Callable[[R], Any]],
    rows: Sequence[R],
    is_right: Callable[[R, Any], bool],
    runtime: Runtime,
    *,
    wires: dict[str, JsonFormat] | None = None,
) -> list[Trial]:
    """Run a function on rows in each wire.

    Args:
        programs: The function for each wire, by the wire's name.
        rows: Its rows.
        is_right: Whether a value is what a row should give.
        runtime: The runtime that answers.
        wires: The runtime's wire for each, where the function names none itself.

    Returns:
        What came of each, in the order of `programs`.
    """
    trials = {name: Trial(name) for name in programs}
    names = list(programs)
    for turn in range(len(names)):
        share = list(range(turn, len(rows), len(names)))
        for name in names[turn:] + names[:turn]:
            if not share:
                continue
            with _wire(runtime, (wires or {}).get(name, runtime.json_format)):
                before, started = runtime.stats, time.perf_counter()
                results: list[Result[Any, Exception]] = list(run.safe(programs[name], [rows[row] for row in share]))
                _note(trials[name], runtime, before, time.perf_counter() - started)
            for row, result in zip(share, results, strict=True):
                try:
                    trials[name].marks[row] = is_right(rows[row], result.unwrap())
                except Exception as error:  # whatever `==` of the user's raises, too
                    trials[name].marks[row] = False
                    trials[name].failed += 1
                    problem = error if isinstance(result, Success) else result.failure()
                    trials[name].problem = trials[name].problem or problem
    return list(trials.values())


def _note(trial: Trial, runtime: Runtime, before: Statistics, seconds: float) -> None:
    after = runtime.stats
    trial.seconds += seconds
    trial.output_tokens += after.output_tokens - before.output_tokens
    trial.prompt_tokens += after.prompt_tokens - before.prompt_tokens
    trial.steps += after.steps - before.steps


@contextmanager
def _wire(runtime: Runtime, wire: JsonFormat | None) -> Generator[None]:
    before, runtime.json_format = runtime.json_format, wire
    try:
        yield
    finally:
        runtime.json_format = before


def interval(right: int, rows: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share.

    Example:
        >>> [round(bound, 2) for bound in interval(8, 10)]
        [0.49, 0.94]
    """
    if not rows:
        return 0.0, 1.0
    share, z2 = right / rows, _Z**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z * sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(one: Trial, other: Trial) -> tuple[float, float, float]:
    """How much more often one was right than the other, row by row, and the 95% interval of that.

    Example:
        >>> better, worse = Trial("a", {0: True, 1: True}), Trial("b", {0: True, 1: False})
        >>> difference(better, worse)[0]
        0.5
    """
    rows = len(one.marks)
    if not rows:
        return 0.0, -1.0, 1.0
    deltas = [one.marks[row] - other.marks[row] for row in one.marks]
    mean = sum(deltas) / rows
    # One row of each kind is added, as Agresti and Min do, so that a few rows without a difference prove nothing.
    spread = (sum(delta * delta for delta in deltas) + 2) / (rows + 2) - mean**2
    half = _Z * sqrt(max(0.0, spread) / (rows + 2))
    return mean, mean - half, mean + half


def advice(trials: Sequence[Trial]) -> str:
    """What to do, in a sentence: of the wires that no other is surely better than, the one with the fewest tokens."""
    best = max(trials, key=lambda each: each.accuracy)
    if not best.accuracy:
        return "No wire gave a right answer: look at some of them (typefold try), and at the labels."
    near = [each for each in trials if difference(best, each)[1] <= 0]
    cheapest = min(near, key=lambda each: each.output_tokens)
    worse = [each for each in trials if each not in near]
    saved = 1 - cheapest.output_tokens / max(1, *(each.output_tokens for each in near))
    said = f'json_format="{cheapest.wire}"'
    if len(near) == 1:
        return f"{said}: it is right more often than every other, beyond chance."
    others = ", ".join(each.wire for each in near if each is not cheapest)
    told = f"{said}: {saved:.0%} fewer tokens than the longest of those that these rows can't tell apart ({others})"
    return told + (f"; {', '.join(each.wire for each in worse)} is right less often." if worse else ".")
