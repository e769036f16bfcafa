"""The work of the benchmarks of chains: rows of three calls each, of very uneven and exactly known lengths.

A call's length is set by `max_tokens` and `ignore_eos`, so it is the same on the scripted engine and on a real one, and
on every side of a comparison; and so the least number of engine steps can be computed.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from typefold import Runtime
from typefold.runtime.engines.scripted import ScriptedEngine

STAGES = ("Plan a story about", "Write the story that was planned:", "Judge this story:")


@dataclass(frozen=True)
class Row:
    """One row: its number, and the tokens of each of its calls."""

    number: int
    lengths: tuple[int, ...]


def rows(count: int, *, least: int = 4, most: int = 96, seed: int = 11) -> list[Row]:
    """Rows with lengths that are spread evenly over their logarithms."""
    rng = random.Random(seed)

    def length() -> int:
        return round(math.exp(rng.uniform(math.log(least), math.log(most))))

    return [Row(number, tuple(length() for _ in STAGES)) for number in range(count)]


def floor(work: Sequence[Row], max_num_seqs: int) -> int:
    """The least number of steps: no engine runs more at once, and no row is faster than its own calls in turn."""
    total = sum(sum(row.lengths) for row in work)
    return max(math.ceil(total / max_num_seqs), max(sum(row.lengths) for row in work))


@dataclass
class Program:
    """The three calls of a row as a plain program, counting rows."""

    runtime: Runtime
    begun: int = 0
    most: int = 0
    ended_at: list[int] = field(default_factory=list[int])
    """The engine's steps at the end of each row."""

    def __call__(self, row: Row) -> str:
        self.begun += 1
        self.most = max(self.most, self.begun)
        text = f"lighthouse {row.number}"
        for stage, length in zip(STAGES, row.lengths, strict=True):
            text = self.runtime.generate(f"{stage} {text}", temperature=0, max_tokens=length, ignore_eos=True)
        self.begun -= 1
        self.ended_at.append(self.runtime.stats.steps)
        return text


def waves(work: Sequence[Row], generate: Callable[[list[str], list[int]], list[str]]) -> list[str]:
    """What is written by hand: one batch for each stage, and the next once all of it is there."""
    texts = [f"lighthouse {row.number}" for row in work]
    for index, stage in enumerate(STAGES):
        texts = generate([f"{stage} {text}" for text in texts], [row.lengths[index] for row in work])
    return texts


def scripted(max_num_seqs: int, step_seconds: float) -> ScriptedEngine:
    """An engine whose answers are as long as they may be."""
    return ScriptedEngine(
        answers=lambda request: "x" * 200, max_num_seqs=max_num_seqs, step_seconds=step_seconds, max_model_len=1024
    )
