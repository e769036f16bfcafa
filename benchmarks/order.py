"""Which of the waiting requests should go first when rows have several stages: a simulation on the scripted engine.

    python -m benchmarks.order [--rows 128] [--max-num-seqs 16] [--json FILE]

Rows of three calls with lengths of 4 to 96 tokens go through `run` while the engine's queue is kept in one of four
orders: as requests arrive, later stages first (rows that are further along), earlier stages first, and the row that was
begun first. Engine steps against the least possible, the steps at which a quarter, half and three quarters of the rows
had ended, and the most rows that were begun and not ended at once (which is what takes memory).
"""
# It looks inside: the order of a queue is nobody's business otherwise.
# pyright: reportPrivateUsage=false

import argparse
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.tables import Rows, show
from benchmarks.workload import STAGES, Program, Row, floor, rows
from typefold import Runtime, run
from typefold.runtime import Completion, Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling import admission

Rank = Callable[[Request], int]


def stage_of(request: Request) -> int:
    text = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
    return next(index for index, stage in enumerate(STAGES) if text.startswith(stage))


ORDERS: dict[str, Rank | None] = {
    "as they arrive": None,
    "later stages first": lambda request: -stage_of(request),
    "earlier stages first": stage_of,
    "earlier rows first": lambda request: request.row or 0,
}


class OrderedEngine(ScriptedEngine):
    """Keeps what waits in an order."""

    def __init__(self, rank: Rank | None, *, max_num_seqs: int, step_seconds: float) -> None:
        super().__init__(lambda request: "x" * 200, max_num_seqs=max_num_seqs, step_seconds=step_seconds)
        self._rank = rank
        self._ranks: dict[str, int] = {}

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        if self._rank is not None:
            self._ranks[key] = self._rank(request)

    def step(self) -> Sequence[Completion]:
        if self._rank is not None:
            self._waiting = deque(sorted(self._waiting, key=lambda sequence: self._ranks[sequence.key]))
        return super().step()


def simulate(
    work: list[Row], rank: Rank | None, max_rows_in_flight: int, arguments: argparse.Namespace
) -> dict[str, object]:
    engine = OrderedEngine(rank, max_num_seqs=arguments.max_num_seqs, step_seconds=arguments.step_seconds)
    with Runtime(engine, deduplicate=False) as runtime:
        program = Program(runtime)
        started = time.perf_counter()
        run(program, work, max_rows_in_flight=max_rows_in_flight)
        seconds = time.perf_counter() - started
    least = floor(work, arguments.max_num_seqs)
    quarter = len(work) // 4
    return {
        "steps": engine.steps,
        "of the least": round(engine.steps / least, 3),
        "25% ended at": program.ended_at[quarter - 1],
        "50%": program.ended_at[2 * quarter - 1],
        "75%": program.ended_at[3 * quarter - 1],
        "rows open at most": program.most,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--max-num-seqs", type=int, default=16)
    parser.add_argument("--step-seconds", type=float, default=0.004)
    parser.add_argument("--feed", type=int, default=0, help="the engine's queue, in max_num_seqs; 0 for all that waits")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    if arguments.feed != 2:
        admission.FEED = arguments.feed or 10**6
    tables: dict[str, Rows] = {}
    for max_rows_in_flight in (4 * arguments.max_num_seqs, arguments.rows):
        table: Rows = []
        for seed in range(arguments.seeds):
            work = rows(arguments.rows, seed=seed)
            table += [
                {"order": name, "seed": seed} | simulate(work, rank, max_rows_in_flight, arguments)
                for name, rank in ORDERS.items()
            ]
        least = floor(rows(arguments.rows, seed=0), arguments.max_num_seqs)
        tables[
            f"{arguments.rows} rows, {max_rows_in_flight} begun at once, max_num_seqs={arguments.max_num_seqs}, least={least} (seed 0)"
        ] = table
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
