"""The cost of typefold on top of the engine.

    python benchmarks/overhead.py [--model PATH] [--requests 256] [--rounds 3] [--json FILE]

Three tables. (1) The same requests through typefold and through bare `LLM.generate`, in one process on one `LLM`, sides
alternating: tokens a second and their ratio, with engine steps and tokens, which noise can't touch. (2) typefold's own
cost for each call, on the scripted engine, with that engine's share measured apart and taken off. (3) The time that
`import typefold` takes in a fresh interpreter, and whether it pulled in vLLM or torch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, demo_model, prompt
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine

Label = Literal["animal", "plant", "mineral", "machine", "idea"]


@prompt(temperature=0, max_tokens=48)
def describe(thing: str) -> str:
    return ask(f"Describe {thing} in one sentence.")


@prompt(temperature=0)
def classify(thing: str) -> Label:
    return ask(f"Is {thing} an animal, a plant, a mineral, a machine or an idea?")


class Specimen(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    kingdom: Label
    count: Annotated[int, Field(ge=0, le=999)]
    weight: float
    is_rare: bool
    colours: Annotated[list[str], Field(max_length=3)]
    note: str | None


@prompt(temperature=0, max_tokens=256)
def record(thing: str) -> Specimen:
    return ask(f"Fill in the card of {thing}.")


CARD = '{"name": "moss", "kingdom": "plant", "count": 3, "weight": 0.5, "is_rare": false, "colours": ["green"], "note": null}'
FUNCTIONS: dict[str, Any] = {"describe": describe, "classify": classify}


def things(count: int) -> list[str]:
    kinds = ["a cat", "an oak", "granite", "a tractor", "justice", "a shark", "moss", "salt"]
    return [f"{kinds[index % len(kinds)]} number {index}" for index in range(count)]


def bare_requests(llm: Any, function: Any, rows: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """What a careful user of vLLM writes by hand: prompts by the chat template, parameters with the constraint."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    tokenizer = llm.get_tokenizer()
    prompts: list[Any] = []
    parameters: list[Any] = []
    for row in rows:
        messages = [{"role": m.role, "content": m.content} for m in function.render(row)]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompts.append({"prompt_token_ids": tokenizer.encode(text, add_special_tokens=False)})
        if function is classify:
            choice = StructuredOutputsParams(choice=["animal", "plant", "mineral", "machine", "idea"])
            parameters.append(SamplingParams(temperature=0, max_tokens=8, structured_outputs=choice))
        else:
            parameters.append(SamplingParams(temperature=0, max_tokens=48))
    return prompts, parameters


def against_bare(model: str, requests: int, rounds: int) -> list[dict[str, Any]]:
    """Both sides in turn, `rounds` times each; the order of the sides turns too."""
    from vllm import LLM

    options: dict[str, Any] = {"max_model_len": 1024, "structured_outputs_config": {"backend": "xgrammar"}}
    if not has_gpu():
        options |= {"enforce_eager": True, "kv_cache_memory_bytes": 1 << 30, "enable_chunked_prefill": False}
    llm: Any = LLM(model, enable_prefix_caching=False, **options)  # without it, the second side would gain
    # Each round asks the same again, and both sides decode whole answers.
    runtime = Runtime(llm, deduplicate=False, early_stop=False)
    rows = things(requests)
    out: list[dict[str, Any]] = []
    for name_of, function in FUNCTIONS.items():
        ask_all = function.using(runtime=runtime)
        times: dict[str, list[float]] = {"typefold": [], "bare": []}
        tokens: dict[str, int] = {}
        texts: dict[str, list[str]] = {}

        def run_typefold(ask_all: Any = ask_all, tokens: dict[str, int] = tokens, texts: Any = texts) -> None:
            before = runtime.stats.output_tokens
            texts["typefold"] = ask_all.map(rows)
            tokens["typefold"] = runtime.stats.output_tokens - before

        def run_bare(function: Any = function, tokens: dict[str, int] = tokens, texts: Any = texts) -> None:
            prompts, parameters = bare_requests(llm, function, rows)
            outputs = llm.generate(prompts, parameters, use_tqdm=False)
            texts["bare"] = [output.outputs[0].text for output in outputs]
            tokens["bare"] = sum(len(output.outputs[0].token_ids) for output in outputs)

        sides = [("typefold", run_typefold), ("bare", run_bare)]
        for _, run in sides:
            run()  # warm: grammars compiled, kernels chosen
        for turn in range(rounds):
            for name, run in sides if turn % 2 == 0 else sides[::-1]:
                started = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - started)
        speed = {name: tokens[name] / statistics.median(times[name]) for name in times}
        ratios = [bare / own for own, bare in zip(times["typefold"], times["bare"], strict=True)]
        out.append(
            {
                "requests": f"{requests} {name_of}",
                "typefold tok/s": round(speed["typefold"], 1),
                "bare tok/s": round(speed["bare"], 1),
                "ratio (median of pairs)": round(statistics.median(ratios), 3),
                "ratio (range)": f"{min(ratios):.3f} to {max(ratios):.3f}",
                "tokens typefold/bare": f"{tokens['typefold']}/{tokens['bare']}",
                "same answers": f"{sum(a == b for a, b in zip(texts['typefold'], texts['bare'], strict=True))}/{requests}",
            }
        )
    runtime.close()
    return out


def own_cost(calls: int) -> list[dict[str, Any]]:
    """CPU time per call, of all threads, on an engine that answers at once, less that of the engine by itself."""

    def answers(request: Request) -> str:
        return {"choice": "idea", "text": "fine"}.get(request.constraint.kind, CARD)

    rows = things(calls)
    out: list[dict[str, Any]] = []
    for name_of, function in {**FUNCTIONS, "record (seven fields)": record}.items():
        engine = ScriptedEngine(answers=answers, max_num_seqs=1024, tokens_per_step=256)
        with Runtime(engine):
            function.map(rows[:100])
            started = time.process_time()
            function.map(rows)
            whole = time.process_time() - started
        asked = engine.requests[-calls:]
        alone = ScriptedEngine(answers=answers, max_num_seqs=1024, tokens_per_step=256)
        started = time.process_time()
        left = 0
        for index, request in enumerate(asked):
            alone.add(str(index), request, alone.tokenize(request), 256)
            left += 1
        while left:
            left -= len(alone.step())
        engine_share = time.process_time() - started
        out.append(
            {
                "calls": f"{calls} {name_of}",
                "whole us/call": round(whole / calls * 1e6, 1),
                "scripted engine us/call": round(engine_share / calls * 1e6, 1),
                "typefold us/call": round((whole - engine_share) / calls * 1e6, 1),
            }
        )
    return out


def import_time(runs: int = 5) -> list[dict[str, Any]]:
    code = (
        "import time, sys; t = time.perf_counter(); import typefold; "
        "print(time.perf_counter() - t, 'vllm' in sys.modules, 'torch' in sys.modules)"
    )
    lines = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(runs)
    ]
    return [
        {
            "import typefold, s (median)": round(statistics.median(float(line[0]) for line in lines), 3),
            "imports vllm": lines[0][1],
            "imports torch": lines[0][2],
        }
    ]


def has_gpu() -> bool:
    """Whether torch sees one."""
    # Else asking for GPUs here would keep an engine from being forked of this process.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    import torch

    return bool(torch.cuda.is_available())


def show(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--no-engine", action="store_true", help="leave table 1 out")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    tables = {"import": import_time(), "own cost": own_cost(arguments.calls)}
    if not arguments.no_engine:
        tables["against bare vLLM"] = against_bare(
            arguments.model or demo_model(), arguments.requests, arguments.rounds
        )
    for title, rows in tables.items():
        show(title, rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    main()
