"""A batch of many output types: typefold, bare vLLM as the limit, and Outlines' offline integration.

    python -m benchmarks.mixed [--model PATH] [--requests 64] [--rounds 3] [--json FILE]

Requests of 16 output types. Sides: typefold, one `generate` with a type for each prompt; bare `LLM.generate` with the same
prompts and constraints made before the clock starts, which is the limit; and Outlines as its documentation has it,
`outlines.from_vllm_offline(llm)` and one `.batch` a type, with the same prompts and token limit. One `LLM` for all, sides
in turn, answers greedy. Requests a second, their ratios (medians of pairs), engine steps, tokens and how many answers are
values of their types. `--tight` builds the `LLM` with `disable_any_whitespace`, which spares Outlines loops of blanks.

Outlines is no dependency; without it this side is left out. To have it beside this environment and not in it:

    pip install --no-deps --target /tmp/outlines outlines==1.3.3 genson diskcache
    PYTHONPATH=/tmp/outlines python -m benchmarks.mixed
"""

import argparse
import importlib
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from benchmarks.tables import Rows, show
from typefold import Runtime, demo_model, output_type
from typefold.execution.format_description import with_format
from typefold.messages import user
from typefold.options import Options

Short = Annotated[str, Field(max_length=20)]


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"
    PLAIN = "plain"


class Character(BaseModel):
    name: Short
    age: Annotated[int, Field(ge=0, le=120)]


class Point(BaseModel):
    x: Annotated[int, Field(ge=-99, le=99)]
    y: Annotated[int, Field(ge=-99, le=99)]


class Review(BaseModel):
    title: Short
    stars: Annotated[int, Field(ge=1, le=5)]
    recommended: bool


class Address(BaseModel):
    street: Short
    number: Annotated[int, Field(ge=1, le=999)]
    city: Short


class Recipe(BaseModel):
    name: Short
    minutes: Annotated[int, Field(ge=1, le=240)]
    ingredients: Annotated[list[Short], Field(min_length=1, max_length=3)]


class Ticket(BaseModel):
    priority: Literal["low", "high", "urgent"]
    summary: Short


class Event(BaseModel):
    name: Short
    day: Literal["Monday", "Wednesday", "Friday"]
    public: bool


class Product(BaseModel):
    name: Short
    stock: Annotated[int, Field(ge=0, le=1000)]
    sizes: Annotated[list[Literal["S", "M", "L"]], Field(max_length=3)]


class Pair(BaseModel):
    first: Character
    second: Character


class Checks(BaseModel):
    spelling: bool
    grammar: bool
    facts: bool
    tone: bool


Verdict = Literal["keep", "drop"]
Subject = Literal["animal", "plant", "mineral", "machine", "idea"]
TYPES: list[tuple[str, Any]] = [
    ("Keep or drop this story about {}?", Verdict),
    ("What kind of thing is {}?", Subject),
    ("What is the mood of a story about {}?", Mood),
    ("Is it raining on {}?", bool),
    ("How many people like {}?", int),
    ("When was {} first seen?", date),
    ("Invent a character who lives near {}.", Character),
    ("Where on the map is {}?", Point),
    ("Review a book about {}.", Review),
    ("What is the address of {}?", Address),
    ("Give a recipe named after {}.", Recipe),
    ("File a ticket about {}.", Ticket),
    ("Plan an event at {}.", Event),
    ("Describe a product called after {}.", Product),
    ("Invent two characters who met at {}.", Pair),
    ("Check this text about {}.", Checks),
]


@dataclass
class Side:
    """What one side did."""

    run: Callable[[], list[str]]
    seconds: list[float] = field(default_factory=list[float])
    steps: int = 0
    tokens: int = 0
    texts: list[str] = field(default_factory=list[str])


class Steps:
    """Counts an engine's runs of the model, and the requests that end, with their tokens.

    In this process a step does nothing while a grammar is being compiled; such steps are not counted. An engine in a process
    of its own says nothing of them, so there every step that answers counts, and `exact` is false.
    """

    def __init__(self, llm: Any) -> None:
        self.count = self.tokens = self.requests = self.prompt_tokens = self.cached = self.cut = 0
        core = getattr(llm.llm_engine.engine_core, "engine_core", None)
        self.exact = core is not None
        step = llm.llm_engine.step

        def counted() -> Any:
            outputs = step()
            self.count += core is None
            for output in outputs:
                if output.finished:
                    self.requests += 1
                    self.prompt_tokens += len(output.prompt_token_ids)
                    self.cached += output.num_cached_tokens or 0
                    self.tokens += len(output.outputs[0].token_ids)
                    self.cut += output.outputs[0].finish_reason == "length"
            return outputs

        llm.llm_engine.step = counted
        if core is not None:
            execute = core.model_executor.execute_model

            def executed(scheduled: Any, *args: Any, **names: Any) -> Any:
                self.count += scheduled.total_num_scheduled_tokens > 0
                return execute(scheduled, *args, **names)

            core.model_executor.execute_model = executed


def is_value(text: str, hint: Any) -> bool:
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    for read in (adapter.validate_json, adapter.validate_python):
        with suppress(Exception):
            read(text)
            return True
    return False


def engine(model: str, *, tight: bool, **more: Any) -> Any:
    import torch
    from vllm import LLM

    structured: dict[str, Any] = {"backend": "xgrammar"} | ({"disable_any_whitespace": True} if tight else {})
    options: dict[str, Any] = {"max_model_len": 1024, "structured_outputs_config": structured}
    if not torch.cuda.is_available():
        options |= {"enforce_eager": True, "kv_cache_memory_bytes": 1 << 30, "enable_chunked_prefill": False}
    # Without a cache of prefixes nobody gains by coming second.
    every: dict[str, Any] = {"enable_prefix_caching": False} | options | more
    return LLM(model, **every)


def sides(llm: Any, runtime: Runtime, arguments: argparse.Namespace) -> tuple[dict[str, Side], list[Any]]:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    places = ["a lighthouse", "the old bridge", "Mars", "a quiet farm", "the harbour", "Paris", "a glacier", "the mill"]
    asked = [
        (TYPES[index % 16][0].format(places[index // 16 % 8]), TYPES[index % 16][1])
        for index in range(arguments.requests)
    ]
    hints = [hint for _, hint in asked]
    limit = arguments.max_tokens
    kinds = [output_type(hint) for hint in hints]
    shown = [
        with_format((user(text),), kind, Options(), where="") for (text, _), kind in zip(asked, kinds, strict=True)
    ]
    turns = [list(messages) for messages in shown if isinstance(messages, tuple)]

    def typefold_side() -> list[str]:
        values = runtime.generate([text for text, _ in asked], output_type=hints, temperature=0, max_tokens=limit)
        return [kind.encode(value) for kind, value in zip(kinds, values, strict=True)]

    tokenizer = llm.get_tokenizer()

    def bare_side() -> list[str]:
        prompts: list[Any] = []
        parameters: list[Any] = []
        for messages, kind in zip(turns, kinds, strict=True):
            conversation = [{"role": each.role, "content": each.content} for each in messages]
            text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
            prompts.append({"prompt_token_ids": tokenizer.encode(text, add_special_tokens=False)})
            spec = kind.constraint.for_dialect("ebnf")
            form: Any = {kind.constraint.kind: list(spec) if isinstance(spec, tuple) else spec}
            parameters.append(
                SamplingParams(temperature=0, max_tokens=limit, structured_outputs=StructuredOutputsParams(**form))
            )
        outputs = llm.generate(prompts, parameters, use_tqdm=False)
        return [output.outputs[0].text for output in outputs]

    made = {"typefold": Side(typefold_side), "bare vLLM": Side(bare_side)}
    if importlib.util.find_spec("outlines") is not None:
        model: Any = importlib.import_module("outlines").from_vllm_offline(llm)

        def outlines_side() -> list[str]:
            texts = [""] * len(asked)
            for hint in dict.fromkeys(hints):
                rows = [row for row, each in enumerate(hints) if each is hint]
                # its batches take no conversations
                batch = ["\n\n".join(each.content for each in turns[row]) for row in rows]
                parameters = SamplingParams(temperature=0, max_tokens=limit)
                answers = model.batch(batch, hint, sampling_params=parameters, use_tqdm=False)
                for row, answer in zip(rows, answers, strict=True):
                    texts[row] = answer[0] if isinstance(answer, list) else answer
            return texts

        made["Outlines"] = Side(outlines_side)
    return made, hints


def compare(llm: Any, arguments: argparse.Namespace) -> Rows:
    steps = Steps(llm)
    runtime = Runtime(llm, deduplicate=False)
    made, hints = sides(llm, runtime, arguments)
    for turn in range(-1, arguments.rounds):  # the first is to warm: grammars compiled, kernels chosen
        for name in list(made) if turn % 2 == 0 else list(made)[::-1]:
            side = made[name]
            before, tokens, started = steps.count, steps.tokens, time.perf_counter()
            side.texts = side.run()
            if turn >= 0:
                side.seconds.append(time.perf_counter() - started)
                side.steps, side.tokens = steps.count - before, steps.tokens - tokens
    runtime.close()
    out: Rows = []
    for name, side in made.items():
        ratios = {
            f"times {other}": round(
                statistics.median(b / a for a, b in zip(side.seconds, made[other].seconds, strict=True)), 3
            )
            for other in made
        }
        out.append(
            {
                "side": name,
                "requests/s": round(arguments.requests / statistics.median(side.seconds), 2),
                "seconds (median)": round(statistics.median(side.seconds), 2),
                "steps": side.steps,
                "tokens": side.tokens,
                "values": f"{sum(map(is_value, side.texts, hints))}/{len(hints)}",
            }
            | ratios
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tight", action="store_true", help="no optional whitespace in Outlines' JSON")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    llm = engine(arguments.model or demo_model(), tight=arguments.tight)
    show({f"{arguments.requests} requests of {len(TYPES)} output types": compare(llm, arguments)}, arguments.json)


if __name__ == "__main__":
    main()
