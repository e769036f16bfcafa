"""Columns of frames as rows: a pandas or polars Series, a pyarrow array, a numpy array of one dimension.

Their cells are given as plain Python values, so that a message, a validator and a journal see what they would see of a
list; what a library calls missing (null, NA, NaT, in pandas NaN too) is `None`. A `None` for a parameter that takes none
costs its row and no other, and so does a cell that Python has no value for (a date in the year 20000). Hence cells are
taken by their place: an iterator that has raised gives no further ones. No library is imported here: whoever has a column
has imported its library.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from typing_extensions import TypeAliasType

from typefold.compiler.contained import passes, said
from typefold.compiler.guards import is_dict, is_list
from typefold.errors import PromptUsageError

__all__ = ["Unfit", "rows_of", "takes_none"]

_COLUMNS = {
    ("pandas", "Series"),
    ("pandas", "Index"),
    ("pandas", "ExtensionArray"),
    ("polars", "Series"),
    ("pyarrow", "Array"),
    ("pyarrow", "ChunkedArray"),
    ("numpy", "ndarray"),
}
_TABLES = {
    ("pandas", "DataFrame"),
    ("pandas", "MultiIndex"),
    ("polars", "DataFrame"),
    ("polars", "LazyFrame"),
    ("pyarrow", "Table"),
    ("pyarrow", "RecordBatch"),
}


@dataclass(frozen=True, slots=True)
class Unfit:
    """In the place of a cell that can't be an argument.

    Attributes:
        reason: Why, and what to do.
    """

    reason: str


def rows_of(items: Iterable[Any], function: Callable[..., object], skipped: int = 0) -> Iterator[Any]:
    """The cells of a column as plain Python values, one at a time; of any other iterable, its items as they are.

    Args:
        items: A column, or any iterable.
        function: The function that they are arguments of.
        skipped: How many of its parameters have their arguments already.

    Yields:
        A value, or an `Unfit` for a cell of a column that has none, where the parameter takes no `None`, or none in Python.

    Raises:
        PromptUsageError: It is a whole table, whose columns would be taken for rows, or an array without a dimension.
    """
    if not _is_column(items):
        yield from items
        return
    required = not takes_none(function, skipped)
    for read in _cells(items):
        try:
            value = read()
        except BaseException as error:  # polars panics, which is no Exception
            if passes(error):
                raise
            reason = f"the column's value here is none in Python ({said(error)})"
            yield Unfit(f"{reason}; convert the column, to text for instance, or drop such rows")
            continue
        yield Unfit(_missing(function, skipped)) if required and value is None else value


def _is_column(items: object) -> bool:
    names = _names_of(items)
    if table := names & _TABLES:
        [(library, kind)] = table
        raise PromptUsageError(
            f"rows can't be taken from a {kind} of {library}, which has several columns; give one, as in frame['text'], or "
            f"zip several for starmap"
        )
    if getattr(items, "ndim", 1) == 0 and names & _COLUMNS:
        raise PromptUsageError(
            "rows can't be taken from an array without a dimension, which is one value; give [value]"
        )
    return bool(names & _COLUMNS)


def _cells(column: Any) -> Iterator[Callable[[], Any]]:
    """What reads each cell of a column."""
    libraries = {library for library, _ in _names_of(column)}
    if "pandas" in libraries:
        held = getattr(column, "iloc", column)  # an index and an array have none, and know places only
        for row, absent in enumerate(column.isna()):
            yield (lambda: None) if absent else partial(_read, held, row, _plain)
        return
    as_plain = _of_arrow if "pyarrow" in libraries else _of_polars if "polars" in libraries else _plain
    for row in range(len(column)):
        yield partial(_read, column, row, as_plain)


def _read(column: Any, row: int, as_plain: Callable[[Any], Any]) -> Any:
    return as_plain(column[row])


def takes_none(function: Callable[..., object], skipped: int = 0) -> bool:
    """Whether a function's first parameter may be `None`, as far as its annotation tells.

    Args:
        function: The function.
        skipped: How many parameters have their arguments already.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())[skipped:]
        return not parameters or _admits_none(_hint_of(function, parameters[0]))
    except Exception:  # a name that is not defined yet, a callable without a signature: nothing is known
        return True


def _missing(function: Callable[..., object], skipped: int = 0) -> str:
    """What to say of a row without a value."""
    parameter = list(inspect.signature(function).parameters.values())[skipped]
    return (
        f"the column has no value here, and the parameter {parameter.name} takes no None; fill or drop such rows, or "
        f"annotate it with `| None`"
    )


def _hint_of(function: Callable[..., object], parameter: inspect.Parameter) -> Any:
    plain = inspect.unwrap(function)
    while isinstance(plain, partial):
        plain = inspect.unwrap(plain.func)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # of anything
    where = plain if hasattr(plain, "__annotations__") else getattr(plain, "__call__", plain)  # noqa: B004  # an object
    return get_type_hints(where).get(parameter.name, Any)


def _admits_none(hint: Any) -> bool:
    if isinstance(hint, TypeAliasType):
        return _admits_none(hint.__value__)
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(map(_admits_none, get_args(hint)))
    if origin is Annotated:
        return _admits_none(get_args(hint)[0])
    if origin is Literal:
        return None in get_args(hint)
    return hint in (None, NoneType, Any, object) or isinstance(hint, TypeVar)


def _plain(value: Any) -> Any:
    """A numpy scalar, or one of pandas, as Python has it."""
    names = _names_of(value)
    if ("numpy", "generic") in names:
        return _moment(value) if value.dtype.kind in "mM" else value.item()
    if ("numpy", "ndarray") in names:
        return value.tolist()
    if isinstance(value, datetime) and hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(value, timedelta) and hasattr(value, "to_pytimedelta"):
        return value.to_pytimedelta()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    return value


def _moment(value: Any) -> Any:
    """A datetime64 or timedelta64, which numpy gives as a number, or as another moment, where Python's are too short."""
    kind = "datetime64[us]" if value.dtype.kind == "M" else "timedelta64[us]"
    plain = value.astype(kind).item()
    if isinstance(plain, int) or (plain is not None and _years(value) != _years(value.astype(kind))):
        raise OverflowError(f"{value} is out of Python's range")
    return plain


def _years(value: Any) -> int:
    return int(value.astype(f"{value.dtype.name.partition('[')[0]}[Y]").astype("int64"))


def _of_arrow(scalar: Any) -> Any:
    return _nested(scalar.as_py())


def _nested(value: Any) -> Any:
    """A value of Arrow's, in which nanoseconds are pandas' where that is there."""
    if is_list(value):
        return [_nested(part) for part in value]
    if is_dict(value):
        return {name: _nested(part) for name, part in value.items()}
    return _plain(value)


def _of_polars(value: Any) -> Any:
    """A list in a cell of polars' is a Series."""
    return value.to_list() if ("polars", "Series") in _names_of(value) else value


def _names_of(value: object) -> set[tuple[str, str]]:
    """The library and the name of each class that a value is of."""
    return {(each.__module__.partition(".")[0], each.__name__) for each in type(value).__mro__}
