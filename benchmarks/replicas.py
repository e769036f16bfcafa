"""Several engines of a model on one GPU, or on several: what they give where the CPU around an engine is the limit.

    python -m benchmarks.replicas [--model PATH] [--counts 1 2 4] [--rows 512] [--rounds 2] [--bare] [--json FILE]

Three tasks, each as one `.map`: typed objects of seven fields with bounded strings, labels out of five, and free text. A
row of the table is a number of replicas; the figures are rows a second (the median of the rounds), against one replica, and
against bare `LLM.generate` with the same constraints where `--bare` runs it first. Steps are of all engines together.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from benchmarks.overhead import classify, describe, has_gpu, things
from benchmarks.tables import Rows, show
from typefold import Runtime, ask, demo_model, prompt

Name = Annotated[str, Field(min_length=1, max_length=30)]


class Thing(BaseModel):
    name: Name
    kind: Literal["animal", "plant", "mineral", "machine", "idea"]
    alive: bool
    size: Annotated[int, Field(ge=0, le=100)]
    colour: Literal["red", "green", "blue", "grey", "brown", "white"]
    use: Annotated[str, Field(max_length=60)]
    rare: bool


@prompt(temperature=0)
def describe_as_object(thing: str) -> Thing:
    return ask(f"Describe {thing}.")


TASKS: dict[str, Any] = {"objects": describe_as_object, "labels": classify, "text": describe}


def bare(model: str, rows: int, rounds: int) -> dict[str, Any]:
    """`LLM.generate` with the same prompts and constraints, as well as its documentation allows."""
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    config = {"backend": "xgrammar", "disable_any_whitespace": True}
    options: dict[str, Any] = {"max_model_len": 1024, "structured_outputs_config": config}
    if not has_gpu():
        options |= {"enforce_eager": True, "kv_cache_memory_bytes": 1 << 30, "enable_chunked_prefill": False}
    llm: Any = LLM(model, **options)
    tokenizer = llm.get_tokenizer()
    labels = StructuredOutputsParams(choice=["animal", "plant", "mineral", "machine", "idea"])
    parameters = {
        "objects": lambda: SamplingParams(
            temperature=0, max_tokens=200, structured_outputs=StructuredOutputsParams(json=Thing.model_json_schema())
        ),
        "labels": lambda: SamplingParams(temperature=0, max_tokens=8, structured_outputs=labels),
        "text": lambda: SamplingParams(temperature=0, max_tokens=48),
    }
    out: dict[str, Any] = {}
    for name, function in TASKS.items():
        seconds: list[float] = []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            prompts: list[Any] = []
            for thing in things(rows):
                turns = [{"role": each.role, "content": each.content} for each in function.render(thing)]
                text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
                prompts.append({"prompt_token_ids": tokenizer.encode(text, add_special_tokens=False)})
            llm.generate(prompts, [parameters[name]() for _ in prompts], use_tqdm=False)
            seconds.append(time.perf_counter() - started)
        out[name] = round(rows / statistics.median(seconds[1:]), 1)
    llm.llm_engine.engine_core.shutdown()
    return out


def measured(model: str, count: int, rows: int, rounds: int) -> dict[str, dict[str, float]]:
    """Rows a second of each task, with so many replicas."""
    started = time.perf_counter()
    out: dict[str, dict[str, float]] = {}
    with Runtime(model, replicas=count, deduplicate=False, max_model_len=1024) as runtime:
        _ = runtime.engine
        loading = time.perf_counter() - started
        for name, function in TASKS.items():
            asked = function.using(runtime=runtime)
            asked.safe.map(things(rows))  # warm: grammars compiled, prefixes read
            seconds, before = list[float](), runtime.stats.steps
            for _ in range(rounds):
                started = time.perf_counter()
                asked.safe.map(things(rows))
                seconds.append(time.perf_counter() - started)
            steps = (runtime.stats.steps - before) / rounds
            out[name] = {"rows/s": round(rows / statistics.median(seconds), 1), "steps": round(steps)}
    out["loading"] = {"s": round(loading, 1)}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--bare", action="store_true", help="also bare LLM.generate, once")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    model = arguments.model or str(demo_model())
    table: Rows = []
    if arguments.bare:
        alone = bare(model, arguments.rows, arguments.rounds)
        table.append({"side": "bare LLM.generate", **{f"{name} rows/s": speed for name, speed in alone.items()}})
    first: dict[str, dict[str, float]] = {}
    for count in arguments.counts:
        found = measured(model, count, arguments.rows, arguments.rounds)
        first = first or found
        row: dict[str, Any] = {"side": f"{count} replicas"}
        row |= {f"{name} rows/s": found[name]["rows/s"] for name in TASKS}
        row |= {f"{name}, of one": round(found[name]["rows/s"] / first[name]["rows/s"], 2) for name in TASKS}
        row |= {f"{name} steps": found[name]["steps"] for name in TASKS}
        table.append({**row, "loading, s": found["loading"]["s"]})
        print(row, flush=True)
    names = dict.fromkeys(name for row in table for name in row)
    table = [{name: row.get(name, "") for name in names} for row in table]
    show({f"{arguments.rows} rows on replicas of {Path(model).name}": table}, arguments.json)


if __name__ == "__main__":
    main()
