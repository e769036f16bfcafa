"""Kinds of the values in templates, from types that were made again from their declarations.

A class is closed if all attributes of its instances can be known: the fields of records, the classes of builtins and of
dates and the like. An instance of any other class may have attributes that are not found here.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from enum import Enum
from types import UnionType
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeVar, Union, get_args, get_origin

import pydantic
from typing_extensions import TypeAliasType, is_typeddict

from typefold.checks.evaluator.verdict import is_opaque
from typefold.compiler.errors import describe
from typefold.compiler.guards import class_of, is_dict
from typefold.compiler.templates.value_types import SAMPLES, UNKNOWN, Either, Elements, Kind, elements, stand_ins

_COLLECTIONS: Mapping[str, Any] = {make.__name__: make for make in (list, tuple, set, frozenset)}
_CLOSED = {"builtins", "datetime", "decimal", "fractions", "ipaddress", "pathlib", "uuid"}
"""Modules whose classes are closed. Extend it with the module of a hook's class that has no attributes but its own."""


def kind_of_hint(hint: Any) -> Kind:
    """The kind of a value of a type."""
    hint = _settled(hint)
    origin = get_origin(hint)
    if origin is Union or origin is UnionType:
        return Either.of(kind_of_hint(part) for part in get_args(hint) if part is not type(None))
    if origin is Literal:
        classes = {class_of(value) for value in get_args(hint)}
        return kind_of_hint(classes.pop()) if len(classes) == 1 else UNKNOWN
    if origin is type:
        of = kind_of_hint(get_args(hint)[0])
        return ClassOfHint(of) if isinstance(of, HintKind) else UNKNOWN
    if isinstance(origin, TypeAliasType):
        return kind_of_hint(origin.__value__[get_args(hint)])
    cls = origin or hint
    if not isinstance(cls, type) or cls in (object, type) or any(map(is_opaque, cls.__mro__)):
        return UNKNOWN
    return HintKind(hint, cls)


@dataclasses.dataclass(frozen=True)
class HintKind(Kind):
    """The kind of a value of a class, with its arguments if it has some."""

    hint: Any
    cls: type[Any]

    def __str__(self) -> str:
        return describe(self.hint)

    def attribute(self, name: str) -> Kind | None:
        if name in (fields := _fields(self.cls)):
            return kind_of_hint(fields[name])
        if hasattr(self.cls, name) or _has(self.cls, name):
            return UNKNOWN
        if _is(self.cls, Mapping) and not is_typeddict(self.cls):  # by key, as Jinja2 does
            return self.item(name)
        return None if _is_closed(self.cls) else UNKNOWN

    def item(self, key: object) -> Kind | None:
        arguments = get_args(self.hint)
        if is_typeddict(self.cls):
            if key is ...:
                return UNKNOWN
            known = _fields(self.cls).get(key) if isinstance(key, str) else None
            return None if known is None else kind_of_hint(known)
        if self.cls is tuple and (key is ... or isinstance(key, slice)):
            every = self.element() or UNKNOWN
            return every if key is ... else Elements(every)
        if self.cls is tuple and arguments and arguments[-1] is not ...:
            inside = isinstance(key, int) and -len(arguments) <= key < len(arguments)
            return kind_of_hint(arguments[key]) if isinstance(key, int) and inside else None
        if _is(self.cls, Mapping):
            return None if isinstance(key, slice) else kind_of_hint(arguments[1]) if len(arguments) == 2 else UNKNOWN
        if _is(self.cls, str):
            return kind_of_hint(str) if key is ... or isinstance(key, (int, slice)) else None
        if _is(self.cls, Sequence):
            if key is ... or isinstance(key, int):
                return kind_of_hint(arguments[0]) if arguments else UNKNOWN
            return self if isinstance(key, slice) else None
        return UNKNOWN if _has(self.cls, "__getitem__") or not _is_closed(self.cls) else None

    def element(self) -> Kind | None:
        arguments = get_args(self.hint)
        if self.cls is tuple and arguments:
            return Either.of(map(kind_of_hint, (part for part in arguments if part is not ...)))
        if _is(self.cls, Sequence, Set, Mapping) and arguments:
            return kind_of_hint(arguments[0])
        if _is(self.cls, str):
            return kind_of_hint(str)
        return UNKNOWN if _has(self.cls, "__iter__") or not _is_closed(self.cls) else None

    def called(self) -> Kind | None:
        return UNKNOWN if _has(self.cls, "__call__") or not _is_closed(self.cls) else None

    def samples(self) -> Sequence[object]:
        for cls, value in SAMPLES.items():
            if issubclass(self.cls, cls):
                return [value]
        if self.cls in (list, tuple, set, frozenset):
            return [_COLLECTIONS[self.cls.__name__](elements(self.element() or UNKNOWN))]
        if self.cls is dict or is_typeddict(self.cls):
            return [dict[object, object]()]
        if not _is_closed(self.cls) or self.cls.__module__ in _CLOSED:
            return ()
        own = {name for base in self.cls.__mro__ if base is not object for name in vars(base)}
        return stand_ins(frozenset(own | _set_by_methods(self.cls)))

    def names(self) -> Collection[str]:
        return {*_fields(self.cls), *(name for name in dir(self.cls) if not name.startswith("_"))}


@dataclasses.dataclass(frozen=True)
class ClassOfHint(Kind):
    """The kind of a class, known by its instances."""

    instance: HintKind

    def __str__(self) -> str:
        return f"type[{self.instance}]"

    def attribute(self, name: str) -> Kind | None:
        if issubclass(self.instance.cls, Enum) and name in self.instance.cls.__members__:
            return self.instance
        return UNKNOWN if self.instance.attribute(name) is not None or hasattr(type(self.instance.cls), name) else None

    def element(self) -> Kind | None:
        if issubclass(self.instance.cls, Enum):
            return self.instance
        return UNKNOWN if hasattr(type(self.instance.cls), "__iter__") else None

    def called(self) -> Kind:
        return self.instance

    def names(self) -> Collection[str]:
        return self.instance.names()


def _has(cls: type[Any], method: str) -> bool:
    """Whether instances have a method; `hasattr` would find those of the metaclass too."""
    return any(method in vars(base) for base in cls.__mro__) or method in _set_by_methods(cls)


def _settled(hint: Any) -> Any:
    """The type without annotations, names and bounds around it."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif isinstance(hint, TypeAliasType):
            hint = hint.__value__
        elif isinstance(hint, TypeVar):
            hint = hint.__bound__
        elif isinstance(hint, ForwardRef):
            module = sys.modules.get(str(getattr(hint, "__forward_module__", None)))
            hint = getattr(module, hint.__forward_arg__, None)
        else:
            return hint


def _is(cls: type[Any], *kinds: type[Any]) -> bool:
    """`issubclass`, after which a type checker knows no less of the class."""
    return issubclass(cls, kinds)


def _fields(cls: type[Any]) -> Mapping[str, Any]:
    if issubclass(cls, pydantic.BaseModel):
        return {name: field.annotation for name, field in cls.model_fields.items()}
    if dataclasses.is_dataclass(cls):
        return {field.name: field.type for field in dataclasses.fields(cls)}
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        annotations = vars(base).get("__annotations__")
        found |= annotations if is_dict(annotations) else {}
    return found


def _set_by_methods(cls: type[Any]) -> set[str]:
    """The attributes that methods give to instances, and methods by which an instance has any."""
    bases: Iterable[type[Any]] = cls.__mro__
    return {name for base in bases for name in vars(base).get("__typefold_names__", ())}


def _is_closed(cls: type[Any]) -> bool:
    if not {"__getattr__", "__getattribute__"}.isdisjoint(_set_by_methods(cls)):
        return False
    if issubclass(cls, pydantic.BaseModel):
        return cls.model_config.get("extra") != "allow"
    if _has(cls, "__getattr__"):
        return False
    is_record = is_typeddict(cls) or dataclasses.is_dataclass(cls) or hasattr(cls, "_fields")
    return is_record or issubclass(cls, Enum) or cls.__module__ in _CLOSED
