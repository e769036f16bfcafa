"""Fields that are the program's own are neither told nor admitted; types that no answer can be are refused."""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Never, NotRequired, Protocol
from uuid import UUID, uuid4

import attrs
import msgspec
import pydantic
import pytest
from pydantic import BaseModel, Field, PrivateAttr, computed_field
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import TypedDict

from tests.laws.matchers import Guidance, Vocabulary, XGrammar, small_vocabulary
from typefold import ask, example, prompt
from typefold.compiler import JsonFormat, OutputType, UnsupportedType, output_type
from typefold.testing.laws import Recogniser, check_laws


class Person(BaseModel):
    name: str
    id: SkipJsonSchema[UUID] = Field(default_factory=uuid4)
    trace: SkipJsonSchema[str | None] = None
    secret: Annotated[str, Field(exclude=True)] = "s"
    found: int = Field(default=3, exclude=True)
    log: SkipJsonSchema[Callable[[str], None]] = print

    @computed_field  # type: ignore[prop-decorator]  # as pydantic's page has it
    @property
    def greeting(self) -> str:
        return f"Hello {self.name}"


@dataclasses.dataclass
class Record:
    name: str
    id: SkipJsonSchema[int] = 7
    length: int = dataclasses.field(init=False, default=0)
    scale: dataclasses.InitVar[int] = 2

    def __post_init__(self, scale: int) -> None:
        self.length = len(self.name) * scale


@pydantic.dataclasses.dataclass
class Checked:
    name: str
    id: SkipJsonSchema[int] = Field(default=7)
    hidden: int = Field(default=5, exclude=True)
    scale: dataclasses.InitVar[int] = 2
    unset: int = Field(default=6, init=False)


class Keys(TypedDict):
    name: str
    id: NotRequired[SkipJsonSchema[int]]


class Pair(NamedTuple):
    name: str
    id: SkipJsonSchema[int] = 7


@attrs.define
class Made:
    name: str
    id: SkipJsonSchema[int] = 7


class Struct(msgspec.Struct):
    name: str
    id: SkipJsonSchema[int] = 7


ALIKE = (Person, Record, Checked, Keys, Pair, Made, Struct)


@pytest.mark.parametrize("json_format", JsonFormat)
@pytest.mark.parametrize("hint", ALIKE, ids=lambda hint: hint.__name__)
def test_the_model_is_asked_for_the_name_alone(hint: Any, json_format: JsonFormat) -> None:
    listed: Any = list[hint]
    kind: OutputType[Any] = output_type(listed, json_format=json_format)
    assert list(next(iter(kind.json_schema["$defs"].values()))["properties"]) == ["name"]
    assert kind.shape is not None and "id" not in kind.shape.replace("string", "")
    by = Recogniser.of(kind.constraint)
    name = '"Ada"' if json_format is JsonFormat.COMPACT else f'"name"{json_format.colon}"Ada"'
    left, right = "[]" if json_format is JsonFormat.COMPACT else "{}"
    text = f"[{left}{name}{right}]"
    assert by.admits(text)
    assert not by.admits(f'[{left}{name}{json_format.comma}"id"{json_format.colon}7{right}]')
    assert not by.admits(f"[{left}{name}{json_format.comma}7{right}]")
    value = kind.decode(text)
    assert kind.encode(value) == text
    assert any(path.endswith(("id", "['id']")) for path in kind.unasked)
    assert ".id" in str(kind.explain()) or "['id']" in str(kind.explain())


def test_both_laws_hold_for_it_on_both_backends() -> None:
    vocabulary = Vocabulary(small_vocabulary())
    values = {Person: Person(name="Ada"), Record: Record("Ada"), Pair: Pair("Ada")}
    for engine in (XGrammar(vocabulary), Guidance(vocabulary)):
        for hint, value in values.items():
            kind: OutputType[Any] = output_type(hint)
            assert check_laws(kind, [value], matcher=engine.matcher(kind.constraint)).values == 1


def test_a_factory_is_neither_called_nor_told() -> None:
    def never() -> list[int]:
        raise AssertionError

    class Lazy(BaseModel):
        items: list[int] = Field(default_factory=never)
        mine: SkipJsonSchema[list[int]] = Field(default_factory=never)

    kind = output_type(Lazy)
    assert "mine" not in kind.json_schema["$defs"]["lazy"]["properties"]
    assert kind.explain().unasked == ("return.mine",)


def test_a_required_field_is_written_though_it_is_excluded() -> None:
    class Thought(BaseModel):
        reasons: str = Field(exclude=True)
        answer: int

    kind = output_type(Thought)
    assert kind.encode(Thought(reasons="r", answer=1)) == '{"reasons": "r", "answer": 1}'
    assert not kind.unasked


def test_a_member_is_kept_from_the_model() -> None:
    class Note(BaseModel):
        text: str | SkipJsonSchema[None] = None
        pages: list[int | SkipJsonSchema[str]] = []

    kind = output_type(Note)
    by = Recogniser.of(kind.constraint)
    assert not by.admits('{"text": null}') and not by.admits('{"pages": ["a"]}')
    assert kind.encode(Note()) == '{"pages": []}'
    assert kind.encode(Note(text="a", pages=[1])) == '{"text": "a", "pages": [1]}'
    assert kind.shape is not None and "or null" not in kind.shape
    with pytest.raises(ValueError, match=r"Note holds|no value|belongs to no member"):
        kind.encode(Note(pages=["a"]))


def test_examples_of_such_a_type_are_taken() -> None:
    @prompt(examples=[example(Person(name="Ada"), text="a mathematician")])
    def person(text: str) -> Person:
        return ask(text)

    assert '{"name": "Ada"}' in [getattr(message, "content", "") for message in person.render("x")]


class Shape(BaseModel, ABC):
    sides: int

    @abstractmethod
    def area(self) -> float: ...


@dataclasses.dataclass
class Form(ABC):
    sides: int

    @abstractmethod
    def area(self) -> float: ...


@attrs.define
class Outline(ABC):
    sides: int

    @abstractmethod
    def area(self) -> float: ...


class Sized(Protocol):
    size: int


class Nothing(Enum):
    pass


@dataclasses.dataclass
class Impossible:
    ever: Never


class Asked(BaseModel):
    id: SkipJsonSchema[int]


class Needs(BaseModel):
    given: int

    def __init__(self, path: str, **data: Any) -> None:
        super().__init__(**data)


@dataclasses.dataclass
class Scaled:
    name: str
    scale: dataclasses.InitVar[int]


@pydantic.dataclasses.dataclass
class ScaledToo:
    name: str
    scale: dataclasses.InitVar[int]


class Skipped(TypedDict):
    id: SkipJsonSchema[int]


REFUSED = {
    Shape: "use a class that is none",
    Form: "use a class that is none",
    Outline: "use a class that is none",
    Sized: "is abstract|no JSON form",
    Nothing: "no members",
    Impossible: "no values",
    Asked: "give it a default",
    Skipped: "give it a default",
    Needs: "give it a default",
    Scaled: "give it a default",
    ScaledToo: "give it a default",
    SkipJsonSchema[int]: "leave the mark out",
    list[SkipJsonSchema[int]]: "leave the mark out",
    dict[str, SkipJsonSchema[int]]: "leave the mark out",
    typing.Union[SkipJsonSchema[int], SkipJsonSchema[str]]: "leave the mark out",  # noqa: UP007  # marks have no `|`
}


@pytest.mark.parametrize("hint", REFUSED, ids=str)
@pytest.mark.parametrize("inside", [False, True])
def test_a_type_that_no_answer_can_be_is_refused(hint: Any, inside: bool) -> None:
    around: Any = list[tuple[Literal["a"], hint]] if inside else hint
    with pytest.raises(UnsupportedType, match=REFUSED[hint]) as caught:
        output_type(around)
    assert caught.value.path.startswith("return[][1]" if inside else "return")


def test_the_path_is_that_of_the_field() -> None:
    with pytest.raises(UnsupportedType) as caught:
        output_type(list[Asked])
    assert caught.value.path == "return[].id"


def test_private_attributes_are_no_check() -> None:
    class Private(BaseModel):
        name: str
        _seen: int = PrivateAttr(default=1)

    class Derived(Private):
        _more: int = 2

    class Own(Private):
        def model_post_init(self, context: Any) -> None: ...

    class OwnToo(Own):
        _last: int = 3

    assert output_type(Private).post_checks == output_type(Derived).post_checks == ()
    assert "model_post_init" in output_type(Own).post_checks[0]
    assert "model_post_init" in output_type(OwnToo).post_checks[0]
    assert output_type(Private).decode('{"name": "a"}').__pydantic_private__ == {"_seen": 1}


def test_an_init_of_ones_own_is_a_check() -> None:
    class Own(BaseModel):
        name: str

        def __init__(self, **data: Any) -> None:
            if data["name"] == "bad":
                raise ValueError("bad name")
            super().__init__(**data)

    kind = output_type(Own)
    assert kind.post_checks == ("return: validator Own.__init__",)
    assert check_laws(kind, [Own(name="a")], texts=['{"name": "bad"}'], samples=0, misses=0).failed == 1
