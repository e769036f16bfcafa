"""Rows of columns and tables: a pandas or polars Series or frame, a pyarrow array or table, a numpy array, a dataset.

Cells become plain Python values, so that messages, validators and journals see them as they see those of a list. A missing
cell (null, NA, NaT, in pandas NaN too) is `None`. A `None` for a parameter that takes none fails its row alone, and so does a
cell without a Python value (a date in the year 20000). Hence cells are read by index: an iterator that has raised yields no
further ones. No library is imported here: a caller with a column has imported its library.

Results of pandas rows keep the index of these, so that `to_frame` puts them beside the rows. Invariant: the index holds only
while the results are as they were made. A slice has its part of the index, and a list that is made of them has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from operator import is_
from typing import Any, SupportsIndex, TypeVar, cast, overload

from typefold.compiler.contained import describe_exception, is_fatal
from typefold.compiler.guards import is_dict, is_list
from typefold.errors import PromptUsageError
from typefold.signatures.parameters import Parameters, names_of

T = TypeVar("T")

_COLUMNS = {
    ("pandas", "Series"),
    ("pandas", "Index"),
    ("pandas", "ExtensionArray"),
    ("polars", "Series"),
    ("pyarrow", "Array"),
    ("pyarrow", "ChunkedArray"),
    ("numpy", "ndarray"),
    ("datasets", "Column"),
}
_TABLES = {
    ("pandas", "DataFrame"),
    ("pandas", "MultiIndex"),
    ("polars", "DataFrame"),
    ("polars", "LazyFrame"),
    ("pyarrow", "Table"),
    ("pyarrow", "RecordBatch"),
    ("datasets", "Dataset"),
}
_BATCH = 1024
_WITH_INDEX = {("pandas", "Series"), ("pandas", "DataFrame")}


@dataclass(frozen=True, slots=True)
class Unfit:
    """Stands in the place of a cell or row that can't be an argument, with the reason and the remedy."""

    reason: str


def rows_of(items: Iterable[Any], function: Callable[..., object], skipped: int = 0) -> Iterator[Any]:
    """Yield the cells of a column as plain Python values; of any other iterable, its items as they are.

    An `Unfit` stands for a cell without a Python value, and for a missing one where the parameter takes no `None`.
    """
    _refuse_table(items)
    if names_of(items) & _COLUMNS:
        return _cell_values(items, Parameters(function, skipped).first_required)
    refuse_no_rows(items, "map")
    return iter(items)


def _cell_values(column: Any, required: str | None) -> Iterator[Any]:
    """Yield the cells of a column as arguments; `required` names their parameter if that takes no `None`."""
    for read in _cells(column):
        value = _value(read)
        if value is None and required is not None:
            value = Unfit(
                f"the column has no value here, and the parameter {required} takes no None; fill or drop such rows, or annotate "
                f"it with `| None`"
            )
        yield value


def _value(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except BaseException as error:  # polars panics, which is no Exception
        if is_fatal(error):
            raise
        reason = f"the column's value here has no Python form ({describe_exception(error)})"
        return Unfit(f"{reason}; convert the column, to text for instance, or drop such rows")


def spread(rows: Iterable[Any]) -> Iterator[tuple[Any, ...] | Unfit]:
    """Yield rows of several arguments in order, an `Unfit` for a later row that holds none; the first such is refused."""
    _refuse_table(rows)
    refuse_no_rows(rows, "starmap")
    for number, row in enumerate(rows):
        reason = _unspread(row)
        if reason is None:
            yield tuple(row)
        elif number:
            yield Unfit(reason)
        else:
            raise PromptUsageError(reason)


def _unspread(row: object) -> str | None:
    kind = type(row).__name__
    if isinstance(row, Mapping):
        return f"a row of starmap is a tuple of arguments, not {kind}; give the rows to map_rows, which goes by names"
    if isinstance(row, (set, frozenset)):
        return f"a row of starmap is a tuple of arguments, and a {kind} has no order; give a tuple"
    if isinstance(row, (str, bytes, bytearray)) or not isinstance(row, Iterable):
        return f"a row of starmap is a tuple of arguments, not {kind}; give (row,), or the rows to map"
    return None


def is_in_memory(rows: object) -> bool:
    """Whether this is a table or a column of a library known here, and no query that has to be run."""
    return bool(names_of(rows) & (_TABLES | _COLUMNS))


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose columns have names."""

    names: list[object]
    parts: Iterable[tuple[int, Callable[[int], Any]]]  # in order: the number of rows, and a column by its index

    def rows(self, wanted: Mapping[str, int]) -> Iterator[dict[str, Any] | Unfit]:
        """Yield rows of the wanted columns by name, or an `Unfit` where a value has no Python form."""
        for height, column in self.parts:
            cells = {name: _cells(column(place)) for name, place in wanted.items()}
            for _ in range(height):
                row = {name: _value(next(each)) for name, each in cells.items()}
                unfit = [value for value in row.values() if isinstance(value, Unfit)]
                yield unfit[0] if unfit else row


def table_of(rows: Any) -> Table | None:
    """Return a table of pandas, polars, pyarrow or datasets, or another with Arrow's stream (a relation of DuckDB, Lance).

    A stream is read batch by batch, so that it may be larger than memory.
    """
    names = names_of(rows)
    if ("numpy", "ndarray") in names and rows.dtype.names and rows.ndim == 1:
        fields: list[object] = list(rows.dtype.names)
        return Table(fields, [(len(rows), lambda place: rows[fields[place]])])
    if names & _COLUMNS:
        raise PromptUsageError("map_rows takes rows with named columns, and this is one column; give it to map")
    if ("polars", "LazyFrame") in names:
        raise PromptUsageError("rows can't be taken from a LazyFrame, which holds none yet; give frame.collect()")
    if ("pandas", "DataFrame") in names:
        return Table(list(rows.columns), [(len(rows), lambda place: rows.iloc[:, place])])
    if ("polars", "DataFrame") in names:
        return Table(list(rows.columns), [(len(rows), rows.to_series)])
    if ("pyarrow", "RecordBatch") in names:
        return Table(rows.schema.names, [(len(rows), rows.column)])
    if ("datasets", "Dataset") in names:
        parts = rows.with_format("arrow").iter(batch_size=_BATCH)
        return Table(rows.column_names, ((len(part), part.column) for part in parts))
    if ("pyarrow", "Dataset") in names:  # Lance's is one
        rows = rows.scanner().to_reader()
    elif hasattr(rows, "__arrow_c_stream__"):
        rows = import_module("pyarrow").RecordBatchReader.from_stream(rows)
    else:
        return None
    return Table(rows.schema.names, ((len(batch), batch.column) for batch in rows))


def length(rows: object) -> int | None:
    """Return the number of rows, where it is known before they are read."""
    try:
        return len(rows) if isinstance(rows, Sized) else None
    except TypeError:  # an array without a dimension
        return None


def refuse_no_rows(rows: object, verb: str) -> None:
    """Refuse one value in place of many rows, and rows without an order."""
    kind = type(rows).__name__
    if isinstance(rows, (str, bytes, bytearray, memoryview)):
        raise PromptUsageError(f"rows can't be taken from a {kind}, which is one value; give [value]")
    if isinstance(rows, Mapping):
        todo = "[row]" if verb == "map_rows" else "list(mapping.values())"
        todo += ", or [row] to map_rows" if verb in ("map", "starmap") else ""
        if ("datasets", "DatasetDict") in names_of(cast("Any", rows)):
            todo = "one of its datasets, as in datasets['train']"
        raise PromptUsageError(f"rows can't be taken from a {kind}, whose keys would be the rows; give {todo}")
    if isinstance(rows, (set, frozenset)):
        raise PromptUsageError(
            f"rows can't be taken from a {kind}, which has no order for the results to be in; give sorted(rows) or a list"
        )
    if not isinstance(rows, Iterable) and not hasattr(rows, "__getitem__"):
        raise PromptUsageError(f"rows can't be taken from a {kind}, which can't be iterated; give a list")


def _refuse_table(items: object) -> None:
    """Refuse a whole table, whose columns would be taken for rows, and an array without a dimension."""
    names = names_of(items)
    if table := names & _TABLES:
        [(library, kind)] = table
        raise PromptUsageError(
            f"rows can't be taken from a {kind} of {library}, which has several columns; give one, as in frame['text'], or "
            f"all of them to map_rows, which gives columns to parameters by name"
        )
    if getattr(items, "ndim", 1) == 0 and names & _COLUMNS:
        raise PromptUsageError(
            "rows can't be taken from an array without a dimension, which is one value; give [value]"
        )


def _cells(column: Any) -> Iterator[Callable[[], Any]]:
    libraries = {library for library, _ in names_of(column)}
    if "pandas" in libraries:
        held = getattr(column, "iloc", column)  # an index and an array have none
        for row, absent in enumerate(column.isna()):
            yield (lambda: None) if absent else partial(_read, held, row, _plain)
        return
    as_plain = _of_arrow if "pyarrow" in libraries else _of_polars if "polars" in libraries else _plain
    for row in range(len(column)):
        yield partial(_read, column, row, as_plain)


def _read(column: Any, row: int, as_plain: Callable[[Any], Any]) -> Any:
    return as_plain(column[row])


def _plain(value: Any) -> Any:
    """Return a scalar of numpy or pandas as a Python value."""
    names = names_of(value)
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
    """Return a datetime64 or timedelta64 as a Python value; numpy gives a number or another moment for one out of range."""
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
    """Return a value of Arrow with plain parts: its nanoseconds are pandas' where pandas is installed."""
    if is_list(value):
        return [_nested(part) for part in value]
    if is_dict(value):
        return {name: _nested(part) for name, part in value.items()}
    return _plain(value)


def _of_polars(value: Any) -> Any:
    """Return a value of polars as a Python value: a list in a cell is a Series."""
    return value.to_list() if ("polars", "Series") in names_of(value) else value


class Indexed(list[T]):
    """Results, in the order of the rows of a Series or a frame of pandas.

    Attributes:
        row_index: The index of these rows. (`index` is a list's own method.)
    """

    __slots__ = ("_made", "row_index")

    def __init__(self, results: Iterable[T], index: Any) -> None:
        super().__init__(results)
        self.row_index: Any = index
        self._made = tuple(self)

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, place: slice, /) -> list[T]: ...
    def __getitem__(self, place: SupportsIndex | slice, /) -> T | list[T]:
        if isinstance(place, slice):
            part = super().__getitem__(place)
            return Indexed(part, self.row_index[place]) if self._is_as_made else part
        return super().__getitem__(place)

    def __reduce__(self) -> tuple[Callable[..., list[T]], tuple[Any, ...]]:
        return (Indexed, (list(self), self.row_index)) if self._is_as_made else (list, (list(self),))

    @property
    def _is_as_made(self) -> bool:
        return len(self) == len(self._made) and all(map(is_, self, self._made))

    def checked_index(self) -> Any:
        """Return the index. Refuses results that were moved, replaced, added or removed since."""
        if not self._is_as_made:
            raise PromptUsageError(
                "to_frame: these results were changed since they came, so the index of their rows may be another's; give it, "
                "as in index=frame.index, or list(results) to count from 0"
            )
        return self.row_index


def indexed(results: list[T], rows: object) -> list[T]:
    """Return results of rows, one a row, with the index of the rows if these are pandas' or earlier results."""
    if not isinstance(rows, Indexed) and not names_of(rows) & _WITH_INDEX:
        return results
    index = getattr(cast("Any", rows), "row_index" if isinstance(rows, Indexed) else "index")
    return Indexed(results, index) if len(index) == len(results) else results
