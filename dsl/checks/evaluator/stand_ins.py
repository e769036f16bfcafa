"""Stand-ins for objects that can't be had without running the program.

Opaque types stand for unknown types: the compiler takes them for right. Stub functions stand for validators and
factories, of which only name and parameters count. References stand for types that are still being made.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, ForwardRef, Protocol, get_args

from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from typefold.checks.scopes import Names
from typefold.checks.source import Declared, Meaning, Where
from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import Lit
from typefold.compiler.registry import Registry, default_registry

REGISTRY = Registry(parent=default_registry)
"""The compiler's hooks, and one for opaque types."""

_MARK = "__typefold_opaque__"
_serial = itertools.count()


def opaque() -> type[Any]:
    """Make a type of which nothing is known; each is another, and shares no text with any type."""

    def schema(cls: Any, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.any_schema()

    return type("Opaque", (), {_MARK: next(_serial), "__get_pydantic_core_schema__": classmethod(schema)})


def is_opaque(hint: object) -> bool:
    """Whether a type is a stand-in."""
    return isinstance(hint, type) and _MARK in vars(hint)


def has_opaque(hint: object) -> bool:
    """Whether a stand-in is the type, or part of its annotation, or a reference that came to nothing."""
    return is_opaque(hint) or isinstance(hint, ForwardRef) or any(has_opaque(part) for part in get_args(hint))


@REGISTRY.hook_factory(is_opaque)
def opaque_codec(hint: Any, context: Context) -> Codec[Any]:
    """A text that no other type writes, so that it clashes with nothing."""
    text = Lit(f"\x00{getattr(hint, _MARK)}")
    return Codec(text, {"type": "string"}, str, str, lambda value: True, native=False)


def stub(name: str, arguments: ast.arguments) -> Callable[..., Any]:
    """Make a function that does nothing, with the name and the parameters of one of the program's."""
    kind = inspect.Parameter
    parameters = [kind(each.arg, kind.POSITIONAL_OR_KEYWORD) for each in (*arguments.posonlyargs, *arguments.args)]
    first_default = len(parameters) - len(arguments.defaults)
    parameters[first_default:] = [each.replace(default=None) for each in parameters[first_default:]]
    if arguments.vararg is not None:
        parameters.append(kind(arguments.vararg.arg, kind.VAR_POSITIONAL))
    return _nothing(name, inspect.Signature(parameters))


def stub_of(function: Any) -> Callable[..., Any]:
    """Make a function that does nothing, with the signature of one of a library's."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # as many that are written in C
        signature = inspect.Signature([inspect.Parameter("value", inspect.Parameter.POSITIONAL_OR_KEYWORD)])
    return _nothing(str(getattr(function, "__name__", "function")), signature)


def _nothing(name: str, signature: inspect.Signature) -> Callable[..., Any]:
    def made(*args: Any, **kwargs: Any) -> None:
        return None

    made.__name__ = made.__qualname__ = name
    made.__signature__ = signature  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    return made


class Expressions(Protocol):
    """The evaluator, as calls and classes see it: each expression in them is evaluated by it."""

    names: Names
    synthetic: Synthetic

    def hint(self, node: ast.expr, where: Where) -> Any: ...
    def value(self, node: ast.expr, where: Where) -> Any: ...
    def function(self, node: ast.expr, where: Where) -> Any: ...
    def meaning(self, node: ast.expr, where: Where) -> Meaning | None: ...
    def named_type(self, meaning: Declared) -> Any: ...


class Synthetic:
    """A module in which references are looked up to types that are still being made.

    `"Tree"` refers to a class while its body is read. Such a reference is a `ForwardRef` with a name of its own, which
    Python, pydantic and the compiler look up in this module. `close` takes the module away again.
    """

    def __init__(self) -> None:
        self.name = f"__typefold_declared_{next(_serial)}__"
        self._module = ModuleType(self.name)
        self._names: dict[ast.AST, str] = {}
        self._counter = itertools.count()
        sys.modules[self.name] = self._module

    def close(self) -> None:
        sys.modules.pop(self.name, None)

    def reference(self, node: ast.AST, name: str) -> ForwardRef:
        known = self._names.setdefault(node, f"{name}_{next(self._counter)}")
        return ForwardRef(known, module=self.name)

    def settle(self, node: ast.AST, made: Any) -> None:
        """Let the references to a statement lead to the type that it made."""
        if node in self._names:
            setattr(self._module, self._names[node], made)

    def later(self, generic: ForwardRef, arguments: Sequence[Any]) -> ForwardRef:
        names = [self._keep(argument) for argument in arguments]
        return ForwardRef(f"{generic.__forward_arg__}[{', '.join(names)}]", module=self.name)

    def alias(self, name: str, value: Any, parameters: tuple[Any, ...]) -> TypeAliasType:
        """Make a named alias. It takes its module from the caller, so it is called from there."""
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
