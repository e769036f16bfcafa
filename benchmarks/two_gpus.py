"""Two GPUs of one host against one of them: `replicas=2`, and `typefold.ray.map` with an actor a GPU.

    python -m benchmarks.two_gpus (--model DIR | --tiny) [--works label,plain,text,program] [--sides one,ray,replicas]
                                  [--gpus 2] [--tokens 500] [--rows N | --seconds S] [--rounds 2] [--budget S] [--json FILE]

one         a plain `Runtime` on one GPU
ray         a Ray Dataset of one block, and an actor a GPU
replicas    `Runtime(..., replicas=GPUS)`

The work is that of `benchmarks.table`, each turn behind a tag of its own, and each GPU has as many rows on all sides: as many
as one GPU does in `--seconds`. A side of Ray's begins when all actors have their engines, which the actors tell one another
by files in a folder, and ends when the last row is with the program that asked; its actors are new for each turn, so there is
one. Finished turns are kept in `--json`, and sides that are measured in a later run stand beside them. Without GPUs (`--tiny`
on a CPU) it shows that everything runs, and no more.
"""

import argparse
import importlib
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typefold.ray
from benchmarks.overhead import has_gpu
from benchmarks.table import TINY
from benchmarks.table_cells import next_rows
from benchmarks.table_work import PROGRAM, PlainCard, Row, Stages, limited, rows
from benchmarks.tables import Rows, show
from typefold import Runtime, demo_model, run
from typefold.runtime import Engine

ONE, RAY, REPLICAS = "one", "ray", "replicas"
ROOT = Path(__file__).parent.parent
MOST_ROWS = 4096


@dataclass(frozen=True)
class Work:
    """A kind of work as a function of one row; a value that an actor can be sent."""

    name: str
    limit: int

    @property
    def function(self) -> Any:
        functions = limited(self.name, self.limit)
        return Program(self.limit).row if self.name == PROGRAM else functions[0]


@dataclass(frozen=True)
class Program:
    """The program of three stages, with that limit for its card."""

    limit: int

    def row(self, row: Row) -> PlainCard | None:
        return Stages(*limited(PROGRAM, self.limit))(row)


@dataclass(frozen=True)
class Loaded:
    """Makes an actor's engine, and waits until all actors have one."""

    model: str
    options: Mapping[str, Any]
    folder: str
    actors: int

    def __call__(self) -> Engine:
        from typefold.runtime.engines.vllm.engine import load

        engine = load(self.model, **self.options)
        Path(self.folder, str(os.getpid())).write_text("")
        while len(os.listdir(self.folder)) < self.actors:
            time.sleep(0.01)
        return engine


@dataclass
class Plan:
    """The model, the engines and the amount of work, the same for all sides."""

    model: str
    options: dict[str, Any]
    gpus: int
    on_gpus: bool
    tokens: int
    seconds: float
    rounds: int
    limit: int
    until: float  # by `time.monotonic()`
    rows: dict[str, int]  # of a GPU, by work

    def is_over(self, expected: float = 0.0) -> bool:
        return time.monotonic() + expected > self.until


_turns = 0


def texts(plan: Plan, count: int, tokenizer: Any) -> list[Row]:
    """Rows that no prefix cache knows, but for what each turn's prompts share."""
    global _turns
    _turns += 1
    return [row.in_turn(f"Batch {os.getpid()} {_turns}.") for row in rows(count, plan.tokens, tokenizer)]


def here(plan: Plan, works: Sequence[Work], engines: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Turns of one `Runtime` with so many engines; it finds the rows of works that have none yet."""
    started = time.perf_counter()
    tokenizer = tokenizer_of(plan.model)
    more: dict[str, Any] = {} if engines == 1 else {"replicas": engines}
    with Runtime(plan.model, **plan.options, **more) as runtime:
        _ = runtime.engine
        loading = round(time.perf_counter() - started, 1)

        def turn(work: Work, count: int) -> tuple[float, int]:
            asked = texts(plan, count, tokenizer)
            started = time.perf_counter()
            if work.name == PROGRAM:
                values: list[Any] = run(work.function, asked)
            else:
                values = [each.value_or(None) for each in work.function.safe.map(asked)]
            return time.perf_counter() - started, sum(value is not None for value in values)

        for work in works:
            if plan.is_over():
                return
            count, (took, _) = 64, turn(work, 64)
            while work.name not in plan.rows:
                wanted = next_rows(count, took, plan.seconds, MOST_ROWS)
                if took > plan.seconds / 2 or count == MOST_ROWS:
                    plan.rows[work.name] = max(16, wanted // 16 * 16)
                else:
                    count = wanted
                    took, _ = turn(work, count)
            count = plan.rows[work.name] * engines
            seconds, values = list[float](), 0
            for _ in range(plan.rounds):
                if seconds and plan.is_over(seconds[-1]):
                    break
                took, values = turn(work, count)
                seconds.append(took)
            yield work.name, {"rows": count, "seconds": seconds, "values": values, "loading": loading}


def by_ray(plan: Plan, works: Sequence[Work]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A job of Ray's for each work, with an actor a GPU."""
    ray: Any = importlib.import_module("ray")
    arrow: Any = importlib.import_module("pyarrow")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    machine = {"num_gpus": plan.gpus} if plan.on_gpus else {"num_gpus": 0, "num_cpus": 2 * plan.gpus}
    ray.init(
        **machine,
        _node_ip_address="127.0.0.1",
        include_dashboard=False,
        object_store_memory=1 << 30,
        log_to_driver=plan.on_gpus,
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.wait_for_min_actors_s = 600  # an actor that is ready before the others would take their batches
    ray.data.range(4).map_batches(_unchanged).materialize()  # Ray's own processes are there then
    each: dict[str, Any] = {"num_gpus": 1} if plan.on_gpus else {"num_cpus": 0.5}
    tokenizer = tokenizer_of(plan.model)
    for work in works:
        expected = 2 * plan.seconds + 30 if plan.on_gpus else 0.0
        if plan.is_over(expected) or work.name not in plan.rows:
            continue
        count = plan.rows[work.name] * plan.gpus
        asked = texts(plan, count, tokenizer)
        table = arrow.table({"text": [row.text for row in asked], "tag": [row.tag for row in asked]})
        with tempfile.TemporaryDirectory() as folder:
            started = time.time()
            done: Any = typefold.ray.map(
                ray.data.from_arrow(table),
                work.function,
                model=Loaded(plan.model, plan.options, folder, plan.gpus),
                concurrency=plan.gpus,
                batch_size=max(1, plan.rows[work.name] // 4),
                **each,
            )
            found = [batch.to_pylist() for batch in done.iter_batches(batch_format="pyarrow")]
            ended = time.time()
            ready = max(Path(folder, name).stat().st_mtime for name in os.listdir(folder))
        back = [row for batch in found for row in batch]
        if len(back) != count:
            raise RuntimeError(f"{work.name}: {len(back)} rows came back of {count}")
        values = sum(row["result"] is not None for row in back)
        turns = {"rows": count, "seconds": [ended - ready], "values": values, "loading": round(ready - started, 1)}
        yield work.name, {**turns, "errors": dict(Counter(row["result_error"] or "none" for row in back))}
    ray.shutdown()


def _unchanged(batch: Any) -> Any:
    return batch


def tokenizer_of(model: str) -> Any:
    from transformers import AutoTokenizer

    made: Any = AutoTokenizer
    return made.from_pretrained(model)


def table_of(sides: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Rows a second of each side, and against one GPU."""
    found: Rows = []
    for side, works in sides.items():
        for work, turns in works.items():
            speed = turns["rows"] / statistics.median(turns["seconds"])
            alone = sides.get(ONE, {}).get(work)
            ratio = speed / (alone["rows"] / statistics.median(alone["seconds"])) if alone else None
            found.append(
                {
                    "work": work,
                    "side": side,
                    "rows": turns["rows"],
                    "values": turns["values"],
                    "seconds": ", ".join(f"{each:.1f}" for each in turns["seconds"]),
                    "rows/s": round(speed, 1),
                    "of one GPU": "" if ratio is None else round(ratio, 2),
                    "loading, s": turns["loading"],
                }
            )
    return sorted(found, key=lambda row: str(row["work"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--tiny", action="store_true", help="one layer of 64 behind the demo model's tokenizer")
    parser.add_argument("--works", default="label,plain,text,program")
    parser.add_argument("--sides", default=f"{ONE},{RAY},{REPLICAS}")
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=500, help="of a row's text")
    parser.add_argument("--rows", type=int, default=None, help="of a GPU in a turn, in place of --seconds")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=int, default=300, help="tokens of an object")
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no turn begins")
    parser.add_argument("--engine", type=json.loads, default={}, help="options for vllm.LLM, as JSON")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    until = time.monotonic() + arguments.budget

    tiny: dict[str, Any] = {"load_format": "dummy", "hf_overrides": TINY} if arguments.tiny else {}
    works = [Work(name, arguments.limit) for name in arguments.works.split(",")]
    kept: dict[str, Any] = {}
    if arguments.json and arguments.json.exists():
        kept = json.loads(arguments.json.read_text())
    plan = Plan(
        model=arguments.model or str(demo_model()),
        options={"max_model_len": 4096, **tiny, **arguments.engine},
        gpus=arguments.gpus,
        on_gpus=has_gpu(),
        tokens=arguments.tokens,
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        limit=arguments.limit,
        until=until,
        rows={work: turns["rows"] for work, turns in kept.get(ONE, {}).items()},
    )
    if arguments.rows:
        plan.rows |= {work.name: arguments.rows for work in works}
    measured = {
        ONE: lambda: here(plan, works, 1),
        RAY: lambda: by_ray(plan, works),
        REPLICAS: lambda: here(plan, works, plan.gpus),
    }
    for side in arguments.sides.split(","):
        for work, turns in measured[side]():
            kept.setdefault(side, {})[work] = turns
            print(f"{side} {work}: {turns}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(kept, indent=1))
    if kept:
        show({f"{plan.gpus} engines, texts of {plan.tokens} tokens, {Path(plan.model).name}": table_of(kept)}, None)


if __name__ == "__main__":
    main()
