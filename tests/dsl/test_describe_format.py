"""The option `describe_format`: on a prompt, a call, a runtime; typefold's words, none, own ones, or a function of the type."""

from __future__ import annotations

import pickle
from enum import Enum
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from typefold import (
    Message,
    OutputType,
    PromptUsageError,
    Reasoned,
    Runtime,
    Scored,
    TemplateError,
    ask,
    assistant,
    example,
    output_type,
    prompt,
    raw,
    system,
    user,
)
from typefold.checks.check import check
from typefold.compiler import Image
from typefold.options import DescribeFormat
from typefold.runtime.engines.scripted import ScriptedEngine


class Point(BaseModel):
    x: Annotated[int, Field(ge=0)]
    y: int


FORM = '{"x": integer >= 0, "y": integer}'
DEFAULT = f"Answer with JSON in this form:\n{FORM}"


@prompt
def place(name: str) -> Point:
    return ask(f"Where is {name}?")


@prompt
def essay(topic: str) -> str:
    return ask(f"Write about {topic}.")


def as_schema(kind: OutputType[Any]) -> str:
    return f"JSON schema: {kind.json_schema}"


def nothing(kind: OutputType[Any]) -> str:
    return " \n"


def told(messages: Any) -> str:
    """The text of the system message that comes first, which the program doesn't have; without one, nothing."""
    return str(messages[0].content) if messages[0].role == "system" else ""


def sent(words: str, *turns: Message) -> tuple[Message, ...]:
    """The turns behind a system message of the words, or alone where there are none."""
    return (system(words), *turns) if words else turns


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (True, DEFAULT),
        (False, ""),
        ("Reply in the usual form.", "Reply in the usual form."),
        ("Reply like {{ format }}, please", f"Reply like {FORM}, please"),
        ("{% if format %}Form: {{ format | upper }}{% endif %}", f"Form: {FORM.upper()}"),
        ('As in {"x": 1}', 'As in {"x": 1}'),
        (as_schema, as_schema(output_type(Point))),
        (nothing, ""),
    ],
)
def test_each_form_of_the_option_is_sent_by_prompts_calls_and_runtimes(option: DescribeFormat, words: str) -> None:
    expected = sent(words, user("Where is it?"))

    @prompt(describe_format=option)
    def decorated(name: str) -> Point:
        return ask(f"Where is {name}?")

    assert decorated.render("it") == place.using(describe_format=option).render("it") == expected
    engine, other = (ScriptedEngine(answers=lambda _: '{"x": 1, "y": 2}') for _ in range(2))
    with Runtime(engine, describe_format=option) as runtime:
        assert place.render("it") == expected
        place("it")
        runtime.generate("Where is it?", output_type=Point)
    with Runtime(other) as runtime:
        decorated("it")
        runtime.generate("Where is it?", output_type=Point, describe_format=option)
    assert [request.prompt for request in (*engine.requests, *other.requests)] == [expected] * 4


def test_a_prompt_and_a_call_go_before_the_runtime() -> None:
    engine = ScriptedEngine(answers=lambda _: '{"x": 1, "y": 2}')
    with Runtime(engine, describe_format="Of the runtime.") as runtime:
        assert runtime.describe_format == "Of the runtime."
        assert told(place.using(describe_format=True).render("it")) == DEFAULT
        runtime.generate("Where?", output_type=Point, describe_format=False)
        place.using(describe_format=False)("it")
    assert [request.prompt for request in engine.requests] == [(user("Where?"),), (user("Where is it?"),)]


def test_a_template_of_a_runtime_adds_nothing_to_free_text() -> None:
    with Runtime(ScriptedEngine(), describe_format="As in: {{ format }}"):
        assert essay.render("rain") == (user("Write about rain."),)
    own = essay.using(describe_format="In one sentence.")
    assert own.render("rain") == (system("In one sentence."), user("Write about rain."))


def test_a_function_is_called_once_for_a_type_and_a_format() -> None:
    kinds: list[OutputType[Any]] = []

    def describe(kind: OutputType[Any]) -> str:
        kinds.append(kind)
        return f"{len(kinds)}"

    @prompt(describe_format=describe)
    def where(name: str) -> Point:
        return ask(name)

    assert len(kinds) == 1  # at decoration
    engine = ScriptedEngine(
        answers=lambda request: '{"x":1,"y":2}' if told(request.prompt) == "2" else '{"x": 1, "y": 2}'
    )
    with Runtime(engine):
        where.map(["a", "b", "c"])
        where.using(temperature=0.5)("d")
        where.using(json_format="tight")("e")
    assert [told(request.prompt) for request in engine.requests] == ["1", "1", "1", "1", "2"]
    assert [kind.json_format.value for kind in kinds] == ["spaced", "tight"]
    engine = ScriptedEngine(answers=lambda _: "[1, 2]")
    with Runtime(engine, describe_format=describe) as runtime:
        runtime.generate(["a", "b"], output_type=list[int])
        runtime.generate("c", output_type=list[int])
    assert len(kinds) == 3  # at the first use


class Described:
    """A callable without a hash."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, kind: OutputType[Any]) -> str:
        return "From an object."

    def method(self, kind: OutputType[Any]) -> str:
        return "From a method."


def test_any_callable_will_do() -> None:
    assert told(place.using(describe_format=Described()).render("it")) == "From an object."
    assert told(place.using(describe_format=Described().method).render("it")) == "From a method."


def _raises(kind: OutputType[Any]) -> str:
    raise LookupError("no words")


def _three(kind: OutputType[Any]) -> int:
    return 3


IMPOSSIBLE: list[Any] = [
    (_raises, PromptUsageError, "describe_format=_raises failed: LookupError: no words"),
    (lambda: "x", PromptUsageError, r"describe_format=<lambda> failed: TypeError: <lambda>\(\) takes 0"),
    (_three, PromptUsageError, "describe_format=_three returned 3, not a text; return '' to add nothing"),
    (print, PromptUsageError, "describe_format=print returned None, not a text"),
    (Point, PromptUsageError, "describe_format=Point failed: TypeError"),
    ("{{ form }}", TemplateError, "line 1 of describe_format: the template uses 'form', .* did you mean 'format'"),
    ("As\n{{ format", TemplateError, "line 2 of describe_format: describe_format is no valid Jinja2 template"),
    ("As {format}", TemplateError, "line 1 of describe_format: the template has {format} in single braces"),
    (
        "{{ format | uper }}",
        TemplateError,
        "line 1 of describe_format: there is no filter 'uper'; did you mean 'upper'",
    ),
    ("{{ format.lines.first }}", TemplateError, "describe_format can't be rendered: .* has no attribute 'lines'"),
]


@pytest.mark.parametrize(("option", "error", "said"), IMPOSSIBLE)
def test_words_that_cannot_be_made_are_refused_at_decoration(option: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=f"where: {said}"):

        @prompt(describe_format=option)
        def where(name: str) -> Point:
            return ask(name)

    with pytest.raises(error, match=f"place: {said}"):
        place.using(describe_format=option)
    engine = ScriptedEngine()
    with Runtime(engine) as runtime, pytest.raises(error, match=f"generate: {said}"):
        runtime.generate(["a", "b"], output_type=Point, describe_format=option)
    assert not engine.requests


def test_a_runtime_refuses_what_is_wrong_by_itself_and_the_first_call_the_rest() -> None:
    wrong: Any = 3
    with pytest.raises(PromptUsageError, match="Runtime: describe_format is True, False, own words"):
        Runtime(ScriptedEngine(), describe_format=wrong)
    with pytest.raises(TemplateError, match="Runtime: line 1 of describe_format: the template uses 'form'"):
        Runtime(ScriptedEngine(), describe_format="{{ form }}")
    with (
        Runtime(ScriptedEngine(), describe_format=_raises),
        pytest.raises(PromptUsageError, match=r"place: .*no words"),
    ):
        place.safe.map(["a", "b"])


def test_the_words_stand_in_the_system_message_that_comes_first() -> None:
    @prompt(describe_format="Words.")
    def converse(turns: list[Message]) -> Point:
        return ask(turns)

    begun = assistant('{"x": ')
    turns = [user("a"), assistant("b"), user("c")]
    for history in (turns, turns[:1], turns[:2], [*turns, begun], [begun], [user("a"), system("late"), user("c")]):
        assert converse.render(history) == (system("Words."), *history)
        assert converse.render([system("s\n"), *history]) == (system("s\n\n\nWords."), *history)
        assert converse.render([system(""), *history]) == (system("Words."), *history)
        assert converse.render([system("s"), system("t"), *history]) == (system("s\n\nWords."), system("t"), *history)


def test_examples_come_behind_the_words() -> None:
    @prompt(describe_format="Words.", examples=[example(Point(x=1, y=2), name="here", manner="briefly")])
    def where(name: str, manner: str) -> Point:
        return ask(system(f"Answer {manner}."), user(name)) if manner else ask(name)

    shown = (user("here"), assistant('{"x": 1, "y": 2}'), user("there"))
    assert where.render("there", "") == (system("Words."), *shown)
    assert where.render("there", "at length") == (system("Answer at length.\n\nWords."), *shown)


def test_what_is_told_of_reasoned_answers_stands_before_the_thoughts_and_stays() -> None:
    @prompt(describe_format="Words.")
    def thought(name: str) -> Reasoned[Point]:
        return ask(name)

    engine = ScriptedEngine(answers=["Hm.", '{"x": 1, "y": 2}'])
    with Runtime(engine):
        assert thought("it").value == Point(x=1, y=2)
    first, second = ([each for each in request.prompt if isinstance(each, Message)] for request in engine.requests)
    assert first[0] == second[0] == system("Words.")
    assert [message.role for message in first] == ["system", "user"]
    assert [message.role for message in second] == ["system", "user", "assistant", "user"]
    assert not any("Words." in message.content for message in second[1:])


def test_a_raw_prompt_is_complete() -> None:
    @prompt(describe_format="Words.")
    def complete(name: str) -> Point:
        return ask(raw(f"<s>{name}"))

    assert complete.render("it") == raw("<s>it")
    engine = ScriptedEngine(answers=["[1]"])
    with Runtime(engine, describe_format="Words.") as runtime:
        runtime.generate(raw("<s>"), output_type=list[int])
    assert engine.requests[0].prompt == "<s>"


def test_examples_carry_no_words_and_special_types_those_of_the_type_inside() -> None:
    @prompt(examples=[example(Point(x=1, y=2), name="here")], describe_format=as_schema)
    def thought(name: str) -> Reasoned[Point]:
        return ask(name)

    @prompt(describe_format=lambda kind: f"One of {kind.constraint.spec}")
    def scored(name: str) -> Scored[Literal["keep", "drop"]]:
        return ask(name)

    assert thought.render("it") == (
        system(as_schema(output_type(Point))),
        user("here"),
        assistant('{"x": 1, "y": 2}'),
        user("it"),
    )
    assert scored.render("it") == (system("One of ('keep', 'drop')"), user("it"))


def test_what_is_told_is_explained() -> None:
    assert place.explain().told == DEFAULT
    assert (
        "\n  told           Answer with JSON in this form:\n                 ... (as above)\n" in f"{place.explain()}"
    )
    own = place.using(describe_format="Two numbers:\n{{ format }} or so")
    assert own.explain().told == f"Two numbers:\n{FORM} or so"
    assert f"\n  told           Two numbers:\n                 {FORM} or so\n" in f"{own.explain()}"
    silent = place.using(describe_format=False).explain()
    assert silent.told == "" and "\n  told           nothing\n" in str(silent)
    with Runtime(ScriptedEngine(), describe_format="Of the runtime."):
        assert place.explain().told == "Of the runtime."


@prompt(describe_format=as_schema)
def known(name: str) -> Point:
    return ask(name)


MADE: list[Any] = [
    known,
    known.using(describe_format="{{ format }}!"),
    known.using(describe_format=as_schema),
    known.safe,
]


@pytest.mark.parametrize("made", MADE)
def test_prompts_with_the_option_are_pickled(made: Any) -> None:
    assert pickle.loads(pickle.dumps(made)).render("it") == made.render("it")
    cloudpickle: Any = pytest.importorskip("cloudpickle")
    local: Any = made.using(describe_format=lambda _: "Words.")  # pyright: ignore[reportUnknownLambdaType]
    assert pickle.loads(cloudpickle.dumps(local)).render("it") == local.render("it")


def test_the_checker_knows_the_option(tmp_path: Path) -> None:
    file = tmp_path / "prompts.py"
    file.write_text(
        dedent(
            """
            from typefold import ask, prompt

            def words(kind: object) -> str:
                return "x"

            @prompt(describe_format="As {{ format }}")
            def good(text: str) -> int:
                return ask(text)

            @prompt(describe_format=words)
            def better(text: str) -> int:
                return ask(text)

            @prompt(describe_format="As {{ fomat }}")
            def bad(text: str) -> int:
                return ask(text)

            @prompt(describe_format=0)
            def worse(text: str) -> int:
                return ask(text)
            """
        )
    )
    assert [(found.line, found.code) for found in check([file]).findings] == [
        (15, "prompt-option"),
        (19, "prompt-option"),
    ]


class Mood(Enum):
    """How it feels."""

    GRIM = "grim"
    FUNNY = "funny"


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (str, None),
        (Literal["keep"], "Answer keep."),
        (Literal["keep", "drop"], "Answer keep or drop."),
        (Literal["a", "b", "c d"], "Answer a, b or c d."),
        (Literal["this or that", "none"], "Answer with one of: this or that, none"),
        (Literal["a, b", "c"], 'Answer with one of: "a, b", "c"'),
        (Mood, "Answer with one of: grim, funny (How it feels.)"),
        (Annotated[str, Field(max_length=9)], "Answer with text (at most 9 characters)"),
        (Annotated[str, Field(pattern="[a-z]+")], "Answer with text matching [a-z]+"),
        (bool, "Answer with true or false."),
        (int, "Answer with an integer."),
        (Annotated[int, Field(ge=1, le=5)], "Answer with an integer from 1 to 5."),
        (Annotated[float, Field(description="in metres")], "Answer with a number (in metres)."),
        (Annotated[bool, Field(description="Is it?")], "Answer with true or false (Is it?)."),
        (int | None, "Answer with JSON in this form:\ninteger or null"),
        (Literal[1, 2], "Answer with an integer (one of: 1, 2)."),
        (list[Mood], "Answer with JSON in this form:\n[string (one of: grim, funny) (How it feels.), ...]"),
    ],
    ids=repr,
)
def test_the_words_suit_the_answer(hint: Any, words: str | None) -> None:
    with Runtime(ScriptedEngine()) as runtime:
        assert runtime.render("What?", output_type=hint) == sent(words or "", user("What?"))


def test_images_stay_in_the_message_of_the_user() -> None:
    picture = Image(b"...", "png", 6, 4)
    with Runtime(ScriptedEngine()) as runtime:
        for content in [(picture, "Is it red?"), ("Is ", picture, " red?"), (picture,)]:
            message = Message.of("user", content)
            assert runtime.render([message], output_type=bool) == (system("Answer with true or false."), message)
