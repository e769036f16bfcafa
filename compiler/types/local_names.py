"""Names that the annotations of a function's own classes mention, looked up in the scopes where those classes are.

Under `from __future__ import annotations` a class in a function names its neighbours as text, and forgets the function.
While the function runs, its frame is on the stack and is found by its qualified name; a prompt keeps the names of the scope
in which it was decorated. Values are taken and never frames, and no more of them than annotations mention.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from inspect import currentframe
from types import FrameType
from typing import Any, ForwardRef, get_args, get_type_hints

from typing_extensions import Format, get_annotations

from typefold.compiler.context import Context


def resolved_hints(cls: Any, context: Context) -> dict[str, Any]:
    """A class's annotations with forward references looked up; inherited ones included."""
    names = mentioned_names(cls, context)
    fields = getattr(cls, "__pydantic_fields__", {}) if cls.__dict__.get("__pydantic_complete__") else {}
    read = {name: info.rebuild_annotation() for name, info in fields.items()}
    if read and hides_names(cls, context):
        return read  # whatever a pydantic dataclass took the names for, it checks its values by that
    try:
        return get_type_hints(cls, localns=names or None, include_extras=True)
    except NameError as error:
        if read:  # pydantic knew the scope
            return read
        raise context.refuse(cls, f"refers to a name that is not defined ({error})") from error


def mentioned_names(cls: Any, context: Context) -> dict[str, Any]:
    """The names of functions' scopes that the annotations of a class mention, noted for pydantic; none of a module's class."""
    bases = [base for base in getattr(cls, "__mro__", (cls,)) if "<locals>" in getattr(base, "__qualname__", "")]
    mentioned: set[str] = set()
    for base in bases:
        found = get_annotations(base, format=Format.FORWARDREF) if isinstance(base, type) else {}
        mentioned.update(*map(_mentioned, found.values()))
    names: dict[str, Any] = {}
    for scope in _scopes(bases, context.compilation.namespace) if mentioned else ():
        names |= {name: scope[name] for name in mentioned & scope.keys()}
    modules = [vars(sys.modules[base.__module__]) for base in bases if base.__module__ in sys.modules]
    for base in bases:  # a class of a class: typing looks there last, and not at all where names are given
        own = {name: getattr(base, name) for name in mentioned if names and name in base.__dict__}
        hidden = {name for name in own if not isinstance(own[name], type) or any(name in each for each in modules)}
        names = {name: own[name] for name in own.keys() - hidden} | names
    note_names(names, context)
    return names


def hides_names(cls: Any, context: Context) -> bool:
    """Whether names of a function hide those of the module, which pydantic prefers in a dataclass of the standard library."""
    module, names = vars(sys.modules.get(cls.__module__, sys)), context.compilation.names
    return "<locals>" in cls.__qualname__ and any(module.get(name, each) is not each for name, each in names.items())


def note_names(names: Mapping[str, Any], context: Context) -> None:
    """Keep names for the adapters that pydantic makes of the whole type."""
    known = context.compilation.names
    for name, value in names.items():
        if known.setdefault(name, value) is not value:
            raise context.refuse(
                value, f"and {known[name]!r} are both called {name} in annotations that are text; rename one of them"
            )


def find_name(name: str, cls: Any, context: Context) -> Any:
    """The value of a name in the scopes around a class; raises `KeyError`."""
    found = [scope[name] for scope in _scopes([cls], context.compilation.namespace) if name in scope]
    if not found:
        raise KeyError(name)
    return found[-1]


def _mentioned(hint: Any) -> set[str]:
    """The names that an annotation has as text."""
    text = hint.__forward_arg__ if isinstance(hint, ForwardRef) else hint
    if not isinstance(text, str):
        return set[str]().union(*map(_mentioned, get_args(hint)))
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return set()
    return set(_names_of(tree))


def _names_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _mentioned(node.value)
    is_literal = isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal")
    for child in ast.iter_child_nodes(node):
        if not is_literal and not (isinstance(node, ast.Call) and isinstance(child, ast.keyword | ast.Constant)):
            yield from _names_of(child)
        elif isinstance(child, ast.keyword):
            yield from (each.id for each in ast.walk(child) if isinstance(each, ast.Name))


def _scopes(classes: Iterable[Any], given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The scopes in which names of the classes may be, the nearest last: functions of the module, the given one, their own."""
    owners = {(cls.__module__, cls.__qualname__) for cls in classes}
    near: list[Mapping[str, Any]] = []
    own: list[Mapping[str, Any]] = []
    for frame in _frames():
        module = frame.f_globals.get("__name__")
        if frame.f_code.co_name == "<module>" or not any(module == each for each, _ in owners):
            continue
        around = [name for each, name in owners if each == module]
        is_own = any(name.startswith(f"{frame.f_code.co_qualname}.<locals>.") for name in around)
        (own if is_own else near).append(dict(frame.f_locals))
    return [*reversed(near), given, *reversed(own)]


def _frames() -> Iterator[FrameType]:
    frame = currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back
