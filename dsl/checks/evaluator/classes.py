"""Classes made again from their bodies: the same bases, annotations, defaults and decorators, and no methods.

A class goes through the machinery of its bases and decorators, so a pydantic model becomes one, an enum an enum. A class
becomes an opaque type if its making can't be followed: by a decorator or a metaclass of the program's own, or by an
unknown base.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import types
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any, Generic

import pydantic.dataclasses

from typefold.checks.evaluator.operations import is_field
from typefold.checks.evaluator.stand_ins import Expressions, is_opaque, opaque
from typefold.checks.libraries import is_base, is_metaclass, is_optional
from typefold.checks.source import Declared, Unknown, Where
from typefold.compiler.guards import is_dict
from typefold.compiler.registry import default_registry

_SILENT_DECORATORS = {"final", "runtime_checkable", "total_ordering", "unique", "verify", "deprecated", "override"}
_MAKERS = (dataclasses.dataclass, pydantic.dataclasses.dataclass)
_ATTRS_MAKERS = (
    *("attr.define", "attr.mutable", "attr.frozen", "attr.attrs", "attr.s", "attr.dataclass", "attr.attributes"),
    *("attrs.define", "attrs.mutable", "attrs.frozen"),
)
_KEPT_METHODS = {"__hash__", "__eq__", "__post_init__", "__attrs_post_init__"}
_OPENING_METHODS = {"__getattr__", "__getattribute__"}
"""With one of these, an instance has attributes that nothing declares."""
_HIDDEN_IN_ENUMS = {"__new__", "__init__", "_generate_next_value_"}
_KEPT_VALUES = {"model_config", "_constraints", "__slots__", "__pydantic_config__"}


class Classes:
    """Makes classes; the evaluator evaluates the expressions in their bodies."""

    def __init__(self, evaluator: Expressions) -> None:
        self._evaluator = evaluator
        self._classes: set[type[Any]] = set()

    def is_made(self, value: object) -> bool:
        return isinstance(value, type) and (
            value in self._classes or is_opaque(value) or self.is_made(_generic_origin(value))
        )

    def made(self, node: ast.ClassDef, where: Where) -> Any:
        """Make a class, or an opaque one if it can't be made."""
        try:
            return self._make(node, where)
        except Exception:  # unknown, or the program itself would fail here and say so
            return opaque()

    def _make(self, node: ast.ClassDef, where: Where) -> Any:
        decorators = [self._decorator(decorator, where) for decorator in node.decorator_list]
        inside = Where(where.module, (*where.around, node))
        bases = [self._base(base, inside) for base in node.bases]
        is_model = any(_is_model(base) for base in bases)
        if parameters := getattr(node, "type_params", ()):
            variables = tuple(self._evaluator.named_type(Declared(each, inside)) for each in parameters)
            bases.append(Generic[variables])  # type: ignore[index]  # pyright: ignore[reportInvalidTypeArguments]
        keywords = self._keywords(node, where)

        def body(space: MutableMapping[str, Any]) -> None:
            self._fill(space, node, replace(inside, local=space))
            if is_model:
                config = space.get("model_config")
                space["model_config"] = {**(config if is_dict(config) else {}), "defer_build": True}

        made: Any = types.new_class(node.name, tuple(bases), keywords, body)
        self._classes.add(made)
        makers = [decorator for decorator in decorators if decorator is not None]
        has_form = makers or default_registry.find(made) is not None  # the compiler knows the class by its kind
        if not has_form and self._evaluator.names.has_hook(node):
            return opaque()
        for decorator in reversed(makers):
            made = decorator(made)
        self._classes.add(made)  # with slots, a decorator makes another class
        return made

    def _base(self, node: ast.expr, where: Where) -> Any:
        base = self._evaluator.hint(node, where)
        origin = _generic_origin(base) or getattr(base, "__origin__", base)
        if is_opaque(base) or not (is_base(origin) or self.is_made(origin)):
            raise Unknown
        return base

    def _keywords(self, node: ast.ClassDef, where: Where) -> dict[str, Any]:
        keywords: dict[str, Any] = {}
        for each in node.keywords:
            if each.arg is None:
                raise Unknown
            if each.arg != "metaclass":
                keywords[each.arg] = self._evaluator.value(each.value, where)
            elif not is_metaclass(metaclass := self._evaluator.function(each.value, where)):
                raise Unknown
            else:
                keywords[each.arg] = metaclass
        return keywords

    def _decorator(self, node: ast.expr, where: Where) -> Any:
        """Return a decorator that makes the class another, or `None` for one that says nothing of the type."""
        function = self._evaluator.function(node.func if isinstance(node, ast.Call) else node, where)
        if getattr(function, "__name__", "") in _SILENT_DECORATORS:
            return None
        if not any(function is each for each in _MAKERS) and not is_optional(function, *_ATTRS_MAKERS):
            raise Unknown
        if not isinstance(node, ast.Call):
            return function
        keywords = {str(each.arg): self._evaluator.value(each.value, where) for each in node.keywords}
        if any(name != "config" and not isinstance(value, bool | None) for name, value in keywords.items()):
            raise Unknown  # attrs writes the names in its arguments into code
        return function(**keywords)

    def _fill(self, space: MutableMapping[str, Any], node: ast.ClassDef, where: Where) -> None:
        space["__module__"] = self._evaluator.synthetic.name
        space["__qualname__"] = _qualified(node, where)
        is_enum = type(space) is type(enum.EnumMeta.__prepare__("_", (enum.Enum,)))
        annotations: dict[str, Any] = {}
        names: set[str] = set()
        if (document := ast.get_docstring(node)) is not None:
            space["__doc__"] = document
        for statement in node.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name)):
                    annotations[name] = self._evaluator.hint(statement.annotation, where)
                    if statement.value is not None and not is_enum:
                        space[name] = self._default(statement.value, where)
                case ast.Assign(targets=[ast.Name(id=name)]) if is_enum or name in _KEPT_VALUES:
                    space[name] = self._assigned(statement.value, where, strict=is_enum)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    if is_enum and name in _HIDDEN_IN_ENUMS:
                        raise Unknown
                    if name in _KEPT_METHODS or not name.startswith("__"):
                        space[name] = _method
                    names |= {name} if name.startswith("__") else set()
                    if name not in _OPENING_METHODS:
                        inside = (each for each in ast.walk(statement) if isinstance(each, ast.Attribute))
                        names |= {each.attr for each in inside if isinstance(each.ctx, ast.Store)}  # set on self
                case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try() | ast.Match():
                    raise Unknown
                case _:
                    pass
        if names and not is_enum:
            space["__typefold_names__"] = frozenset(names)
        if annotations:
            space["__annotations__"] = annotations

    def _default(self, node: ast.expr, where: Where) -> Any:
        """Return a field's default, or its description. The value of a default says nothing of the type."""
        try:
            value = self._evaluator.value(node, where)
        except Unknown:
            if isinstance(node, ast.Call) and self._describes_field(node, where):
                raise
            return None
        return None if isinstance(value, (list, dict, set)) else value

    def _describes_field(self, node: ast.Call, where: Where) -> bool:
        try:
            return is_field(self._evaluator.function(node.func, where))
        except Unknown:
            return False

    def _assigned(self, node: ast.expr, where: Where, *, strict: bool) -> Any:
        """Return an assigned value; of a configuration, the settings that can be known."""
        try:
            return self._evaluator.value(node, where)
        except Unknown:
            if strict or not isinstance(node, (ast.Call, ast.Dict)):
                raise
        pairs: list[tuple[Any, ast.expr]]
        if isinstance(node, ast.Call):
            pairs = [(each.arg, each.value) for each in node.keywords]
        else:
            pairs = [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True)]
        known: dict[str, Any] = {}
        for name, value in pairs:
            try:
                known[str(name)] = self._evaluator.value(value, where)
            except Unknown:
                continue
        return known


def _generic_origin(cls: object) -> Any:
    """The generic model of a pydantic model with type arguments, or `None`."""
    generic: Any = getattr(cls, "__pydantic_generic_metadata__", None) if isinstance(cls, type) else None
    return generic.get("origin") if is_dict(generic) else None


def _is_model(base: Any) -> bool:
    origin = getattr(base, "__origin__", base)
    return isinstance(origin, type) and issubclass(origin, pydantic.BaseModel)


def _qualified(node: ast.ClassDef, where: Where) -> str:
    names: list[str] = []
    for scope in where.around[:-1]:
        names.append(getattr(scope, "name", "<lambda>"))
        if not isinstance(scope, ast.ClassDef):
            names.append("<locals>")
    return ".".join([*names, node.name])


def _method(self: Any, *args: Any) -> Any:
    """Stand for a method of which only its being there counts."""
    return NotImplemented
