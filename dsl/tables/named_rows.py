"""Rows that hold a function's arguments by name: mappings, and tables with named columns. Values go as they are.

Columns without a parameter are ignored, unless the function takes `**fields`. A function of one parameter whose type has
fields (a model, a dataclass, a `TypedDict`) takes the whole row, made into that type by pydantic, where no column has the
parameter's name. A column that is missing from a table is an error at once; a key that is missing from one mapping fails its
row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel, TypeAdapter, ValidationError

from typefold.compiler.contained import describe_exception, first_line, is_fatal
from typefold.compiler.guards import signature_of
from typefold.errors import PromptUsageError
from typefold.options import where_set
from typefold.signatures.parameters import Parameter, hints_of, misnamed, parameters_of, whole_of, words_of
from typefold.tables.columns import Table, Unfit, is_in_memory, length, refuse_no_rows, table_of


class _Columned(Protocol):
    @property
    def columns(self) -> Any: ...


class _Streamed(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


NamedRows: TypeAlias = Iterable[Mapping[str, object]] | _Columned | _Streamed
"""Rows with names: mappings, a frame of pandas or polars, a table of Arrow, or anything that gives Arrow's stream."""


def number_of(rows: object) -> int | None:
    """Return the number of rows, where it is known without running a query."""
    is_query = hasattr(rows, "__arrow_c_stream__") and not is_in_memory(rows)
    return None if is_query else length(rows)


def named_rows(
    function: Callable[..., object],
    name: str,
    rows: Any,
    constants: Mapping[str, Any] | None = None,
    *,
    skipped: int = 0,
    namespace: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any] | Unfit]:
    """Yield the arguments of each row by the names of their parameters, or an `Unfit` for a row that lacks some.

    `constants` are the same for every row, `None` where the caller takes none. The first `skipped` parameters of the
    function have their arguments already. `namespace` has names for annotations kept as text, apart from its globals.
    """
    hint_of = partial(_hint_or_any, hints_of(function, namespace or {}))
    parameters = parameters_of(function, name, hint_of, skipped=skipped)
    known = [each.name for each in parameters]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in signature_of(function).parameters.values())
    for constant in constants or {}:
        if constant not in known and not takes_any:
            raise PromptUsageError(
                f"{name} has no parameter {constant}; it has {', '.join(known) or 'none'}{where_set([constant])}"
            )
    asked = [each for each in parameters if each.name not in (constants or {})]
    table = table_of(rows)
    if table is None:
        refuse_no_rows(rows, "map_rows")
        return _completed(_of_mappings(rows, asked, takes_any, bool(constants)), constants or {})
    return _completed(_of_table(table, asked, name, constants, takes_any), constants or {})


def _hint_or_any(hint_of: Callable[[str], Any], name: str) -> Any:
    try:
        return hint_of(name)
    except Exception:  # a name that is not defined: the parameter takes a column, and no whole row
        return Any


def _completed(
    rows: Iterable[dict[str, Any] | Unfit], constants: Mapping[str, Any]
) -> Iterator[dict[str, Any] | Unfit]:
    return (row if isinstance(row, Unfit) else {**row, **constants} for row in rows)


def _of_table(
    table: Table, asked: Sequence[Parameter], name: str, constants: Mapping[str, Any] | None, takes_any: bool
) -> Iterator[dict[str, Any] | Unfit]:
    texts = {each: place for place, each in enumerate(table.names) if isinstance(each, str)}
    whole = None if takes_any else whole_of(asked, list(texts))
    wanted = list(texts) if whole is not None or takes_any else [each.name for each in asked if each.name in texts]
    twice = [each for each in wanted if table.names.count(each) > 1]
    if twice:
        raise PromptUsageError(f"{name}: the table has several columns {twice[0]}; rename all but one")
    missing = [] if whole is not None else [each.name for each in asked if each.required and each.name not in texts]
    if asked and not wanted and not constants:  # all have defaults, and all rows would be the same
        missing = missing or [asked[0].name]
    if missing:
        todo = "" if constants is None else ", or give one value for all rows, as in map_rows(rows, {}=...)"
        raise PromptUsageError(
            f"{name}: the table has no column {missing[0]}; it has {', '.join(map(str, table.names)) or 'none'}; rename "
            f"a column{todo.format(missing[0])}"
        )
    if whole is None and (column := misnamed(asked, table.names)) is not None:
        raise PromptUsageError(f"{name}: {column}")
    rows = table.rows({each: texts[each] for each in wanted})
    if whole is None:
        return rows
    adapter = adapter_of(whole, "a row")
    return (row if isinstance(row, Unfit) else _made(whole, adapter, row) for row in rows)


def _of_mappings(
    rows: Iterable[Any], asked: Sequence[Parameter], takes_any: bool, has_constants: bool
) -> Iterator[dict[str, Any] | Unfit]:
    whole, adapter = None if takes_any else whole_of(asked, ()), None
    for number, row in enumerate(rows):
        if not hasattr(row, "keys"):
            reason = (
                f"a row of map_rows is a mapping, or a table's, not {type(row).__name__}; {_remedy(row)}, or "
                f"rows in the order of the parameters to starmap"
            )
            if not number:
                raise PromptUsageError(reason)
            yield Unfit(reason)
            continue
        try:
            read = dict(row)
        except BaseException as error:  # of the mapping's own class
            if is_fatal(error):
                raise
            yield Unfit(f"the row can't be read ({describe_exception(error)})")
            continue
        if whole is None or whole.name in read:
            yield _of_mapping(read, asked, takes_any, has_constants)
        else:
            adapter = adapter or adapter_of(whole, "a row")
            yield _made(whole, adapter, read)


def _of_mapping(
    row: dict[Any, Any], asked: Sequence[Parameter], takes_any: bool, has_constants: bool
) -> dict[str, Any] | Unfit:
    missing = [each.name for each in asked if each.required and each.name not in row]
    if row and asked and not (takes_any or has_constants) and all(each.name not in row for each in asked):
        missing = missing or [asked[0].name]  # all have defaults, and nothing of the row would be used
    if missing:
        return Unfit(f"{missing[0]}: there is no value; the row has {', '.join(map(str, row)) or 'none'}")
    if (column := misnamed(asked, list(row))) is not None:
        return Unfit(column)
    if takes_any:
        return {name: value for name, value in row.items() if isinstance(name, str)}
    return {each.name: row[each.name] for each in asked if each.name in row}


def _remedy(row: object) -> str:
    if isinstance(row, BaseModel):
        return "give row.model_dump(), or the rows to map"
    if is_dataclass(row):
        return "give vars(row), or the rows to map"
    return "give row._asdict()" if hasattr(row, "_asdict") else "give {'text': ...}"


def adapter_of(parameter: Parameter, part: str, where: str = "") -> TypeAdapter[Any]:
    """Return the converter of a part of a table into an argument."""
    try:
        return TypeAdapter(parameter.hint)
    except Exception as error:
        raise PromptUsageError(
            f"{where}pydantic can't read {part} into {parameter.name}: {first_line(error)}"
        ) from error


def _made(whole: Parameter, adapter: TypeAdapter[Any], row: dict[Any, Any]) -> dict[str, Any] | Unfit:
    try:
        return {whole.name: adapter.validate_python(row)}
    except ValidationError as error:
        return Unfit(f"{whole.name}: {words_of(error)}")
    except BaseException as error:  # of a validator
        if is_fatal(error):
            raise
        return Unfit(f"{whole.name}: {describe_exception(error)}")
