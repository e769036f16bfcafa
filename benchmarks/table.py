"""The table of docs/performance.md: what bare vLLM, typefold and Outlines make of the same work, beside what the card could.

    python -m benchmarks.table (--model DIR | --demo | --tiny) [--cells 500:plain=512,50:label] [--rows N | --seconds S]
                               [--rounds 3] [--sides bare,typefold] [--budget S] [--json cells.json] [--add] [--in-process]
    python -m benchmarks.table --print cells.json ... [--into docs/performance.md]

Cells are kinds of work over texts of 50, 500 and 2,000 tokens: a label out of 12, objects of seven fields with and without
bounds, free text of 64 tokens, and a program of three stages. Sides, in turn, on one `LLM`:

bare        `LLM.chat` as it is written by hand: all prompts in one call, a stage after the other, `choice` or `json` as the
            constraint, values read by pydantic
batched     the same by `LLM.generate`, tokens made by one call of the tokenizer; not among the sides by default
typefold    the same functions by `.safe.map`, the program by `run`
outlines    `from_vllm_offline` and `.batch` with the same types, where Outlines is installed
least       bare vLLM given tokens that were made before, asked for one free token: nobody's labels can be faster

All send the same messages, those of `function.render`, with the same limits, greedy; each turn's prompts begin with a tag of
their own, so that no prefix cache has them. Prompts are made and tokenised in the measured time, but for the least. Rows are
those behind the cell's name, or `--rows`, or as many as the first side does in `--seconds`, found by short turns. Finished rounds are kept in `--json`: a cell that is measured
again takes the place of the old one, or with `--add` has its rounds too. Engine steps are counted with the engine in this
process, which is the default on a CPU. `--tiny` is one layer of 64: it shows what surrounds the model.

Outlines need not be in this environment:

    pip install --no-deps --target /tmp/outlines outlines==1.3.3 genson diskcache
    PYTHONPATH=/tmp/outlines python -m benchmarks.table --demo
"""

import argparse
import gc
import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.overhead import has_gpu
from benchmarks.table_cells import (
    BATCHED,
    DEVICES,
    OUTLINES,
    SIDES,
    TYPEFOLD,
    Cell,
    Device,
    Shape,
    Side,
    Where,
    insert,
    least_seconds,
    load,
    merged,
    next_rows,
    page,
    rounded,
    save,
)
from benchmarks.table_sides import Bench, Turns
from benchmarks.table_work import TOKENS, WORK, rows
from typefold import demo_model

Card = Callable[[Side, int], float | None]
"""The seconds that a device needs for the tokens of a side over so many rows, if its figures are known."""
_ORDER = (
    "500:plain 500:program 500:label 50:label 500:bounded 500:text 50:plain 2000:plain 2000:label 50:program 2000:program "
    "50:bounded 50:text 2000:bounded 2000:text"
)
ORDER = _ORDER.split()
"""The cells of the page, the most telling first."""
CELLS = [f"{tokens}:{work}" for tokens in TOKENS for work in WORK]
MOST_ROWS = 4096
TINY = {
    "num_hidden_layers": 1,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 64,
}


@dataclass
class Plan:
    """The amount of measuring for each cell."""

    seconds: float
    rounds: int
    limit: int
    until: float
    """When to stop, by `time.monotonic()`."""
    fewest: int = 8
    """Rows of the first probing turn; fewer would leave the device idle."""
    warm: int = 8
    """Rows of the turns that come before any is measured."""


def measure(bench: Bench, name: str, asked: int | None, plan: Plan, where: Where, card: Card) -> Iterator[Cell]:
    """Measure a cell over the rows asked for, or as many as fill a turn, giving it after each round that there is time for."""
    length, _, work = name.partition(":")
    tokens, sides = int(length), bench.sides(work, plan.limit)
    first = next(iter(sides.values()))
    count = asked or plan.fewest
    texts = rows(count, tokens, bench.tokenizer)
    for side in sides.values():  # warm: grammars compiled, kernels chosen
        bench.turn(side, texts[: plan.warm])
    if asked is None:
        took = bench.turn(first, texts)
        while took < plan.seconds / 2 and count < MOST_ROWS and time.monotonic() + took < plan.until:
            count = next_rows(count, took, plan.seconds, MOST_ROWS)
            texts = rows(count, tokens, bench.tokenizer)
            took = bench.turn(first, texts)
        count = max(plan.fewest, rounded(next_rows(count, took, plan.seconds, MOST_ROWS)))
        texts = rows(count, tokens, bench.tokenizer)
    for turn in range(plan.rounds):
        known = sum(side.seconds[-1] for side in sides.values()) if turn else 0.0
        expected = known or (plan.seconds * len(sides) if asked is None else 0.0)
        if time.monotonic() + expected > plan.until:
            return
        for side in list(sides.values()) if turn % 2 == 0 else list(sides.values())[::-1]:
            side.seconds.append(bench.turn(side, texts))
        done = {name: _side(side, exact=bench.steps.exact) for name, side in sides.items()}
        least = {name: seconds for name, side in done.items() if (seconds := card(side, count)) is not None}
        yield Cell(where, tokens, work, count, plan.limit, done, least)


def _side(turns: Turns, *, exact: bool) -> Side:
    counts: dict[str, Any] = dict(turns.counts) if exact else {**turns.counts, "steps": None}
    return Side(tuple(turns.seconds), **counts)


def engine_of(arguments: argparse.Namespace, *, gpu: bool) -> Any:
    """The `LLM` of all sides, with the options that typefold loads a model with."""
    from vllm import LLM
    from vllm.platforms import current_platform

    from typefold.runtime.engines.vllm import compat
    from typefold.runtime.engines.vllm.loading import loading_of

    asked: dict[str, Any] = {"max_model_len": 4096}
    if arguments.tiny:
        asked |= {"load_format": "dummy", "hf_overrides": TINY}
    asked |= arguments.engine
    loading = loading_of(asked, cpu=not gpu, cuda=gpu, many=gpu and compat.runs_many(current_platform))
    return LLM(str(arguments.model or demo_model()), **loading.options)


def place_of(arguments: argparse.Namespace, *, gpu: bool) -> Where:
    import torch
    import vllm

    machine = torch.cuda.get_device_name() if gpu else f"{len(os.sched_getaffinity(0))} CPU cores"
    model = "one layer of 64" if arguments.tiny else Path(arguments.model).name if arguments.model else "the demo model"
    inside = os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    engine = "in this process" if inside else "in a process of its own"
    return Where(arguments.machine or machine, vllm.__version__, arguments.name or model, engine)


def card_of(llm: Any, machine: str, bandwidth: float | None, flops: float | None) -> Card:
    config = llm.llm_engine.model_config.hf_config
    known = next((device for name, device in DEVICES.items() if name in machine), Device(0, 0))
    bandwidth, flops = bandwidth or known.bandwidth, flops or known.flops
    if not bandwidth or not flops:
        return lambda side, count: None
    shape, device = Shape.of(config.to_dict()), Device(bandwidth, flops)
    most = llm.llm_engine.vllm_config.scheduler_config.max_num_seqs
    return lambda side, count: least_seconds(shape, device, side, min(count, most))


def _chosen(text: str, known: Sequence[str], flag: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name.partition("=")[0] not in known]:
        raise SystemExit(f"{flag}: there is no {unknown[0]!r}; there are {', '.join(known)}")
    return names


def _rows_of(cells: list[str]) -> dict[str, int | None]:
    """The cells by name, with the rows that are written behind some."""
    parts = [cell.partition("=") for cell in cells]
    if wrong := [rows for _, equals, rows in parts if equals and not (rows.isdecimal() and int(rows))]:
        raise SystemExit(f"--cells: {wrong[0]!r} is no number of rows")
    return {name: int(rows) if rows else None for name, _, rows in parts}


def parsed(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", default=None, help="a model's folder or name")
    model.add_argument("--demo", action="store_true", help="the demo model, which is also the default")
    model.add_argument("--tiny", action="store_true", help="one layer of 64 behind the demo model's tokenizer")
    parser.add_argument("--name", default=None, help="the model's name in the table")
    parser.add_argument("--machine", default=None, help="the machine's name in the table")
    parser.add_argument(
        "--cells", default=",".join(ORDER), help="such as 500:plain=512,50:label; those of the page if left out"
    )
    usual = ",".join(side for side in SIDES if side != BATCHED)
    parser.add_argument("--sides", default=usual, help=f"of {', '.join(SIDES)}; {usual} if left out")
    parser.add_argument("--rows", type=int, default=None, help="rows of a turn, in place of --seconds")
    parser.add_argument("--seconds", type=float, default=None, help="of a turn: 10 on a GPU, 60 on a CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=None, help="tokens of an object: 300 on a GPU, 100 on a CPU")
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no turn begins")
    parser.add_argument("--process", action="store_true", help="the engine in its own process on a CPU too")
    parser.add_argument("--in-process", action="store_true", help="the engine in this process on a GPU too")
    parser.add_argument("--engine", type=json.loads, default={}, help="options for vllm.LLM, as JSON")
    parser.add_argument("--bandwidth", type=float, default=None, help="bytes a second of the device's memory")
    parser.add_argument("--flops", type=float, default=None, help="dense 16-bit operations a second of the device")
    parser.add_argument("--json", type=Path, default=None, help="the file of cells to merge into")
    parser.add_argument("--add", action="store_true", help="keep the rounds that a cell has in the file")
    parser.add_argument("--print", type=Path, nargs="+", default=None, help="print the cells of files; measure nothing")
    parser.add_argument("--into", type=Path, default=None, help="with --print: the page to put the table into")
    arguments = parser.parse_args(given)
    arguments.cells = _rows_of(_chosen(arguments.cells, CELLS, "--cells"))
    arguments.sides = _chosen(arguments.sides, SIDES, "--sides")
    return arguments


def main() -> None:
    arguments = parsed()
    if arguments.print:
        text = page([cell for path in arguments.print for cell in load(path)])
        if arguments.into:
            insert(arguments.into, text)
        else:
            print(text)
        return
    until = time.monotonic() + arguments.budget
    old = load(arguments.json) if arguments.json else []
    gpu = has_gpu()
    inside = arguments.in_process or not (gpu or arguments.process)
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = str(int(not inside))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    where = place_of(arguments, gpu=gpu)
    if OUTLINES in arguments.sides and importlib.util.find_spec("outlines") is None:
        print("Outlines is not installed: its side is left out.", flush=True)
        arguments.sides.remove(OUTLINES)
    for known in old if arguments.add else ():  # told before an hour's measurements, and not after
        if known.where == where and known.name in arguments.cells and set(known.sides) != set(arguments.sides):
            raise SystemExit(
                f"{known.name} has the sides {', '.join(known.sides)}: name them, or measure it anew without --add"
            )
    llm = engine_of(arguments, gpu=gpu)
    gc.collect()
    gc.freeze()  # of a million objects that stay, for all sides
    bench = Bench(llm, arguments.sides)
    card = card_of(llm, where.machine, arguments.bandwidth, arguments.flops)
    plan = Plan(
        seconds=arguments.seconds or (10.0 if gpu else 60.0),
        rounds=arguments.rounds,
        limit=arguments.limit or (300 if gpu else 100),
        until=until,
        fewest=256 if gpu else 8,
        warm=64 if gpu else 8,
    )
    found: list[Cell] = []
    for name, asked in arguments.cells.items():
        cell: Cell | None = None
        for cell in measure(bench, name, asked or arguments.rows, plan, where, card):
            if arguments.json:
                save(arguments.json, merged(old, cell, add=arguments.add))
        if cell is not None:
            old = merged(old, cell, add=arguments.add)
            found.append(cell)
            print(_line(cell), flush=True)
        if cell is None or len(cell.sides[arguments.sides[0]].seconds) < plan.rounds:
            print(f"The time is over at {name}.", flush=True)
            break
    bench.runtime.close()
    if found:
        print(page(found))


def _line(cell: Cell) -> str:
    speeds = ", ".join(f"{name} {cell.rows_per_second(name):.1f}" for name in cell.sides)
    ratio = f", times bare {cell.ratio(TYPEFOLD)}" if cell.has_ratio else ""
    return f"{cell.name}: {cell.rows} rows, rows/s {speeds}{ratio}"


if __name__ == "__main__":
    main()
