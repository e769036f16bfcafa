"""Results of benchmarks: a table for people, JSON for programs."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Rows = list[dict[str, Any]]


def show(tables: dict[str, Rows], path: Path | None) -> None:
    """Print each table; write all of them to `path` if there is one."""
    for title, rows in tables.items():
        table = Table(*rows[0], title=title)
        for row in rows:
            table.add_row(*(escape(str(value)) for value in row.values()))  # a type has brackets, as markup has
        Console(width=160).print(table)
    if path is not None:
        path.write_text(json.dumps(tables, indent=1))
