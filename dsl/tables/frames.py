"""`to_frame`: typed values, or results, as a table of Arrow, pandas, polars or datasets.

The columns follow from the type, so an empty list has them too. `arrow` maps types to Arrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from inspect import isclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from pydantic import BaseModel
from returns.result import Failure, Result
from typing_extensions import TypeForm

from typefold.compiler.contained import describe_exception, first_line
from typefold.compiler.errors import describe
from typefold.errors import PromptUsageError
from typefold.tables.arrow import arrow_type, arrow_value, fitted, message_of, plain_form, pyarrow
from typefold.tables.columns import Indexed

if TYPE_CHECKING:
    import polars

T = TypeVar("T")


# The tables of Arrow, pandas and datasets have no types of their own for type checkers (they come without), polars' has.
@overload
def to_frame(
    results: Iterable[T | Result[T, Any]],
    kind: TypeForm[T],
    /,
    *,
    to: Literal["arrow", "pandas", "datasets"] = ...,
    index: Iterable[Any] | None = None,
    errors: bool | None = None,
) -> Any: ...
@overload
def to_frame(
    results: Iterable[T | Result[T, Any]], kind: TypeForm[T], /, *, to: Literal["polars"], errors: bool | None = None
) -> polars.DataFrame: ...
def to_frame(
    results: Iterable[Any],
    kind: Any,
    /,
    *,
    to: str = "arrow",
    index: Iterable[Any] | None = None,
    errors: bool | None = None,
) -> Any:
    """Make a table of values, or of results, in their order.

    Args:
        results: The values or `Result`s of `.map`, `.safe.map` or `run`; any iterable of them.
        kind: The type of a value: the prompt function's return type.
        to: The library: `"arrow"` (`pyarrow.Table`, the default), `"pandas"` or `"polars"` (`DataFrame`), or `"datasets"`
            (`Dataset` of Hugging Face). Lance writes the table of Arrow.
        index: For pandas, the index of the rows, as in `index=frame.index`. By default the index of the Series or frame that
            the rows came from, if `results` is the list (or a slice of it) that `.map`, `.map_rows` or `run` made of one;
            else rows count from 0.
        errors: Whether there are columns `error` and `message`. By default they are there if a `Result` is.

    Returns:
        A table with a column for each field of a model or record, nested ones as structs; for another type, one column
        `value`. Results add the columns `error`, the name of the error's class, and `message`; both are null in a row that
        succeeded.

        Dates, datetimes, durations, times, decimals and bytes have Arrow's types; other types are numbers, booleans and text
        (the value of an enum, the text of a UUID). A `datetime` with a zone is converted to UTC. pandas has the nullable types
        `Int64`, `boolean` and `string`, and `float64`, `datetime64`, `timedelta64` and the types of Arrow for the rest.

    Raises:
        ModuleNotFoundError: The library is not installed; pyarrow comes with `typefold[arrow]`.
        PromptUsageError: The type has no form in Arrow or in datasets (a `dict` with free keys), or has a field `error` or `message` beside results; the index is of
            another length, or for another library's table; the results were changed since they got their index.
        ValueError: A value is not of the type, or does not fit its column (a whole number beyond 64 bits, a datetime without
            a zone among others with one); the error names the row.

    Example:
        >>> from pydantic import BaseModel
        >>> from typefold import to_frame
        >>> class Character(BaseModel):
        ...     name: str
        ...     age: int
        >>> table = to_frame([Character(name="Ada", age=36)], Character)
        >>> table.column_names, table.to_pylist()
        (['name', 'age'], [{'name': 'Ada', 'age': 36}])
    """
    if to not in ("arrow", "pandas", "polars", "datasets"):
        raise PromptUsageError(f"to_frame: to is 'arrow', 'pandas', 'polars' or 'datasets', not {to!r}")
    if index is not None and to != "pandas":
        raise PromptUsageError(
            f"to_frame: index= is for to='pandas'; a table of {to} has no index; put it beside the rows"
        )
    name = type(results).__name__
    if isinstance(results, (str, bytes, Mapping, set, frozenset, Result)) or hasattr(results, "columns"):
        raise PromptUsageError(
            f"to_frame: results are a list of values or of results, not {name}; give [value] if it is one of them"
        )
    rows = list(results)
    if index is None and to == "pandas" and isinstance(results, Indexed):
        index = results.checked_index()
    table = _table(rows, kind, errors)
    if to == "pandas":
        return _as_pandas(table, index)
    if to == "datasets":
        try:
            return import_module("datasets").Dataset(table)
        except ValueError as error:
            raise PromptUsageError(
                f"to_frame: {describe(kind)} has no form in datasets: {first_line(error)}; take to='arrow'"
            ) from error
    return table if to == "arrow" else import_module("polars").from_arrow(table)


def _as_pandas(table: Any, index: Any) -> Any:
    pandas, types = import_module("pandas"), pyarrow().types

    def own(kind: Any) -> Any:
        """Return the nullable type of pandas; `None` for numpy's, which has NaN or NaT for nulls."""
        if types.is_integer(kind):
            return pandas.Int64Dtype()
        if types.is_boolean(kind):
            return pandas.BooleanDtype()
        if types.is_string(kind):
            return pandas.StringDtype()
        is_numpy = types.is_floating(kind) or types.is_timestamp(kind) or types.is_duration(kind) or types.is_null(kind)
        return None if is_numpy else pandas.ArrowDtype(kind)

    frame = table.to_pandas(types_mapper=own)
    if index is None:
        return frame
    if isinstance(index, pandas.DataFrame):
        raise PromptUsageError("to_frame: index is a whole frame; give its index, as in index=frame.index")
    _refuse_no_labels(index)
    labels = index if isinstance(index, pandas.Index) else pandas.Index(index)
    if len(labels) != len(frame):
        raise PromptUsageError(f"to_frame: the index is of {len(labels)} rows, and there are {len(frame)} results")
    frame.index = labels
    return frame


def _refuse_no_labels(index: object) -> None:
    name = type(index).__name__
    if isinstance(index, (str, bytes, set, frozenset)) or not isinstance(index, Iterable):
        raise PromptUsageError(
            f"to_frame: index holds the labels of the rows in their order, not {name}; give index=frame.index, or a list"
        )


def _table(results: list[Any], kind: Any, errors: bool | None) -> Any:
    pa = pyarrow()
    try:
        whole = arrow_type(kind, whole=True)
    except Exception as error:  # of pydantic, or of a class's own schema
        raise PromptUsageError(
            f"to_frame: {describe(kind)} has no form in Arrow: {first_line(error)}; give values of another type"
        ) from error
    is_class = isclass(kind) and (issubclass(kind, BaseModel) or is_dataclass(kind))
    is_record, taken_apart = pa.types.is_struct(whole), plain_form(kind, warnings="error")
    failures: dict[int, dict[str, str]] = {}
    plain: list[Any] = []
    for number, result in enumerate(results):
        if isinstance(result, Failure):
            failure: Exception = cast("Any", result).failure()
            failures[number] = {"error": type(failure).__name__, "message": message_of(failure)}
        value: Any = cast("Any", result).value_or(None) if isinstance(result, Result) else result
        try:
            if value is not None and is_class and not isinstance(value, kind):
                raise TypeError(f"it is a {type(value).__name__}")  # pydantic would take the fields that it has
            plain.append(None if value is None else taken_apart(value))
        except Exception as error:
            raise _unfit(number, kind, error) from error
    whole = fitted(whole, plain)
    fields = [whole.field(index) for index in range(whole.num_fields)] if is_record else [pa.field("value", whole)]
    rows: list[dict[str, Any]] = []
    for number, value in enumerate(plain):
        try:
            cell = arrow_value(value, whole)
        except Exception as error:
            raise _unfit(number, kind, error) from error
        rows.append(((cell or {}) if is_record else {"value": cell}) | failures.get(number, {}))
    if errors or (errors is None and any(isinstance(result, Result) for result in results)):
        if taken := {"error", "message"} & {each.name for each in fields}:
            raise PromptUsageError(
                f"to_frame: the type has a field {min(taken)!r}, which is where failures go; give values, as "
                f"partitioned, or rename the field"
            )
        fields += [pa.field("error", pa.string()), pa.field("message", pa.string())]
    schema = pa.schema(fields)
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except Exception:
        for number, row in enumerate(rows):
            try:
                pa.Table.from_pylist([row], schema=schema)
            except Exception as error:
                raise _unfit(number, kind, error) from error
        raise


def _unfit(number: int, kind: Any, error: Exception) -> ValueError:
    return ValueError(
        f"to_frame: row {number} does not fit a table of {describe(kind)}: {' '.join(describe_exception(error).split())}; leave it out, or "
        f"name the type that the values are of"
    )
