"""A module for types that are made again: references that wait for a type to be finished are looked up in it.

A type that holds itself is referred to while it is made, as `"Tree"` refers to a class whose body is being read. Such a
reference is a `ForwardRef` with a name of its own, which Python, pydantic and the compiler look up in this module.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, ForwardRef

from typing_extensions import TypeAliasType

__all__ = ["Synthetic"]

_serial = itertools.count()


class Synthetic:
    """One such module; `close` takes it away again."""

    def __init__(self) -> None:
        self.name = f"__typefold_declared_{next(_serial)}__"
        self._module = ModuleType(self.name)
        self._names: dict[ast.AST, str] = {}
        self._counter = itertools.count()
        sys.modules[self.name] = self._module

    def close(self) -> None:
        """Forget everything."""
        sys.modules.pop(self.name, None)

    def reference(self, node: ast.AST, name: str) -> ForwardRef:
        """A reference to what a statement will have made."""
        known = self._names.setdefault(node, f"{name}_{next(self._counter)}")
        return ForwardRef(known, module=self.name)

    def settle(self, node: ast.AST, made: Any) -> None:
        """Tell those that refer to it what a statement made."""
        if node in self._names:
            setattr(self._module, self._names[node], made)

    def later(self, generic: ForwardRef, arguments: Sequence[Any]) -> ForwardRef:
        """A generic type that is not finished, with its arguments."""
        names = [self._keep(argument) for argument in arguments]
        return ForwardRef(f"{generic.__forward_arg__}[{', '.join(names)}]", module=self.name)

    def alias(self, name: str, value: Any, parameters: tuple[Any, ...]) -> TypeAliasType:
        """A named alias. It takes its module from the caller, so it is called from there."""
        space = vars(self._module)
        space["__make__"] = TypeAliasType
        made: TypeAliasType = eval("lambda *args, **kwargs: __make__(*args, **kwargs)", space)(
            name, value, type_params=parameters
        )
        return made

    def _keep(self, value: Any) -> str:
        if value is ...:
            return "..."
        name = f"argument_{next(self._counter)}"
        setattr(self._module, name, value)
        return name
