"""Annotations and the expressions in them, evaluated without running the program.

`Evaluator.hint` gives the type that an annotation means. A part that can't be known becomes an opaque type, so that the
rest still counts. `Evaluator.value` gives the value of a plain expression (a bound, a pattern, the member of an enum), or
raises `Unknown`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Annotated, Any, ForwardRef, Literal, TypeVar, Union, get_origin

import typing_extensions

from typefold.checks.evaluator.classes import Classes
from typefold.checks.evaluator.operations import binary, called, sized, unary
from typefold.checks.evaluator.stand_ins import Synthetic, is_opaque, opaque, stub, stub_of
from typefold.checks.libraries import is_argument, is_library, is_subscriptable, library_object
from typefold.checks.scopes import Names
from typefold.checks.source import Declared, Known, Meaning, ModuleName, Unknown, Where

_LITERALS = (Literal, typing_extensions.Literal)
_PARTS = 5000
"""A type or a value of more parts than this, or of parts that stand deeper in each other than `_DEPTH`, is not made."""
_DEPTH = 60


class Evaluator:
    """Evaluates annotations, with names looked up by `Names`. Each object is made once."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.synthetic = Synthetic()
        self.classes = Classes(self)
        self._made: dict[ast.AST, Any] = {}
        self._values: dict[ast.AST, Any] = {}
        self._making: set[ast.AST] = set()
        self._weights: dict[int, tuple[Any, int, int]] = {}

    # --- types --------------------------------------------------------------------------------------------------------

    def hint(self, node: ast.expr, where: Where) -> Any:
        try:
            made = self._hint(node, where)
        except (Unknown, RecursionError, MemoryError):
            return opaque()
        return opaque() if isinstance(made, str) else made  # else typing would evaluate it

    def _hint(self, node: ast.expr, where: Where) -> Any:
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Constant(value=str() as text):
                return self._hint(_parsed(text), where)
            case ast.Name() | ast.Attribute():
                return self.named_type(self._meaning(node, where))
            case ast.Subscript():
                return self._subscript(node, where)
            case ast.BinOp(op=ast.BitOr()):
                return self._applied(Union, (self.hint(node.left, where), self.hint(node.right, where)))
            case ast.Call():
                return self.value(node, where)
            case _:
                raise Unknown

    def _subscript(self, node: ast.Subscript, where: Where) -> Any:
        base = self._hint(node.value, where)
        parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if base in _LITERALS:
            return self._applied(base, tuple(self.value(part, where) for part in parts))
        if base in (Annotated, typing_extensions.Annotated):
            marks = tuple(self.value(mark, where) for mark in parts[1:])
            return self._applied(Annotated, (self.hint(parts[0], where), *marks))
        arguments = tuple(self._argument(part, where) for part in parts)
        if isinstance(base, ForwardRef):
            return self.synthetic.later(base, arguments)
        if is_opaque(base):
            raise Unknown
        one_tuple = isinstance(node.slice, ast.Tuple) and not node.slice.elts  # tuple[()]
        return self._applied(base, arguments if len(arguments) != 1 or one_tuple else arguments[0])

    def _argument(self, node: ast.expr, where: Where) -> Any:
        if isinstance(node, ast.List):
            arguments = [self._argument(part, where) for part in node.elts]
            return self._weighed(arguments, arguments)
        if isinstance(node, ast.Constant) and node.value is ...:
            return ...
        return self.hint(node, where)

    def _applied(self, base: Any, arguments: Any) -> Any:
        if not is_subscriptable(base):
            raise Unknown
        try:
            made = base[arguments]
        except Exception as error:  # the program itself would fail there, or a type is opaque where none may be
            raise Unknown from error
        return self._weighed(made, [base, *arguments] if isinstance(arguments, (tuple, list)) else [base, arguments])

    def _weighed(self, made: Any, parts: Iterable[Any]) -> Any:
        """Return an object made of parts, or raise `Unknown` if it is too large or too deep to be walked through.

        A few lines can make a type of a million parts, each of twice the one above.
        """
        weights = [self._weight(part) for part in parts]
        size = 1 + sum(size for size, _ in weights)
        depth = 1 + max((depth for _, depth in weights), default=0)
        if size > _PARTS or depth > _DEPTH:
            raise Unknown
        self._weights[id(made)] = made, size, depth
        return made

    def _weight(self, part: Any) -> tuple[int, int]:
        known = self._weights.get(id(part))
        return (known[1], known[2]) if known is not None else (1, 0)

    def named_type(self, meaning: Meaning) -> Any:
        match meaning:
            case Known():
                return meaning.value
            case Declared(node=ast.ClassDef() as cls, where=place):
                return self._once(cls, self._made, lambda: self.classes.made(cls, place))
            case Declared(node=ast.Assign() | ast.AnnAssign() as assigned, where=place):
                return self._once(assigned, self._made, lambda: self._hint(_right_side(assigned), place))
            case Declared():
                return self._parameter_or_alias(meaning)
            case _:
                raise Unknown

    def _once(self, node: ast.AST, made_before: dict[ast.AST, Any], make: Callable[[], Any]) -> Any:
        """Return the object that a statement makes, made the first time; a reference to it while it is being made."""
        if node in made_before:
            return made_before[node]
        if node in self._making:
            return self.synthetic.reference(node, _name_of(node))
        self._making.add(node)
        try:
            made = make()
        finally:
            self._making.discard(node)
        self.synthetic.settle(node, made)
        made_before[node] = made
        return made

    def _parameter_or_alias(self, declared: Declared) -> Any:
        """`type Name = ...` and `[T]`, which Python has since 3.12."""
        node: Any = declared.node
        kind = type(node).__name__
        if kind == "TypeAlias":
            return self._once(node, self._made, lambda: self._new_style(node, declared.where))
        if kind == "TypeVar":
            if node not in self._made:
                bound = None if node.bound is None else self.hint(node.bound, declared.where)
                variable: Any = TypeVar
                self._made[node] = variable(node.name, bound=bound)
            return self._made[node]
        raise Unknown

    def _new_style(self, node: Any, where: Where) -> Any:
        inside = Where(where.module, (*where.around, node))
        parameters = tuple(self.named_type(Declared(each, inside)) for each in node.type_params)
        return self.synthetic.alias(node.name.id, self.hint(node.value, inside), parameters)

    # --- values -------------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr, where: Where) -> Any:
        try:
            return self._value(node, where)
        except (RecursionError, MemoryError):
            raise Unknown from None

    def _value(self, node: ast.expr, where: Where) -> Any:
        match node:
            case ast.Constant():
                return sized(node.value)
            case ast.Name() if where.local is not None and node.id in where.local:
                return self._handed(where.local[node.id])
            case ast.Name() | ast.Attribute():
                return self._value_of(node, where)
            case ast.Call():
                return called(self, node, where)
            case ast.UnaryOp():
                return unary(node.op, self._value(node.operand, where))
            case ast.BinOp():
                return binary(node.op, self._value(node.left, where), self._value(node.right, where))
            case ast.Tuple() | ast.List() | ast.Set():
                items = [self._value(item, where) for item in node.elts]
                make = tuple if isinstance(node, ast.Tuple) else list if isinstance(node, ast.List) else set
                return self._collected(make, items, items)
            case ast.Dict() if None not in node.keys:
                keys = [self._value(key, where) for key in node.keys if key is not None]
                values = [self._value(value, where) for value in node.values]
                return self._collected(dict, zip(keys, values, strict=True), [*keys, *values])
            case ast.Subscript():
                return self._hint(node, where)
            case ast.Lambda():
                return stub("<lambda>", node.args)
            case _:
                raise Unknown

    def function(self, node: ast.expr, where: Where) -> Any:
        """Return the very function that a name calls, or raise `Unknown`; as a value it would be a stub."""
        match self.meaning(node, where):
            case Known(value=value) if not isinstance(value, ModuleType):
                return value
            case Declared(node=ast.Assign(value=ast.Name() | ast.Attribute() as value) as statement, where=place):
                if statement in self._making:
                    raise Unknown
                self._making.add(statement)
                try:
                    return self.function(value, place)
                finally:
                    self._making.discard(statement)
            case _:
                return self.value(node, where)

    def _collected(self, make: Callable[[Any], Any], items: Any, parts: list[Any]) -> Any:
        try:
            return self._weighed(make(items), parts)
        except TypeError:  # of what can't be hashed
            raise Unknown from None

    def _handed(self, value: Any) -> Any:
        """Return an object in a form that others may call: a library's function becomes a stub, a type `Unknown`."""
        if not callable(value) or is_argument(value) or self.classes.is_made(value):
            return value
        if isinstance(value, type):
            raise Unknown
        return value if is_subscriptable(value) else stub_of(value)

    def _value_of(self, node: ast.Name | ast.Attribute, where: Where) -> Any:
        try:
            meaning = self._meaning(node, where)
        except Unknown:
            if isinstance(node, ast.Attribute):  # a member of an enum, a method of a class
                return _attribute(self.value(node.value, where), node.attr)
            raise
        match meaning:
            case Known(value=value) if not isinstance(value, ModuleType):
                return self._handed(value)
            case Declared(node=ast.FunctionDef() | ast.AsyncFunctionDef() as function):
                return stub(function.name, function.args)
            case Declared(node=ast.Assign() | ast.AnnAssign() as statement, where=place):
                if statement in self._making:
                    raise Unknown
                # A call gives one object, such as a type variable; other expressions may mean a type or a value.
                made_before = self._made if isinstance(statement.value, ast.Call) else self._values
                return self._once(statement, made_before, lambda: self.value(_right_side(statement), place))
            case Declared():
                made = self.named_type(meaning)
                if isinstance(made, ForwardRef) or is_opaque(made):
                    raise Unknown
                return made
            case _:
                raise Unknown

    # --- names --------------------------------------------------------------------------------------------------------

    def _meaning(self, node: ast.expr, where: Where) -> Meaning:
        found = self.meaning(node, where)
        if found is None:
            raise Unknown
        return found

    def meaning(self, node: ast.expr, where: Where) -> Meaning | None:
        if isinstance(node, ast.Name):
            return self.names.meaning(node.id, where)
        if not isinstance(node, ast.Attribute):
            return None
        match self.meaning(node.value, where):
            case ModuleName(name=module):
                self.names.use(where.module, module)
                return self.names.member(module, node.attr)
            case Known(value=ModuleType() as module) if is_library(module.__name__):
                return library_object(module.__name__, node.attr)
            case Known(value=type() as cls):
                found = None if node.attr.startswith("_") else getattr(cls, node.attr, None)
                return None if found is None else Known(found)
            case Declared(node=ast.ClassDef() as cls, where=place):
                inside = Where(place.module, (*place.around, cls))
                inner = [each for each in cls.body if isinstance(each, ast.ClassDef) and each.name == node.attr]
                return Declared(inner[0], inside) if inner else None
            case _:
                return None


def _attribute(owner: Any, name: str) -> Any:
    if not isinstance(owner, type) or get_origin(owner) is not None or name.startswith("_"):
        raise Unknown
    try:
        return getattr(owner, name)
    except AttributeError:
        raise Unknown from None


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unknown from None


def _right_side(node: ast.Assign | ast.AnnAssign) -> ast.expr:
    if node.value is None:
        raise Unknown
    return node.value


def _name_of(node: ast.AST) -> str:
    named = getattr(node, "name", None) or getattr(node, "target", None) or getattr(node, "targets", [None])[0]
    return named if isinstance(named, str) else str(getattr(named, "id", "alias"))
