"""Refused types.

A type that no answer can be, or that could come back as another value, is refused when the function is decorated. The
error names the place (`return.items[].when`), the type, and the remedy.
"""

# Some of these mean nothing to type checkers either:
# pyright: reportGeneralTypeIssues=false, reportInvalidTypeForm=false, reportUnknownMemberType=false
# mypy: disable-error-code="valid-type"

import collections
import io
import re
import types
import typing
from collections import abc, defaultdict
from typing import Annotated, ClassVar, Literal, Never, TypeVar

from pydantic import BaseModel, Field, ImportString, Json, NameEmail, Secret, SkipValidation

from typefold import Decisions, Grammar, Logged, Reasoned, Scored

T = TypeVar("T")


class Widget:
    pass


class Named(BaseModel):
    name: str


class Loop(BaseModel):
    inner: "Loop"


ALWAYS = (
    complex,
    range,
    slice,
    memoryview,
    re.Pattern[str],
    re.Match[str],
    abc.Callable[[int], str],
    types.FunctionType,
    types.ModuleType,
    type[int],
    abc.Iterable[int],
    abc.Iterator[int],
    abc.Generator[int, None, None],
    abc.AsyncIterable[int],
    abc.AsyncIterator[int],
    abc.AsyncGenerator[int, None],
    abc.Collection[int],
    abc.Container[int],
    abc.Reversible[int],
    abc.Hashable,
    abc.Awaitable[int],
    abc.Coroutine[None, None, int],
    collections.ChainMap[str, int],
    typing.IO[str],
    typing.TextIO,
    typing.BinaryIO,
    io.BytesIO,
    ValueError,
    Never,
    typing.NoReturn,
    NameEmail,
    Json,
    ImportString,
    ClassVar[int],
    Widget,
)

HERE = (
    None,
    Annotated[int, Field(ge=5, lt=5)],
    Annotated[int, Field(max_length=3)],
    Annotated[str, Field(pattern=r"^(?=a)b")],
    set[list[int]],
    dict[tuple[int, int], str],
    defaultdict[str, Named],
    Literal[b"raw"],
    list[T],
    list[Annotated[str, Grammar('root ::= "yes"')]],
    list[Logged[int]],
    list[Reasoned[int]],
    list[Decisions[Named]],
    list[Scored[str]],
    Json[int],
    Annotated[int, SkipValidation],
    Secret,
    Loop,
)
