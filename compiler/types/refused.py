"""Types that no answer can be, each refused with a remedy."""

from __future__ import annotations

import collections
import collections.abc
import io
import re
import types
import typing
from typing import Any, get_origin

import typing_extensions
from pydantic import ImportString, Json, NameEmail

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.registry import default_registry

_LAZY = "is read lazily, and an answer is there as a whole; use list"
_CODE = "is code, which no answer holds; use a Literal of names, and look the object up"
# A class of the standard library or of pydantic gets a line here if users may well write it and its values have no JSON
# form. Any other class without a hook is refused by `Context.codec` with a general remedy.
_REMEDIES: dict[Any, str] = {
    complex: "has no form in JSON; use tuple[float, float] or a model with two fields",
    range: "has no form in JSON; use a model with `start: int` and `stop: int`",
    slice: "has no form in JSON; use a model with `start: int` and `stop: int`",
    memoryview: "is a view of other data; use bytes",
    re.Pattern: "is compiled code; use str, and compile it with re.compile",
    re.Match: "is made by a search, not by an answer; use str, or a model with the groups",
    types.ModuleType: _CODE,
    types.FunctionType: _CODE,
    collections.abc.Callable: _CODE,  # pyright: ignore[reportUnknownMemberType]  # no arguments: any of them
    type: _CODE,
    collections.abc.Iterable: _LAZY,
    collections.abc.Iterator: _LAZY,
    collections.abc.Generator: _LAZY,
    collections.abc.AsyncIterable: _LAZY,
    collections.abc.AsyncIterator: _LAZY,
    collections.abc.AsyncGenerator: _LAZY,
    collections.abc.Collection: "does not say what it is; use list, set or tuple",
    collections.abc.Container: "does not say what it is; use list, set or tuple",
    collections.abc.Reversible: "does not say what it is; use list",
    collections.abc.Hashable: "does not say what it is; use a union of the types that you mean",
    collections.abc.Awaitable: "is not there yet; use the type that it gives",
    collections.abc.Coroutine: "is not there yet; use the type that it gives",
    collections.ChainMap: "is a view of other mappings; use dict",
    typing.IO: "is an open file; use str or bytes",
    typing.TextIO: "is an open file; use str",
    typing.BinaryIO: "is an open file; use bytes",
    typing.ClassVar: "is a class variable, which is no part of a value",
    NameEmail: "is two fields in one text; use a model with `name: str` and `email: EmailStr`",
    Json: "is JSON inside a JSON string; use JsonValue, or the type itself",
    ImportString: "would import what the model names; use a Literal of names and look the object up",
    typing.NoReturn: "has no values; return a type that holds an answer",
    typing_extensions.Never: "has no values; return a type that holds an answer",
}


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, (BaseException, io.IOBase)))
def foreign_object_codec(hint: Any, context: Context) -> Codec[Any]:
    """Never: an exception or an open file is no answer."""
    raise context.refuse(hint, "is no data; use a model with the fields that you need, or str")


@default_registry.hook(*_REMEDIES)
def refused_codec(hint: Any, context: Context) -> Codec[Any]:
    """Never; the reason says what to write instead."""
    raise context.refuse(hint, _REMEDIES[hint if hint in _REMEDIES else get_origin(hint)])
