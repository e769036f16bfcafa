"""Columns of frames as rows: a pandas or polars Series, a pyarrow array, a numpy array of one dimension.

Their cells are given as plain Python values, so that a message, a validator and a journal see what they would see of a
list; what a library calls missing (null, NA, NaT, in pandas NaN too) is `None`. A `None` for a parameter that takes none
costs its row and no other. No library is imported here: whoever has a column has imported its library.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from typing_extensions import TypeAliasType

from typefold.errors import PromptUsageError

__all__ = ["cells", "is_column", "missing", "takes_none"]

_COLUMNS = {
    ("pandas", "Series"),
    ("pandas", "Index"),
    ("polars", "Series"),
    ("pyarrow", "Array"),
    ("pyarrow", "ChunkedArray"),
    ("numpy", "ndarray"),
}
_TABLES = {("pandas", "DataFrame"), ("polars", "DataFrame"), ("polars", "LazyFrame"), ("pyarrow", "Table")}


def is_column(items: object) -> bool:
    """Whether it is a column of a library's, and not a plain iterable.

    Raises:
        PromptUsageError: It is a whole table, whose columns would be taken for rows.
    """
    names = _names_of(items)
    if table := names & _TABLES:
        [(library, kind)] = table
        raise PromptUsageError(
            f"rows can't be taken from a {kind} of {library}, which has several columns; give one, as in frame['text'], or "
            f"zip several for starmap"
        )
    return bool(names & _COLUMNS)


def cells(items: Iterable[Any]) -> Iterator[Any]:
    """The cells of a column as plain Python values, one at a time; of any other iterable, its items as they are."""
    libraries = {library for library, _ in _names_of(items)} if is_column(items) else set[str]()
    if "pyarrow" in libraries:
        for scalar in items:
            yield scalar.as_py()
    elif "pandas" in libraries:
        column: Any = items
        for value, absent in zip(column, column.isna(), strict=True):
            yield None if absent else _plain(value)
    elif "numpy" in libraries:
        for value in items:
            yield _plain(value)
    else:
        for item in items:
            nested: Any = item  # a list in a cell of polars' is a Series
            yield nested.to_list() if "polars" in libraries and hasattr(nested, "to_list") else item


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


def missing(function: Callable[..., object], skipped: int = 0) -> str:
    """What to say of a row without a value."""
    parameter = list(inspect.signature(function).parameters.values())[skipped]
    return (
        f"the column has no value here, and the parameter {parameter.name} takes no None; fill or drop such rows, or "
        f"annotate it with `| None`"
    )


def _hint_of(function: Callable[..., object], parameter: inspect.Parameter) -> Any:
    plain = inspect.unwrap(function)
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
    return hint in (None, NoneType, Any, object) or isinstance(hint, TypeVar)


def _plain(value: Any) -> Any:
    """A numpy scalar, or one of pandas, as Python has it."""
    names = _names_of(value)
    if ("numpy", "generic") in names:
        exact = value.astype("datetime64[us]") if value.dtype.kind == "M" else value
        return (value.astype("timedelta64[us]") if value.dtype.kind == "m" else exact).item()
    if ("numpy", "ndarray") in names:
        return value.tolist()
    if isinstance(value, datetime) and hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(value, timedelta) and hasattr(value, "to_pytimedelta"):
        return value.to_pytimedelta()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    return value


def _names_of(value: object) -> set[tuple[str, str]]:
    """The library and the name of each class that a value is of."""
    return {(each.__module__.partition(".")[0], each.__name__) for each in type(value).__mro__}
