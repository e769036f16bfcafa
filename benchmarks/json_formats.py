"""Which form of JSON does a model answer best with, and at what cost? Labelled tasks, each row asked for in every form.

    python -m benchmarks.json_formats [--model PATH] [--rows 342] [--conditions shape ...] [--json FILE]

Tasks, of so many rows each: extraction (eight kinds of text, two selections of their fields each, `benchmarks.labelled`),
classification (two labels of a short review), arithmetic in words (two numbers and their sum). Conditions: the prompt shows
the shape; it does not; it shows the shape, and two other texts with their answers in the same form. Greedy, through typefold
and one vLLM engine; the forms take turns in coming first. An answer is right if the whole object is; `fields` is the share of
fields that are. Intervals are 95%: Wilson's, and for the difference to `spaced` that of pairs. `benchmarks.spacing` looks at
indented JSON too, by teacher forcing.
"""

import argparse
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, create_model

from benchmarks.format_trials import Trial, compare, difference
from benchmarks.labelled import Field, make_rows
from benchmarks.mixed import engine
from benchmarks.tables import Rows, show
from typefold import JsonFormat, Message, OutputType, Runtime, assistant, demo_model, output_type, user

CONDITIONS = ("shape", "untold", "examples")
KINDS: dict[str, Any] = {"string": str, "integer": int, "boolean": bool}


class Review(BaseModel):
    about: Literal["food", "service", "price"]
    sentiment: Literal["positive", "negative"]


class Sum(BaseModel):
    first: int
    second: int
    total: int


@dataclass(frozen=True)
class Asked:
    """A question with the right answer, and two others of its kind with theirs."""

    task: str
    question: str
    answer: BaseModel
    others: tuple[tuple[str, BaseModel], ...]


def extraction(rows: int) -> Iterator[Asked]:
    kinds: dict[str, list[tuple[str, BaseModel]]] = {}
    for row in make_rows(rows, selections=2):
        texts = [row.question.replace("<form>", "").replace("<text>", text).strip() for text in row.texts]
        (other, own), seen = (
            zip(texts, map(_value, row.answers), strict=True),
            kinds.setdefault(_names(row.answers[0]), []),
        )
        seen.append(other)
        yield Asked("extraction", *own, (other, seen[0] if len(seen) > 1 else other))


def _names(fields: list[Field]) -> str:
    return " ".join(field.name for field in fields)


def _value(fields: list[Field]) -> BaseModel:
    return _model(tuple((field.name, field.kind, field.members) for field in fields)).model_validate(
        {field.name: json.loads(field.value) for field in fields}
    )


@cache
def _model(fields: tuple[tuple[str, str, tuple[str, ...]], ...]) -> type[BaseModel]:
    hints: dict[str, Any] = {
        name: (Literal[members] if members else KINDS[kind], ...) for name, kind, members in fields
    }
    return create_model("Answer", **hints)


_SAID = {
    ("food", "positive"): ("The soup was delicious.", "Best pasta of my life.", "The fish tasted wonderful."),
    ("food", "negative"): ("The soup was cold and bland.", "The pasta was awful.", "The fish tasted terrible."),
    ("service", "positive"): ("The waiter was very friendly.", "Lovely staff, quick and kind.", "We were served well."),
    ("service", "negative"): (
        "The waiter was rude to us.",
        "The staff ignored us, awful.",
        "Nobody served us, terrible.",
    ),
    ("price", "positive"): ("It was cheap, great value.", "A very good price.", "We paid little and were happy."),
    ("price", "negative"): ("Far too expensive.", "A terrible price, overpriced.", "We paid far too much, bad."),
}
_OPENINGS = (
    "We went on Monday.",
    "A place by the river.",
    "My second visit.",
    "We were four people.",
    "It was my birthday.",
)
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
_STORIES = (
    "{who} has {a} {things} and gets {b} more.",
    "There are {a} {things} on the table, and {who} adds {b}.",
    "{who} counts {a} {things} in the morning and {b} in the evening.",
)


def classification(rows: int) -> Iterator[Asked]:
    rng = random.Random(1)

    def one() -> tuple[str, BaseModel]:
        about, sentiment = rng.choice(list(_SAID))
        text = f"{rng.choice(_OPENINGS)} {rng.choice(_SAID[about, sentiment])} Table {rng.randrange(2, 400)}."
        return f"What is this review about, and is it positive or negative?\n\n{text}", Review.model_validate(
            {"about": about, "sentiment": sentiment}
        )

    for _ in range(rows):
        yield Asked("classification", *one(), (one(), one()))


def arithmetic(rows: int) -> Iterator[Asked]:
    rng = random.Random(2)

    def one() -> tuple[str, BaseModel]:
        a, b = rng.randrange(1, 7), rng.randrange(1, 5)
        who, things = (
            rng.choice(("Tom", "Ann", "Maria", "Ali", "Eva")),
            rng.choice(("apples", "coins", "books", "birds")),
        )
        story = rng.choice(_STORIES).format(who=who, things=things, a=_NUMBERS[a], b=_NUMBERS[b])
        return f"{story} What are the two numbers, and how many {things} are there in all?", Sum(
            first=a, second=b, total=a + b
        )

    for _ in range(rows):
        yield Asked("arithmetic", *one(), (one(), one()))


def _answer(asked: Asked, *, runtime: Runtime, json_format: JsonFormat, condition: str, given: dict[int, Any]) -> Any:
    hint: type[Any] = type(asked.answer)
    turns: list[Message] = []
    if condition == "examples":
        kind: OutputType[Any] = output_type(hint, json_format=json_format)
        for question, right in asked.others:
            turns += [user(question), assistant(kind.encode(right))]
    turns.append(user(asked.question))
    value = runtime.generate(
        turns,
        output_type=hint,
        json_format=json_format,
        describe_format=condition != "untold",
        temperature=0.0,
        max_tokens=80,
    )
    given[id(asked)] = value
    return value


def measure(runtime: Runtime, asked: list[Asked], condition: str) -> Rows:
    given: dict[str, dict[int, Any]] = {each.value: {} for each in JsonFormat}
    programs: dict[str, Callable[[Asked], Any]] = {
        each.value: partial(_answer, runtime=runtime, json_format=each, condition=condition, given=given[each.value])
        for each in JsonFormat
    }
    trials = compare(programs, asked, _is_right, runtime)
    spaced = next(each for each in trials if each.name == "spaced")
    return [
        {
            **each.line(),
            "fields": round(_fields(asked, given[each.name]), 3),
            "less spaced": _less(each, spaced),
            **{f"{task} right": _share(each, asked, task) for task in dict.fromkeys(row.task for row in asked)},
        }
        for each in trials
    ]


def _is_right(row: Asked, value: Any) -> bool:
    return bool(value == row.answer)


def _share(trial: Trial, asked: list[Asked], task: str) -> float:
    marks = [trial.marks[row] for row, each in enumerate(asked) if each.task == task]
    return round(sum(marks) / len(marks), 3)


def _fields(asked: list[Asked], given: dict[int, Any]) -> float:
    right = [
        id(row) in given and bool(getattr(given[id(row)], name) == value)
        for row in asked
        for name, value in dict(row.answer).items()
    ]
    return sum(right) / len(right)


def _less(one: Trial, other: Trial) -> str:
    return "" if one is other else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*difference(one, other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--rows", type=int, default=342, help="rows of each task")
    parser.add_argument("--conditions", nargs="+", default=CONDITIONS, choices=CONDITIONS)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    asked = [*extraction(arguments.rows), *classification(arguments.rows), *arithmetic(arguments.rows)]
    random.Random(0).shuffle(asked)
    with Runtime(engine(arguments.model or str(demo_model()), tight=True)) as runtime:
        tables = dict[str, Rows]()
        for condition in arguments.conditions:
            tables[f"{condition}: {len(asked):,} rows in each form"] = measure(runtime, asked, condition)
            show(tables, arguments.json)  # as it stands: a long run may be broken off


if __name__ == "__main__":
    main()
