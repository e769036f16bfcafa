"""Forecasts against the truth: tokens over resampled lengths of real answers, tokens and time on a real engine.

    python -m benchmarks.forecasts [--resamplings 200]
    python -m benchmarks.forecasts (--model DIR | --demo | --tiny) [--process] [--rows 2048] [--sample 768] [--max-num-seqs 256]
                                   [--works label,text] [--lengths FILE] [--json FILE]

The first draws jobs of 6,400 rows from `benchmarks/data/lengths.json` (the calls of rows that the demo model answered: a label, a
bounded object, a plain one, free text, and a program of three calls), forecasts each from 64 of them, and counts the intervals that hold
the truth; the aim is 90 of a hundred. The second forecasts the same kinds of work from a sample on a real engine, and then asks for
all, behind another tag. `--lengths` saves the lengths of that run's answers for the first.
"""

import argparse
import json
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.overhead import has_gpu
from benchmarks.table import engine_of
from benchmarks.table_work import Row, Stages, answer, bounded, card, label, letter, plain, text
from benchmarks.tables import Rows, show
from typefold import Estimate, Forecast, Runtime, forecast, run
from typefold.evaluation.forecasting import chosen
from typefold.evaluation.observed import Watcher, total
from typefold.execution.seeding import rehearsing
from typefold.execution.tracing import observed_by

LENGTHS = Path(__file__).parent / "data" / "lengths.json"
HOT: dict[str, Any] = {"temperature": 0.7, "seed": 1}
WORKS: dict[str, Callable[[Row], object]] = {
    "label": label,
    "bounded": bounded.using(**HOT),
    "plain": plain.using(**HOT),
    "text": text.using(**HOT, max_tokens=128),
    "program": Stages(label, answer.using(**HOT), card.using(**HOT)),
}


@dataclass(frozen=True)
class Lengths:
    """The tokens of a row's prompts and answers, and the most that its answers could have had."""

    prompts: int
    answers: int
    most: int


def load(path: Path = LENGTHS) -> dict[str, list[Lengths]]:
    """The rows of each kind of work."""
    found: dict[str, list[list[int]]] = json.loads(path.read_text(encoding="utf-8"))
    return {work: [Lengths(*row) for row in rows] for work, rows in found.items()}


def covered(known: Sequence[Lengths], resamplings: int, *, rows: int = 6400, sample: int = 64) -> dict[str, Any]:
    """The share of jobs for which the interval of a forecast holds the truth."""
    rng = random.Random("forecasts")
    found: dict[str, list[tuple[bool, float]]] = {"prompts": [], "answers": []}
    for number in range(resamplings):
        job = rng.choices(known, k=rows)
        asked = [job[index] for index in chosen(rows, sample, number)]
        for name, truth, estimate in (
            ("prompts", sum(row.prompts for row in job), total([row.prompts for row in asked], rows, max(row.prompts for row in asked))),
            ("answers", sum(row.answers for row in job), total([row.answers for row in asked], rows, max(row.most for row in asked))),
        ):  # fmt: skip
            found[name].append((estimate.low <= truth <= estimate.high, (estimate.high - estimate.low) / truth))
    return {
        f"{name}, {figure}": f"{fmean(each[place] for each in cases):.1%}"
        for name, cases in found.items()
        for place, figure in enumerate(("intervals with the truth", "width"))
    }


def letters(count: int, tag: str, first: int) -> list[Row]:
    """Letters of uneven lengths, told apart by a tag, so that no cache holds those of another run."""
    rng = random.Random(first)
    lengths = [round(math.exp(rng.uniform(math.log(80), math.log(900)))) for _ in range(count)]
    return [Row(letter(first + number, length), tag) for number, length in enumerate(lengths)]


def timed(runtime: Runtime, work: str, rows: int, sample: int, lengths: dict[str, Any]) -> dict[str, Any]:
    """Forecast a work, do as much of it, and compare."""
    function = WORKS[work]
    with runtime:
        run.safe(function, letters(16, f"Batch 0, {work}.", 10_000))  # grammars are compiled, kernels chosen
        found = forecast(function, letters(rows, f"Batch 1, {work}.", 0), sample=sample)
        with rehearsing(runtime) as place:
            watcher = Watcher(place)
            started = time.perf_counter()
            with observed_by(watcher):
                run.safe(function, letters(rows, f"Batch 2, {work}.", 0))
            seconds = time.perf_counter() - started
    held: list[list[int]] = [[0, 0, 0] for _ in range(rows)]
    for each in watcher.requests:
        most = 0 if math.isinf(each.most_tokens) else int(each.most_tokens)
        for place_of, tokens in enumerate((each.prompt_tokens, each.output_tokens, most)):
            held[each.row][place_of] += tokens
    lengths[work] = held
    return compared(work, found, seconds, sum(row[0] for row in held), sum(row[1] for row in held))


def compared(work: str, found: Forecast, seconds: float, prompts: int, answers: int) -> dict[str, Any]:
    assert found.seconds is not None and found.rows_per_second is not None
    return {
        "work": work,
        "rows": found.rows,
        "asked": len(found.asked),
        "full width": found.is_full_width,
        "rows/s": f"{found.rows_per_second:.1f}",
        "seconds, forecast": _against(found.seconds, seconds),
        "seconds": f"{seconds:.1f}",
        "output tokens, forecast": _against(found.output_tokens, answers),
        "output tokens": f"{answers:,}",
        "prompt tokens, forecast": _against(found.prompt_tokens, prompts),
    }


def _against(estimate: Estimate, truth: float) -> str:
    held = "" if estimate.low <= truth <= estimate.high else ", outside"
    return f"{estimate:,.1f} ({estimate / truth - 1:+.1%}{held})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", default=None, help="a model's folder or name, on vLLM")
    model.add_argument("--demo", action="store_true", help="the demo model, on vLLM")
    model.add_argument("--tiny", action="store_true", help="one layer of 64, on vLLM")
    parser.add_argument("--process", action="store_true", help="vLLM in a process of its own")
    parser.add_argument("--engine", type=json.loads, default={}, help="options for vllm.LLM, as JSON")
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--sample", type=int, default=768)
    parser.add_argument("--max-num-seqs", type=int, default=256)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--resamplings", type=int, default=200)
    parser.add_argument("--lengths", type=Path, default=None, help="a file for the lengths of a real run")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    if not (arguments.model or arguments.demo or arguments.tiny):
        table: Rows = [{"work": work, **covered(rows, arguments.resamplings)} for work, rows in load().items()]
        show({f"{arguments.resamplings} jobs of 6,400 rows, each forecast from 64": table}, arguments.json)
        return
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = str(int(arguments.process))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    arguments.engine = {"max_num_seqs": arguments.max_num_seqs} | arguments.engine
    llm = engine_of(arguments, gpu=has_gpu())
    lengths: dict[str, Any] = {}
    table = []
    for work in arguments.works.split(","):
        table.append(timed(Runtime(llm), work, arguments.rows, arguments.sample, lengths))
        print(table[-1], flush=True)
        if arguments.lengths is not None:
            arguments.lengths.write_text(json.dumps(lengths, separators=(",", ":")))
    show({f"forecasts, {arguments.max_num_seqs} requests at once": table}, arguments.json)


if __name__ == "__main__":
    main()
