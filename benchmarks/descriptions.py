"""Which description of the answer's form do models answer best with? Labelled rows, each asked with every description.

    python -m benchmarks.descriptions [--model PATH] [--rows 2000] [--block 100] [--tasks ...] [--styles ...] [--told ...]
        [--seconds 200] [--json FILE]

Tasks (`benchmarks.labelled`): `labels`, a Literal that the text names; `meanings`, one that it does not name; `booleans` and
`integers`; `objects` of two to seven fields. Styles: the message names the choices, or the fields of an object, or it does
not. Told: nothing; typefold's own words where it puts them (`now`: the system message, in place of a template's default words), and
before or behind the user's message; the same and `nothing` beside a system message that the program has; the words as they were
`before`; and other wordings, behind the user's message or before it (`first`). Greedy; the descriptions take turns in coming
first. An answer is right if all of it is. Intervals are 95%: Wilson's, and for differences those of pairs.

With `--json`, results are kept in the file after each block of rows, and a run goes on where the last one ended: so a long
one can be cut in pieces (`--seconds`).
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from benchmarks.format_trials import Trial, compare, difference
from benchmarks.labelled import Field as Fact
from benchmarks.labelled import Meaning, Row, make_meanings, make_rows
from benchmarks.mixed import engine
from benchmarks.tables import Rows, show
from typefold import Message, OutputType, Runtime, demo_model, output_type, system, user
from typefold.execution.format_description import describe_format
from typefold.options import Options

TASKS = ("labels", "meanings", "booleans", "integers", "objects")
STYLES = ("named", "unnamed")
KINDS: dict[str, Any] = {"string": str, "integer": int, "boolean": bool}


@dataclass(frozen=True)
class Asked:
    """A message with the type of the answer and the right one; `described` is the type with descriptions, where it has some."""

    message: str
    hint: Any
    right: Any
    described: Any = None


def asked_rows(task: str, style: str) -> Iterator[Asked]:
    """Rows of a task, without end; the same in both styles but for the question."""
    if task == "meanings":
        yield from (_about_meaning(each, style) for each in make_meanings(100_000))
        return
    about = _about_object if task == "objects" else partial(_about_fact, task)
    for row in make_rows(1_000_000):
        if (asked := about(row, style)) is not None:
            yield asked


def _placed(row: int, question: str, text: str) -> str:
    return f"{question}\n\n{text}" if row % 2 else f"{text}\n\n{question}"


def _one_of(members: tuple[str, ...]) -> str:
    return f"{', '.join(members[:-1])} or {members[-1]}"


def _about_meaning(each: Meaning, style: str) -> Asked:
    choices = f": {_one_of(each.labels)}" if style == "named" else ""
    question = f"What is the {each.asked} of this {each.topic}{choices}?"
    return Asked(_placed(len(each.text), question, each.text), Literal[each.labels], each.label)


_FACTS = {
    "labels": ("choice", "What is the {name} in this {topic}?", "What is the {name} in this {topic}: {members}?"),
    "booleans": (
        "boolean",
        "Does this {topic} say yes to {name}?",
        "Does this {topic} say yes to {name}, true or false?",
    ),
    "integers": ("integer", "What is the {name} in this {topic}?", "Which number is the {name} in this {topic}?"),
}


def _about_fact(task: str, row: Row, style: str) -> Asked | None:
    kind, unnamed, named = _FACTS[task]
    fact = next((fact for fact in row.answers[1] if fact.kind == kind), None)
    if fact is None:
        return None
    question = named if style == "named" else unnamed
    members = _one_of(fact.members) if fact.members else ""
    asked = question.format(name=_words(fact.name), topic=row.task, members=members)
    hint = Literal[fact.members] if fact.members else KINDS[kind]
    return Asked(_placed(row.index, asked, row.texts[1]), hint, json.loads(fact.value))


def _about_object(row: Row, style: str) -> Asked:
    facts = row.answers[1]
    wanted = [f"the {_words(fact.name)}" + (f" ({_one_of(fact.members)})" if fact.members else "") for fact in facts]
    every = f"{', '.join(wanted[:-1])} and {wanted[-1]}" if style == "named" else "the facts"
    model, described = _models(row.task, tuple(replace(fact, value="", said="") for fact in facts))
    right = model.model_validate({fact.name: json.loads(fact.value) for fact in facts})
    return Asked(_placed(row.index, f"Extract {every} from this {row.task}.", row.texts[1]), model, right, described)


@cache
def _models(topic: str, facts: tuple[Fact, ...]) -> tuple[type[BaseModel], type[BaseModel]]:
    """A model of some fields, and the same with a docstring and a description of each field."""
    hints = {fact.name: Literal[fact.members] if fact.members else KINDS[fact.kind] for fact in facts}
    plain: dict[str, Any] = {name: (hint, ...) for name, hint in hints.items()}
    told: dict[str, Any] = {
        name: (hint, Field(description=f"the {_words(name)}, as this {topic} says it")) for name, hint in hints.items()
    }
    return create_model("Answer", **plain), create_model("Answer", __doc__=f"The facts of one {topic}.", **told)


def _words(name: str) -> str:
    return name.replace("_", " ")


Telling = Callable[[Asked], dict[str, Any]]
"""Arguments of `generate` for a row: `prompt`, `describe_format`, and `output_type` where it is another one."""


def _by_option(option: bool) -> Telling:
    return lambda asked: {"prompt": asked.message, "describe_format": option}


def _after(words: Callable[[OutputType[Any]], str]) -> Telling:
    return lambda asked: {
        "prompt": f"{asked.message}\n\n{words(output_type(asked.hint))}".rstrip(),
        "describe_format": False,
    }


def _first(words: Callable[[OutputType[Any]], str]) -> Telling:
    return lambda asked: {"prompt": f"{words(output_type(asked.hint))}\n\n{asked.message}", "describe_format": False}


def _beside_system(place: Literal["nowhere", "last", "first", "in it"]) -> Telling:
    """Beside a system message of the program's own; templates that have a default one don't use it then."""

    def told(asked: Asked) -> dict[str, Any]:
        words = _now(output_type(asked.hint))
        asking = {"last": f"{asked.message}\n\n{words}", "first": f"{words}\n\n{asked.message}"}.get(
            place, asked.message
        )
        head = f"{_SYSTEM}\n\n{words}" if place == "in it" else _SYSTEM
        turns: list[Message] = [system(head), user(asking)]
        return {"prompt": turns, "describe_format": False}

    return told


_SYSTEM = "You are a careful assistant."


def _now(kind: OutputType[Any]) -> str:
    """typefold's own words."""
    return describe_format(kind, Options(describe_format=True), where="now")


def _members(kind: OutputType[Any]) -> list[str]:
    return [str(member) for member in kind.json_schema["enum"]]


def _before(kind: OutputType[Any]) -> str:
    """The words as they were before: bare answers untold, objects as JSON with types in the place of values."""
    return "" if kind.is_bare else f"Answer with JSON in this form:\n{_form_of(kind)}"


def _form_of(kind: OutputType[Any]) -> str:
    [schema] = kind.json_schema.get("$defs", {"": kind.json_schema}).values()
    return _form(schema)


def _form(schema: Any) -> str:
    if "properties" in schema:
        pairs = (f'"{name}": {_form(value)}' for name, value in schema["properties"].items())
        return f"{{{', '.join(pairs)}}}"
    return f"string (one of: {', '.join(schema['enum'])})" if "enum" in schema else str(schema["type"])


def _or(kind: OutputType[Any]) -> str:
    return f"Answer {_one_of(tuple(_members(kind)))}."


def _quoted(kind: OutputType[Any]) -> str:
    return f"Answer with one of: {', '.join(map(json.dumps, _members(kind)))}"


def _in_words(kind: OutputType[Any]) -> str:
    return "Answer true or false." if kind.hint is bool else "Answer with a whole number."


def _schema(kind: OutputType[Any]) -> str:
    return f"Answer with JSON of this schema:\n{json.dumps(kind.json_schema)}"


def _short(kind: OutputType[Any]) -> str:
    return f"JSON: {_form_of(kind)}"


def _described(asked: Asked) -> dict[str, Any]:
    words = _now(output_type(asked.described))
    return {"prompt": f"{asked.message}\n\n{words}", "output_type": asked.described, "describe_format": False}


def _described_first(asked: Asked) -> dict[str, Any]:
    words = _now(output_type(asked.described))
    return {"prompt": f"{words}\n\n{asked.message}", "output_type": asked.described, "describe_format": False}


NOTHING = _by_option(False)
_EVERY: dict[str, Telling] = {
    "nothing": NOTHING,
    "now": _by_option(True),
    "now, last": _after(_now),
    "now, first": _first(_now),
    "own system": _beside_system("nowhere"),
    "own system, last": _beside_system("last"),
    "own system, first": _beside_system("first"),
    "own system, in it": _beside_system("in it"),
}
_LABELS: dict[str, Telling] = {
    **_EVERY,
    "a, b or c": _after(_or),
    "a, b or c, first": _first(_or),
    "quoted": _after(_quoted),
}
_VALUES: dict[str, Telling] = {
    **_EVERY,
    "in words": _after(_in_words),
    "in words, first": _first(_in_words),
}
TOLD: dict[str, dict[str, Telling]] = {
    "labels": _LABELS,
    "meanings": _LABELS,
    "booleans": _VALUES,
    "integers": _VALUES,
    "objects": {
        **_EVERY,
        "before": _after(_before),
        "described": _described,
        "described, first": _described_first,
        "short": _after(_short),
        "schema": _after(_schema),
    },
}


def answered(asked: Asked, *, runtime: Runtime, telling: Telling) -> Any:
    """The value that the model gives."""
    arguments: dict[str, Any] = {"output_type": asked.hint, "temperature": 0.0, "max_tokens": _most_tokens(asked.hint)}
    arguments |= telling(asked)
    generate: Any = runtime.generate
    return generate(arguments.pop("prompt"), **arguments)


def _most_tokens(hint: Any) -> int:
    return 16 if hint is int else 120  # a small model may write digits without end


def is_right(asked: Asked, value: Any) -> bool:
    """Whether an answer is the right one; an object by its fields, of whatever class."""
    if isinstance(asked.right, BaseModel):
        return bool(asked.right.model_dump() == value.model_dump())
    return bool(type(value) is type(asked.right) and value == asked.right)


def joined(one: Trial, other: Trial) -> Trial:
    """The results of two blocks of rows."""
    sums = {name: getattr(one, name) + getattr(other, name) for name in _SUMS}
    marks = one.marks | {len(one.marks) + row: mark for row, mark in sorted(other.marks.items())}
    return replace(one, marks=marks, problem=one.problem or other.problem, **sums)


_SUMS = ("failed", "output_tokens", "prompt_tokens", "steps", "seconds")


def kept(trial: Trial) -> dict[str, Any]:
    """Results as JSON."""
    marks = "".join(str(int(trial.marks[row])) for row in range(len(trial.marks)))
    return {"marks": marks} | {name: getattr(trial, name) for name in _SUMS}


def known(name: str, data: dict[str, Any]) -> Trial:
    """Results out of JSON."""
    marks = {row: mark == "1" for row, mark in enumerate(data["marks"])}
    return Trial(name, marks=marks, **{each: data[each] for each in _SUMS})


def lines(trials: list[Trial]) -> Rows:
    """A line for each description."""
    found: Rows = []
    for each in trials:
        line = {name: cell for name, cell in each.line().items() if name not in ("rows/s", "engine steps", "format")}
        found.append(
            {
                "told": each.name,
                **line,
                "less nothing": _less(each, trials, "nothing"),
                "less now": _less(each, trials, "now"),
            }
        )
    return found


def _less(one: Trial, trials: list[Trial], name: str) -> str:
    other = next((each for each in trials if each.name == name), one)
    return "" if other is one else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*difference(one, other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--rows", type=int, default=2000, help="rows of each task in each style")
    parser.add_argument("--block", type=int, default=100, help="rows that are asked together, with each description")
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--styles", nargs="+", default=STYLES, choices=STYLES)
    parser.add_argument("--told", nargs="+", default=None, help="the descriptions; all if left out")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no block after so many")
    parser.add_argument("--json", type=Path, default=None, help="the file in which results are kept")
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    file: Path | None = arguments.json
    results: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file is not None and file.exists() else {}
    started = time.monotonic()
    with Runtime(engine(arguments.model or str(demo_model()), tight=True), deduplicate=False) as runtime:
        for task in arguments.tasks:
            for style in arguments.styles:
                title = f"{task}, {style}"
                told = {name: each for name, each in TOLD[task].items() if name in (arguments.told or TOLD[task])}
                so_far = [known(name, results[title][name]) for name in told if name in results.get(title, {})]
                trials = {each.name: each for each in so_far} or {name: Trial(name) for name in told}
                programs: dict[str, Callable[[Asked], Any]] = {
                    name: partial(answered, runtime=runtime, telling=told[name]) for name in trials
                }
                done = len(next(iter(trials.values())).marks)
                rows = islice(asked_rows(task, style), done, arguments.rows)
                while time.monotonic() - started < arguments.seconds and (block := list(islice(rows, arguments.block))):
                    for each in compare(programs, block, is_right, runtime):
                        trials[each.name] = joined(trials[each.name], each)
                    results[title] = {name: kept(trial) for name, trial in trials.items()}
                    if file is not None:
                        file.write_text(json.dumps(results, indent=1))
                if trials and next(iter(trials.values())).marks:
                    show(
                        {f"{title}: {len(next(iter(trials.values())).marks):,} rows": lines(list(trials.values()))},
                        None,
                    )


if __name__ == "__main__":
    main()
