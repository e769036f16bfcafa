"""`to_frame`: typed values, or results, as a table of Arrow, pandas or polars.

The type says what the columns are, so an empty list has them too: the fields of a model or a record, or one column
`value`. A row that failed has nulls there, and its error in two columns more. What a type is in Arrow, `arrow` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass
from importlib import import_module
from inspect import isclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from pydantic import BaseModel
from returns.result import Failure, Result, Success
from typing_extensions import TypeForm

from typefold.arrow import arrow_json, arrow_type, arrow_value, message_of, pyarrow
from typefold.compiler.contained import first_line, said
from typefold.compiler.errors import describe
from typefold.errors import PromptUsageError

if TYPE_CHECKING:
    import polars

__all__ = ["to_frame"]

T = TypeVar("T")


# Arrow's table and pandas' frame have no types of their own for type checkers (both come without), polars' has.
@overload
def to_frame(results: Iterable[T | Result[T, Any]], kind: TypeForm[T], /) -> Any: ...
@overload
def to_frame(results: Iterable[T | Result[T, Any]], kind: TypeForm[T], /, *, to: Literal["arrow", "pandas"]) -> Any: ...
@overload
def to_frame(
    results: Iterable[T | Result[T, Any]], kind: TypeForm[T], /, *, to: Literal["polars"]
) -> polars.DataFrame: ...
def to_frame(results: Iterable[Any], kind: Any, /, *, to: str = "arrow") -> Any:
    """Values, or results, as a table, in their order.

    Args:
        results: What `.map`, `.safe.map` or `run` gave.
        kind: The type of a value: the prompt function's return type.
        to: Whose table: `"arrow"` (`pyarrow.Table`), `"pandas"` or `"polars"` (`DataFrame`).

    Returns:
        A table with a column for each field of a model or record, nested ones as structs; for another type, one column
        `value`. Results add the columns `error`, the name of the error's class, and `message`; both are null in a row that
        succeeded. (A list with no result in it, as an empty one, has no such columns.)

    Raises:
        ModuleNotFoundError: The library is not installed; pyarrow comes with `typefold[arrow]`.
        PromptUsageError: The type has no form in Arrow, or a field with the name of one of these two columns.
        ValueError: A value is not of the type, or does not fit its column (a whole number beyond 64 bits); it names the row.

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
    if to not in ("arrow", "pandas", "polars"):
        raise PromptUsageError(f"to_frame: to is 'arrow', 'pandas' or 'polars', not {to!r}")
    table = _table(list(results), kind)
    if to == "pandas":
        return table.to_pandas()
    return table if to == "arrow" else import_module("polars").from_arrow(table)


def _table(results: list[Any], kind: Any) -> Any:
    pa = pyarrow()
    try:
        whole = arrow_type(kind)
    except Exception as error:  # whatever pydantic, or a class's own schema, says
        raise PromptUsageError(
            f"to_frame: {describe(kind)} has no form in Arrow: {first_line(error)}; give values of another type"
        ) from error
    is_record, in_json = pa.types.is_struct(whole), arrow_json(kind, warnings="error")
    fields = [whole.field(index) for index in range(whole.num_fields)] if is_record else [pa.field("value", whole)]
    rows: list[dict[str, Any]] = []
    for number, result in enumerate(results):
        if isinstance(result, Failure):
            failure: Exception = cast("Any", result).failure()
            rows.append({"error": type(failure).__name__, "message": message_of(failure)})
            continue
        value: Any = cast("Any", result).unwrap() if isinstance(result, Success) else result
        try:
            if value is not None and _is_class(kind) and not isinstance(value, kind):
                raise TypeError(f"it is a {type(value).__name__}")  # pydantic would take what it has of the fields
            cell = None if value is None else arrow_value(in_json(value), whole)
        except Exception as error:
            raise _unfit(number, kind, error) from error
        rows.append((cell or {}) if is_record else {"value": cell})
    if any(isinstance(result, Result) for result in results):
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


def _is_class(kind: object) -> bool:
    """Whether instances of a type are its values: those of a `TypedDict` are dictionaries."""
    return isclass(kind) and (issubclass(kind, BaseModel) or is_dataclass(kind))


def _unfit(number: int, kind: Any, error: Exception) -> ValueError:
    return ValueError(
        f"to_frame: row {number} does not fit a table of {describe(kind)}: {' '.join(said(error).split())}; leave it out, or "
        f"name the type that the values are of"
    )
