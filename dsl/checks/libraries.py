"""The objects of libraries that a checked source may name, and the uses of each.

A source may name objects of the modules in `_MODULES`. They are imported from their installation, never from beside the
source; objects of any other module are unknown. A source may use objects on lists, compared by identity: functions to
call, bases to subclass, metaclasses to make classes, types to pass to a function. Everything else is unknown too, so a
source can't choose the code that runs here.
"""

from __future__ import annotations

import abc
import builtins
import collections
import collections.abc
import contextlib
import datetime
import decimal
import enum
import fractions
import importlib
import ipaddress
import numbers
import os
import pathlib
import re
import sys
import types
import typing
import uuid
from collections.abc import Generator, Iterable
from functools import cache
from typing import Any

import annotated_types
import pydantic
import pydantic.alias_generators
import pydantic.json_schema
import pydantic.types
import typing_extensions

from typefold.checks.source import Known, ModuleName
from typefold.compiler.types.strings import Grammar, Matching, OneOf

_PYDANTIC = (
    *("aliases", "alias_generators", "annotated_handlers", "color", "config", "dataclasses", "errors", "fields"),
    *("functional_serializers", "functional_validators", "json_schema", "main", "networks", "root_model"),
    *("type_adapter", "types"),
)
_MODULES = {
    *("abc", "annotated_types", "attr", "attr._make", "attrs", "builtins", "collections", "collections.abc"),
    *("_collections_abc", "dataclasses", "datetime", "decimal", "_decimal", "enum", "fractions", "io", "_io"),
    *("ipaddress", "math", "msgspec", "msgspec._core", "numbers", "pathlib", "pydantic", "pydantic_core", "re"),
    "pathlib._local",  # of Python 3.13
    *("string", "types", "typing", "typing_extensions", "uuid", "zoneinfo", "typefold", "typefold.compiler"),
    *(f"pydantic.{name}" for name in _PYDANTIC),
}
"""Modules that are imported for a source; importing one does nothing but define things.

Extend it when the compiler gets a hook for a type of another module; a test compares the two.
"""

_NAMED: dict[tuple[str, str], Any] = {("sys", "maxsize"): sys.maxsize, ("os", "PathLike"): os.PathLike}

_LIBRARIES = {
    *("annotated_types", "attr", "attrs", "msgspec", "pydantic", "pydantic_core", "typefold", "typing_extensions"),
}
"""Packages that are never read as sources, beside the standard library: their objects are those of this process.

Extend it with the package of a module that is added to `_MODULES`.
"""
_NOT_OURS = {"__main__", "antigravity", "idlelib", "lib2to3", "test", "this", "turtledemo"}


def is_library(module: str) -> bool:
    """Whether a module's objects are those of this process, or unknown; its source is not read."""
    top = module.partition(".")[0]
    return top in _LIBRARIES or (top in sys.stdlib_module_names and top not in _NOT_OURS)


def is_module(module: str) -> bool:
    """Whether a module may be imported for a source: it is on the list, or a part of typefold that runs already."""
    return module in _MODULES or (module.startswith("typefold.") and module in sys.modules)


def library_object(module: str, path: str) -> Known | None:
    """Look up an object of a library by its name, with dots if it is inside a class; `None` if it may not be named."""
    if (module, path) in _NAMED:
        return Known(_NAMED[module, path])
    if not is_module(module):
        return None
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            if isinstance(found, type) and name.startswith("_"):
                return None
            found = getattr(found, name)
    except Exception:  # not installed here, or another there: a library may raise anything on import
        return None
    return Known(found)


@cache
def why_missing(module: str) -> str | None:
    """Explain why a module of a library that sources may name can't be imported here; `None` if it can."""
    try:
        if module in _MODULES:
            importlib.import_module(module)
    except Exception as error:  # a library may raise anything on import
        return f"{type(error).__name__}: {error}"
    return None


def library_module(name: str) -> ModuleName | None:
    """Look up a module of a library."""
    return ModuleName(name) if is_module(name) or any(other.startswith(f"{name}.") for other in _MODULES) else None


@contextlib.contextmanager
def own_imports(folders: Iterable[str]) -> Generator[None]:
    """Import nothing from these folders of a program, nor from the working folder; earlier imports stay."""
    before = list(sys.path)
    sys.path[:] = _path_without((*folders, os.getcwd()), tuple(before))
    try:
        yield
    finally:
        sys.path[:] = before


@cache
def _path_without(folders: tuple[str, ...], path: tuple[str, ...]) -> list[str]:
    theirs = set(map(os.path.realpath, folders))
    return [entry for entry in path if os.path.realpath(entry or ".") not in theirs]


# --- uses -------------------------------------------------------------------------------------------------------------

_DATA: tuple[Any, ...] = (
    *(bool, bytes, complex, dict, float, frozenset, int, list, object, set, str, tuple, type(None)),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID),
    *(ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv6Address, ipaddress.IPv6Interface),
)
_CALLED: tuple[Any, ...] = (
    *(kind for kind in _DATA if kind not in (object, complex, type(None))),
    *(len, min, max, sum, sorted, re.compile, enum.auto, collections.namedtuple),
    *(ipaddress.ip_address, ipaddress.ip_interface),
    *(annotated_types.Gt, annotated_types.Ge, annotated_types.Lt, annotated_types.Le, annotated_types.Interval),
    *(annotated_types.MultipleOf, annotated_types.MinLen, annotated_types.MaxLen, annotated_types.Len),
    *(annotated_types.Timezone, annotated_types.Predicate, annotated_types.DocInfo, annotated_types.doc),
    *(pydantic.AfterValidator, pydantic.BeforeValidator, pydantic.PlainValidator, pydantic.WrapValidator),
    *(pydantic.PlainSerializer, pydantic.WrapSerializer, pydantic.WithJsonSchema, pydantic.SkipValidation),
    *(pydantic.AliasChoices, pydantic.AliasGenerator, pydantic.AliasPath, pydantic.ConfigDict),
    *(pydantic.AllowInfNan, pydantic.Discriminator, pydantic.EncodedBytes, pydantic.EncodedStr, pydantic.FailFast),
    *(pydantic.StringConstraints, pydantic.Strict, pydantic.Tag, pydantic.UrlConstraints, pydantic.ByteSize),
    *(pydantic.types.PathType, pydantic.json_schema.Examples, pydantic.json_schema.SkipJsonSchema),
    *(pydantic.conbytes, pydantic.condate, pydantic.condecimal, pydantic.confloat, pydantic.confrozenset),
    *(pydantic.conint, pydantic.conlist, pydantic.conset, pydantic.constr),
    *(Grammar, Matching, OneOf),
)
_BASES: tuple[Any, ...] = (
    *(kind for kind in _DATA if kind not in (bool, type(None), datetime.timezone)),
    *(pydantic.BaseModel, pydantic.RootModel, typing.Generic, typing.Protocol, typing_extensions.Protocol, abc.ABC),
    *(typing.NamedTuple, typing.TypedDict, typing_extensions.NamedTuple, typing_extensions.TypedDict),
    *(enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag, enum.ReprEnum),
    *(kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)),
    *(collections.OrderedDict, collections.defaultdict, collections.Counter, collections.deque, collections.ChainMap),
    *(collections.UserDict, collections.UserList, collections.UserString),
    *(kind for kind in vars(collections.abc).values() if isinstance(kind, abc.ABCMeta)),
    *(pathlib.PurePath, pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.Path),
    *(annotated_types.BaseMetadata, annotated_types.GroupedMetadata, types.SimpleNamespace, datetime.tzinfo),
    *(numbers.Number, numbers.Complex, numbers.Real, numbers.Rational, numbers.Integral),
)
_ARGUMENTS: tuple[Any, ...] = (
    *_DATA,
    *(pydantic.Strict, pydantic.SkipValidation, pydantic.FailFast, pydantic.AllowInfNan, pydantic.StringConstraints),
    *(pydantic.Base64Encoder, pydantic.types.Base64UrlEncoder, pydantic.json_schema.SkipJsonSchema),
)
_PURE: tuple[Any, ...] = (
    pydantic.alias_generators.to_camel,
    pydantic.alias_generators.to_pascal,
    pydantic.alias_generators.to_snake,
)
"""Functions that a library calls while it makes a type; it needs their answers."""

_METACLASSES: tuple[Any, ...] = (type, abc.ABCMeta, enum.EnumMeta, type(pydantic.BaseModel), type(typing.Protocol))


def is_callable(function: object) -> bool:
    """Whether a function is called for a source."""
    return _is_one_of(function, _CALLED) or is_optional(function, "msgspec.Meta") or _is_enum(function)


def is_base(kind: object) -> bool:
    """Whether a class of a library is subclassed for a source."""
    return _is_one_of(kind, _BASES) or is_optional(kind, "msgspec.Struct")


def is_metaclass(kind: object) -> bool:
    """Whether a metaclass makes classes for a source."""
    return _is_one_of(kind, _METACLASSES)


def is_argument(value: object) -> bool:
    """Whether a type or a function of a library is passed to a function that is called, which may call it."""
    return _is_one_of(value, _ARGUMENTS) or _is_one_of(value, _PURE) or _is_enum(value)


def is_subscriptable(kind: object) -> bool:
    """Whether `kind[...]` makes a type and does nothing else."""
    return isinstance(kind, type) or type(kind).__module__ in ("typing", "typing_extensions", "types")


def _is_one_of(value: object, objects: Iterable[object]) -> bool:
    return any(value is each for each in objects)


def is_optional(value: object, *names: str) -> bool:
    """Whether a value is one of these objects of libraries that may not be installed."""
    parts = (name.split(".") for name in names)
    return any(value is getattr(sys.modules.get(module), name, parts) for module, name in parts)


def _is_enum(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, enum.Enum)
