"""The engine's thread: what typefold adds to the engine's own work there, for a row and for a step.

    python -m benchmarks.engine_thread [--rows 256] [--demo | --model PATH | --tiny] [--json FILE]

Answers of four kinds: one of four labels; objects that are cut at the token limit, plain and of a type that contains itself; free
text of 2,000 tokens; and such a text in an object that is whole. On the scripted engine, 64 rows at once, and with one of the options
on vLLM in this process, where 2,000 tokens are 500; `--tiny` is one layer of 64 behind the demo model's tokenizer.

Processor time of that thread alone (`time.thread_time`), without that of the engine's own methods: microseconds for a row to enter
(`admit`), for a row to be handed over, for a step with all that it hands over, and for the longest one. The work of a row must not
grow with its answer.
"""

# Benchmarks look inside:
# pyright: reportPrivateUsage=false

import argparse
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from benchmarks.tables import Rows, show
from benchmarks.workload import STAGES
from typefold import BatchError, Runtime, demo_model
from typefold.runtime import Request
from typefold.runtime.engines.scripted import Cut, ScriptedEngine
from typefold.runtime.scheduling.loop import Loop

Label = Literal["politics", "sports", "business", "arts"]
WORDS = "the quiet old river keeps every small light near its stone bridge "


class Plain(BaseModel):
    title: str
    body: str
    tags: list[str]


class Deep(BaseModel):
    name: str
    parts: "list[Deep]"


@dataclass(frozen=True)
class Work:
    """A type, the limit of tokens, and the answer of the scripted engine, whose tokens are bytes."""

    title: str
    hint: Any
    max_tokens: int
    answer: str


def works(long: int) -> list[Work]:
    body = WORDS * (long // len(WORDS))
    return [
        Work("a label", Label, 16, "sports"),
        Work("an object, cut at 300 tokens", Plain, 300, Cut(f'{{"title": "a", "body": "{body[:250]}')),
        Work("a deep object, cut", Deep, 300, Cut('{"name": "a", "parts": [' * 12)),
        Work(f"free text of {long:,} tokens", str, long, body),
        Work("a whole object with that text", Plain, long + 100, f'{{"title": "a", "body": "{body}", "tags": []}}'),
    ]


@dataclass
class Clock:
    """The time of the engine's thread in the scheduler's own code."""

    inside: dict[int, float] = field(default_factory=lambda: defaultdict[int, float](float))  # the engine's, by thread
    admitted: list[float] = field(default_factory=list[float])
    steps: list[float] = field(default_factory=list[float])

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **names: Any) -> Any:
            started = time.thread_time()
            try:
                return method(*args, **names)
            finally:
                self.inside[threading.get_ident()] += time.thread_time() - started

        return timed

    def noting(self, method: Callable[..., Any], found: Callable[[], list[float]]) -> Callable[..., Any]:
        def timed(*args: Any, **names: Any) -> Any:
            here = threading.get_ident()
            inside, started = self.inside[here], time.thread_time()
            try:
                return method(*args, **names)
            finally:
                found().append(time.thread_time() - started - (self.inside[here] - inside))

        return timed


@contextmanager
def clocked(engine: Any) -> Generator[Clock]:
    clock, before = Clock(), (Loop._admit, Loop._step)
    for name in ("add", "step", "deltas", "tokenize", "tokenize_all", "identity", "max_tokens"):
        if hasattr(engine, name):
            setattr(engine, name, clock.around(getattr(engine, name)))
    loop: Any = Loop
    loop._admit = clock.noting(before[0], lambda: clock.admitted)
    loop._step = clock.noting(before[1], lambda: clock.steps)
    try:
        yield clock
    finally:
        loop._admit, loop._step = before


def measure(make: Callable[[Work], Any], work: Work, rows: int) -> dict[str, Any]:
    engine = make(work)
    asked = [f"{STAGES[0]} lighthouse {row}" for row in range(rows)]
    options: dict[str, Any] = {"temperature": 0, "max_tokens": work.max_tokens}
    with Runtime(engine, deduplicate=False) as runtime:
        ask(runtime, asked[:8], work, options)
        with clocked(engine) as clock:
            ask(runtime, asked, work, options)
        statistics = runtime.stats
    return {
        "answers": work.title,
        "rows": rows,
        "cut": statistics.failed + statistics.truncated,
        "steps": len(clock.steps),
        "us a row to enter": round(sum(clock.admitted) / rows * 1e6, 1),
        "us a row, steps": round(sum(clock.steps) / rows * 1e6, 1),
        "us a step": round(sum(clock.steps) / len(clock.steps) * 1e6, 1),
        "longest step, us": round(max(clock.steps) * 1e6),
    }


def ask(runtime: Runtime, asked: list[str], work: Work, options: dict[str, Any]) -> None:
    with suppress(BatchError):  # of answers that were cut
        runtime.generate(asked, output_type=work.hint, **options)


def scripted(work: Work) -> ScriptedEngine:
    def answer(request: Request) -> str:
        return work.answer

    return ScriptedEngine(answer, max_num_seqs=64, max_model_len=100_000, tokens_per_step=8)


def on_vllm(model: str, *, tiny: bool) -> Callable[[Work], Any]:
    from vllm import LLM

    from benchmarks.table import TINY
    from typefold.runtime.engines.vllm.engine import VllmEngine

    options: dict[str, Any] = {"max_model_len": 2048, "structured_outputs_config": {"backend": "xgrammar"}}
    options |= {"enforce_eager": True, "kv_cache_memory_bytes": 1 << 30, "enable_chunked_prefill": False}
    options |= {"load_format": "dummy", "hf_overrides": TINY} if tiny else {}
    llm = LLM(model, **options)
    return lambda work: VllmEngine(llm, owned=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--demo", action="store_true", help="on vLLM too, with the demo model")
    parser.add_argument("--tiny", action="store_true", help="on vLLM too, with one layer of 64")
    parser.add_argument("--model", default=None, help="on vLLM too, with this model")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    tables: dict[str, Rows] = {"the scripted engine": [measure(scripted, work, arguments.rows) for work in works(2000)]}
    if arguments.demo or arguments.tiny or arguments.model:
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        make = on_vllm(arguments.model or demo_model(), tiny=arguments.tiny)
        tables["vLLM"] = [measure(make, work, arguments.rows) for work in works(500)]
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
