"""Arguments that break the code which writes them into a prompt: an error of their own row, and the others go on."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from returns.result import Failure, Success

from typefold import BadInput, Message, Runtime, ask, gather, prompt, run
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt
def shown(value: Any) -> str:
    """Describe {{ value }}."""
    return ask()


@prompt
def written(value: Any) -> str:
    return ask(f"Describe {value}.")


class Raises:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        raise self.error


class NoText:
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # as bad code has it

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return self.__str__()


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("not even its own text")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


BROKEN = {
    "lone surrogate": ("\ud800", "surrogates not allowed"),
    "half of a pair": ("a\udfffb", "surrogates not allowed"),
    "huge int": (10**100_000, "Exceeds the limit"),
    "raises": (Raises(ValueError("no text for you")), "ValueError: no text for you"),
    "raises no Exception": (Raises(Unspeakable()), r"Unspeakable: \(no message: its __str__ raised RuntimeError\)"),
    "recursion": (Raises(RecursionError("too deep")), "RecursionError"),
    "out of memory": (Raises(MemoryError()), "MemoryError"),
    "a group": (Raises(BaseExceptionGroup("many", [Unspeakable()])), "many"),
    "text that is none": (NoText(), "TypeError"),
}
ONLY_IN_TEMPLATES = {
    "nan": ({"a": math.nan}, "not JSON compliant"),
    "infinity": ([math.inf], "not JSON compliant"),
    "deep": (nested(10_000), "depth exceeded"),
    "cyclic": (cyclic(), "id repeated"),
    "surrogate inside": ([{"a": "\udc00"}], "surrogate"),
    "huge int inside": ([10**100_000], "Exceeds the limit"),
}


@pytest.mark.parametrize("way", [shown, written], ids=["template", "f-string"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_argument_is_bad_input_in_its_own_row(name: str, way: Any, runtime: Runtime) -> None:
    value, reason = BROKEN[name]
    good, bad, also_good = way.safe.map(["a", value, "b"])
    assert isinstance(good, Success) and isinstance(also_good, Success)
    assert isinstance(bad, Failure)
    with pytest.raises(BadInput, match=reason) as caught:
        raise bad.failure()
    assert caught.value.row == 1


@pytest.mark.parametrize("name", ONLY_IN_TEMPLATES)
def test_a_value_that_json_can_not_write_is_bad_input(name: str, runtime: Runtime) -> None:
    value, reason = ONLY_IN_TEMPLATES[name]
    good, bad = shown.safe.map(["a", value])
    assert isinstance(good, Success)
    with pytest.raises(BadInput, match=reason):
        raise bad.failure()


def test_with_a_journal_it_is_the_same(tmp_path: Path) -> None:
    class Odd(dict[str, int]):
        def items(self) -> Any:
            raise Unspeakable

    with Runtime(ScriptedEngine(), journal=tmp_path / "run.db"):
        results = run.safe(written, ["a", Raises(Unspeakable()), Odd(), "b"])
        assert [type(each).__name__ for each in results] == ["Success", "Failure", "Success", "Success"]
        assert isinstance(results[1].failure(), BadInput)


def test_in_run_and_in_a_graph_it_is_the_same(runtime: Runtime) -> None:
    broken = Raises(Unspeakable())
    assert [type(each).__name__ for each in run.safe(written, ["a", broken, "b"])] == ["Success", "Failure", "Success"]
    assert isinstance(gather.safe([written.defer(broken)])[0].failure(), BadInput)
    assert isinstance(written.submit(broken).exception(timeout=20), BadInput)


@pytest.mark.parametrize(
    "value", ["", "\x00", "a\x00b", "\x1b[31m", "\ufeff", "\ufdd0", "{{ 7 * 7 }}", "%s %d {0.x} {}", "é" * 100]
)
def test_odd_text_is_only_text(value: str, runtime: Runtime) -> None:
    assert shown.render(value) == written.render(value) == (Message("user", f"Describe {value}."),)
    assert [type(each) for each in shown.safe.map([value, "b"])] == [Success, Success]


def test_a_text_of_ten_megabytes_is_too_long_and_nothing_else(runtime: Runtime) -> None:
    good, bad = shown.safe.map(["a", "many words " * 1_000_000])
    assert isinstance(good, Success) and type(bad.failure()).__name__ == "PromptTooLong"


@pytest.mark.parametrize("stops", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_program_passes(stops: type[BaseException], runtime: Runtime) -> None:
    with pytest.raises(stops):
        written.safe.map(["a", Raises(stops()), "b"])
