"""Tables of figures, as plain text, for rich and as HTML."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from typefold.compiler.guards import is_dict, is_list_or_tuple
from typefold.evaluation.intervals import Estimate

if TYPE_CHECKING:
    from rich.console import RenderableType

_TEXT = 60  # characters of a value


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its title."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Shown:
    """Base class of what is shown as tables: as text, by rich and in notebooks."""

    def tables(self) -> Iterator[Table]:
        """Yield the tables."""
        raise NotImplementedError

    def __str__(self) -> str:
        return as_text(self.tables())

    def __rich__(self) -> RenderableType:
        return as_rich(self.tables())

    def _repr_html_(self) -> str:
        return as_html(self.tables())


def text_of(value: object) -> str:
    """Return a value as a table shows it; arguments by name as a call has them."""
    if is_dict(value):
        value = ", ".join(f"{name}={part!r}" for name, part in value.items())
    text = value if isinstance(value, str) else repr(value)
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else f"{line[: _TEXT - 4]} ..."


def figures_as_json(figures: dict[str, Any]) -> str:
    """Return figures as a JSON object, estimates as objects."""
    return json.dumps(_plain(figures), indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        ends = {"value": float(value), "low": value.low, "high": value.high, "rows": value.rows}
        return {name: each if math.isfinite(each) else None for name, each in ends.items()}
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if is_dict(value):
        return {str(name): _plain(each) for name, each in value.items()}
    if is_list_or_tuple(value):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else text_of(value)


def as_text(tables: Iterable[Table]) -> str:
    """Return tables as plain text."""
    return "\n\n".join("\n".join(_lines(table)) for table in tables)


def _lines(table: Table) -> Iterable[str]:
    rows = [table.columns, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield table.title
    for row in rows:
        yield "  ".join(["", *map(str.ljust, row, widths)]).rstrip()


def as_rich(tables: Iterable[Table]) -> RenderableType:
    """Return tables for rich."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    made: list[RichTable] = []
    for table in tables:
        shown = RichTable(title=Text(table.title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD)
        for column in table.columns:
            shown.add_column(Text(column), overflow="fold")
        for row in table.rows:
            shown.add_row(*map(Text, row))
        made.append(shown)
    return Group(*made)


def as_html(tables: Iterable[Table]) -> str:
    """Return tables as HTML."""
    return "".join(
        f'<table><caption style="text-align: left">{html.escape(table.title)}</caption>{_html_row(table.columns, "th")}'
        f"{''.join(_html_row(row, 'td') for row in table.rows)}</table>"
        for table in tables
    )


def _html_row(cells: Iterable[str], kind: str) -> str:
    shown = "".join(f'<{kind} style="text-align: left">{html.escape(cell)}</{kind}>' for cell in cells)
    return f"<tr>{shown}</tr>"
