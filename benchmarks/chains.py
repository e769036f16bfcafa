"""Programs of several calls: rows that go on by themselves against waves, one batch a stage.

    python -m benchmarks.chains [--rows 128] [--max-num-seqs 16] [--hold 0 8] [--threads] [--json FILE]
    python -m benchmarks.chains (--demo | --tiny | --model DIR [--process]) [--work "letter first"] [--rows 96]
                                [--hold 0 4 8] [--rounds 3] [--tag A] [--limit 300] [--json FILE]

Work: `letter first`, a label, a text of at most 64 tokens and a card of at most `--limit` for each row, about letters of
`--tokens` tokens (`benchmarks.table_work`), where a row's calls share the beginning of their prompts; `program`, the same with
the letter behind the question, so that they don't; `lengths`, three calls of exactly 4 to 96 tokens, each prompt made of the
answer before. The scripted engine has that one, and steps there are counts, which noise can't touch. `--tiny` is one layer of
64, which shows what surrounds the model.

Sides, in turn, on one engine: bare `LLM.chat` a stage, typefold's own `.map` a stage, and `run` for each `--hold`: the steps
for which new requests are held back at most, 0 for none. Each turn's letters come behind a tag of their own, so that no prefix
cache has them (for `lengths` it is off). The table has engine steps, those in which a request's first token came (it has a prompt in it),
the time from step to step of both kinds (medians, by the clock of the engine), and the least number of steps: all tokens of
a side over the rows that run at once, or the longest row, whichever is more. Ratios to the first side are medians of pairs.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import table_work, workload
from benchmarks.overhead import has_gpu
from benchmarks.table_work import LETTER_FIRST, PROGRAM, Stages
from benchmarks.tables import Rows, show
from typefold import Runtime, run
from typefold.compiler import Message
from typefold.runtime import Completion, Request
from typefold.runtime.engines.scripted import ScriptedEngine

LENGTHS = "lengths"


@dataclass
class Seen:
    """Counts of an engine in a turn."""

    steps: int = 0
    mixed: int = 0
    tokens: Counter[str] = field(default_factory=Counter[str])
    """Of each request, in the order in which they were added."""
    between: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    """Milliseconds from step to step, of those with a first token and the others."""

    def longest(self, rows: int) -> int:
        """The tokens of the longest row, where all rows' requests of a stage come together and in order."""
        counts = [*self.tokens.values()]
        return max(sum(counts[row::rows]) for row in range(rows))


class Counting(ScriptedEngine):
    """The scripted engine, with answers that are as long as they may be."""

    def __init__(self, max_num_seqs: int, step_seconds: float) -> None:
        super().__init__(
            lambda request: "x" * 200, max_num_seqs=max_num_seqs, step_seconds=step_seconds, max_model_len=1024
        )
        self.seen = Seen()

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        self.seen.tokens[key] = 0

    def step(self) -> Sequence[Completion]:
        self.seen.steps += 1
        self.seen.mixed += bool(self._waiting) and len(self._running) < self.info.max_num_seqs
        done = super().step()
        for completion in done:
            self.seen.tokens[completion.key] = completion.outcome.output_tokens
        return done


class Watched:
    """Counts what comes out of vLLM's core, in this process or in another."""

    def __init__(self, llm: Any) -> None:
        self.seen = Seen()
        self._last = 0.0
        core = llm.llm_engine.engine_core
        self._add, self._get = core.add_request, core.get_output
        core.add_request, core.get_output = self._added, self._got

    def _added(self, request: Any) -> None:
        self.seen.tokens[request.request_id] = 0
        self._add(request)

    def _got(self) -> Any:
        outputs = self._get()
        if outputs.outputs:
            seen, mixed = self.seen, False
            for each in outputs.outputs:
                mixed |= not seen.tokens[each.request_id]
                seen.tokens[each.request_id] += len(each.new_token_ids)
            seen.steps += 1
            seen.mixed += mixed
            seen.between[mixed].append(1000 * (outputs.timestamp - self._last))
            self._last = outputs.timestamp
        return outputs


@dataclass
class Side:
    """One way to do the work, and its turns so far."""

    run: Callable[[Any], object]
    seconds: list[float] = field(default_factory=list[float])
    seen: list[Seen] = field(default_factory=list[Seen])


Work = Callable[[int], Sequence[Any]]
"""The rows of a turn."""


def turns(sides: dict[str, Side], watch: Any, work: Work, max_num_seqs: int, rounds: int) -> Rows:
    """Take turns; `watch.seen` is a new record for each."""
    rows = len(work(-1))
    for turn in range(rounds):
        for name in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
            side, given = sides[name], work(turn * len(sides) + list(sides).index(name))
            watch.seen, started = Seen(), time.perf_counter()
            side.run(given)
            side.seconds.append(time.perf_counter() - started)
            side.seen.append(watch.seen)
    first = next(iter(sides.values()))
    longest = max(seen.longest(rows) for seen in first.seen)
    return [_row(name, side, first, longest, max_num_seqs) for name, side in sides.items()]


def _row(name: str, side: Side, first: Side, longest: int, max_num_seqs: int) -> dict[str, Any]:
    ratios = [bare / own for own, bare in zip(side.seconds, first.seconds, strict=True)]
    least = statistics.median(max(math.ceil(seen.tokens.total() / max_num_seqs), longest) for seen in side.seen)
    steps = statistics.median(seen.steps for seen in side.seen)
    between = {kind: [one for seen in side.seen for one in seen.between[kind]] for kind in (False, True)}
    return {
        "side": name,
        "steps": round(steps),
        "with a first token": round(statistics.median(seen.mixed for seen in side.seen)),
        "least": round(least),
        "of the least": round(steps / least, 3),
        "ms a step: decodes, mixed": ", ".join(f"{statistics.median(each):.1f}" for each in between.values() if each),
        "tokens": round(statistics.median(seen.tokens.total() for seen in side.seen)),
        "seconds (median)": round(statistics.median(side.seconds), 2),
        "times the first": round(statistics.median(ratios), 3),
        "range": f"{min(ratios):.3f} to {max(ratios):.3f}",
    }


def held(runtime: Runtime, hold: int | None) -> Runtime:
    """A runtime, not loaded yet, that holds requests back for so many steps; for `None` as it finds right."""
    runtime._scheduling["hold"] = hold  # pyright: ignore[reportPrivateUsage]  # no option for users
    return runtime


def of_lengths(arguments: argparse.Namespace) -> Rows:
    """Rows of exactly known lengths on the scripted engine."""
    work = workload.rows(arguments.rows)

    def wave(runtime: Runtime, prompts: list[str], lengths: list[int]) -> list[str]:
        requests = [
            Request(prompt=(Message("user", text),), sampling={"temperature": 0, "max_tokens": length})
            for text, length in zip(prompts, lengths, strict=True)
        ]
        return [future.result().text for future in runtime.submit(requests)]

    def in_threads(program: Callable[[workload.Row], str], work: list[workload.Row]) -> None:
        with ThreadPoolExecutor(len(work)) as pool:
            list(pool.map(program, work))

    engine = Counting(arguments.max_num_seqs or 16, arguments.step_seconds)
    runtimes = {hold: held(Runtime(engine, deduplicate=False), hold) for hold in arguments.hold}
    base = runtimes[arguments.hold[0]]
    sides = {"waves": Side(lambda work: workload.waves(work, partial(wave, base)))}
    if arguments.threads:
        sides["a thread a row"] = Side(lambda work: in_threads(workload.Program(base), work))
    for hold, runtime in runtimes.items():
        sides[f"run, hold={hold}"] = Side(partial(run, workload.Program(runtime)))
    table = turns(sides, engine, lambda turn: work, engine.info.max_num_seqs, arguments.rounds)
    for runtime in runtimes.values():
        runtime.close()
    return table


def of_letters(llm: Any, arguments: argparse.Namespace) -> tuple[dict[str, Side], Work]:
    """Programs about letters on vLLM."""
    from benchmarks.table_sides import Bench

    stages = table_work.stages(arguments.work, arguments.limit)

    def functions(runtime: Runtime) -> list[Any]:
        return [stage.function.using(runtime=runtime) for stage in stages]

    def mapped(asked: list[Any], work: list[table_work.Row]) -> None:
        values = [result.value_or(None) for result in asked[0].safe.map(work)]
        for function in asked[1:]:
            given = [(row, value or "") for row, value in zip(work, values, strict=True)]
            values = [result.value_or(None) for result in function.safe.starmap(given)]

    sides = {
        "waves, bare": Side(Bench(llm, ["bare"]).sides(arguments.work, arguments.limit)["bare"].run),
        "waves, typefold": Side(partial(mapped, functions(held(Runtime(llm), None)))),
    }
    for hold in arguments.hold:
        sides[f"run, hold={hold}"] = Side(partial(run, Stages(*functions(held(Runtime(llm), hold)))))
    texts = table_work.rows(arguments.rows, arguments.tokens, llm.get_tokenizer())
    return sides, lambda turn: [row.in_turn(f"Batch {arguments.tag}{1001 + turn}.") for row in texts]


def of_lengths_on_vllm(llm: Any, arguments: argparse.Namespace) -> tuple[dict[str, Side], Work]:
    """Rows of exactly known lengths on vLLM."""
    from vllm import SamplingParams

    def parameters(lengths: list[int]) -> list[Any]:
        return [SamplingParams(temperature=0, max_tokens=length, ignore_eos=True) for length in lengths]

    def bare(prompts: list[str], lengths: list[int]) -> list[str]:
        chats: list[Any] = [[{"role": "user", "content": each}] for each in prompts]
        return [output.outputs[0].text for output in llm.chat(chats, parameters(lengths), use_tqdm=False)]

    def mapped(runtime: Runtime, prompts: list[str], lengths: list[int]) -> list[str]:
        return runtime.generate(prompts, sampling_params=parameters(lengths))

    def waves(generate: Callable[[list[str], list[int]], list[str]]) -> Side:
        return Side(lambda work: workload.waves(work, generate))

    ours = held(Runtime(llm, deduplicate=False), None)
    sides = {"waves, bare": waves(bare), "waves, typefold": waves(partial(mapped, ours))}
    for hold in arguments.hold:
        program = workload.Program(held(Runtime(llm, deduplicate=False), hold))
        sides[f"run, hold={hold}"] = Side(partial(run, program))
    work = workload.rows(arguments.rows)
    return sides, lambda turn: work


def on_vllm(arguments: argparse.Namespace) -> Rows:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = str(int(arguments.process))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

    from benchmarks.table import engine_of
    from typefold.runtime.engines.vllm import compat

    by_length = arguments.work == LENGTHS
    own: dict[str, Any] = {"max_num_seqs": arguments.max_num_seqs} if arguments.max_num_seqs else {}
    if by_length:
        own["enable_prefix_caching"] = False  # with it, the second side would gain
    arguments.engine = own | arguments.engine
    llm = engine_of(arguments, gpu=has_gpu())
    sides, work = (of_lengths_on_vllm if by_length else of_letters)(llm, arguments)
    for number, side in enumerate(sides.values()):  # warm: grammars compiled, kernels chosen
        side.run(work(-100 - number)[: arguments.warm])
    config = llm.llm_engine.vllm_config
    print(f"vLLM's steps of decodes alone run as one graph: {compat.decodes_as_graph(config)}", flush=True)
    most = int(config.scheduler_config.max_num_seqs)
    return turns(sides, Watched(llm), work, most, arguments.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", default=None, help="a model's folder or name, on vLLM")
    model.add_argument("--demo", action="store_true", help="the demo model, on vLLM")
    model.add_argument("--tiny", action="store_true", help="one layer of 64, on vLLM")
    parser.add_argument("--process", action="store_true", help="vLLM in a process of its own")
    parser.add_argument("--engine", type=json.loads, default={}, help="options for vllm.LLM, as JSON")
    parser.add_argument("--work", choices=[LETTER_FIRST, PROGRAM, LENGTHS], default=LETTER_FIRST, help="on vLLM")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=500, help="of a letter")
    parser.add_argument("--limit", type=int, default=300, help="tokens of a card")
    parser.add_argument("--max-num-seqs", type=int, default=None, help="16 on the scripted engine")
    parser.add_argument("--hold", type=int, nargs="+", default=[0, 8], help="steps for which requests are held back")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--warm", type=int, default=8, help="rows before the first turn")
    parser.add_argument("--tag", default="", help="at the front of the tags of all turns")
    parser.add_argument("--threads", action="store_true", help="a thread a row too, on the scripted engine")
    parser.add_argument("--step-seconds", type=float, default=0.005, help="of a step of the scripted engine")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    is_real = bool(arguments.model or arguments.demo or arguments.tiny)
    table = on_vllm(arguments) if is_real else of_lengths(arguments)
    work = arguments.work if is_real else f"{LENGTHS}, scripted engine"
    at_once = arguments.max_num_seqs or ("as many as vLLM runs" if is_real else 16)
    show({f"{arguments.rows} rows of three calls ({work}), {at_once} at once": table}, arguments.json)


if __name__ == "__main__":
    main()
