"""Meanings of names in a source, as far as types are concerned."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from typefold.checks.source import Scope


class Unknown(Exception):
    """A meaning that can't be known without running the program."""


@dataclass(frozen=True)
class Where:
    """A place from which names are looked up: a module, and the scopes around it, the outermost first.

    `local` has the values of names that the body of the innermost class has defined so far.
    """

    module: str
    around: tuple[Scope, ...] = ()
    local: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Known:
    """An object of a library that is there in this process too."""

    value: Any


@dataclass(frozen=True)
class ModuleName:
    """A module."""

    name: str


@dataclass(frozen=True)
class Declared:
    """A statement (or a type parameter) of the program that gives the name its meaning, and its place."""

    node: ast.AST
    where: Where


Meaning: TypeAlias = Known | ModuleName | Declared
