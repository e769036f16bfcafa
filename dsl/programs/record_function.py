"""A function to be called for records: its parameters, its arguments out of a record, and its calls over many rows.

Columns go to the parameters of their names, as pydantic reads them. A function of one parameter whose type has fields (a model,
a dataclass, a `TypedDict`) takes the whole record where no column has the parameter's name. Columns without a parameter are
ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError
from returns.result import Result

from typefold.compiler.contained import first_line
from typefold.compiler.guards import is_dict
from typefold.errors import PromptUsageError
from typefold.programs.run import run
from typefold.signatures.parameters import (
    Parameter,
    almost,
    hints_of,
    is_async,
    misnamed,
    parameters_of,
    whole_of,
    words_of,
)
from typefold.tables.columns import Unfit
from typefold.tables.named_rows import adapter_of

R = TypeVar("R", bound="HasArguments")


@dataclass(frozen=True)
class Target:
    """A function to be called for rows, a prompt or any other; `name` is its name in messages."""

    name: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any

    @property
    def is_async(self) -> bool:
        return is_async(self.function)


@dataclass(frozen=True)
class Fitting:
    """A record, with the arguments that a function takes out of it."""

    record: Mapping[str, Any]
    arguments: Mapping[str, Any]


class HasArguments(Protocol):
    """A row that holds a function's arguments."""

    @property
    def arguments(self) -> Mapping[str, Any]: ...


def target_of(function: Callable[..., Any], name: str) -> Target:
    """Return a function as one to be called for rows."""
    hint_of = hints_of(function, {})
    try:
        return Target(name, function, parameters_of(function, name, hint_of), hint_of("return"))
    except NameError as error:
        raise PromptUsageError(
            f"{getattr(function, '__name__', function)}: an annotation names something that is not defined: {error}"
        ) from error


def streamed(
    target: Target,
    rows: Iterable[R | Unfit],
    *,
    key: Callable[[R], object] | None = None,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[tuple[int, Result[Any, Exception]]]:
    """Call a function for rows, each within `guard`, and yield each row's index and result as it ends."""
    every: Iterable[Any] = rows
    return run.stream(of_row(target, guard), every, key=key or (lambda row: row.arguments))


def of_row(
    target: Target, guard: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Callable[[HasArguments], Any]:
    """Return a function of one row that calls a function with the row's arguments; `async def` if that is."""
    function = target.function

    def call(row: HasArguments) -> Any:
        with guard():
            return function(**row.arguments)

    async def call_async(row: HasArguments) -> Any:
        with guard():
            awaited: Coroutine[Any, Any, Any] = function(**row.arguments)
            return await awaited

    return call_async if target.is_async else call


def arrow_form(target: Target) -> tuple[Any, Callable[[Any], Any]]:
    """Return the Arrow type of a function's results, and the conversion of a result to it."""
    from typefold.tables.arrow import arrow_type, arrow_value, plain_form

    try:
        kind = arrow_type(target.returns)
    except Exception as error:
        raise PromptUsageError(f"{target.name}: its return type has no Arrow type: {first_line(error)}") from error
    plain = plain_form(target.returns)
    return kind, lambda value: arrow_value(plain(value), kind)


class BadRecord(ValueError):
    """A record does not fit the function's parameters."""


class Inputs:
    """Reader of a function's arguments from records; `constants` are the same for every record, as texts.

    `renamed` has the parameter, or the field of a whole record, that a column of another name is for.
    Where all values are texts, as in CSV (`texts`), a number may be read from a text, and an empty text is a missing value
    where the type takes no empty text.
    """

    def __init__(
        self,
        target: Target,
        constants: Mapping[str, str] | None = None,
        *,
        texts: bool = False,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self._target = target
        self._texts = texts
        self.renamed = dict(renamed or {})
        self._adapters = {each.name: adapter_of(each, "a column", f"{target.name}: ") for each in target.parameters}
        self._constants: dict[str, Any] = {}
        for name, text in (constants or {}).items():
            if name not in self._adapters:
                known = ", ".join(self._adapters) or "none"
                raise PromptUsageError(f"{target.name} has no parameter {name}; it has {known}")
            try:
                self._constants[name] = read_value(self._adapters[name], text, as_text=True)
            except ValidationError as error:
                raise PromptUsageError(f"{name}={text}: {words_of(error)}") from None

        asked = [each.name for each in self._asked]
        if self._whole([]) is None and (unknown := [name for name in self.renamed.values() if name not in asked]):
            raise PromptUsageError(
                f"{target.name} takes no {unknown[0]} from a column; it takes {', '.join(asked) or 'none'}"
            )

    def named(self, columns: Sequence[str]) -> list[str]:
        """Return the names by which columns are read. Raises `BadRecord` where two have one name."""
        named = [self.renamed.get(column, column) for column in columns]
        if self.renamed and (twice := [name for name in self.renamed.values() if named.count(name) > 1]):
            raise BadRecord(f"there are two columns for {twice[0]}")
        return named

    def missing(self, columns: Sequence[str]) -> list[str]:
        if self._whole(columns) is not None:
            return []
        return [each.name for each in self._asked if each.required and each.name not in columns]

    def almost(self, columns: Sequence[str]) -> dict[str, str]:
        """Return the columns whose names are almost a parameter's, with the parameters."""
        return {} if self._whole(columns) is not None else almost(self._asked, columns)

    def arguments(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments in a record; raises `BadRecord` where a value is missing or does not fit its parameter."""
        arguments, wrong = self.read(record)
        if wrong:
            raise BadRecord("; ".join(wrong))
        return arguments

    def read(self, record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the arguments in a record, as far as they fit, and the error texts of the others."""
        record = dict(zip(self.named([*record]), record.values(), strict=True))
        whole = self._whole(list(record))
        given = record if whole is None else {whole.name: dict(record)}
        arguments, wrong = dict(self._constants), list[str]()
        if whole is None and (column := misnamed(self._asked, list(record))) is not None:
            wrong.append(column)
        for each in self._asked:
            if each.name not in given or (self._texts and given[each.name] == ""):
                empty = self._empty(each) if each.name in given else []
                if empty:
                    arguments[each.name] = empty[0]
                elif each.required:
                    wrong.append(f"{each.name}: there is no value")
                continue
            try:
                arguments[each.name] = read_value(self._adapters[each.name], given[each.name], as_text=self._texts)
            except ValidationError as error:
                wrong.append(f"{each.name}: {words_of(error)}")
        return arguments, wrong

    def seen(self, record: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record for a condition, with the arguments from `read` as their types, and all else as it is."""
        record = dict(record) | dict(zip(self.named([*record]), record.values(), strict=True))
        seen = dict(record)
        whole = self._whole(list(record))
        for each in self._target.parameters:
            name = each.name
            if name in self._constants and name in record:  # the function does not get the column
                with suppress(ValidationError):
                    seen[name] = read_value(self._adapters[name], record[name], as_text=self._texts)
            elif name in arguments:
                seen[name] = arguments[name]
                if each is whole:
                    seen |= {column: _field(arguments[name], column, value) for column, value in record.items()}
            elif not each.required and (name not in record or (self._texts and record[name] == "")):
                seen[name] = each.default
        return seen

    def _empty(self, parameter: Parameter) -> list[Any]:
        """Return the value of an empty text for a parameter: the text where its type takes one, else `None`, else nothing.

        Where the type takes `None` and there is a default, an empty text is a missing one.
        """
        if parameter.hint is Any:
            return [""]
        adapter = self._adapters[parameter.name]
        none = _taken(adapter, None)
        return [] if none and not parameter.required else _taken(adapter, "") or none

    @property
    def _asked(self) -> list[Parameter]:
        return [each for each in self._target.parameters if each.name not in self._constants]

    def _whole(self, columns: Sequence[str]) -> Parameter | None:
        return whole_of(self._asked, columns)


def read_value(adapter: TypeAdapter[Any], value: object, *, as_text: bool) -> Any:
    """Return a value as its type. A text may also be JSON of the type, and is a text where both fit."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        if as_text and isinstance(value, (str, dict)):
            try:
                if isinstance(value, str):
                    return adapter.validate_json(value)
                return adapter.validate_strings(value)
            except ValidationError:
                pass
        raise error from None


def _field(whole: Any, name: str, otherwise: Any) -> Any:
    return whole.get(name, otherwise) if is_dict(whole) else getattr(whole, name, otherwise)


def _taken(adapter: TypeAdapter[Any], value: str | None) -> list[Any]:
    """Return the value that a type makes of another, or nothing where it takes none."""
    try:
        return [adapter.validate_python(value)]
    except ValidationError:
        return []
