"""The calls in declarations that are made: of what describes types, and of nothing else.

`Field(ge=0)`, `NewType("Id", int)`, `date(2024, 1, 1)` describe; a function of the program may do anything, so it is not
called, and what it would give is unknown. In a description of a field, what says nothing of the type (its default, its
title) need not be known.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import re
import sys
import typing
from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pydantic
import typing_extensions

from typefold.compiler.limits import KEYWORDS
from typefold.static.rebuild.meanings import Unknown, Where

if TYPE_CHECKING:
    from typefold.static.rebuild.evaluate import Evaluator

__all__ = ["called", "is_field"]

_MODULES = {"annotated_types", "datetime", "decimal", "fractions", "ipaddress", "pydantic", "pydantic_core", "uuid"}
_FUNCTIONS: set[Any] = {
    *(int, float, str, bool, bytes, list, tuple, set, frozenset, dict, len, min, max, sum, sorted),
    *(re.compile, enum.auto, namedtuple),
}
_DEFAULTS = {"default": None, "default_factory": lambda: None, "factory": lambda: None}
_NAMED = (*KEYWORDS, "alias", "validation_alias", "init", "kw_only", "discriminator", "name", "exclude", "frozen")
"""What a description of a field says that the compiler listens to, apart from its default."""


def called(evaluator: Evaluator, node: ast.Call, where: Where, local: Mapping[str, Any]) -> Any:
    """What a call in a declaration gives.

    Raises:
        Unknown: That can't be known.
    """
    function = evaluator.value(node.func, where, local)
    described = _TYPES.get(function)
    if described is not None:
        return _safely(described, evaluator, node, where)
    if is_field(function):
        return _field(evaluator, function, node, where, local)
    if not _is_allowed(function):
        raise Unknown
    arguments = [evaluator.value(argument, where, local) for argument in node.args]
    keywords = {_keyword(each): evaluator.value(each.value, where, local) for each in node.keywords}
    return _safely(function, *arguments, **keywords)


def is_field(function: object) -> bool:
    """Whether it describes a field of a class."""
    if function in (pydantic.Field, pydantic.PrivateAttr, dataclasses.field):
        return True
    return any(
        function is getattr(sys.modules.get(module), name, _MODULES)
        for module, name in (("attr", "ib"), ("attr", "field"), ("attrs", "field"), ("msgspec", "field"))
    )


def _is_allowed(function: Any) -> bool:
    module = str(getattr(function, "__module__", None))
    if module.startswith("typefold."):
        return module.startswith("typefold.compiler.hooks.") and isinstance(function, type)
    if isinstance(function, type) and issubclass(function, enum.Enum):
        return True
    try:
        return function in _FUNCTIONS or module.partition(".")[0] in {*_MODULES, "msgspec"}
    except TypeError:  # unhashable
        return False


def _field(evaluator: Evaluator, function: Any, node: ast.Call, where: Where, local: Mapping[str, Any]) -> Any:
    """A description of a field, as far as it says something of the type."""
    arguments: list[Any] = []
    keywords: dict[str, Any] = {}
    for argument in node.args[:1]:  # the default
        try:
            arguments.append(evaluator.value(argument, where, local))
        except Unknown:
            arguments.append(None)
    for each in node.keywords:
        name = _keyword(each)
        try:
            keywords[name] = evaluator.value(each.value, where, local)
        except Unknown:
            if name in _DEFAULTS:
                keywords[name] = _DEFAULTS[name]
            elif name in _NAMED:
                raise
    return _safely(function, *arguments, **keywords)


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise Unknown
    return keyword.arg


def _safely(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    try:
        return function(*arguments, **keywords)
    except Unknown:
        raise
    except Exception as error:  # the program would fail there too, and say so itself
        raise Unknown from error


# --- functions whose arguments are types ------------------------------------------------------------------------------


def _new_type(evaluator: Evaluator, node: ast.Call, where: Where) -> Any:
    name, kind = node.args
    made: Any = typing.NewType
    return made(evaluator.value(name, where), evaluator.hint(kind, where))


def _type_var(evaluator: Evaluator, node: ast.Call, where: Where) -> Any:
    name, *constraints = node.args
    hints = [evaluator.hint(constraint, where) for constraint in constraints]
    keywords: dict[str, Any] = {
        _keyword(each): evaluator.hint(each.value, where) for each in node.keywords if each.arg in ("bound", "default")
    }
    made: Any = typing_extensions.TypeVar
    return made(evaluator.value(name, where), *hints, **keywords)


def _alias_type(evaluator: Evaluator, node: ast.Call, where: Where) -> Any:
    name, value = node.args
    parameters = [each.value for each in node.keywords if each.arg == "type_params"]
    variables = evaluator.value(parameters[0], where) if parameters else ()
    return evaluator.synthetic.alias(evaluator.value(name, where), evaluator.hint(value, where), variables)


def _typed_dict(evaluator: Evaluator, node: ast.Call, where: Where) -> Any:
    name, fields = node.args
    if not isinstance(fields, ast.Dict) or None in fields.keys:
        raise Unknown
    keys = [evaluator.value(key, where) for key in fields.keys if key is not None]
    hints = dict(zip(keys, (evaluator.hint(value, where) for value in fields.values), strict=True))
    total = all(evaluator.value(each.value, where) for each in node.keywords if each.arg == "total")
    made: Any = typing_extensions.TypedDict
    return made(evaluator.value(name, where), hints, total=total)


def _named_tuple(evaluator: Evaluator, node: ast.Call, where: Where) -> Any:
    name, fields = node.args
    if not isinstance(fields, (ast.List, ast.Tuple)):
        raise Unknown
    pairs = [(field.elts[0], field.elts[1]) for field in fields.elts if isinstance(field, ast.Tuple)]
    made: Any = typing.NamedTuple
    return made(
        evaluator.value(name, where),
        [(evaluator.value(key, where), evaluator.hint(kind, where)) for key, kind in pairs],
    )


_TYPES: Mapping[Any, Callable[[Evaluator, ast.Call, Where], Any]] = {
    typing.NewType: _new_type,
    typing_extensions.NewType: _new_type,
    typing.TypeVar: _type_var,
    typing_extensions.TypeVar: _type_var,
    typing_extensions.TypeAliasType: _alias_type,
    getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType): _alias_type,
    typing.TypedDict: _typed_dict,
    typing_extensions.TypedDict: _typed_dict,
    typing.NamedTuple: _named_tuple,
    typing_extensions.NamedTuple: _named_tuple,
}
