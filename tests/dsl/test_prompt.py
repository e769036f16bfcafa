"""`@prompt`: what it takes, what it refuses, and what its calls give."""

import asyncio
import itertools
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from returns.result import Failure, Success

from typefold import (
    BadInput,
    BatchError,
    Invalid,
    JsonFormat,
    Message,
    NoRuntime,
    PromptTooLong,
    PromptUsageError,
    Runtime,
    TemplateError,
    UnsupportedType,
    ask,
    assistant,
    example,
    prompt,
    raw,
    system,
    user,
)
from typefold.execution import executor
from typefold.runtime import Outcome, Request
from typefold.runtime.engines.scripted import ScriptedEngine


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"


class Character(BaseModel):
    name: Annotated[str, Field(max_length=40)]
    age: Annotated[int, Field(ge=0, le=120)]


@prompt
def make_character(setting: str) -> Character:
    """Documentation, {{ not }} a template: the body says its own message."""
    return ask(f"Invent a character from {setting}.")


@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    """Is this any good?

    {{ text }}"""
    return ask()


@prompt
def double(number: int) -> int:
    return ask(f"Twice {number}?")


@prompt
async def is_even(number: int) -> bool:
    return ask(f"Is {number} even?")


class Critic:
    def __init__(self, taste: str) -> None:
        self.taste = taste

    @prompt
    def rate(self, text: str) -> int:
        return ask(f"As a {self.taste} critic, rate {text}")

    @staticmethod
    @prompt
    def summary(text: str) -> str:
        return ask(f"Sum up {text}")


def echo(request: Request) -> str:
    """The second word of the message that was asked."""
    assert not isinstance(request.prompt, str)
    return request.prompt[-1].content.rpartition("\n")[2].split()[1].rstrip("?")


def test_a_call_gives_a_value_of_the_return_type(runtime: Runtime) -> None:
    assert isinstance(make_character("Mars"), Character)
    assert judge("text") in ("keep", "drop")
    assert type(double(3)) is int


def test_a_map_is_one_batch_in_order() -> None:
    engine = ScriptedEngine(answers=echo)
    with Runtime(engine):
        assert double.map(range(50)) == list(range(50))
    assert engine.steps < 10  # two digits and an end, not fifty times that


def test_rows_of_a_slow_source_are_asked_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    @prompt
    def say(number: int) -> str:
        return ask(f"Say {number}.")

    asked, together = threading.Event(), list[int]()

    def answer(request: Request) -> str:
        asked.set()
        return "said"

    def source() -> Iterator[int]:
        for number in range(3):
            yield number
            assert asked.wait(30), "the row waits for others"
            asked.clear()

    class Noting(Runtime):
        def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
            together.append(len(requests))
            return super().submit(requests)

    ticks = itertools.count()
    monkeypatch.setattr(executor, "_now", lambda: next(ticks))  # each row takes a second
    with Noting(ScriptedEngine(answer)):
        assert say.map(source()) == ["said"] * 3
        monkeypatch.setattr(executor, "_now", lambda: 0.0)  # no row takes any time
        say.map(range(100))
    assert together == [1, 1, 1, 64, 36]


def test_a_map_takes_the_other_parameters_once(runtime: Runtime, engine: ScriptedEngine) -> None:
    @prompt
    def tell(topic: str, mood: Mood = Mood.GRIM, *, length: int) -> str:
        return ask(f"{topic} {mood.value} {length}")

    tell.map(["cats", "dogs"], Mood.FUNNY, length=3)
    assert [request.prompt[0].content for request in engine.requests if not isinstance(request.prompt, str)] == [
        "cats funny 3",
        "dogs funny 3",
    ]


def test_starmap_spreads_rows(runtime: Runtime, engine: ScriptedEngine) -> None:
    @prompt
    def add(left: int, right: int) -> int:
        return ask(f"{left}+{right}")

    assert len(add.starmap([(1, 2), (3, 4)])) == 2
    assert [call.render(1, 2) for call in (add,)] == [(system("Answer with an integer."), user("1+2"))]


def test_an_async_prompt_is_awaited_and_maps(runtime: Runtime, engine: ScriptedEngine) -> None:
    async def program() -> tuple[bool, list[bool]]:
        one, many = await asyncio.gather(is_even(1), is_even.map([2, 3, 4]))
        return one, many

    one, many = asyncio.run(program())
    assert one in (True, False)
    assert len(many) == 3
    assert len(engine.requests) == 4


def test_methods_and_static_methods_are_prompts(runtime: Runtime) -> None:
    critic = Critic("harsh")
    rendered = critic.rate.render("a film")
    assert "As a harsh critic, rate a film" in rendered[1].content  # type: ignore[union-attr]
    assert type(critic.rate("a film")) is int
    assert len(critic.rate.map(["a", "b"])) == 2
    assert isinstance(Critic.summary("a book"), str)
    assert type(Critic.rate(critic, "a film")) is int


def test_a_failing_row_keeps_its_place_in_the_batch() -> None:
    with Runtime(ScriptedEngine(answers=echo, max_model_len=300)):
        results = double.safe.map([1, 2, 10**400, 4])
    assert [type(result) for result in results] == [Success, Success, Failure, Success]
    error = results[2].failure()
    assert isinstance(error, PromptTooLong)
    assert error.row == 2 and error.function == "double"


def test_map_raises_one_error_that_holds_every_result() -> None:
    with Runtime(ScriptedEngine(max_model_len=300)), pytest.raises(BatchError, match="1 of 3 rows failed") as caught:
        double.map([1, 10**400, 3])
    assert [isinstance(result, Success) for result in caught.value.results] == [True, False, True]
    assert isinstance(caught.value.failures[0], PromptTooLong)


def test_safe_gives_a_result_and_never_raises_for_a_row(runtime: Runtime) -> None:
    assert isinstance(double.safe(1), Success)

    @prompt
    def fails(text: str) -> int:
        raise LookupError(text)

    failed = fails.safe("gone")
    assert isinstance(failed.failure(), BadInput)
    assert isinstance(failed.failure().__cause__, LookupError)


def test_every_way_to_call_a_safe_prompt_gives_results() -> None:
    @prompt
    async def later(number: int) -> int:
        return ask(f"Later {number}")

    async def awaited() -> list[object]:
        stream = later.safe.stream(9)
        return [
            await double.safe.aio(1),
            await double.safe.aio(9),
            await double.safe.future(9),
            await later.safe(1),
            await later.safe(9),
            [piece async for piece in stream] and await stream.result(),
            *await later.safe.map([1, 9]),
        ]

    def answered(request: Request) -> str:
        return "x" if "9" in str(request.prompt) else "2"

    with Runtime(ScriptedEngine(answers=answered)):
        stream = double.safe.stream(9)
        failed = double.safe.submit(9)
        given = [
            double.safe(1),
            double.safe(9),
            double.safe.submit(1).result(),
            failed.result(),
            double.safe.defer(9).result(),
            [*stream] and stream.result(),
            *double.safe.starmap([(1,), (9,)]),
            *double.safe.map_rows([{"number": 1}, {"number": 9}]),
            *double.safe.using(temperature=1).map([1, 9]),
            *double.safe.sample(2)(1),
            *double.safe.safe.map([1, 9]),
        ]
        given_later = asyncio.run(awaited())
    assert [type(each) for each in given] == [
        *(Success, Failure, Success, Failure, Failure, Failure),
        *(Success, Failure) * 3,
        *(Success, Success, Success, Failure),
    ]
    assert failed.exception() is None
    assert [type(each).__name__ for each in given_later] == [
        *("Success", "Failure", "IOFailure", "Success", "Failure", "Failure", "Success", "Failure")
    ]


def test_an_exception_in_the_body_is_bad_input(runtime: Runtime) -> None:
    @prompt
    def fails(text: str) -> int:
        return ask(f"{1 // len(text)}")

    with pytest.raises(BadInput, match=r"fails: .*ZeroDivisionError"):
        fails("")
    assert [type(result) for result in fails.safe.map(["", "a"])] == [Failure, Success]


def test_arguments_that_do_not_fit_raise_type_error_as_in_any_call(runtime: Runtime) -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'setting'"):
        make_character()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_failing_validator_is_invalid_with_its_text() -> None:
    class Even(BaseModel):
        number: Annotated[int, Field(multiple_of=2)]

    @prompt
    def even() -> Even:
        return ask("An even number?")

    with Runtime(ScriptedEngine(answers=['{"number": 3}'])), pytest.raises(Invalid) as caught:
        even()
    assert caught.value.text == '{"number": 3}'
    assert caught.value.check == "return.number: multiple_of=2"
    assert caught.value.errors[0]["loc"] == ("number",)


def test_a_docstring_is_a_template_where_the_body_is_a_bare_ask() -> None:
    asked = user("Is this any good?\n\n{{ 7 * 7 }}")
    assert judge.render("{{ 7 * 7 }}") == (system("Answer keep or drop."), asked)


def test_values_whose_json_is_a_text_stand_in_a_template_without_quotes() -> None:
    @prompt
    def describe(day: date, price: Decimal, number: UUID, wait: timedelta, days: list[date]) -> str:
        """{{ day }} {{ price }} {{ number }} {{ wait }} {{ days }}"""
        return ask()

    number = UUID(int=7)
    [message] = describe.render(date(2025, 1, 2), Decimal("12.50"), number, timedelta(hours=3), [date(2025, 1, 2)])
    assert message.content == f'2025-01-02 12.50 {number} PT3H ["2025-01-02"]'  # type: ignore[union-attr]


def test_models_in_a_template_are_json() -> None:
    @prompt
    def describe(character: Character, moods: list[Mood]) -> str:
        """{{ character }} {{ character.name }} {{ moods }}"""
        return ask()

    [message] = describe.render(Character(name="Ann", age=3), [Mood.GRIM])
    assert message.content == '{"name": "Ann", "age": 3} Ann ["grim"]'  # type: ignore[union-attr]


def test_a_template_name_that_is_no_parameter_is_refused_at_decoration() -> None:
    with pytest.raises(TemplateError, match=r"'txt', which is no parameter; did you mean 'text'\?"):

        @prompt
        def wrong(text: str) -> str:
            """Say {{ txt }}."""
            return ask()


def test_bad_template_syntax_is_refused_at_decoration() -> None:
    with pytest.raises(TemplateError, match="line 1"):

        @prompt
        def wrong(text: str) -> str:
            """Say {{ text."""
            return ask()


def test_an_attribute_that_a_value_lacks_is_bad_input(runtime: Runtime) -> None:
    @prompt
    def show(character: Character) -> str:
        """{{ character.height }}"""
        return ask()

    with pytest.raises(BadInput, match="height"):
        show(Character(name="Ann", age=3))


def test_a_return_type_without_json_form_is_refused_at_decoration_with_its_path() -> None:
    with pytest.raises(UnsupportedType, match=r"wrong: return\[\]\.when: .*Stranger has no JSON form"):

        class Stranger:
            pass

        class Meeting(BaseModel, arbitrary_types_allowed=True):
            when: Stranger

        @prompt
        def wrong() -> list[Meeting]:
            return ask("When?")


def test_a_missing_return_annotation_is_refused() -> None:
    with pytest.raises(PromptUsageError, match="needs a return annotation"):
        exec(  # type checkers see the mistake too
            "from typefold import ask, prompt\n@prompt\ndef wrong(text: str):\n    return ask(text)\n", {}
        )


def test_ask_outside_a_prompt_says_what_to_write() -> None:
    with pytest.raises(PromptUsageError, match="outside the body of a prompt function; write\n    @prompt"):
        ask("hello")


def test_a_body_that_returns_something_else_is_refused(runtime: Runtime) -> None:
    @prompt
    def wrong(text: str) -> str:
        return text

    with pytest.raises(PromptUsageError, match="must `return ask"):
        wrong("x")

    @prompt
    def worse(text: str) -> tuple[str, str]:
        return (ask(text), text)

    with pytest.raises(PromptUsageError, match="returned tuple"):
        worse.map(["x"])


def test_a_body_that_calls_a_prompt_is_refused(runtime: Runtime) -> None:
    @prompt
    def outer(text: str) -> str:
        return ask(f"{judge(text)}")

    with pytest.raises(PromptUsageError, match="outer: its body calls the prompt judge"):
        outer("x")


def test_a_body_that_awaits_is_refused(runtime: Runtime) -> None:
    @prompt
    async def wrong(text: str) -> str:
        await asyncio.sleep(0)
        return ask(text)

    with pytest.raises(PromptUsageError, match="can't await"):
        asyncio.run(wrong("x"))


def test_using_changes_options_and_leaves_the_original(runtime: Runtime, engine: ScriptedEngine) -> None:
    hot = judge.using(temperature=1.5, max_tokens=9)
    hot("a")
    judge("a")
    assert [dict(request.sampling) for request in engine.requests] == [{"temperature": 1.5, "max_tokens": 9}, {}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tempurature": 1}, "did you mean 'temperature'"),
        ({"n": 2}, "one call gives one value"),
        ({"structured_outputs": {}}, "the return type is the constraint"),
        ({"stop": ["x"]}, "would end an answer inside a value"),
        ({"timeout": -1}, "seconds above 0"),
        ({"truncation": "maybe"}, "'value' or 'error'"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptUsageError, match=message):
        judge.using(**options)


def test_examples_are_earlier_turns_in_json_form() -> None:
    @prompt(examples=[example(Character(name="Ann", age=3), setting="Mars")], describe_format=False)
    def make(setting: str) -> Character:
        return ask(system("Invent."), user(f"From {setting}."))

    assert make.render("Venus") == (
        system("Invent."),
        user("From Mars."),
        assistant('{"name": "Ann", "age": 3}'),
        user("From Venus."),
    )


@pytest.mark.parametrize(
    "wrong", [example("nobody", text="x"), example("keep", txt="x"), example("keep")], ids=["value", "name", "missing"]
)
def test_an_example_that_does_not_fit_is_refused_at_decoration(wrong: Any) -> None:
    with pytest.raises(PromptUsageError, match="is not an example of it"):

        @prompt(examples=[wrong])
        def judge(text: str) -> Literal["keep", "drop"]:
            return ask(text)


def test_the_shape_of_a_json_answer_is_told_and_can_be_left_out() -> None:
    asked = user("Invent a character from Mars.")
    form = '{"name": string (at most 40 characters), "age": integer from 0 to 120}'
    assert make_character.render("Mars") == (system(f"Answer with JSON in this form:\n{form}"), asked)
    assert make_character.using(describe_format=False).render("Mars") == (asked,)


def test_the_json_format_of_a_prompt_shows_in_shape_and_answer() -> None:
    tight = make_character.using(json_format=JsonFormat.TIGHT)
    assert '{"name":string' in str(tight.render("Mars"))
    with Runtime(ScriptedEngine(answers=['{"name":"A","age":1}'])):
        assert tight("Mars") == Character(name="A", age=1)


def test_the_compact_format_shows_in_shape_examples_and_answer_and_is_taken_by_name() -> None:
    @prompt(json_format="compact", examples=[example(Character(name="Bo", age=3), setting="Oz")])
    def make(setting: str) -> Character:
        return ask(f"Invent a character from {setting}.")

    shown = [str(message.content) for message in make.render("Mars") if isinstance(message, Message)]
    assert shown[0].endswith("\n[name: string (at most 40 characters), age: integer from 0 to 120]")
    assert shown[2] == '["Bo", 3]'
    with Runtime(ScriptedEngine(answers=['["A", 1]'] * 3), json_format="compact"):
        assert make("Mars") == make_character("Mars") == Character(name="A", age=1)
        with make.stream("Venus") as stream:
            assert list(stream.partials())[-1] == {"name": "A", "age": 1}
    with pytest.raises(PromptUsageError, match="make: json_format is one of 'spaced', 'tight', 'compact'"):
        make.using(json_format="short")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_raw_prompts_and_histories_are_sent_as_they_stand() -> None:
    @prompt
    def complete(text: str) -> str:
        return ask(raw(f"<s>{text}"))

    @prompt
    def go_on(history: list[Message], text: str) -> str:
        return ask(history, user(text), assistant("Well,"))

    assert complete.render("x") == "<s>x"
    assert go_on.render([user("a"), assistant("b")], "c") == (user("a"), assistant("b"), user("c"), assistant("Well,"))


@pytest.mark.parametrize("parts", [(3,), ([],), (raw("x"), "y"), (["x"],)])
def test_parts_that_make_no_prompt_are_refused(parts: Any) -> None:
    @prompt
    def wrong() -> str:
        return ask(*parts)

    with pytest.raises(PromptUsageError):
        wrong.render()


LATE = pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14 is the first to evaluate annotations late")


@pytest.mark.parametrize("first", ["from __future__ import annotations\n", pytest.param("", marks=LATE)])
@pytest.mark.parametrize("hint", ["Later", "list[Later]", "Later | None", "tuple[Later, dict[str, Later]]"])
def test_a_forward_reference_is_checked_at_first_use(first: str, hint: str, runtime: Runtime) -> None:
    namespace: dict[str, Any] = {}
    exec(  # a module whose class comes after its prompts
        f"{first}from typefold import ask, prompt, run\n"
        "from pydantic import BaseModel\n"
        "@prompt\n"
        f"def make() -> {hint}:\n"
        "    return ask('x')\n"
        "@prompt\n"
        "def read(given: Later | None, note: str = '') -> bool:\n"
        "    return ask(f'{given} {note}')\n"
        "def program(given: Later) -> bool:\n"
        "    return read(given)\n"
        "class Later(BaseModel):\n"
        "    number: int\n"
        "value = Later(number=3)\n",
        namespace,
    )
    make, read, value = (namespace[name] for name in ("make", "read", "value"))
    assert "Later" in str(make.explain())
    make()
    assert read(value) is read.map_rows([{"given": value, "note": ""}])[0]
    assert namespace["run"](namespace["program"], [value]) == [read(value)]
    assert [type(each) for each in read.safe.map([value, "x"])] == [Success, Failure]


def test_without_a_runtime_the_error_says_how_to_name_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    with pytest.raises(NoRuntime, match=r"typefold\.configure"):
        judge("x")
