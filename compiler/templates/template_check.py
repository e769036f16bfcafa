"""Jinja2's environment for prompts, and static checks of a template before it has values.

Found are names that are no parameters, attributes that a parameter's type lacks, unknown filters and tests, templates that
would be loaded from elsewhere, and single braces around a parameter. Nothing is reported that may be right: a name set
anywhere in reach counts as set, and values of unknown kinds may have any attribute.

Jinja2's nodes know only their line. Its parser copies a token's line number unread, so tokens with an offset in its place
give a tree of offsets, and errors with offsets. Importing this module imports jinja2.
"""

from __future__ import annotations

import difflib
import inspect
import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from functools import cache, partial
from math import inf
from typing import Any, Literal, TypeAlias

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import FilterArgumentError, SecurityError
from jinja2.lexer import TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from typefold.compiler.guards import signature_of
from typefold.compiler.message import text_of
from typefold.compiler.templates.braces import braces_in
from typefold.compiler.templates.value_types import UNKNOWN, Either, Elements, Fields, Kind, Like, tried

Code: TypeAlias = Literal["syntax", "name", "attribute", "operator", "filter", "braces"]
Scope: TypeAlias = dict[str, Kind]
Token: TypeAlias = tuple[int, str, str]
"""An offset, a kind and the text."""

_LARGEST = 10_000_000  # bytes, or bits of a number, that one operator of a template may make
_WIDE = re.compile(r"%[^%a-zA-Z]*(?:\d{6,}|\*)")


@dataclass(frozen=True)
class Problem:
    """A problem in a template, with its remedy, the offset of its first character and the number of characters."""

    code: Code
    message: str
    offset: int
    length: int = 1


@dataclass
class Report:
    """The problems in the order of the text, and the parameters that the template reads."""

    problems: list[Problem] = field(default_factory=list[Problem])
    used: set[str] = field(default_factory=set[str])


def check_template(
    source: str, parameters: Mapping[str, Kind], *, expected: Collection[str] = (), title: str = "the docstring"
) -> Report:
    """Check a template against the kinds of its parameters; single braces around a name of `expected` are a problem."""
    tokens: list[Token] = []
    try:
        tree = placed(source, tokens)
    except BadSyntax as error:
        message = f"{title} is no valid Jinja2 template: {error.reason}"
        return Report([Problem("syntax", message, error.offset)])
    walk = _Walk(parameters, tree, title)
    walk.all(tree.body, {})
    for offset, text in plain(tokens) if expected else ():
        for found in braces_in(text, expected, used=walk.report.used, before=source[:offset]):
            message = (
                f"the template has {found.text} in single braces, which are sent as they stand; write "
                f"{{{{ {found.shown} }}}}, or {{% raw %}}{found.text}{{% endraw %}} for the braces themselves"
            )
            walk.report.problems.append(Problem("braces", message, offset + found.start, len(found.text)))
    walk.report.problems.sort(key=lambda problem: problem.offset)
    return walk.report


def constant(expected: Iterable[str], used: Collection[str]) -> str | None:
    """The error for a template that uses none of its parameters; `None` if it uses one, or has none."""
    names = [*expected]
    if not names or not set(used).isdisjoint(names):
        return None
    every = "its parameter" if len(names) == 1 else "any of its parameters"
    return (
        f"the template does not use {every} ({', '.join(names)}), so that every call asks the same; write "
        f"{{{{ {names[0]} }}}} where its value belongs, or name a parameter that is left out on purpose _{names[0]}"
    )


_SAME_ELEMENTS = {"list", "sort", "reverse", "unique", "select", "reject", "selectattr", "rejectattr"}
_ONE_ELEMENT = {"first", "last", "random", "min", "max"}
_OF_MACROS = ("caller", "varargs", "kwargs")
_OF_BLOCKS = ("self", "super")


class _Walk:
    """A walk through a tree. Scopes hold the names that the template sets."""

    def __init__(self, parameters: Mapping[str, Kind], tree: nodes.Template, title: str) -> None:
        self.parameters = parameters
        self.tree = tree
        self.title = title
        self.blocks: set[str] = set()
        self.report = Report()

    def all(self, body: Iterable[nodes.Node], scope: Scope) -> None:
        for node in body:
            self.statement(node, scope)

    # --- statements ---------------------------------------------------------------------------------------------------

    def statement(self, node: nodes.Node, scope: Scope) -> None:
        match node:
            case nodes.Expr():
                self.kind(node, scope)
            case nodes.For():
                self._for(node, scope)
            case nodes.Assign():
                self._bind(node.target, self.kind(node.node, scope), scope)
            case nodes.AssignBlock():
                self._bind(node.target, UNKNOWN, scope)
                self._children(node, scope, leave=(node.target,))
            case nodes.With():
                kinds = [self.kind(value, scope) for value in node.values]
                inner = dict(scope)
                for target, kind in zip(node.targets, kinds, strict=True):
                    self._bind(target, kind, inner)
                self.all(node.body, inner)
            case nodes.Macro() | nodes.CallBlock():
                if isinstance(node, nodes.Macro):
                    scope[node.name] = UNKNOWN
                else:
                    self.kind(node.call, scope)
                # A macro runs later than its definition, so all names that the template sets may be set by then.
                names = (each.name for each in self.tree.find_all(nodes.Name) if each.ctx == "store")
                inner = dict.fromkeys(names, UNKNOWN) | scope
                inner |= dict.fromkeys((*_OF_MACROS, *(argument.name for argument in node.args)), UNKNOWN)
                self.all([*node.defaults, *node.body], inner)
            case nodes.Include() | nodes.Extends() | nodes.Import() | nodes.FromImport():
                message = "the template takes in another one, and prompts have none to take; put its text here"
                self._problem("syntax", message, node.lineno)
                scope.update(dict.fromkeys(_imported_names(node), UNKNOWN))
            case nodes.Block():
                if node.name in self.blocks:
                    message = f"{self.title} is no valid Jinja2 template: block {node.name!r} defined twice"
                    self._problem("syntax", message, node.lineno)
                self.blocks.add(node.name)
                self._children(node, scope)
            case nodes.If():
                branches: list[Scope] = []
                for branch in (node, *node.elif_):
                    self.kind(branch.test, scope)
                    branches.append(dict(scope))
                    self.all(branch.body, branches[-1])
                branches.append(dict(scope))
                self.all(node.else_, branches[-1])
                for name in {name for branch in branches for name in branch}:
                    scope[name] = Either.of(branch[name] for branch in branches if name in branch)
            case _:
                self._children(node, scope)

    def _for(self, node: nodes.For, scope: Scope) -> None:
        of = self.kind(node.iter, scope)
        element = of.element()
        if element is None:
            self._problem(
                "attribute",
                f"the template loops over {_text_of_expression(node.iter)}, but {of} can't be looped over",
                _beginning(node.iter),
            )
        element = element or UNKNOWN
        inner = scope | {"loop": _loop_kind(element)}
        self._bind(node.target, element, inner)
        if node.test is not None:
            self.kind(node.test, inner)
        self.all(node.body, inner)
        self.all(node.else_, dict(scope))

    def _bind(self, target: nodes.Node, kind: Kind, scope: Scope) -> None:
        if isinstance(target, nodes.Name):
            scope[target.name] = kind
        elif isinstance(target, nodes.Tuple):
            for index, part in enumerate(target.items):
                self._bind(part, kind.item(index) or UNKNOWN, scope)

    # --- expressions --------------------------------------------------------------------------------------------------

    def kind(self, node: nodes.Node, scope: Scope, *, may_lack: bool = False) -> Kind:
        """The kind of an expression; `may_lack` where the template tests whether it is defined."""
        match node:
            case nodes.TemplateData():
                return UNKNOWN
            case nodes.Name():
                return self._name(node, scope)
            case nodes.Getattr():
                of = self.kind(node.node, scope, may_lack=may_lack)
                return self._attribute(of, node.attr, _text_of_expression(node), node.lineno + 1, may_lack)
            case nodes.Getitem():
                return self._item(node, scope, may_lack)
            case nodes.Call():
                of = self.kind(node.node, scope)
                self._children(node, scope, leave=(node.node,))
                if (given := of.called()) is None:
                    message = f"the template calls {_text_of_expression(node.node)}, but {of} can't be called"
                    self._problem("operator", message, _beginning(node.node))
                return given or UNKNOWN
            case nodes.Const():
                return UNKNOWN if node.value is None else Like((node.value,))
            case nodes.List():
                return Elements(Either.of([self.kind(item, scope) for item in node.items]))
            case nodes.And() | nodes.Or():
                return Either.of([self.kind(node.left, scope), self.kind(node.right, scope)])
            case nodes.BinExpr():
                made = partial(_binary, node.operator)
                return self._operated(node.left, node.operator, node.right, made, scope)
            case nodes.Neg() | nodes.Pos():
                of = self.kind(node.node, scope)
                found = tried(operator.neg if isinstance(node, nodes.Neg) else operator.pos, of)
                if found is None:
                    message = f"the template has {node.operator}{_text_of_expression(node.node)}, and {of} has no {node.operator}"
                    self._problem("operator", message, node.lineno)
                return found or UNKNOWN
            case nodes.Compare():
                left, given = node.expr, self.kind(node.expr, scope)
                for each in node.ops:
                    sign, by = _COMPARED[each.op]
                    given = self._operated(left, sign, each.expr, by, scope)
                    left = each.expr
                return given
            case nodes.Filter():
                return self._filter(node, scope)
            case nodes.Test():
                if node.name not in environment().tests:
                    self._missing(node, "test", environment().tests)
                of = self.kind(node.node, scope, may_lack=node.name in ("defined", "undefined"))
                self._applied(node, "test", of, scope)
                return UNKNOWN
            case nodes.CondExpr():
                self.kind(node.test, scope)
                return Either.of(self.kind(each, scope) for each in (node.expr1, node.expr2) if each is not None)
            case _:
                self._children(node, scope)
                return UNKNOWN

    def _name(self, node: nodes.Name, scope: Scope) -> Kind:
        if node.name in scope:
            return scope[node.name]
        if node.name in self.parameters:
            self.report.used.add(node.name)
            if node.name == "self":
                message = "'self' has a meaning of its own in Jinja2; write the message with ask(f'...')"
                self._problem("name", message, node.lineno, len(node.name))
            return self.parameters[node.name]
        if node.name not in environment().globals and node.name not in _OF_BLOCKS:
            self._unknown(node)
        return UNKNOWN

    def _unknown(self, node: nodes.Name) -> None:
        otherwise = f"; the parameters are {', '.join(self.parameters) or 'none'}"
        message = f"the template uses {node.name!r}, which is no parameter"
        self._problem("name", message + _nearest(node.name, self.parameters, otherwise), node.lineno, len(node.name))

    def _attribute(self, of: Kind, name: str, text: str, offset: int, may_lack: bool) -> Kind:
        found = of.attribute(name)
        if found is None and not may_lack:
            message = f"the template reads {text}, but {of} has no {name!r}{_nearest(name, of.names())}"
            self._problem("attribute", message, offset, len(name))
        elif found is not None and name.startswith("_") and of is not UNKNOWN:
            message = f"the template reads {text}, and a template may not read what begins with an underscore"
            self._problem("attribute", message, offset, len(name))
        return found or UNKNOWN

    def _item(self, node: nodes.Getitem, scope: Scope, may_lack: bool) -> Kind:
        of, key = self.kind(node.node, scope, may_lack=may_lack), node.arg
        self._children(node, scope, leave=(node.node,))
        known: object = (
            key.value if isinstance(key, nodes.Const) else slice(None) if isinstance(key, nodes.Slice) else ...
        )
        found = of.item(known)
        if found is None and isinstance(known, str):
            return self._attribute(of, known, _text_of_expression(node), key.lineno + 1, may_lack)
        if found is None and not may_lack:
            lacking = "can't be sliced" if isinstance(key, nodes.Slice) else "has no such item"
            message = f"the template reads {_text_of_expression(node)}, but {of} {lacking}"
            self._problem("attribute", message, _beginning(node))
        return found or UNKNOWN

    def _operated(
        self, left: nodes.Node, sign: str, right: nodes.Node, by: Callable[[Any, Any], object], scope: Scope
    ) -> Kind:
        kinds = self.kind(left, scope), self.kind(right, scope)
        found = tried(by, *kinds)
        if found is None:
            shown = f"{_text_of_expression(left)} {sign} {_text_of_expression(right)}"
            message = f"the template has {shown}, and there is no {sign} between {kinds[0]} and {kinds[1]}"
            self._problem("operator", message, _beginning(left))
        return found or UNKNOWN

    def _applied(
        self, node: nodes.Filter | nodes.Test, what: Literal["filter", "test"], of: Kind, scope: Scope
    ) -> Kind:
        """The kind of what a filter or a test gives, whose arguments and value must be such as it takes."""
        function: Any = (environment().filters if what == "filter" else environment().tests).get(node.name)
        given = [self.kind(argument, scope) for argument in node.args]
        named = {str(keyword.key): self.kind(keyword.value, scope) for keyword in node.kwargs}
        self._children(node, scope, leave=(node.node, *node.args, *node.kwargs))
        if function is None or node.dyn_args is not None or node.dyn_kwargs is not None:
            return UNKNOWN
        if (takes := _unfit_arguments(function, len(given), named)) is not None:
            message = f"the {what} {node.name!r} does not take these arguments; it takes {takes}"
            self._problem("filter", message, node.lineno, len(node.name))
            return UNKNOWN
        if (
            node.node is None
            or node.name in _NOT_TRIED
            or "attribute" in named
            or (isinstance(of, Elements) and of.of is UNKNOWN)
        ):
            return UNKNOWN
        found = tried(lambda *values: _apply(what, node.name, values, [*named]), of, *given, *named.values())
        if found is None:
            shown = ", ".join(map(str, (*given, *named.values())))
            message = f"the {what} {node.name!r} can't take {of}{f' with {shown}' if shown else ''}"
            self._problem("filter", message, node.lineno, len(node.name))
        return found or UNKNOWN

    def _filter(self, node: nodes.Filter, scope: Scope) -> Kind:
        name = node.name
        if name not in environment().filters:
            self._missing(node, "filter", environment().filters)
        of = UNKNOWN if node.node is None else self.kind(node.node, scope, may_lack=name in ("default", "d"))
        found = self._applied(node, "filter", of, scope)
        element = of.element() or UNKNOWN
        attribute = _attribute_argument(node)
        if attribute is not None:
            for part in attribute.value.split("."):
                text = f"{attribute.value!r} of each of {_text_of_expression(node.node)}"
                element = self._attribute(element, part, text, attribute.lineno + 1, may_lack=False)
        if name == "map" and attribute is not None:
            return Elements(element)
        if name in _SAME_ELEMENTS:
            return Elements(of.element() or UNKNOWN)
        return (of.element() or UNKNOWN) if name in _ONE_ELEMENT else found

    def _children(self, node: nodes.Node, scope: Scope, leave: Sequence[nodes.Node | None] = ()) -> None:
        for child in node.iter_child_nodes():
            if not any(child is left for left in leave):
                self.statement(child, scope)

    # --- findings -----------------------------------------------------------------------------------------------------

    def _missing(self, node: nodes.Filter | nodes.Test, what: Literal["filter", "test"], known: Iterable[str]) -> None:
        message = f"there is no {what} {node.name!r}{_nearest(node.name, known)}"
        self._problem("filter", message, node.lineno, len(node.name) if what == "filter" else 2)

    def _problem(self, code: Code, message: str, offset: int, length: int = 1) -> None:
        self.report.problems.append(Problem(code, message, offset, length))


def _nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else otherwise


_INDEXES = ("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0")
_ATTRIBUTE_FIRST = {"selectattr", "rejectattr", "groupby"}
_ATTRIBUTE_NAMED = {"map", "sort", "unique", "min", "max", "sum", "join"}


_NOT_TRIED = {
    *("map", "select", "reject", "selectattr", "rejectattr", "groupby", "format", "attr", "xmlattr", "urlize"),
    *("random", "default", "d", "pprint", "defined", "undefined", "none", "filter", "test", "callable", "escaped"),
    "sameas",
}
"""Filters and tests that work on whatever they are given, or whose work is not for a check."""
_COMPARED: Mapping[str, tuple[str, Callable[[Any, Any], object]]] = {
    **{"eq": ("==", operator.eq), "ne": ("!=", operator.ne), "lt": ("<", operator.lt), "lteq": ("<=", operator.le)},
    **{"gt": (">", operator.gt), "gteq": (">=", operator.ge)},
    "in": ("in", lambda left, right: left in right),
    "notin": ("not in", lambda left, right: left not in right),
}


def _binary(sign: str, left: Any, right: Any) -> object:
    return environment().call_binop(_context(), sign, left, right)


@cache
def _context() -> Context:
    return environment().from_string("").new_context()


def _apply(what: Literal["filter", "test"], name: str, values: Sequence[Any], named: Sequence[str]) -> object:
    if any(
        (isinstance(each, int) and abs(each) > 1000) or (isinstance(each, str) and len(each) > 1000) for each in values
    ):
        raise ValueError("too much work for a check")
    at = len(values) - len(named)
    plain, kwargs = values[:at], dict(zip(named, values[at:], strict=True))
    call = environment().call_filter if what == "filter" else environment().call_test
    try:
        made: Any = call(name, plain[0], plain[1:], kwargs, context=_context(), eval_ctx=_context().eval_ctx)
        return [*made] if inspect.isgenerator(made) else made
    except FilterArgumentError as error:
        raise TypeError(str(error)) from error


@cache
def _signature(function: Any) -> inspect.Signature | None:
    """The signature of a filter or a test; `None` of some that are written in C."""
    try:
        return signature_of(function)
    except (TypeError, ValueError):
        return None


def _unfit_arguments(function: Any, given: int, named: Iterable[str]) -> str | None:
    """The arguments that a filter or a test takes beside its value, if not these; `None` if these are right."""
    if (signature := _signature(function)) is None:
        return None
    hidden = 2 if hasattr(inspect.unwrap(function), "jinja_pass_arg") else 1
    try:
        signature.bind(*[None] * (hidden + given), **dict.fromkeys(named))
    except TypeError:
        shown = [str(each.replace(annotation=each.empty)) for each in signature.parameters.values()]
        return ", ".join(shown[hidden:]) or "none"
    return None


def _imported_names(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Import):
        yield node.target
    elif isinstance(node, nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in node.names)


def _loop_kind(element: Kind) -> Kind:
    known: dict[str, Kind] = dict.fromkeys(("cycle", "changed"), UNKNOWN)
    known |= {name: Like((name in ("first", "last") or 1,)) for name in _INDEXES}
    return Fields("loop", known | {"previtem": element, "nextitem": element})


def _attribute_argument(node: nodes.Filter) -> nodes.Const | None:
    given: list[Any] = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
    if node.name in _ATTRIBUTE_FIRST:
        given += node.args[:1]
    elif node.name not in _ATTRIBUTE_NAMED:
        return None
    found = given[0] if given else None
    return found if isinstance(found, nodes.Const) and isinstance(found.value, str) else None


def _beginning(node: nodes.Node) -> int:
    """The offset of an expression. An attribute's own offset is that of its dot."""
    while isinstance(node, (nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Filter, nodes.Test)):
        if node.node is None:
            break
        node = node.node
    return node.lineno


def _text_of_expression(node: nodes.Node | None) -> str:
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr():
            return f"{_text_of_expression(node.node)}.{node.attr}"
        case nodes.Getitem(arg=nodes.Const() as key):
            return f"{_text_of_expression(node.node)}[{key.value!r}]"
        case nodes.Getitem(arg=nodes.Slice()):
            return f"{_text_of_expression(node.node)}[...:...]"
        case nodes.Const():
            return repr(node.value)
        case nodes.Call():
            return f"{_text_of_expression(node.node)}(...)"
        case nodes.Filter():
            return f"{_text_of_expression(node.node)}|{node.name}"
        case _:
            return "..."


class _Sandbox(SandboxedEnvironment):
    """Jinja2's sandbox with a limit on the values that operators make. The optimiser skips intercepted operators too."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if _made(operator, left, right) > _LARGEST:
            raise SecurityError(
                f"the template makes a value of more than {_LARGEST:,} characters or bits with {operator}"
            )
        return super().call_binop(context, operator, left, right)


def _made(operator: str, left: Any, right: Any) -> float:
    match operator, left, right:
        case "**", int(), int():
            return abs(left).bit_length() * max(right, 0)
        case "*", int(), int():
            return left.bit_length() + right.bit_length()
        case "*", int(), Sized():
            return left * len(right)
        case "*", Sized(), int():
            return right * len(left)
        case "%", str(), _:
            return inf if _WIDE.search(left) else 0
        case _:
            return 0


class BadSyntax(ValueError):
    """A template that Jinja2 can't read: its message, and the offset at which it noticed."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset


@cache
def environment() -> SandboxedEnvironment:
    """The environment that parses and renders the templates of prompts."""
    return _Sandbox(
        undefined=StrictUndefined,
        finalize=_shown,
        autoescape=False,  # prompts are no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def placed(source: str, tokens: list[Token] | None = None) -> nodes.Template:
    """Parse a template, and collect its tokens; a node's `lineno` is the offset of its token. Raises BadSyntax."""
    reader = environment()
    try:
        parser = Parser(reader, "")
        parser.stream = TokenStream(reader.lexer.wrap(_tokens(source, [] if tokens is None else tokens)), None, None)
        return nodes.Template(parser.subparse(), lineno=1)  # `parse` also tells each node its environment
    except TemplateSyntaxError as error:
        raise BadSyntax((error.message or "it can't be read").rstrip("."), min(error.lineno, len(source))) from error


def plain(tokens: Iterable[Token]) -> Iterator[tuple[int, str]]:
    """The literal texts of a template with their offsets, except those in `{% raw %}`."""
    raw = False
    for start, kind, text in tokens:
        if kind == "data" and not raw:
            yield start, text
        raw = kind == "raw_begin" or (raw and kind != "raw_end")


def _tokens(source: str, tokens: list[Token]) -> Iterator[Token]:
    """Collect the lexer's tokens, with offsets in place of lines. It drops only whitespace between them, so each is found."""
    end = 0
    try:
        for _, kind, text in environment().lexer.tokeniter(source, None):
            start = source.find(text, end)
            end = start + len(text)
            tokens.append(token := (start, kind, text))
            yield token
    except TemplateSyntaxError as error:
        blank = len(source[end:]) - len(source[end:].lstrip())
        message = re.sub(r" at \d+$", "", error.message or "it can't be read")  # of the line that it was read in
        raise TemplateSyntaxError(message, end + blank) from error


def _shown(value: object) -> object:
    return value if isinstance(value, Undefined) else text_of(value)  # an undefined one raises when it is shown
