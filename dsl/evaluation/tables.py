"""Tables of figures, as plain text, for rich and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

_TEXT = 60  # characters of a value


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its title."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def text_of(value: object) -> str:
    """Return a value as a table shows it."""
    text = value if isinstance(value, str) else repr(value)
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else f"{line[: _TEXT - 4]} ..."


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
        f"<table><caption>{html.escape(table.title)}</caption>{_html_row(table.columns, 'th')}"
        f"{''.join(_html_row(row, 'td') for row in table.rows)}</table>"
        for table in tables
    )


def _html_row(cells: Iterable[str], kind: str) -> str:
    shown = "".join(f'<{kind} style="text-align: left">{html.escape(cell)}</{kind}>' for cell in cells)
    return f"<tr>{shown}</tr>"
