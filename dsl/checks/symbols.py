"""What a name in a source may stand for, as far as types are concerned."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from typefold.checks.source import Scope

__all__ = ["Declared", "Known", "Meaning", "ModuleName", "Names", "Unknown", "Where"]


class Unknown(Exception):
    """What stands there can't be known without running the program."""


@dataclass(frozen=True)
class Where:
    """A place from which names are looked up.

    Attributes:
        module: The module's name.
        around: The classes and functions around the place, the outermost first.
    """

    module: str
    around: tuple[Scope, ...] = ()


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
    """A statement (or a type parameter) of the program that gives the name its meaning, and where it stands."""

    node: ast.AST
    where: Where


Meaning: TypeAlias = Known | ModuleName | Declared


class Names(Protocol):
    """Looks names up as Python would."""

    def meaning(self, name: str, where: Where) -> Meaning | None:
        """What a name stands for at a place, or `None` if that can't be known."""
        ...

    def member(self, module: str, name: str) -> Meaning | None:
        """What a name in another module stands for."""
        ...

    def use(self, module: str, other: str) -> None:
        """Note that what a module declares is made of what another declares."""
        ...

    def has_hook(self, declared: Declared) -> bool:
        """Whether the program registers a codec for a class, or may do so."""
        ...
