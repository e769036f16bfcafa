"""Programs of several calls, four ways: what waiting for waves costs.

    python -m benchmarks.chains [--model PATH | --demo] [--rows 128] [--max-num-seqs 16] [--rounds 1] [--json FILE]

Rows of three calls, each call's prompt made of the answer before, with lengths of 4 to 96 tokens. Sides: one row after
the other (few rows, and scaled up: it says so), one batch a stage as written by hand, a thread a row as other libraries
do it, and typefold's `run`. On the scripted engine, or with `--model` or `--demo` on vLLM. Engine steps, which noise can't
touch, against the least possible; seconds, and how many of them the engine's step and its taking of requests took; ratios
to the waves, the median of pairs. Sides take turns in one process.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.tables import Rows, show
from benchmarks.workload import Program, Row, floor, rows, scripted, waves
from typefold import Runtime, demo_model, run
from typefold.compiler import Message
from typefold.runtime import Engine, Request


def engine_of(arguments: argparse.Namespace) -> Runtime:
    """The runtime that all sides share; nothing is remembered from one side to the next."""
    model = demo_model() if arguments.demo else arguments.model
    if model is None:
        return Runtime(scripted(arguments.max_num_seqs, arguments.step_seconds), deduplicate=False)
    return Runtime(
        model,
        deduplicate=False,
        max_num_seqs=arguments.max_num_seqs,
        max_model_len=1024,
        enable_prefix_caching=False,  # with it, the second side would gain
    )


class Watched:
    """How long the verbs of an engine take."""

    def __init__(self, engine: Engine) -> None:
        self.seconds = {"step": 0.0, "add": 0.0}
        for verb in self.seconds:
            setattr(engine, verb, self._timed(verb, getattr(engine, verb)))

    def _timed(self, verb: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[verb] += time.perf_counter() - started

        return timed


def wave(runtime: Runtime, prompts: list[str], lengths: list[int]) -> list[str]:
    """One batch, with a length for each prompt."""
    requests = [
        Request(prompt=(Message("user", text),), sampling={"temperature": 0, "max_tokens": length, "ignore_eos": True})
        for text, length in zip(prompts, lengths, strict=True)
    ]
    return [future.result().text for future in runtime.submit(requests)]


def compare(runtime: Runtime, work: list[Row], sequential_rows: int, rounds: int) -> Rows:
    program = Program(runtime)
    some = work[:: max(1, len(work) // sequential_rows)][:sequential_rows] if sequential_rows else []

    def in_threads() -> None:
        with ThreadPoolExecutor(len(work)) as pool:
            list(pool.map(program, work))

    sides: dict[str, tuple[Callable[[], object], list[Row]]] = {
        "waves": (lambda: waves(work, lambda texts, lengths: wave(runtime, texts, lengths)), work),
        "threads": (in_threads, work),
        "typefold run": (lambda: run(program, work), work),
    }
    if some:
        sides["sequential"] = (lambda: [program(row) for row in some], some)
    run(program, work[:2])  # warm
    watched = Watched(runtime.engine)
    spent: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    steps: dict[str, list[int]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
            before, started, watched.seconds = runtime.stats.steps, time.perf_counter(), {"step": 0.0, "add": 0.0}
            sides[name][0]()
            seconds[name].append(time.perf_counter() - started)
            spent[name].append(watched.seconds)
            steps[name].append(runtime.stats.steps - before)
    least = floor(work, runtime.engine.info.max_num_seqs)
    out: Rows = []
    for name, (_, part) in sides.items():
        scale = sum(sum(row.lengths) for row in work) / sum(sum(row.lengths) for row in part)
        pairs = [wave / (own * scale) for own, wave in zip(seconds[name], seconds["waves"], strict=True)]
        middle = statistics.median(steps[name]) * scale
        scaled = "" if part is work else f" (from {len(part)} rows)"
        out.append(
            {
                "side": name + scaled,
                "steps": round(middle),
                "of the least": round(middle / least, 3),
                "seconds (median)": round(statistics.median(seconds[name]) * scale, 2),
                "in the engine's step": round(statistics.median(each["step"] for each in spent[name]) * scale, 2),
                "taking requests": round(statistics.median(each["add"] for each in spent[name]) * scale, 2),
                "times as fast as waves (median of pairs)": round(statistics.median(pairs), 3),
                "range": f"{min(pairs):.3f} to {max(pairs):.3f}",
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path, on vLLM")
    parser.add_argument("--demo", action="store_true", help="the demo model, on vLLM")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--max-num-seqs", type=int, default=16)
    parser.add_argument("--sequential-rows", type=int, default=4, help="0 leaves this side out")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--step-seconds", type=float, default=0.005, help="how long a step of the scripted engine takes"
    )
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    work = rows(arguments.rows)
    least = floor(work, arguments.max_num_seqs)
    with engine_of(arguments) as runtime:
        table = compare(runtime, work, arguments.sequential_rows, arguments.rounds)
    name = "vLLM" if arguments.demo or arguments.model else "the scripted engine"
    title = f"{arguments.rows} rows of three calls on {name}, max_num_seqs={arguments.max_num_seqs}, {least=} steps"
    show({title: table}, arguments.json)


if __name__ == "__main__":
    main()
