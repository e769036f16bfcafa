"""Records of a function's scope may name its other classes and themselves, as text, under `from __future__ import annotations`."""

# Annotations name classes as text, which no checker counts as use:
# pyright: reportUnusedClass=false
from __future__ import annotations

import dataclasses
import gc
import sys
import weakref
from collections.abc import Callable
from typing import Annotated, Any, Generic, NamedTuple, NewType, Optional, TypeVar

import attrs
import msgspec
import pydantic
import pytest
import typing_extensions
from pydantic import AfterValidator, BaseModel, Field

from typefold import Prompt, Runtime, ask, output_type, prompt, run
from typefold.compiler import OutputType, UnsupportedType
from typefold.runtime.engines.scripted import ScriptedEngine

T = TypeVar("T")
ANSWER = '{"inner": {"n": true}}'


class Inner(BaseModel):
    """Of the module, and hidden by those of the functions."""

    other: str


def records() -> tuple[Any, ...]:
    class Leaf(BaseModel):
        n: bool

    @dataclasses.dataclass
    class Plain:
        inner: Leaf

    @pydantic.dataclasses.dataclass
    class Checked:
        inner: Leaf

    class Model(BaseModel):
        inner: Leaf

    class Keys(typing_extensions.TypedDict):
        inner: Leaf

    class Pair(NamedTuple):
        inner: Leaf

    @attrs.define
    class Made:
        inner: Leaf

    class Struct(msgspec.Struct):
        inner: Leaf

    for record in (Plain, Checked, Model, Keys, Pair, Made, Struct):
        listed: Any = list[record]  # type: ignore[valid-type]  # made at run time
        kind: OutputType[Any] = output_type(listed)
        value = kind.decode(f"[{ANSWER}]")
        assert kind.encode(value) == f"[{ANSWER}]"
    return Plain, Checked, Model, Keys, Pair, Made, Struct


def hiding_records() -> tuple[Any, ...]:
    class Inner(BaseModel):
        n: bool

    @dataclasses.dataclass
    class Plain:
        inner: Inner

    class Model(BaseModel):
        inner: Inner

    class Keys(typing_extensions.TypedDict):
        inner: Inner

    class Pair(NamedTuple):
        inner: Inner

    @attrs.define
    class Made:
        inner: Inner

    class Struct(msgspec.Struct):
        inner: Inner

    for record in (Plain, Model, Keys, Pair, Made, Struct):
        listed: Any = list[record]  # type: ignore[valid-type]  # made at run time
        kind: OutputType[Any] = output_type(listed)
        value = kind.decode(f"[{ANSWER}]")
        assert kind.encode(value) == f"[{ANSWER}]"
    return Plain, Model, Keys, Pair, Made, Struct


def test_every_kind_of_record_is_read_while_its_function_runs() -> None:
    assert len(records()) == 7


def test_a_class_of_the_function_hides_one_of_the_module() -> None:
    assert len(hiding_records()) == 6


def test_records_are_found_from_a_function_that_the_other_one_calls() -> None:
    def compile_it(record: Any) -> str:
        return output_type(record).decode(ANSWER).inner.n  # type: ignore[no-any-return]

    def scope() -> bool:
        class Inner(BaseModel):
            n: bool

        @dataclasses.dataclass
        class Plain:
            inner: Inner

        return bool(compile_it(Plain))

    assert scope()


def test_a_class_whose_function_has_returned_is_refused_by_name_unless_names_are_given() -> None:
    def scope() -> tuple[Any, Any]:
        class Hidden(BaseModel):
            n: bool

        @dataclasses.dataclass
        class Plain:
            inner: Hidden

        return Plain, Hidden

    plain, hidden = scope()
    with pytest.raises(UnsupportedType, match="Hidden"):
        output_type(plain)
    assert output_type(plain, namespace={"Hidden": hidden}).decode(ANSWER).inner.n is True


def test_a_prompt_keeps_the_names_of_its_scope() -> None:
    def scope() -> Prompt[[str], Any]:
        @dataclasses.dataclass
        class Leaf:
            n: bool

        @dataclasses.dataclass
        class Plain:
            inner: Leaf

        @prompt
        def make(text: str) -> list[Plain]:
            return ask(text)

        return make

    with Runtime(ScriptedEngine(answers=[f"[{ANSWER}]"])):
        assert scope()("x")[0].inner.n is True


def test_generate_and_run_know_them() -> None:
    @dataclasses.dataclass
    class Node:
        child: Optional[Node] = None  # noqa: UP045  # as people write it

    def row(text: str) -> int:
        return 0 if runtime.generate(text, output_type=Node).child is None else 1

    with Runtime(ScriptedEngine(answers=['{"child": {}}'] * 3)) as runtime:
        assert runtime.generate("x", output_type=Node) == Node(Node())
        assert run(row, ["a", "b"]) == [1, 1]


def test_they_may_be_anywhere_in_a_type() -> None:
    class Leaf(typing_extensions.TypedDict):
        n: bool

    @dataclasses.dataclass
    class Box(Generic[T]):
        item: T
        leaf: Leaf | None = None

    @dataclasses.dataclass
    class Base:
        leaf: Leaf

    @dataclasses.dataclass
    class Derived(Base):
        box: Box[Leaf]
        both: dict[str, tuple[Leaf, Limited]]

    Limited = NewType("Limited", int)
    kind = output_type(list[Derived] | None)
    text = '[{"leaf": {"n": true}, "box": {"item": {"n": false}}, "both": {"a": [{"n": true}, 3]}}]'
    value = kind.decode(text)
    assert value is not None and value[0].both == {"a": ({"n": True}, 3)} and kind.encode(value)


def test_checks_after_decoding_know_them_too() -> None:
    @dataclasses.dataclass
    class Leaf:
        n: int

    @dataclasses.dataclass
    class Plain:
        leaf: Leaf

    def small(value: Plain) -> Plain:
        assert value.leaf.n < 5
        return value

    kind = output_type(Annotated[list[Annotated[Plain, AfterValidator(small)]], Field(min_length=2000)] | int)
    assert "min_length=2000" in str(kind.post_checks)
    checked = output_type(list[Annotated[Plain, AfterValidator(small)]])
    assert checked.decode('[{"leaf": {"n": 1}}]') == [Plain(Leaf(1))]


def test_a_model_may_name_a_class_that_comes_after_it() -> None:
    class First(BaseModel):
        second: Second

    class Second(BaseModel):
        third: Third

    class Third(BaseModel):
        n: int

    assert output_type(First).decode('{"second": {"third": {"n": 1}}}').second.third.n == 1


def test_two_classes_of_one_name_are_two() -> None:
    def one() -> Any:
        class Leaf(BaseModel):
            a: int

        @dataclasses.dataclass
        class Plain:
            leaf: Leaf

        return two(Plain)

    def two(first: Any) -> Any:
        class Leaf(BaseModel):
            b: str

        @dataclasses.dataclass
        class Plain:
            leaf: Leaf

        return output_type(Plain).decode('{"leaf": {"b": "x"}}'), output_type(first).decode('{"leaf": {"a": 1}}')

    second, first = one()
    assert (second.leaf.b, first.leaf.a) == ("x", 1)


def test_words_in_metadata_are_no_names() -> None:
    size = object()

    @dataclasses.dataclass
    class Plain:
        size: Annotated[int, Field(description="the size of it")]

    kind = output_type(Plain)
    assert size not in kind.names.values() and kind.decode('{"size": 1}') == Plain(1)


def test_no_frame_is_kept() -> None:
    class Heavy:
        pass

    def scope(compiled: Callable[[Any], Any]) -> weakref.ref[Heavy]:
        heavy = Heavy()

        @dataclasses.dataclass
        class Leaf:
            n: int

        @dataclasses.dataclass
        class Plain:
            leaf: Leaf

        kind = compiled(Plain)
        assert kind.decode('{"leaf": {"n": 1}}') == Plain(Leaf(1))
        return weakref.ref(heavy)

    found = scope(output_type)
    gc.collect()
    assert found() is None and sys.exc_info() == (None, None, None)
