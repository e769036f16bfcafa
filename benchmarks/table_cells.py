"""The cells of the table: their arithmetic, their file, and the page that is made of them. Nothing here needs an engine.

A cell is one kind of work over texts of one length, done by several sides in turn. `Cell.ratio` compares two of them pair by
pair; `least_seconds` is what a device needs for a side's tokens, whatever the program around it.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

BARE, BATCHED, TYPEFOLD, OUTLINES, LEAST = "bare", "batched", "typefold", "outlines", "least"
SIDES = (BARE, BATCHED, TYPEFOLD, OUTLINES, LEAST)
TITLES = {BARE: "bare", BATCHED: "bare, batched", TYPEFOLD: "typefold", OUTLINES: "Outlines", LEAST: "the least"}
REACHED = 0.98
"""A cell holds if the interval of its ratio reaches this."""
FEW_ROUNDS = 3
"""With fewer, there is no interval, and the median has to reach it."""
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Of Student's distribution, two-sided 95%, by degrees of freedom; the last is for all beyond too, and too wide for them."""


@dataclass(frozen=True)
class Ratio:
    """Ratios of pairs: their median, and the 95% interval of their mean; of few pairs the least and the greatest."""

    median: float
    low: float
    high: float
    pairs: int

    @property
    def holds(self) -> bool:
        return (self.median if self.pairs < FEW_ROUNDS else self.high) >= REACHED

    def __str__(self) -> str:
        if self.pairs == 1:
            return f"{self.median:.2f} (one round)"
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """Of their logarithms by Student's distribution, since a half and a double are as far from one."""
    middle, pairs = statistics.median(ratios), len(ratios)
    if pairs < FEW_ROUNDS:
        return Ratio(middle, min(ratios), max(ratios), pairs)
    logs = [math.log(each) for each in ratios]
    half = _STUDENT[min(pairs - 1, len(_STUDENT)) - 1] * statistics.stdev(logs) / math.sqrt(pairs)
    mean = statistics.fmean(logs)
    return Ratio(middle, math.exp(mean - half), math.exp(mean + half), pairs)


@dataclass(frozen=True)
class Side:
    """The turns of one side, and the counts of its last turn."""

    seconds: tuple[float, ...]
    requests: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    values: int
    cut: int
    steps: int | None = None
    """Runs of the model; nothing where the engine is in another process."""


@dataclass(frozen=True)
class Where:
    """The place of a measurement: cells of two places are never put together."""

    machine: str
    vllm: str
    model: str
    engine: str


@dataclass(frozen=True)
class Cell:
    """One kind of work over texts of one length, in one place."""

    where: Where
    tokens: int
    work: str
    rows: int
    limit: int
    """Tokens that an object may have."""
    sides: Mapping[str, Side]
    least_seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds that the device needs for the tokens of each side; empty where its figures are not known."""

    @property
    def name(self) -> str:
        return f"{self.tokens}:{self.work}"

    def ratio(self, side: str, to: str = BARE) -> Ratio:
        """By how many times a side is faster than another, pair by pair."""
        pairs = zip(self.sides[side].seconds, self.sides[to].seconds, strict=True)
        return ratio_of([other / own for own, other in pairs])

    def rows_per_second(self, side: str) -> float:
        return self.rows / statistics.median(self.sides[side].seconds)

    def share(self, side: str) -> float | None:
        """The part of the device's limit that a side reaches."""
        if side not in self.least_seconds:
            return None
        return self.least_seconds[side] / statistics.median(self.sides[side].seconds)

    @property
    def has_ratio(self) -> bool:
        return {BARE, TYPEFOLD} <= set(self.sides)

    @property
    def identity(self) -> tuple[Where, int, str]:
        """A file has one cell of each."""
        return self.where, self.tokens, self.work

    def added(self, other: "Cell") -> "Cell":
        """This cell with the turns of another measurement of the same work."""
        sides = {
            name: replace(side, seconds=other.sides[name].seconds + side.seconds)
            for name, side in self.sides.items()
            if name in other.sides
        }
        return replace(self, sides=sides)

    def is_like(self, other: "Cell") -> bool:
        """Whether their turns may be put together: the same rows, limits and sides."""
        return (self.identity, self.rows, self.limit) == (other.identity, other.rows, other.limit) and set(
            self.sides
        ) == set(other.sides)


def merged(old: Iterable[Cell], new: Cell, *, add: bool = False) -> list[Cell]:
    """The cells with a new one, which takes the place of an older measurement, or with `add` has its turns too."""
    kept: list[Cell] = []
    for cell in old:
        if cell.identity != new.identity:
            kept.append(cell)
        elif add:
            if not new.is_like(cell):
                raise ValueError(f"cell {new.name} has {cell.rows} rows and other limits or sides: measure it anew")
            new = new.added(cell)
    return [*kept, new]


@dataclass(frozen=True)
class _Cells:
    cells: list[Cell]


_File = TypeAdapter(_Cells)


def load(path: Path) -> list[Cell]:
    """The cells of a file; none of one that is not there yet."""
    if not path.exists():
        return []
    try:
        return _File.validate_json(path.read_bytes()).cells
    except ValidationError as error:
        raise SystemExit(f"{path} holds no cells; choose another file: {error}") from None


def save(path: Path, cells: Iterable[Cell]) -> None:
    """Write a file that is whole at any moment, since a machine may be taken away at any."""
    beside = path.with_suffix(".new")
    beside.write_bytes(_File.dump_json(_Cells(list(cells)), indent=1) + b"\n")
    beside.replace(path)


def next_rows(rows: int, took: float, wanted: float, most: int) -> int:
    """Rows for a turn of so many seconds, from a turn that was measured; at most four times as many."""
    return max(1, min(most, round(rows * min(wanted / took, 4.0))))


def rounded(rows: int) -> int:
    """Two digits: rows are no measurement."""
    step = int(10 ** max(0, len(str(rows)) - 2))
    return rows // step * step


@dataclass(frozen=True)
class Device:
    """Bytes and operations (dense, bfloat16) a second."""

    bandwidth: float
    flops: float


DEVICES = {"H200": Device(4.8e12, 989e12), "H100": Device(3.35e12, 989e12)}
"""By a part of the name, from the makers' data sheets (the H100's is that of the SXM form)."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a dense decoder with a gated MLP, in 16 bits."""

    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        """By the names of a model's config.json."""
        heads = config["num_attention_heads"]
        return cls(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            inner=config["intermediate_size"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head=config.get("head_dim") or config["hidden_size"] // heads,
            vocabulary=config["vocab_size"],
        )

    @property
    def body(self) -> int:
        """Weights of the layers, each of which a token is multiplied by."""
        attention = self.hidden * self.head * 2 * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.inner)

    @property
    def output(self) -> int:
        """Weights of the layer that gives a score to each token of the vocabulary."""
        return self.hidden * self.vocabulary

    @property
    def kv_bytes(self) -> int:
        """Bytes of keys and values that a token leaves behind."""
        return 2 * 2 * self.layers * self.kv_heads * self.head


def least_seconds(shape: Shape, device: Device, side: Side, at_once: int) -> float:
    """Seconds that the device needs for a side's tokens: its prefill by operations, and each decode step by bytes or operations.

    Args:
        shape: The model.
        device: The device.
        side: The tokens, of which those that came out of the prefix cache cost nothing.
        at_once: Requests that run at once.
    """
    if not side.requests:
        return 0.0
    each_in, each_out = side.tokens_in / side.requests, side.tokens_out / side.requests
    read = side.tokens_in - side.tokens_cached
    # A token attends to half of its prompt in the mean: two products of two operations for each weight of a head.
    attended = 4 * shape.layers * shape.heads * shape.head
    prefill = read * (2 * shape.body + attended * each_in / 2) + side.requests * 2 * shape.output
    decoded = side.tokens_out - side.requests  # the first token of an answer comes out of the prefill
    if decoded <= 0:
        return prefill / device.flops
    context = each_in + each_out / 2
    per_token = 2 * (shape.body + shape.output) + attended * context
    weights = 2 * (shape.body + shape.output)
    step = max(
        (weights + at_once * context * shape.kv_bytes) / device.bandwidth,
        at_once * per_token / device.flops,
    )
    return prefill / device.flops + math.ceil(decoded / at_once) * step


WORK_WORDS = {
    "label": "one of 12 labels",
    "bounded": "object of seven bounded fields",
    "plain": "object of seven fields, plain `str`",
    "text": "free text",
    "program": "program: label, text, object",
    "letter first": "the same with the letter first",
}
BEGIN, END = "<!-- the table -->", "<!-- the table's end -->"


def page(cells: Sequence[Cell]) -> str:
    """The cells as Markdown: a table for each place, with its median."""
    parts: list[str] = []
    for where in dict.fromkeys(cell.where for cell in cells):
        here = sorted((cell for cell in cells if cell.where == where), key=lambda cell: (cell.tokens, _order(cell)))
        rows = [_row(cell) for cell in here]
        names = [name for name in rows[0] if any(row[name] for row in rows)]
        lines = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
        parts += [
            f"**{where.machine}, {where.model}, vLLM {where.vllm}, the engine {where.engine}.** {summary(here)}",
            "\n".join(f"| {' | '.join(line)} |" for line in lines),
        ]
    return "\n\n".join(parts)


def median_of(cells: Sequence[Cell]) -> float:
    """The median over cells of the median over rounds."""
    return statistics.median(cell.ratio(TYPEFOLD).median for cell in cells if cell.has_ratio)


def summary(cells: Sequence[Cell]) -> str:
    """The median of the cells' ratios, and how many hold."""
    ratios = [cell.ratio(TYPEFOLD) for cell in cells if cell.has_ratio]
    if not ratios:
        return "No cell has both sides."
    rounds = sorted({ratio.pairs for ratio in ratios})
    counted = "1 round" if rounds == [1] else f"{' to '.join(map(str, dict.fromkeys((rounds[0], rounds[-1]))))} rounds"
    held, below = sum(ratio.holds for ratio in ratios), sum(ratio.median < REACHED for ratio in ratios)
    return (
        f"Median over the cells: {median_of(cells):.2f} times bare vLLM. {held} of {len(ratios)} hold; "
        f"medians below {REACHED}: {below} ({counted})."
    )


def insert(path: Path, text: str) -> None:
    """Put the tables between the two marks of a page."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def _order(cell: Cell) -> int:
    return list(WORK_WORDS).index(cell.work)


def _row(cell: Cell) -> dict[str, str]:
    """One line of a table; a column in which all lines are empty is left out."""
    ratio = cell.ratio(TYPEFOLD) if cell.has_ratio else None
    speeds = {title: _speed(cell.rows_per_second(name)) if name in cell.sides else "" for name, title in TITLES.items()}
    return {
        "text, tokens": f"{cell.tokens:,}",
        "work": WORK_WORDS[cell.work],
        "rows": f"{cell.rows:,}",
        **{f"rows/s: {title}" if title == "bare" else title: speed for title, speed in speeds.items()},
        "times bare": "" if ratio is None else str(ratio) if ratio.holds else f"**{ratio}**",
        "tokens in a row": _pair(cell, lambda side: f"{side.tokens_in / cell.rows:.0f}", alike=True),
        "out: bare, typefold": _pair(cell, lambda side: f"{side.tokens_out / cell.rows:.1f}"),
        "values of rows": _pair(cell, lambda side: f"{side.values / cell.rows:.0%}", alike=True),
        "steps": _pair(cell, lambda side: "" if side.steps is None else f"{side.steps:,}"),
        "tokens/s": _pair(cell, _rate),
        "of the card's limit": ", ".join(
            f"{share:.0%}" for name in (BARE, TYPEFOLD) if (share := cell.share(name)) is not None
        ),
    }


def _rate(side: Side) -> str:
    return f"{(side.tokens_in + side.tokens_out) / statistics.median(side.seconds):,.0f}"


def _pair(cell: Cell, shown: Callable[[Side], str], *, alike: bool = False) -> str:
    """A figure of bare vLLM's and typefold's, or one where they are the same and may be."""
    found = [shown(cell.sides[name]) for name in (BARE, TYPEFOLD) if name in cell.sides]
    if alike and len(set(found)) == 1:
        return found[0]
    return ", ".join(each for each in found if each)


def _speed(rows: float) -> str:
    return f"{rows:,.0f}" if rows >= 100 else f"{rows:.1f}" if rows >= 10 else f"{rows:.2f}"
