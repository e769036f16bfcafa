"""Strategies for types, and for values of each: every generated type comes with the strategy of its values.

Types are built at run time, as annotations would be written: bounds and lengths in `Annotated`, models by `create_model`,
dataclasses and typed dictionaries by their functional forms. Recursive types cannot be, and are written by hand.
"""

# Hypothesis builds types here that no type checker can follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportGeneralTypeIssues=false
# mypy: disable-error-code="operator, no-redef, misc, unused-ignore, arg-type"

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, Union

import typing_extensions
from hypothesis import reject
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, StringConstraints, ValidationError, create_model
from typing_extensions import TypeAliasType

__all__ = ["Case", "cases", "exotic_text", "floats", "integers", "records"]

_MAX_DEPTH = 4
_serial = itertools.count()


@dataclass(frozen=True)
class Case:
    """A type and its values.

    Attributes:
        hint: The type.
        values: The strategy of its values.
        hashable: Whether its values can be in a set.
        key: Whether it can be the key of a dictionary.
    """

    hint: Any
    values: st.SearchStrategy[Any]
    hashable: bool = False
    key: bool = False


# --- scalars ----------------------------------------------------------------------------------------------------------

_STRANGE = "\"\\/\b\t\n\f\r\x00\x01\x1f\x7f\x80\x85\u00a0\u00e9\u0130\u2028\u2029\ud7ff\ue000\ufeff\ufffd\uffff\U00010000\U0001f600\U0010ffff'`{}[],:"


def exotic_text(least: int = 0, most: int | None = None) -> st.SearchStrategy[str]:
    """Texts of the characters that break things, and of all others."""
    char = st.one_of(st.sampled_from(_STRANGE), st.characters(exclude_categories=["Cs"]), st.sampled_from("ab 01"))
    return st.text(char, min_size=least, max_size=min(most if most is not None else least + 12, least + 12))


def integers(low: int | None = None, high: int | None = None) -> st.SearchStrategy[int]:
    """Whole numbers, far beyond 64 bits where the bounds allow, and at the bounds."""
    edges = [0, 1, -1, 9, 10, 99, 100, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30]
    inside = [n for n in edges if (low is None or n >= low) and (high is None or n <= high)]
    near = [n for n in (low, high) if n is not None]
    return st.one_of(st.integers(low, high), st.sampled_from(inside + near) if inside + near else st.nothing())


def floats(low: float | None = None, high: float | None = None) -> st.SearchStrategy[float]:
    """Finite floats: subnormal, signed zero, at both edges of positional writing, the largest."""
    edges = [
        0.0,
        -0.0,
        5e-324,
        2.2250738585072014e-308,
        1e-5,
        9.999999999999999e-05,
        0.0001,
        0.1,
        1.0,
        1e15,
        123456789.123,
    ]
    edges += [9999999999999998.0, 1e16, 1.2345678901234567e16, 1e22, sys.float_info.max]
    edges += [-edge for edge in edges]
    inside = [x for x in edges if (low is None or x >= low) and (high is None or x <= high)]
    near = [x for x in (low, high) if x is not None]
    if low == high == 0:
        low, high = -0.0, 0.0  # equal to all who compare, but Hypothesis knows a signed order
    plain = st.floats(low, high, allow_nan=False, allow_infinity=False)
    found = st.one_of(plain, st.sampled_from(inside + near) if inside + near else st.nothing())
    return found if low is None or low < 0 else found.map(lambda value: value + 0.0)  # zero has no sign there


@st.composite
def _bounded_int(draw: st.DrawFn) -> Case:
    size = draw(st.sampled_from([3, 20, 1000, 10**12, 2**64, 10**25]))
    low = draw(st.none() | st.integers(-size, size))
    high = draw(st.none() | st.integers(-size if low is None else low, max(size, low or 0) + 1))
    limits: dict[str, Any] = {}
    if low is not None:
        limits |= draw(st.sampled_from([{"ge": low}, {"gt": low - 1}]))
    if high is not None:
        limits |= draw(st.sampled_from([{"le": high}, {"lt": high + 1}]))
    values = integers(low, high)
    if draw(st.integers(0, 9)) == 0:
        step = draw(st.sampled_from([2, 5, 7]))
        if low is None or high is None or high // step * step >= low:
            limits["multiple_of"] = step
            values = st.integers(None if low is None else -(-low // step), None if high is None else high // step).map(
                step.__mul__
            )
    return Case(Annotated[int, Field(**limits)], values, hashable=True, key=True)


@st.composite
def _bounded_float(draw: st.DrawFn) -> Case:
    bound = floats() | st.integers(-100, 100).map(float) | st.floats(-1, 1) | st.floats(-1e-3, 1e-3)
    low, high = draw(st.none() | bound), draw(st.none() | bound)
    if low is not None and high is not None and low > high:
        low, high = high, low
    limits: dict[str, Any] = {}
    if low is not None:
        limits["ge"] = low
        above = math.nextafter(low, math.inf)
        if draw(st.booleans()) and math.isfinite(above) and (high is None or above <= high):
            limits, low = {"gt": low}, above
    if high is not None:
        below = math.nextafter(high, -math.inf)
        strict = draw(st.booleans()) and math.isfinite(below) and (low is None or below >= low)
        limits["lt" if strict else "le"] = high
        high = below if strict else high
    return Case(Annotated[float, Field(**limits)], floats(low, high), hashable=True, key=True)


@st.composite
def _bounded_str(draw: st.DrawFn) -> Case:
    least = draw(st.sampled_from([None, 0, 1, 2, 5]))
    most = draw(st.sampled_from([None, 0, 1, 2, 7, 40, 300]))
    if most is not None and (least or 0) > most:
        least = most
    how = draw(st.sampled_from([Field, StringConstraints]))
    hint: Any = Annotated[str, how(min_length=least, max_length=most)]
    return Case(hint, exotic_text(least or 0, most), hashable=True, key=True)


_PATTERNS = [
    r"^[a-z]+$",
    r"^[A-Z]{2}[0-9]{3}$",
    r"^(?:ab|c)*d?$",
    r'^["\\/\n]{1,3}$',
    r"^[^a-z]{0,4}$",
    r"^\d{1,3}(?:\.\d+)?$",
    r"^\w+\s?\w*$",
    r"^.{0,5}$",
    r"^\S*$",
    r"^$",
    r"a|^b|c$",
    r"x",
    r"^[\u2028\U0001F600-\U0001F64F-]*$",
    r"^(yes|no)(!{1,3})?$",
    r"^[\s\S]?$",
]


@st.composite
def _patterned_str(draw: st.DrawFn) -> Case:
    pattern = draw(st.sampled_from(_PATTERNS))
    limits: dict[str, Any] = {"pattern": pattern}
    if draw(st.integers(0, 3)) == 0:
        limits["max_length"] = 6
    values = st.from_regex(pattern, fullmatch=False).filter(_is_text)
    # Python's `$` lets a line feed follow, and some of its classes are other than pydantic's: T's own reading decides.
    return Case(
        Annotated[str, Field(**limits)],
        values.filter(_accepts(Annotated[str, Field(**limits)])),
        hashable=True,
        key=True,
    )


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _accepts(hint: Any) -> Callable[[Any], bool]:
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(hint)

    def accepts(value: Any) -> bool:
        try:
            adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    return accepts


_labels = st.sampled_from(
    ["a", "b", "hero", "", "a b", 'say "no"', "back\\slash", "/", "null", "1", "1.0", "é\u2028\U0001f600", "\n", "a, b"]
)


@st.composite
def _literal(draw: st.DrawFn) -> Case:
    only_text = draw(st.booleans())
    others = st.none() | st.booleans() | st.integers(-2, 12) | st.just(2**70)
    members = draw(st.lists(_labels if only_text else _labels | others, min_size=1, max_size=5))
    unique = {repr(member): member for member in members}
    hint = Literal[tuple(unique.values())]  # type: ignore[valid-type]  # a type made at run time
    if not all(map(_accepts(hint), unique.values())):  # pydantic finds no number beyond 64 bits beside smaller ones
        reject()
    texts = {str(member) for member in unique.values()}
    key = all(type(member) in (str, int) for member in unique.values()) and len(texts) == len(unique)
    return Case(hint, st.sampled_from(list(unique.values())), hashable=True, key=key)


@st.composite
def _enum(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(["str", "int", "mixed", "IntEnum", "strmix"]))
    numbers = st.integers(-3, 12)
    value = {
        "str": _labels,
        "strmix": _labels,
        "int": numbers,
        "IntEnum": numbers,
        "mixed": _labels | numbers | st.just(1.5),
    }[kind]
    members = draw(st.lists(value, min_size=1, max_size=4, unique_by=str))
    names = {f"M{index}": member for index, member in enumerate(members)}
    name = f"Enum{next(_serial)}"
    made: Any
    if kind == "IntEnum":
        made = IntEnum(name, names)
    elif kind == "strmix":
        made = Enum(name, names, type=str)
    else:
        made = Enum(name, names)
    return Case(
        made, st.sampled_from(list(made)), hashable=True, key=all(isinstance(member, (str, int)) for member in members)
    )


def scalars() -> st.SearchStrategy[Case]:
    """Types without parts."""
    return st.one_of(
        st.just(Case(str, exotic_text(), hashable=True, key=True)),
        st.just(Case(int, integers(), hashable=True, key=True)),
        st.just(Case(float, floats(), hashable=True, key=True)),
        st.just(Case(bool, st.booleans(), hashable=True, key=True)),
        st.just(Case(TypeAliasType("Name", str), exotic_text(), hashable=True, key=True)),
        _bounded_str(),
        _bounded_int(),
        _bounded_float(),
        _patterned_str(),
        _literal(),
        _enum(),
    )


# --- containers -------------------------------------------------------------------------------------------------------


@st.composite
def _lengths(draw: st.DrawFn) -> tuple[dict[str, int], int, int]:
    least = draw(st.sampled_from([0, 0, 1, 2]))
    most = draw(st.sampled_from([None, None, least, least + 1, 3]))
    limits = {"min_length": least} if least else {}
    if most is not None and most >= least:
        return limits | {"max_length": most}, least, most
    return limits, least, least + 3


def _limited(hint: Any, limits: dict[str, int]) -> Any:
    return Annotated[hint, Field(**limits)] if limits else hint  # type: ignore[call-overload, valid-type]  # made at run time


@st.composite
def _sequence(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    item = draw(items)
    limits, least, most = draw(_lengths())
    kind = draw(st.sampled_from(["list", "tuple", "set", "frozenset"] if item.hashable else ["list", "tuple"]))
    values = st.lists(item.values, min_size=least, max_size=most)
    if kind == "list":
        return Case(_limited(list[item.hint], limits), values)  # type: ignore[name-defined]  # made at run time
    if kind == "tuple":
        return Case(_limited(tuple[item.hint, ...], limits), values.map(tuple), hashable=item.hashable)  # type: ignore[name-defined]
    made: Any = set[item.hint] if kind == "set" else frozenset[item.hint]  # type: ignore[name-defined]
    sets = values.map(set if kind == "set" else frozenset).filter(lambda value: len(value) >= least)
    return Case(_limited(made, limits), sets, hashable=kind == "frozenset")


@st.composite
def _fixed_tuple(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    parts = draw(st.lists(items, max_size=3))
    hint = tuple[tuple(part.hint for part in parts)] if parts else tuple[()]  # type: ignore[misc]
    return Case(hint, st.tuples(*(part.values for part in parts)), hashable=all(part.hashable for part in parts))


@st.composite
def _dict(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    key, value = draw(scalars().filter(lambda case: case.key)), draw(items)
    limits, least, most = draw(_lengths())
    pairs = st.lists(st.tuples(key.values, value.values), min_size=least, max_size=most)
    mappings = pairs.map(dict).filter(lambda made: len(made) >= least)
    return Case(_limited(dict[key.hint, value.hint], limits), mappings)  # type: ignore[name-defined]


# --- records ----------------------------------------------------------------------------------------------------------

_names = st.lists(st.sampled_from(["a", "b", "name", "age", "kind", "x1", "größe"]), unique=True, max_size=4)
_aliases = st.sampled_from(["A", "with space", 'quote"d', "back\\slash", "é", "$ref", "x-y"])


@dataclass(frozen=True)
class _Part:
    name: str
    case: Case
    optional: bool
    default: Any
    alias: str | None


@st.composite
def _parts(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> list[_Part]:
    parts = []
    names = draw(_names)
    if draw(st.booleans()):
        names = sorted(set(names) & {"a", "b"})  # objects of few names share texts
    aliases = draw(st.lists(_aliases, unique=True, min_size=len(names), max_size=len(names)))
    for name, alias in zip(names, aliases, strict=True):
        case, optional = draw(items), draw(st.booleans())
        default = draw(case.values) if optional else None
        parts.append(_Part(name, case, optional, default, alias if draw(st.integers(0, 4)) == 0 else None))
    return parts


def _made(name: str, fields: dict[str, Any], config: ConfigDict | None = None) -> Any:
    """A model, where pydantic takes the types of its fields: before Python 3.12 not every TypedDict."""
    try:
        return create_model(name, __config__=config, **fields)
    except PydanticUserError:
        return reject()


def _built(model: Any, fields: dict[str, Any]) -> Any:
    """A model's value, where pydantic takes it: of a typed dictionary inside, it asks for the aliases and not the names."""
    try:
        return model(**fields)
    except ValidationError:
        return reject()


@st.composite
def _model(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    parts = draw(_parts(items))
    frozen = draw(st.booleans()) and all(part.case.hashable for part in parts)
    fields: dict[str, Any] = {
        part.name: (
            part.case.hint,
            Field(default_factory=lambda value=part.default: value, alias=part.alias)
            if part.optional
            else Field(alias=part.alias),
        )
        for part in parts
    }
    config = ConfigDict(frozen=frozen, strict=draw(st.booleans()), populate_by_name=True)
    model = _made(f"Model{next(_serial)}", fields, config)
    made = st.fixed_dictionaries({}, optional={part.name: part.case.values for part in parts if part.optional})
    needed = st.fixed_dictionaries({part.name: part.case.values for part in parts if not part.optional})
    return Case(model, st.tuples(made, needed).map(lambda both: _built(model, both[0] | both[1])), hashable=frozen)


@st.composite
def _dataclass(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    parts = sorted(draw(_parts(items)), key=lambda part: part.optional)
    frozen = draw(st.booleans()) and all(part.case.hashable for part in parts)
    fields: list[Any] = []
    for part in parts:
        hint: Any = part.case.hint if part.alias is None else Annotated[part.case.hint, Field(alias=part.alias)]
        default = dataclasses.field(default_factory=lambda value=part.default: value)  # type: ignore[misc]
        fields.append((part.name, hint, default) if part.optional else (part.name, hint))
    made = dataclasses.make_dataclass(f"Data{next(_serial)}", fields, frozen=frozen, slots=draw(st.booleans()))
    made.__module__ = __name__
    return Case(made, st.builds(made, **{part.name: part.case.values for part in parts}), hashable=frozen)


@st.composite
def _typed_dict(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    parts = draw(_parts(items))
    # pydantic takes only this one inside its models before Python 3.12; the other has a test of its own.
    make: Any = typing_extensions.TypedDict
    hints = {}
    for part in parts:
        hint: Any = part.case.hint if part.alias is None else Annotated[part.case.hint, Field(alias=part.alias)]
        hints[part.name] = typing_extensions.NotRequired[hint] if part.optional else hint
    made = make(f"Dict{next(_serial)}", hints)
    needed = {part.name: part.case.values for part in parts if not part.optional}
    return Case(
        made, st.fixed_dictionaries(needed, optional={part.name: part.case.values for part in parts if part.optional})
    )


def records(items: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    """Types with fields."""
    return _model(items) | _dataclass(items) | _typed_dict(items)


# --- unions and recursion ---------------------------------------------------------------------------------------------


@st.composite
def _optional(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    case = draw(items)
    return Case(Union[case.hint, None], st.none() | case.values, hashable=case.hashable)  # noqa: UP007  # made at run time


@st.composite
def _union(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    """Members that may share texts."""
    parts = draw(st.lists(items, min_size=2, max_size=3))
    hint = Union[tuple(part.hint for part in parts)]  # type: ignore[valid-type]  # noqa: UP007  # made at run time
    return Case(hint, st.one_of([part.values for part in parts]), hashable=all(part.hashable for part in parts))


@st.composite
def _tagged_union(draw: st.DrawFn, items: st.SearchStrategy[Case]) -> Case:
    members, values = [], []
    for tag in ("cat", "dog"):
        item = draw(items)
        model = _made(f"Tagged{next(_serial)}", {"tag": (Literal[tag], ...), "value": (item.hint, ...)})
        members.append(model)
        values.append(st.builds(lambda value, m=model, t=tag: _built(m, {"tag": t, "value": value}), item.values))
    hint: Any = Union[tuple(members)]  # type: ignore[valid-type]  # noqa: UP007  # made at run time
    if draw(st.booleans()):
        hint = Annotated[hint, Field(discriminator="tag")]
    return Case(hint, st.one_of(values))


class Tree(BaseModel):
    """A recursive model."""

    label: Annotated[str, Field(max_length=3)] = "x"
    children: list[Tree] = []


class Link(BaseModel):
    """A list of links, of two mutually recursive types."""

    value: int
    next: Chain | None = None


@dataclass
class Chain:
    """The other half of a list of links."""

    link: Link
    weight: float = 1.0


class Number(BaseModel):
    """A leaf of an expression."""

    kind: Literal["number"] = "number"
    value: float


class Sum(BaseModel):
    """An inner node of an expression; its tag is not required."""

    kind: Literal["sum"]
    parts: list[Number | Sum]


Link.model_rebuild()
Sum.model_rebuild()

Nested = TypeAliasType("Nested", "dict[str, Nested] | list[Nested] | int | None")  # type: ignore[misc]

_labels_of_trees = exotic_text(0, 3)
_trees: st.SearchStrategy[Tree] = st.recursive(
    st.builds(Tree, label=_labels_of_trees),
    lambda inner: st.builds(Tree, label=_labels_of_trees, children=st.lists(inner, max_size=3)),
    max_leaves=6,
)
_links: st.SearchStrategy[Link] = st.recursive(
    st.builds(Link, value=integers(), next=st.none()),
    lambda inner: st.builds(Link, value=integers(), next=st.builds(Chain, link=inner, weight=floats())),
    max_leaves=4,
)
_numbers = st.builds(Number, value=floats())
_sums: st.SearchStrategy[Any] = st.recursive(
    _numbers, lambda inner: st.builds(Sum, kind=st.just("sum"), parts=st.lists(inner, max_size=3)), max_leaves=6
)
_nested: st.SearchStrategy[Any] = st.recursive(
    st.none() | integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(exotic_text(), inner, max_size=3),
    max_leaves=6,
)
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | integers() | floats() | exotic_text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(exotic_text(), inner, max_size=3),
    max_leaves=6,
)


def recursive() -> st.SearchStrategy[Case]:
    """Types that contain themselves, and any JSON."""
    return st.sampled_from(
        [Case(Tree, _trees), Case(Link, _links), Case(Number | Sum, _sums), Case(Nested, _nested), Case(Any, _json)]
    )


def cases(depth: int = _MAX_DEPTH) -> st.SearchStrategy[Case]:
    """Types nested up to `depth`, with their values."""
    if depth <= 1:
        return scalars()
    inner = st.deferred(lambda: cases(depth - 1))
    compound = [_sequence, _fixed_tuple, _dict, _model, _dataclass, _typed_dict, _optional, _union, _tagged_union]
    return st.one_of(scalars(), recursive(), *(make(inner) for make in compound))
