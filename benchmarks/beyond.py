"""Beyond bare vLLM: what a layer that knows the types saves of the engine's work.

    python -m benchmarks.beyond [--model PATH] [--task labels objects open text] [--rows 256 2000] [--rounds 3] [--prefix]
                                [--json-format compact] [--process] [--engine JSON] [--only greedy] [--sides NAME ...]
                                [--json FILE]

Tasks: `labels`, a short text is given one of five labels of two to six tokens; `objects`, seven fields are read from a text,
bounded strings among them, and the last is a label; `open`, the same with a string last; `text`, a free answer of at most 24
tokens. Sides, in turn, on one `LLM` with an empty prefix cache: bare `LLM.generate` as well as its documentation allows (one
batch of token ids, a parameter object a row, the choice or the JSON schema as constraint, no free whitespace; the type's
schema is made before); typefold with `early_stop=False`, which has whole answers decoded; typefold as it is, which stops where
an answer is settled; with `--json-format` typefold with that JSON format; and `the least`, what nobody can go below: bare vLLM given the
prompts as token ids that were made before, asked for one token and told nothing else. Once greedy, once drawn at temperature
1.5 with a seed a row.

Rows a second and their ratios to bare (medians of pairs), engine steps, output tokens, how many answers are values of the
type, and in how many rows they are those of bare vLLM and of `early_stop=False` (bare vLLM's grammar for an object is another, so
its answers are too). `--prefix` puts a few-shot prefix of about 520 tokens before each text. `--process` leaves the engine in a
process of its own, vLLM's default, where its steps can't be counted. `--engine` adds options to the `LLM`. `--sides` runs some
alone, of which the first stands in for bare vLLM where that is not among them, and `--only` one way to draw.
"""

import argparse
import itertools
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BaseModel, Field

from benchmarks.mixed import Steps, engine
from benchmarks.tables import Rows, show
from typefold import BatchError, Runtime, demo_model, output_type
from typefold.compiler import JsonFormatName
from typefold.execution.format_description import with_format
from typefold.messages import user
from typefold.options import Options

Topic = Literal["domestic politics", "team sports", "business and finance", "information technology", "performing arts"]

_WHO = ("The minister", "A striker", "The central bank", "A pianist", "The startup", "A judge", "The coach", "An actor")
_WHAT = ("praised", "sued", "bought", "lost to", "met", "ignored", "joined", "replaced")
_WHOM = ("the rival club", "a chip maker", "the opposition", "the theatre", "an old friend", "the regulator", "a bank")
_WHEN = ("last night", "in Oslo", "after the vote", "before the match", "on Monday", "for the third time", "by the sea")


Short = Annotated[str, Field(max_length=24)]


class Read(BaseModel):
    who: Short
    deed: Short
    whom: Short
    when: Short
    people: Annotated[int, Field(ge=0, le=999)]
    sure: bool
    topic: Topic


class Open(BaseModel):
    topic: Topic
    who: Short
    deed: Short
    people: Annotated[int, Field(ge=0, le=999)]
    sure: bool
    when: Short
    whom: Short


@dataclass(frozen=True)
class Task:
    """What is asked of each text."""

    title: str
    hint: Any
    question: str
    max_tokens: int


TASKS = {
    "labels": Task("of five labels", Topic, "What is the topic of this text? ", 32),
    "objects": Task("of seven fields, a label last", Read, "Read this text: ", 200),
    "open": Task("of seven fields, a string last", Open, "Read this text: ", 200),
    "text": Task("of free text", str, "Say in a few words what this is about: ", 24),
}


@dataclass
class Side:
    """What one side did."""

    run: Callable[[], list[str]]
    seconds: list[float] = field(default_factory=list[float])
    steps: int = 0
    tokens: int = 0
    answers: list[str] = field(default_factory=list[str])


def texts(rows: int) -> list[str]:
    """So many different short texts."""
    rng = random.Random(rows)
    found: dict[str, None] = {}
    while len(found) < rows:
        words = (rng.choice(part) for part in (_WHO, _WHAT, _WHOM, _WHEN))
        found[f"{' '.join(words)}, {rng.randrange(2, 900)} people said."] = None
    return list(found)


def prefix() -> str:
    """Worked examples, about 520 tokens."""
    labels = get_args(Topic)
    shown = (f"Text: {text}\nTopic: {labels[index % len(labels)]}" for index, text in enumerate(texts(20)))
    return "\n\n".join(["Give each text its topic.", *shown]) + "\n\n"


def sides(llm: Any, runtimes: dict[str, Runtime], task: Task, asked: list[str], *, greedy: bool) -> dict[str, Side]:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    kind: Any = output_type(task.hint)
    tokenizer = llm.get_tokenizer()
    drawn: list[dict[str, Any]] = [
        {"temperature": 0.0} if greedy else {"temperature": 1.5, "seed": row} for row in range(len(asked))
    ]
    forms: dict[str, dict[str, Any]] = {
        "text": {},
        "choice": {"choice": list(get_args(task.hint))},
        "grammar": {"json": json.dumps(kind.json_schema)},
    }
    form = forms[kind.constraint.kind]

    def bare() -> list[str]:
        prompts: list[Any] = []
        parameters: list[Any] = []
        for content, how in zip(asked, drawn, strict=True):
            prompts.append(ids(content))
            held: dict[str, Any] = {"structured_outputs": StructuredOutputsParams(**form)} if form else {}
            parameters.append(SamplingParams(max_tokens=task.max_tokens, **held, **how))
        return [_value(kind, output.outputs[0].text) for output in llm.generate(prompts, parameters, use_tqdm=False)]

    def least() -> list[str]:
        llm.generate(known, [SamplingParams(max_tokens=1, **how) for how in drawn], use_tqdm=False)
        return []

    def ids(content: str) -> Any:
        shown = with_format((user(content),), kind, Options(), where="")
        assert isinstance(shown, tuple)
        messages = [{"role": "user", "content": message.content} for message in shown]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return {"prompt_token_ids": tokenizer.encode(text, add_special_tokens=False)}

    known = [ids(content) for content in asked]

    def by(runtime: Runtime) -> Callable[[], list[str]]:
        def run() -> list[str]:
            parameters = [SamplingParams(max_tokens=task.max_tokens, **how) for how in drawn]
            try:
                hint = cast("type[Any]", task.hint)
                values = runtime.generate(asked, output_type=hint, sampling_params=parameters)
            except BatchError as error:
                values = [each.value_or(None) for each in error.results]
            return ["" if value is None else kind.encode(value) for value in values]

        return run

    ours = {name: Side(by(runtime)) for name, runtime in runtimes.items()}
    return {"bare vLLM": Side(bare)} | ours | {"the least": Side(least)}


def _value(kind: Any, text: str) -> str:
    """The one text of an answer's value; nothing where it has none."""
    try:
        return str(kind.encode(kind.decode(text)))
    except ValueError:
        return ""


def compare(
    llm: Any,
    steps: Steps,
    task: Task,
    asked: list[str],
    rounds: int,
    *,
    greedy: bool,
    json_format: JsonFormatName | None = None,
    only: Sequence[str] = (),
) -> Rows:
    runtimes = {
        "typefold, early_stop=False": Runtime(llm, deduplicate=False, early_stop=False),
        "typefold": Runtime(llm, deduplicate=False),
    }
    if json_format is not None:
        runtimes[f"typefold, json_format={json_format}"] = Runtime(llm, deduplicate=False, json_format=json_format)
    every = sides(llm, runtimes, task, asked, greedy=greedy)
    if unknown := [name for name in only if name not in every]:
        raise SystemExit(f"--sides: there is no {unknown[0]!r}; there are {', '.join(map(repr, every))}")
    made = {name: side for name, side in every.items() if not only or name in only}
    for turn in range(-1, rounds):  # the first is to warm
        for name in list(made) if turn % 2 == 0 else list(made)[::-1]:
            side = made[name]
            llm.reset_prefix_cache()
            before, tokens, started = steps.count, steps.tokens, time.perf_counter()
            side.answers = side.run()
            if turn >= 0:
                side.seconds.append(time.perf_counter() - started)
                side.steps, side.tokens = steps.count - before, steps.tokens - tokens
    for runtime in runtimes.values():
        runtime.close()
    first = next(iter(made.values()))
    base, whole = made.get("bare vLLM", first), made.get("typefold, early_stop=False", first)
    return [
        {
            "side": name,
            "rows/s": round(len(asked) / statistics.median(side.seconds), 1),
            "times bare": round(statistics.median(a / b for a, b in zip(base.seconds, side.seconds, strict=True)), 2),
            "seconds (median)": round(statistics.median(side.seconds), 2),
            "steps": side.steps if steps.exact else None,
            "tokens": side.tokens,
            "values": sum(map(bool, side.answers)),
            # The least gives no answers to compare.
            "same as bare": sum(a == b for a, b in zip(side.answers, base.answers, strict=False)),
            "same as whole": sum(a == b for a, b in zip(side.answers, whole.answers, strict=False)),
        }
        for name, side in made.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--rows", type=int, nargs="+", default=[256, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", nargs="+", choices=list(TASKS), default=["labels"])
    parser.add_argument(
        "--json-format",
        choices=["compact"],
        default=None,
        help="a JSON format to compare with the default one: compact",
    )
    parser.add_argument("--prefix", action="store_true", help="a few-shot prefix of about 520 tokens")
    parser.add_argument("--process", action="store_true", help="the engine in a process of its own")
    parser.add_argument("--engine", type=json.loads, default={}, help="options for vllm.LLM, as JSON")
    parser.add_argument("--sides", nargs="+", default=(), help="these sides alone, by the names in the table")
    parser.add_argument("--only", choices=["greedy", "seeded"], default=None)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = str(int(arguments.process))
    llm = engine(arguments.model or str(demo_model()), tight=True, enable_prefix_caching=True, **arguments.engine)
    steps, tables = Steps(llm), dict[str, Rows]()
    tasks, counts = [TASKS[name] for name in arguments.task], list[int](arguments.rows)
    draws = {"greedy": [True], "seeded": [False], None: [True, False]}[arguments.only]
    for (task, rows), greedy in itertools.product(itertools.product(tasks, counts), draws):
        asked = [(prefix() if arguments.prefix else "") + task.question + text for text in texts(rows)]
        title = f"{rows} rows {task.title}, {'greedy' if greedy else 'seeded at temperature 1.5'}"
        options: Any = {"greedy": greedy, "json_format": arguments.json_format, "only": arguments.sides}
        tables[title] = compare(llm, steps, task, asked, arguments.rounds, **options)
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
