"""`to_frame`: typed values, or results, as a table of Arrow, pandas or polars.

The type says what the columns are, so an empty list has them too: the fields of a model or a record, or one column
`value`. A row that failed has nulls there, and its error in two columns more. What a type is in Arrow, `arrow` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from pydantic import TypeAdapter
from returns.result import Failure, Result, Success
from typing_extensions import TypeForm

from typefold.arrow import arrow_type, arrow_value, pyarrow
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
        PromptUsageError: A field of the type has the name of one of these two columns.

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
    pa, whole = pyarrow(), arrow_type(kind)
    adapter = TypeAdapter[Any](kind)
    is_record = pa.types.is_struct(whole)
    fields = [whole.field(index) for index in range(whole.num_fields)] if is_record else [pa.field("value", whole)]
    rows: list[dict[str, Any]] = []
    for result in results:
        if isinstance(result, Failure):
            error: Exception = cast("Any", result).failure()
            rows.append({"error": type(error).__name__, "message": str(error)})
            continue
        value: Any = cast("Any", result).unwrap() if isinstance(result, Success) else result
        cell = arrow_value(adapter.dump_python(value, mode="json"), whole)
        rows.append((cell or {}) if is_record else {"value": cell})
    if any(isinstance(result, Result) for result in results):
        if taken := {"error", "message"} & {each.name for each in fields}:
            raise PromptUsageError(
                f"to_frame: the type has a field {min(taken)!r}, which is where failures go; give values, as "
                f"partitioned, or rename the field"
            )
        fields += [pa.field("error", pa.string()), pa.field("message", pa.string())]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))
