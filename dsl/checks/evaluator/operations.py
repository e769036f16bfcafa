"""The calls in declarations that are made: of what describes types, and of nothing else.

`Field(ge=0)`, `NewType("Id", int)`, `date(2024, 1, 1)` describe, and are on the list in `libraries`; any other function may
do anything, so it is not called, and what it would give is unknown. In a description of a field, what says nothing of the
type (its default, its title) need not be known.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import pydantic
import typing_extensions

from typefold.checks.evaluator.operators import sized
from typefold.checks.libraries import is_base, is_callable
from typefold.checks.symbols import Unknown, Where
from typefold.compiler.limits import KEYWORDS

if TYPE_CHECKING:
    from typefold.checks.evaluator.evaluate import Evaluator

__all__ = ["called", "is_field"]

_WHOLE = (dict, frozenset, len, list, max, min, set, sorted, sum, tuple)
"""Functions that go through all that they are given."""
_FINITE = (str, bytes, list, tuple, set, frozenset, dict)
_DEFAULTS = {"default": None, "default_factory": lambda: None, "factory": lambda: None}
_NAMED = (*KEYWORDS, "alias", "validation_alias", "init", "kw_only", "discriminator", "name", "exclude", "frozen")
"""What a description of a field says that the compiler listens to, apart from its default."""


def called(evaluator: Evaluator, node: ast.Call, where: Where, local: Mapping[str, Any]) -> Any:
    """What a call in a declaration gives.

    Raises:
        Unknown: That can't be known.
    """
    function = evaluator.function(node.func, where, local)
    for kind, make in _TYPES:
        if function is kind:
            return _safely(make, evaluator, node, where)
    if is_field(function):
        return _field(evaluator, function, node, where, local)
    if not is_callable(function):
        raise Unknown
    arguments = [evaluator.value(argument, where, local) for argument in node.args]
    keywords = {_keyword(each): evaluator.value(each.value, where, local) for each in node.keywords}
    _check(function, arguments, keywords)
    return sized(_safely(function, *arguments, **keywords))


def is_field(function: object) -> bool:
    """Whether it describes a field of a class."""
    if any(function is each for each in (pydantic.Field, pydantic.PrivateAttr, dataclasses.field)):
        return True
    return any(
        function is getattr(sys.modules.get(module), name, _DEFAULTS)
        for module, name in (("attr", "ib"), ("attr", "field"), ("attrs", "field"), ("msgspec", "field"))
    )


def _check(function: Any, arguments: list[Any], keywords: Mapping[str, Any]) -> None:
    """Refuse arguments by which a function that is called would work for ever, or make a class of anything.

    Raises:
        Unknown: It would.
    """
    first = arguments[0] if arguments else None
    if any(function is each for each in _WHOLE):
        compared = len(arguments) > 1 and function in (max, min)
        if arguments and not compared and not isinstance(first, (*_FINITE, enum.EnumMeta)):
            raise Unknown
    elif (function is bytes and isinstance(first, int)) or (
        isinstance(function, enum.EnumMeta)
        and not (
            keywords.keys() <= {"names", "value", "type", "start"}
            and (keywords.get("type") is None or is_base(keywords["type"]))
        )
    ):
        raise Unknown
    elif function is Fraction and isinstance(first, str):
        sized(_safely(Decimal, first.partition("/")[0]))


def _field(evaluator: Evaluator, function: Any, node: ast.Call, where: Where, local: Mapping[str, Any]) -> Any:
    """A description of a field, as far as it says something of the type."""
    arguments: list[Any] = []
    keywords: dict[str, Any] = {}
    for argument in node.args[:1]:  # the default
        try:
            arguments.append(evaluator.value(argument, where, local))
        except Unknown:
            arguments.append(None)
    written = str(function.__module__).startswith("attr")  # attrs writes code with what it is given
    for each in node.keywords:
        name = _keyword(each)
        if written and name not in {*_NAMED, *_DEFAULTS, "type", "converter", "validator"}:
            continue
        try:
            if name == "type":
                keywords[name] = evaluator.hint(each.value, where)
                continue
            keywords[name] = evaluator.value(each.value, where, local)
            if written and name == "alias" and not _is_name(keywords[name]):
                raise Unknown
        except Unknown:
            if name in _DEFAULTS:
                keywords[name] = _DEFAULTS[name]
            elif name in _NAMED:
                raise
    return _safely(function, *arguments, **keywords)


def _is_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.isidentifier() and not iskeyword(value))


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


_TYPES: Sequence[tuple[Any, Callable[[Evaluator, ast.Call, Where], Any]]] = (
    (typing.NewType, _new_type),
    (typing_extensions.NewType, _new_type),
    (typing.TypeVar, _type_var),
    (typing_extensions.TypeVar, _type_var),
    (typing_extensions.TypeAliasType, _alias_type),
    (getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType), _alias_type),
    (typing.TypedDict, _typed_dict),
    (typing_extensions.TypedDict, _typed_dict),
    (typing.NamedTuple, _named_tuple),
    (typing_extensions.NamedTuple, _named_tuple),
)
