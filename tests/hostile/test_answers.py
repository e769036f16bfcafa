"""A model's output is untrusted: it is read or refused, promptly, and a validator's exceptions are its own row's."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import pytest
from greenlet import GreenletExit
from pydantic import AfterValidator, BaseModel
from returns.result import Success

from tests.catalogue import ENTRIES, Entry
from typefold import Invalid, Runtime, ask, gather, prompt, run
from typefold.compiler import DecodeError, OutputType, output_type
from typefold.compiler.grammar.sampler import sample
from typefold.runtime.engines.scripted import ScriptedEngine

_PIECES = (
    "", "[", "]", "{", "}", '"', ",", ":", "\\", "\\u0000", "\\ud800", "\x00", "\ud800", "null", "true", "NaN", "Infinity",
    "-", "1e999", "-0", "00", "9" * 30, "0." + "0" * 400 + "1", "é", "🦊", "\u2028", "__class__", "$ref", " ", "\n", "\t",
    "1970-01-01", "T25:61", "::", "%s", "{{", "//", "..", "AAAA====",
)  # fmt: skip


def mutated(rng: random.Random, text: str) -> str:
    """The text with a few things wrong."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, to = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        match rng.randrange(7):
            case 0:
                text = text[:at] + text[to:]
            case 1:
                text = text[:at] + text[at:to] * 2 + text[to:]
            case 2:
                text = text[:at]
            case 3:
                text = text[:at] + text[at:to][::-1] + text[to:]
            case 4:
                text = text[:at] + chr(rng.choice((rng.randrange(128), rng.randrange(0x110000)))) + text[at + 1 :]
            case 5 if len(text) < 200:
                text = rng.choice("[{") * rng.choice((1, 3, 300)) + text
            case _:
                text = text[:at] + rng.choice(_PIECES) + text[at:]
    return text


def kind_of(entry: Entry) -> OutputType[Any] | None:
    kind: OutputType[Any] = output_type(entry.hint)
    return kind if kind.constraint.language is not None else None


def fuzz(count: int) -> tuple[int, int]:
    """Mutated answers of all types of the catalogue; how many were values, and how many refused in the named way."""
    kinds = [kind for entry in ENTRIES if (kind := kind_of(entry)) is not None]
    values = refused = 0
    rng = random.Random(7)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        assert kind.constraint.language is not None
        text = mutated(rng, sample(kind.constraint.language, rng, exotic=0.2))
        try:
            kind.decode(text)
            values += 1
        except DecodeError as error:
            assert error.check and len(str(error)) < 100_000
            refused += 1
    return values, refused


def test_a_mutated_answer_is_a_value_or_fails_in_the_named_way() -> None:
    values, refused = fuzz(1_000)
    assert values + refused == 1_000
    assert values > 50 < refused


@pytest.mark.prove
def test_a_hundred_thousand_mutated_answers() -> None:
    values, refused = fuzz(100_000)
    assert values + refused == 100_000


class Node(BaseModel):
    children: list[Node] = []


def _deep(opening: str, closing: str, middle: str = "") -> str:
    return opening * 100_000 + middle + closing * 100_000


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Node, _deep('{"children": [', "]}")),
        (list[Any], _deep("[", "]")),
        (Any, _deep("[", "]")),
        (Any, _deep('{"a": ', "}", "1")),
        (dict[str, Any] | list[Any], _deep("[", "]")),
        (int, "9" * 100_000),
        (int | str, "9" * 100_000),
        (Node, '{"children": [' * 50_000),
        (list[int], "[" + '"x", ' * 2_000_000 + '"x"]'),
        (bool, "true" * 2_500_000),
    ],
    ids=[
        "model", "list", "any", "object", "union", "digits", "digits in a union", "open", "megabytes of errors",
        "megabytes",
    ],
)  # fmt: skip
def test_an_answer_without_measure_fails_in_the_named_way(hint: Any, text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        output_type(hint).decode(text)
    assert len(str(caught.value)) < 10_000


def test_an_answer_of_megabytes_is_a_value() -> None:
    assert output_type(str).decode("word " * 2_000_000) == "word " * 2_000_000
    assert len(output_type(list[int]).decode("[" + "1, " * 1_000_000 + "1]")) == 1_000_001
    assert len(output_type(list[str]).decode('["' + "x" * 10_000_000 + '"]')[0]) == 10_000_000


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        '{"__class__": "os.system", "py/object": "os.system", "$type": "System.Diagnostics.Process"}',
        "!!python/object/apply:os.system ['true']",
        "cos\nsystem\n(S'true'\ntR.",
        "builtins.eval",
        "os",
    ],
)
def test_no_answer_is_run_or_imported(text: str) -> None:
    kinds = [kind for entry in ENTRIES if (kind := kind_of(entry)) is not None]

    def read_all() -> None:
        for kind in kinds:
            with suppress(DecodeError):
                kind.decode(text)
                kind.decode(f'"{text}"')

    read_all()  # what is loaded at first use is loaded
    _audited.clear()
    _auditing.append(True)
    try:
        read_all()
    finally:
        _auditing.clear()
    assert not _audited


_auditing: list[bool] = []
_audited: list[str] = []


def _audit(event: str, _: object) -> None:
    if _auditing and event.partition(".")[0] in (
        "exec",
        "compile",
        "import",
        "open",
        "os",
        "subprocess",
        "socket",
        "pickle",
    ):
        _audited.append(event)


sys.addaudithook(_audit)


# --- validators ------------------------------------------------------------------------------------------------------


class Stop(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Wrong(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _recurse(number: int) -> int:
    return _recurse(number)


RAISES: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("no"),
    "an own ValueError without a text": Wrong,
    "KeyError": lambda: KeyError("no"),
    "an own BaseException": Stop,
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("no"),
    "StopIteration": StopIteration,
    "a group": lambda: BaseExceptionGroup("many", [Stop()]),
    "ExceptionGroup": lambda: ExceptionGroup("many", [ValueError()]),
    "warning": lambda: UserWarning("no"),
}


def picky(make: Callable[[], BaseException]) -> Any:
    def check(number: int) -> int:
        if number == 13:
            raise make()
        return number

    @prompt(describe_format=False)
    def checked(number: int) -> Annotated[int, AfterValidator(check)]:
        return ask(f"{number}")

    return checked


@pytest.mark.parametrize("name", RAISES)
def test_whatever_a_validator_raises_is_invalid_in_its_own_row(name: str) -> None:
    checked = picky(RAISES[name])
    with Runtime(ScriptedEngine(answers={str(number): str(number) for number in (1, 2, 3, 13)})):
        ways: list[list[Any]] = [
            checked.safe.map([1, 13, 2]),
            run.safe(checked, [1, 13, 2]),
            gather.safe([checked.defer(number) for number in (1, 13, 2)]),
        ]
        for good, bad, also_good in ways:
            assert (good, also_good) == (Success(1), Success(2))
            with pytest.raises(Invalid, match=r"validator.*13"):
                raise bad.failure()
        assert isinstance(checked.submit(13).exception(timeout=20), Invalid)
        assert checked(3) == 3


def test_a_validator_that_calls_itself_without_end_is_invalid() -> None:
    kind: Any = output_type(Annotated[int, AfterValidator(_recurse)])
    with pytest.raises(DecodeError, match="validator _recurse: RecursionError"):
        kind.decode("1")


@pytest.mark.parametrize("stops", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, GreenletExit])
def test_what_ends_more_than_a_row_passes(stops: type[BaseException]) -> None:
    def check(number: int) -> int:
        raise stops

    hints: dict[str, Any] = {
        "1": Annotated[int, AfterValidator(check)],
        "[1]": list[Annotated[int, AfterValidator(check)]],
    }
    for text, hint in hints.items():
        kind: Any = output_type(hint)
        with pytest.raises(stops):
            kind.decode(text)
