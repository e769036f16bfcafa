"""Programs on an engine whose steps have a price: counts alone, so no noise touches them.

    python -m benchmarks.priced [--rows 128 512 2048] [--max-num-seqs 64 256 512] [--hold 0 4 8 16] [--late 1] [--json FILE]

A step costs a fixed part and a part for each request that decodes. A step with tokens of a prompt in it costs more: a fixed
part, since it does not run as one CUDA graph, and a part for each token. The prices are those of an 8B model on an H200:
24 ms for 512 decodes, 33 with a short prompt among them, 52,000 tokens of prompts a second. Where the extra part is hidden
(`--hidden`) it counts only as far as the tokens don't take as long. The engine takes requests in the order in which they come
and cuts prompts to its budget of tokens, as vLLM does; the real `Admission` decides when it is given them.

Work: `cards`, a label (1 token), a text (64, or less in 3 of 10 rows) and a card (60 to 300, or cut at 300) about a text of 500
tokens; `lengths`, three stages of 4 to 96 tokens; and the cards alone, by `.map`. With a prefix cache a later stage reads only
what it adds.
"""

import argparse
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tables import Rows, show
from benchmarks.workload import rows as rows_of_lengths
from typefold.runtime.scheduling.admission import Admission


@dataclass(frozen=True)
class Price:
    """Milliseconds."""

    step: float = 8.0
    decode: float = 0.033
    mixed: float = 9.0
    token: float = 1000 / 52_000
    hidden: bool = False

    def of(self, decodes: int, tokens: int) -> float:
        alone = self.step + self.decode * decodes
        if not tokens:
            return alone
        reading = self.token * tokens
        return alone + (max(self.mixed, reading) if self.hidden else self.mixed + reading)


@dataclass(frozen=True)
class Row:
    """The tokens of each call of a row: those of the prompt that are computed, and those of the answer."""

    prompts: tuple[int, ...]
    answers: tuple[int, ...]

    def stage(self, number: int) -> "Row":
        return Row(self.prompts[number : number + 1], self.answers[number : number + 1])


@dataclass
class _Reading:
    """A call whose prompt is not computed to its end."""

    row: Row
    stage: int
    left: int


@dataclass
class Engine:
    """Requests in order, prompts cut to a budget, and what all of its steps cost."""

    max_num_seqs: int
    price: Price
    budget: int = 16_384
    steps: int = 0
    mixed: int = 0
    milliseconds: float = 0.0
    _waiting: deque[_Reading] = field(default_factory=deque[_Reading])
    _decodes: int = 0
    _ends: dict[int, list[tuple[Row, int]]] = field(default_factory=dict[int, list[tuple[Row, int]]])

    def add(self, row: Row, stage: int) -> None:
        self._waiting.append(_Reading(row, stage, row.prompts[stage]))

    def step(self) -> list[tuple[Row, int]]:
        """The calls that end in this step."""
        decodes, left, begun = self._decodes, self.budget - self._decodes, 0
        while self._waiting and left > 0 and decodes + begun < self.max_num_seqs:
            first = self._waiting[0]
            taken = min(left, first.left)
            first.left, left = first.left - taken, left - taken
            if first.left:
                break
            self._waiting.popleft()
            begun += 1
            self._ends.setdefault(self.steps + first.row.answers[first.stage] - 1, []).append((first.row, first.stage))
        tokens = self.budget - self._decodes - left
        self.milliseconds += self.price.of(decodes, tokens)
        self.mixed += tokens > 0
        ended = self._ends.pop(self.steps, [])
        self._decodes += begun - len(ended)
        self.steps += 1
        return ended


def go(work: Sequence[Row], engine: Engine, hold: int | None, *, late: int = 1, ahead: int = 4) -> Engine:
    """Run all rows: `ahead` times `max_num_seqs` at once, each call's end known so many steps late.

    Without `hold` the engine is given all that there is, as by bare vLLM.
    """
    most, admission = engine.max_num_seqs, Admission(engine.max_num_seqs, hold=hold or 0)
    source, waiting = iter(work), deque[tuple[Row, int]]()
    unseen = deque[list[tuple[Row, int]]](list[tuple[Row, int]]() for _ in range(late))
    running = active = 0
    while True:
        while (hold is None or active < ahead * most) and (row := next(source, None)) is not None:
            active += 1
            waiting.append((row, 0))
        if not active:
            return engine
        tokens = waiting[0][0].answers[waiting[0][1]] if waiting else None
        limit = running + len(waiting) if hold is None else admission.limit(len(waiting), running, tokens)
        while waiting and running < limit:
            engine.add(*waiting.popleft())
            running += 1
        unseen.append(engine.step())
        ended = unseen.popleft()
        admission.stepped(len(ended), running)
        running -= len(ended)
        for row, stage in ended:
            if stage + 1 < len(row.answers):
                waiting.append((row, stage + 1))
            else:
                active -= 1


def waves(work: Sequence[Row], engine: Engine, hold: int | None, *, late: int) -> Engine:
    """One stage of all rows after the other."""
    for stage in range(len(work[0].answers)):
        go([row.stage(stage) for row in work], engine, hold, late=0 if hold is None else late)
    return engine


def cards(count: int, *, cached: bool, text: int = 500, seed: int = 1) -> list[Row]:
    rng = random.Random(seed)
    prompts = (text, 60, 90) if cached else (text, text + 20, text + 90)

    def answers() -> tuple[int, ...]:
        answer = 64 if rng.random() < 0.7 else rng.randint(8, 64)
        return 1, answer, 300 if rng.random() < 0.3 else rng.randint(60, 300)

    return [Row(prompts, answers()) for _ in range(count)]


def lengths(count: int, *, cached: bool) -> list[Row]:
    prompts = (60, 30, 30) if cached else (120, 160, 160)
    return [Row(prompts, row.lengths) for row in rows_of_lengths(count)]


def mapped(count: int, *, cached: bool) -> list[Row]:
    return [Row((60 if cached else 500,), row.answers[2:]) for row in cards(count, cached=cached)]


WORK = {"cards": cards, "lengths": lengths, "mapped": mapped}


def least(work: Sequence[Row], max_num_seqs: int) -> int:
    """No engine runs more at once, and no row is faster than its own calls in turn."""
    each = [sum(row.answers) for row in work]
    return max(math.ceil(sum(each) / max_num_seqs), max(each))


def compare(work: Sequence[Row], max_num_seqs: int, price: Price, holds: Sequence[int], late: int) -> Rows:
    def engine() -> Engine:
        return Engine(max_num_seqs, price)

    floor = least(work, max_num_seqs)
    bare = waves(work, engine(), None, late=late)
    sides = {"waves, bare": bare, "waves, typefold": waves(work, engine(), holds[-1], late=late)}
    sides |= {f"run, hold={hold}": go(work, engine(), hold, late=late) for hold in holds}
    return [
        {
            "side": name,
            "steps": side.steps,
            "of the least": round(side.steps / floor, 3),
            "with a prompt": side.mixed,
            "seconds": round(side.milliseconds / 1000, 2),
            "times waves": round(bare.milliseconds / side.milliseconds, 3),
        }
        for name, side in sides.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="+", choices=list(WORK), default=list(WORK))
    parser.add_argument("--rows", type=int, nargs="+", default=[128, 512, 2048])
    parser.add_argument("--max-num-seqs", type=int, nargs="+", default=[64, 256, 512])
    parser.add_argument("--hold", type=int, nargs="+", default=[0, 4, 8, 16], help="steps; 0 holds nothing back")
    parser.add_argument("--late", type=int, default=1, help="steps until the end of a call is known")
    parser.add_argument("--hidden", action="store_true", help="the extra part is hidden by long prompts")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    tables: dict[str, Rows] = {}
    for name in arguments.work:
        for cached in (True, False):
            for count in arguments.rows:
                for most in arguments.max_num_seqs:
                    work = WORK[name](count, cached=cached)
                    title = f"{name}, {'with' if cached else 'without'} a prefix cache: {count:,} rows, {most} at once"
                    price = Price(hidden=arguments.hidden)
                    tables[f"{title} (least: {least(work, most):,} steps)"] = compare(
                        work, most, price, arguments.hold, arguments.late
                    )
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
