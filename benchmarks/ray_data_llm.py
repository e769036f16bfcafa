"""Ray Data's own LLM processor beside typefold: the same rows, messages, types and limits.

    python -m benchmarks.ray_data_llm [--model DIR] [--work label bounded] [--tokens 50] [--rows 128] [--json FILE]

Needs an environment with Ray Data (2.60), vLLM and typefold. Sides: `ray.data.llm.build_processor`, a processor with chat
template, tokenizer and engine as stages, `choice` or `json` as the constraint and pydantic for values; `typefold.ray.map`; and
`.safe.map` of a runtime in this process, with no Ray. Rows a second are those between the arrival of the first row at an
engine that is loaded and the end of the last, so neither Ray's start nor the loading counts; the whole job is beside it. On a
CPU an actor is given a CPU in place of a GPU.
"""

# Ray and transformers say little of their types:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.overhead import has_gpu
from benchmarks.table_sides import read_values
from benchmarks.table_work import Row, Stage, Topic, labels, messages, rows, stages
from benchmarks.tables import Rows, show
from typefold import Runtime, demo_model


@dataclass(frozen=True)
class Done:
    """A job's values, and the seconds in which an engine was at work on them."""

    values: list[Any]
    seconds: float


Job = Callable[[list[Row]], Done]


class Timed(BaseModel):
    """A row's value with the times of its call."""

    value: str
    began: float
    ended: float


def sampling(stage: Stage) -> dict[str, Any]:
    """Parameters of a row, as Ray's processor takes them."""
    if stage.hint is Topic:
        form: dict[str, Any] = {"structured_outputs": {"choice": labels()}}
    elif stage.hint is str:
        form = {}
    else:
        form = {"structured_outputs": {"json": json.dumps(stage.hint.model_json_schema())}}
    return {"temperature": 0.0, "max_tokens": stage.max_tokens, **form}


def by_processor(model: str, stage: Stage, engine: dict[str, Any], *, gpu: bool) -> Job:
    """A job of Ray's processor; its values are those that pydantic reads."""
    import ray.data
    from ray.data import llm

    function, held = stage.function, sampling(stage)
    place: dict[str, Any] = {} if gpu else {"placement_group_config": {"bundles": [{"CPU": 1}]}}

    def ask(row: dict[str, Any]) -> dict[str, Any]:
        return {"messages": messages(function, Row(row["text"], row["tag"])), "sampling_params": held}

    def keep(row: dict[str, Any]) -> dict[str, Any]:
        came = row["metrics"]["arrival_time"]
        return {
            "number": row["number"],
            "answer": row["generated_text"],
            "began": came,
            "ended": came + row["time_taken_llm"],
        }

    def job(work: list[Row]) -> Done:
        config = llm.vLLMEngineProcessorConfig(
            model_source=model,
            engine_kwargs=dict(engine),
            batch_size=64,
            concurrency=1,
            log_engine_metrics=False,
            **place,
        )
        processor = llm.build_processor(config, preprocess=ask, postprocess=keep)
        items = [{"number": number, "text": row.text, "tag": row.tag} for number, row in enumerate(work)]
        found = sorted(processor(ray.data.from_items(items)).take_all(), key=lambda row: row["number"])
        return Done(read_values(stage.hint, [row["answer"] for row in found]), _span(found))

    return job


def by_map(model: str, stage: Stage, engine: dict[str, Any], *, gpu: bool) -> Job:
    """A job of `typefold.ray.map`."""
    import ray.data

    import typefold.ray

    function = stage.function

    def timed(row: Row) -> Timed:
        began = time.time()
        value = function(row)
        return Timed(value=str(value), began=began, ended=time.time())

    def job(work: list[Row]) -> Done:
        items = [{"text": row.text, "tag": row.tag} for row in work]
        place: dict[str, Any] = {"num_gpus": 1} if gpu else {"num_cpus": 1}
        found = typefold.ray.map(ray.data.from_items(items), timed, model=model, **place, **engine).take_all()
        results = [row["result"] for row in found]
        return Done([each and each["value"] for each in results], _span([each for each in results if each]))

    return job


def alone(model: str, stage: Stage, engine: dict[str, Any]) -> Job:
    """A job of a runtime in this process."""

    def job(work: list[Row]) -> Done:
        with Runtime(model, **engine) as runtime:
            function = stage.function.using(runtime=runtime)
            function.safe.map(work[:1])  # loads the engine
            started = time.perf_counter()
            values = [result.value_or(None) for result in function.safe.map(work)]
            return Done(values, time.perf_counter() - started)

    return job


def _span(found: list[dict[str, Any]]) -> float:
    ends, starts = [float(row["ended"]) for row in found], [float(row["began"]) for row in found]
    return max(ends) - min(starts)


def compare(model: str, work: str, arguments: argparse.Namespace, tokenizer: Any, *, gpu: bool) -> Rows:
    stage = stages(work, 300 if gpu else 100)[0]
    texts = [row.in_turn("Batch 1.") for row in rows(arguments.rows, arguments.tokens, tokenizer)]
    # Ray's processor gets the options that typefold gives vLLM by itself.
    structured = {"backend": "xgrammar", "disable_any_whitespace": True}
    on_cpu: dict[str, Any] = {} if gpu else {"enforce_eager": True, "kv_cache_memory_bytes": 1 << 30}
    engine = {"max_model_len": 4096, "structured_outputs_config": structured, **on_cpu}
    jobs = {
        "typefold, no Ray": alone(model, stage, engine),
        "typefold.ray.map": by_map(model, stage, engine, gpu=gpu),
        "ray.data.llm": by_processor(model, stage, engine, gpu=gpu),
    }
    table: Rows = []
    for side, job in jobs.items():
        started = time.perf_counter()
        done = job(texts)
        whole = time.perf_counter() - started
        got = sum(value is not None for value in done.values)
        found = {"side": side, "rows/s": round(len(texts) / done.seconds, 2), "values": f"{got} of {len(texts)}"}
        table.append({**found, "seconds": round(done.seconds, 1), "whole job, s": round(whole, 1)})
        print(table[-1], flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model's folder; the demo model if left out")
    parser.add_argument(
        "--work", nargs="+", choices=["label", "bounded", "plain", "text"], default=["label", "bounded"]
    )
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    import ray
    from transformers import AutoTokenizer

    gpu = has_gpu()
    model = str(arguments.model or demo_model())
    ray.init(num_cpus=max(8, os.cpu_count() or 1), include_dashboard=False, log_to_driver=False)
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    show({work: compare(model, work, arguments, tokenizer, gpu=gpu) for work in arguments.work}, arguments.json)


if __name__ == "__main__":
    main()
