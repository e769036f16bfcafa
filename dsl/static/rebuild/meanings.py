"""What a name in a source may stand for, as far as types are concerned."""

from __future__ import annotations

import ast
import importlib
import sys
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from typefold.static.sources import Scope

__all__ = ["Declared", "Known", "Meaning", "ModuleName", "Names", "Unknown", "Where", "is_library", "library_object"]


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
        """Whether the program registers a wire form of its own for a class, or may do so."""
        ...


# What may be imported here although the program that is looked at may not have been: declarations are made of these.
_LIBRARIES = {
    "annotated_types",
    "attr",
    "attrs",
    "msgspec",
    "pydantic",
    "pydantic_core",
    "typefold",
    "typing_extensions",
}
_NOT_OURS = {"__main__", "antigravity", "idlelib", "lib2to3", "test", "this", "turtledemo"}


def is_library(module: str) -> bool:
    """Whether a module's objects are taken from this process."""
    top = module.partition(".")[0]
    return top in _LIBRARIES or (top in sys.stdlib_module_names and top not in _NOT_OURS)


def library_object(module: str, path: str) -> Known | None:
    """An object of a library by its name, with dots if it is inside a class."""
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception:  # not installed here, or another there: a library may raise anything on import
        return None
    return Known(found)
