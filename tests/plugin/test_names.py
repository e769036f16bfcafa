"""The full names by which the plugin knows typefold's objects lead to their definitions."""

from __future__ import annotations

import ast
import importlib
import inspect
from operator import attrgetter
from typing import Any

import pytest

import typefold
import typefold.compiler
from typefold.mypy import names

OBJECTS: dict[str, Any] = {
    names.PROMPT: typefold.prompt,
    names.EXAMPLE: typefold.example,
    names.ASK: typefold.ask,
    names.OUTPUT_TYPE: typefold.compiler.output_type,
    names.DEFERRED: typefold.Deferred,
    **{full: getattr(typefold, full.rpartition(".")[2]) for full in names.ANSWERS},
}


def table() -> list[str]:
    """Every full name of the table."""
    found: list[Any] = [each for name, each in vars(names).items() if name.isupper() and isinstance(each, (str, set))]
    return sorted(full for each in found for full in ([each] if isinstance(each, str) else each))


@pytest.mark.parametrize("full", table())
def test_a_full_name_leads_to_a_definition(full: str) -> None:
    parts = full.split(".")
    length = next(index for index, part in enumerate(parts) if part[:1].isupper() or index == len(parts) - 1)
    module = importlib.import_module(".".join(parts[:length]))
    defined = {getattr(node, "name", None) for node in ast.parse(inspect.getsource(module)).body}
    assert parts[length] in defined, "the plugin's table names another module than the one that defines it"
    found = attrgetter(".".join(parts[length:]))(module)
    assert found is OBJECTS.get(full, found)
