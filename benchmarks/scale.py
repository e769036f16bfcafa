"""The cost of a call, in time and memory, from a thousand rows to a million.

    python -m benchmarks.scale [--most 1000000] [--stages 1] [--journal [--sampled]] [--profile 20000] [--json FILE]

Rows from a generator through `run.stream` on the scripted engine, each decade in a fresh process. Time for each call,
with the engine's own share measured apart and taken off, in CPU time (which other programs on the machine don't change
much) and by the clock. The peak of resident memory over what the process had before its first row: law 8 says that it is
bounded by the rows in flight, so it must not grow with the rows in the job. With `--journal` each decade runs twice with a
journal, which it first writes and then reads, and its size is shown.
"""

import argparse
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables import Rows, show
from typefold import Runtime, ask, prompt, run
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt(temperature=0)
def label(thing: str) -> str:
    return ask(f"Describe {thing} in a word.")


class Forgetful(ScriptedEngine):
    """An engine that does not keep the requests that it was asked."""

    def __init__(self) -> None:
        super().__init__(lambda request: "fine", tokens_per_step=64, max_num_seqs=256)

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        self.requests.clear()


def things(count: int) -> Iterator[str]:
    return (f"thing number {index}" for index in range(count))


def engine_alone(calls: int) -> float:
    """CPU seconds of the engine for so many requests, driven by a bare loop."""
    engine, request = Forgetful(), label.using(runtime=None)
    messages = request.render("thing number 0")
    assert isinstance(messages, tuple)
    asked = Request(prompt=messages, sampling={"temperature": 0})
    started, left = time.process_time(), 0
    for index in range(calls):
        engine.add(str(index), asked, engine.tokenize(asked), 64)
        left += 1
        if left >= 512:
            left -= len(engine.step())
    while left:
        left -= len(engine.step())
    return time.process_time() - started


def go(rows: int, stages: int, *, sampled: bool = False) -> None:
    asked = label.using(temperature=1.0) if sampled else label

    def program(thing: str) -> str:
        for _ in range(stages):
            thing = f"{thing}, {asked(thing)}"
        return thing

    done = sum(1 for _ in run.stream(program, things(rows)))
    assert done == rows


def measure(rows: int, stages: int, journal: Path | None, *, sampled: bool) -> dict[str, Any]:
    """One decade, in this process."""
    calls = rows * stages
    with Runtime(Forgetful(), journal=journal) as runtime:
        if journal is None:
            go(300, stages)
        else:
            runtime.generate("the first call opens the file")
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, cpu = time.perf_counter(), time.process_time()
        go(rows, stages, sampled=sampled)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        from_journal = runtime.stats.from_journal
    engine = 0.0 if from_journal else engine_alone(min(calls, 20_000)) / min(calls, 20_000)
    kept = (
        {}
        if journal is None
        else {"from_journal": from_journal, "journal, MiB": round(journal.stat().st_size / 2**20, 1)}
    )
    return {
        "rows": rows,
        "calls": calls,
        "us a call (clock)": round(seconds / calls * 1e6, 1),
        "us a call (CPU)": round(cpu / calls * 1e6, 1),
        "of these the engine": round(engine * 1e6, 1),
        "own us a call (CPU)": round((cpu / calls - engine) * 1e6, 1),
        "peak memory over the start, MiB": round((peak - base) / 1024, 1),
        **kept,
    }


def decade(rows: int, arguments: argparse.Namespace, journal: Path | None) -> dict[str, Any]:
    """One decade, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--worker", str(rows), "--stages", str(arguments.stages)]
    command += [] if journal is None else ["--file", str(journal)]
    command += ["--sampled"] if arguments.sampled else []
    measured: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return measured


def profile(rows: int, stages: int) -> None:
    """Where the time goes: the caller's thread by cProfile."""
    with Runtime(Forgetful()):
        profiler = cProfile.Profile()
        profiler.runcall(go, rows, stages)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=int, default=1000)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--stages", type=int, default=1, help="calls in each row, one after the other")
    parser.add_argument("--profile", type=int, default=0, metavar="ROWS", help="only show where the time goes")
    parser.add_argument("--journal", action="store_true", help="with a journal, which is written and then read")
    parser.add_argument("--sampled", action="store_true", help="calls that are sampled, not greedy")
    parser.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(arguments.worker, arguments.stages, arguments.file, sampled=arguments.sampled)))
        return
    if arguments.profile:
        profile(arguments.profile, arguments.stages)
        return
    tables: dict[str, Rows] = {}
    rows = arguments.least
    while rows <= arguments.most:
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder, "run.db") if arguments.journal else None
            for side in ("written", "read again") if arguments.journal else ("",):
                title = f"run.stream from a generator, {arguments.stages} calls a row"
                title += f", a journal {side}" if side else ""
                tables.setdefault(title, []).append(decade(rows, arguments, journal))
        rows *= 10
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
