"""A search for examples by DSPy and by typefold: one model, three labelled tasks, the same number of rollouts.

    python -m benchmarks.dspy_search [--dspy PYTHON | --budget 1000] [--model DIR] [--tasks team language kind] [--rows 16] [--held 64]
                                     [--candidates 6] [--cache DIR] [--json FILE]

PYTHON is that of an environment with dspy 3.4, since its dependencies and vLLM's may differ; without it typefold's side is alone, with
a budget of its own. DSPy's side is `BootstrapFewShotWithRandomSearch` over a `Predict`, asking `vllm serve` of the same model, on 16
threads; a half of its rows gives examples and the other compares. DSPy goes first, and its rollouts, those on held rows too, are the
budget of typefold. Both are judged on held rows that neither search saw, before and after; `answers` are those after, since a label
that most rows have is also reached by always answering it (`most frequent`, the share of held rows). typefold takes the held rows as
those for validation, and is judged by the change that it found even where that did worse and it would leave the function as it was.

Seconds are of the search and of the held rows; neither the server's start nor the loading of the engine counts. Beside them stand the
CPU seconds of all processes of a side, client and server, since other work on the machine changes those less; where there is much of it,
`OMP_NUM_THREADS=1` keeps threads from waiting for each other. With `--cache`, DSPy's side goes on where an earlier run was ended; its
seconds are then those of the last run alone, and are left out.
"""

# DSPy is in another environment, and says little of its types:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import argparse
import json
import math
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

THREADS = 16


@dataclass(frozen=True)
class Task:
    """A choice to be made of texts, as both sides get it: each row a text and its label."""

    name: str
    question: str
    labels: list[str]
    train: list[tuple[str, str]]
    held: list[tuple[str, str]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a side: the held rows that it had right before and after, and the cost of its search."""

    before: list[bool]
    after: list[bool]
    seconds: float
    cpu_seconds: float
    rollouts: int
    calls: int
    failures: int
    answers: dict[str, int]


def tasks(names: Sequence[str]) -> Generator[Task]:
    from benchmarks.labelled_texts import load
    from examples.classification import tickets

    for name in names:
        if name == "team":
            drawn = list({each.text: (each.text, str(each.team)) for each in tickets(260, seed=5)}.values())
            train, held = drawn[:80], drawn[80:]
            question = "Which team is this ticket for?"
        elif name == "language":
            train, held = (
                [(each.text, str(each.labels.language)) for each in load("tickets", part=part)]
                for part in ("tune", "held")
            )
            question = "In which language is this message written?"
        else:
            train, held = (
                [(each.text, str(each.kind)) for each in load("invoices", part=part)] for part in ("tune", "held")
            )
            question = "Which kind of document is this?"
        random.Random(0).shuffle(train)
        yield Task(name, question, sorted({label for _, label in train}), train, held)


def by_typefold(task: Task, budget: int, candidates: int) -> Outcome:
    from typing import Annotated

    from typefold import Case, OneOf, ask, current, optimize, prompt, system

    @prompt(temperature=0)
    def choose(text: str) -> Annotated[str, OneOf(task.labels)]:
        return ask(system(task.question), text)

    train, held = ([Case(text, label) for text, label in rows] for rows in (task.train, task.held))
    before, began, spent = current().stats, time.perf_counter(), time.process_time()
    found = optimize(
        choose, train, validation=held, budget=budget, candidates=max(2, candidates), max_examples=8, strategy="halving"
    )
    seconds, spent, stats = time.perf_counter() - began, time.process_time() - spent, current().stats
    old, new = found.validation.before, found.validation.after
    return Outcome(
        before=[row.right for row in old.rows],
        after=[row.right for row in new.rows],
        seconds=seconds,
        cpu_seconds=spent,
        rollouts=found.rollouts,
        calls=stats.submitted - before.submitted,
        failures=stats.failed - before.failed,
        answers=dict(Counter(str(row.value) for row in new.rows)),
    )


def by_dspy(task: Task, url: str, model: str, candidates: int, cache: str | None) -> Outcome:
    """DSPy's side, in its own environment; of this file it needs this function alone."""
    dspy: Any = import_module("dspy")
    from typing import Literal

    dspy.configure_cache(enable_disk_cache=cache is not None, disk_cache_dir=cache, enable_memory_cache=False)
    lm = dspy.LM(f"openai/{model}", api_base=url, api_key="none", temperature=0, max_tokens=64, num_retries=0)
    dspy.configure(lm=lm)
    answer = dspy.OutputField()
    signature = dspy.Signature(
        {"text": (str, dspy.InputField()), "label": (Literal[tuple(task.labels)], answer)}, task.question
    )
    rollouts, failures = [0], [0]  # its threads may lose one in thousands, of which nothing depends

    class Choose(dspy.Module):  # type: ignore[misc]  # of an environment that has no types
        def __init__(self) -> None:
            super().__init__()
            self.predict = dspy.Predict(signature)

        def forward(self, text: str) -> Any:
            rollouts[0] += 1
            try:
                return self.predict(text=text)
            except Exception:  # an answer that can't be parsed, mostly
                failures[0] += 1
                return dspy.Prediction(label=None)

    def right(example: Any, prediction: Any, trace: Any = None) -> bool:
        return bool(example.label == prediction.label)

    def judged(program: Any) -> tuple[list[bool], dict[str, int]]:
        rows = [dspy.Example(text=text, label=label).with_inputs("text") for text, label in task.held]
        result = dspy.Evaluate(devset=rows, metric=right, num_threads=THREADS, display_progress=False)(program)
        answers = Counter(str(prediction.label) for _, prediction, _ in result.results)
        return [bool(score) for _, _, score in result.results], dict(answers)

    rows = [dspy.Example(text=text, label=label).with_inputs("text") for text, label in task.train]
    began, spent = time.perf_counter(), time.process_time()
    search = dspy.BootstrapFewShotWithRandomSearch(
        metric=right,
        max_bootstrapped_demos=4,
        max_labeled_demos=8,
        num_candidate_programs=candidates,
        num_threads=THREADS,
        max_errors=100_000,
    )
    found = search.compile(Choose(), trainset=rows[: len(rows) // 2], valset=rows[len(rows) // 2 :])
    (before, _), (after, answers) = judged(Choose()), judged(found)
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    if cache is not None:
        seconds = spent = math.nan
    return Outcome(before, after, seconds, spent, rollouts[0], len(lm.history), failures[0], answers)


@contextmanager
def served(model: str) -> Generator[tuple[str, Callable[[], float]]]:
    """`vllm serve` of a model, on a free port, and the CPU seconds that it has taken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The command `vllm serve`, by its module: a build for CPUs has no metadata under the name that the command asks for.
    module = "vllm.entrypoints.openai.api_server"
    # As much memory for KV caches as typefold takes on a CPU; the default, a share of all memory, fails where others use some.
    memory = ["--kv-cache-memory-bytes", str(1 << 30)]
    command = [sys.executable, "-m", module, "--model", model, "--port", str(port), "--max-model-len", "4096", *memory]
    # On all cores, as typefold's engine is; the default binds its one thread to a core and leaves the other to the server.
    threads = {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    with (
        TemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **threads}) as server,
    ):
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                    break
                except OSError:
                    if server.poll() is not None:
                        log.seek(0)
                        raise SystemExit(f"vllm serve has ended:\n{log.read()[-4000:].decode()}") from None
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1", partial(_cpu_seconds, server.pid)
        finally:
            server.terminate()


def _cpu_seconds(pid: int) -> float:
    whole: Any = import_module("psutil").Process(pid)
    times = [each.cpu_times() for each in (whole, *whole.children(recursive=True))]
    return math.fsum(each.user + each.system for each in times)


def asked_of_dspy(python: str, task: Task, **given: Any) -> Outcome:
    done = subprocess.run(
        [python, __file__, "--side"],
        input=json.dumps({"task": asdict(task), **given}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def compared(task: Task, sides: dict[str, Outcome]) -> list[dict[str, Any]]:
    from typefold import Estimate

    held = len(task.held)
    [(_, most)] = Counter(label for _, label in task.held).most_common(1)
    rows: list[dict[str, Any]] = []
    for name, side in sides.items():
        pairs = list(zip(side.before, side.after, strict=True))
        rows.append(
            {
                "side": name,
                "train": len(task.train),
                "held": held,
                "before": str(Estimate.share(sum(side.before), held)),
                "after": str(Estimate.share(sum(side.after), held)),
                "difference": str(Estimate.paired(pairs.count((False, True)), pairs.count((True, False)), held)),
                "most frequent": round(most / held, 2),
                "answers": ", ".join(f"{answer} {count}" for answer, count in Counter(side.answers).most_common()),
                "seconds": None if math.isnan(side.seconds) else round(side.seconds, 1),
                "CPU seconds": None if math.isnan(side.seconds) else round(side.cpu_seconds, 1),
                "rollouts": side.rollouts,
                "calls": side.calls,
                "failures": side.failures,
            }
        )
    return rows


def main() -> None:
    from benchmarks.tables import show
    from typefold import Runtime, demo_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dspy", help="the Python of an environment with dspy")
    parser.add_argument("--budget", type=int, default=1000, help="the rollouts of typefold without --dspy")
    parser.add_argument("--model", default=None)
    parser.add_argument(
        "--tasks", nargs="+", choices=["team", "language", "kind"], default=["team", "language", "kind"]
    )
    parser.add_argument("--candidates", type=int, default=6)
    parser.add_argument("--rows", type=int, help="at most so many rows to learn from")
    parser.add_argument("--held", type=int, help="at most so many held rows")
    parser.add_argument("--cache", help="the folder of DSPy's cache")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = arguments.model or str(demo_model())
    chosen = [
        replace(task, train=task.train[: arguments.rows], held=task.held[: arguments.held])
        for task in tasks(arguments.tasks)
    ]
    results: dict[str, dict[str, Outcome]] = {task.name: {} for task in chosen}
    if arguments.dspy is not None:
        with served(model) as (url, server_seconds):
            for task in chosen:
                before = server_seconds()
                given = {"url": url, "model": model, "candidates": arguments.candidates, "cache": arguments.cache}
                found = asked_of_dspy(arguments.dspy, task, **given)
                found = replace(found, cpu_seconds=found.cpu_seconds + server_seconds() - before)
                results[task.name]["dspy"] = found
    with Runtime(model, max_model_len=4096) as runtime:
        _ = runtime.engine
        for task in chosen:
            beside = results[task.name].get("dspy")
            budget = arguments.budget if beside is None else beside.rollouts
            results[task.name]["typefold"] = by_typefold(task, budget, arguments.candidates + 3)
    show({task.name: compared(task, results[task.name]) for task in chosen}, arguments.json)


if __name__ == "__main__":
    if sys.argv[1:] == ["--side"]:
        given = json.loads(sys.stdin.read())
        print(json.dumps(asdict(by_dspy(Task(**given.pop("task")), **given))))
    else:
        main()
