"""Where a hook stands while a type is compiled: its path, the limits there, and the way on to the parts.

One `Compilation` serves one root type: it holds the named rules (recursion goes by name), the schema's definitions and
the post-checks. A type that is named by a rule is compiled once, however often it occurs; while it is being compiled its
own occurrences inside it are knots: codecs that look the finished one up when they are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from pydantic import ConfigDict, Field, PydanticSchemaGenerationError, TypeAdapter

from typefold.compiler.codec import Codec
from typefold.compiler.errors import UnsupportedType
from typefold.compiler.grammar.nodes import EMPTY, Expr, Ref, children
from typefold.compiler.guards import class_of
from typefold.compiler.limits import KEYWORDS, Limits
from typefold.compiler.wire_format import Spacing

__all__ = ["MAX_DEPTH", "MAX_PLACES", "Compilation", "Context", "Hook", "refuse_endless"]

Hook: TypeAlias = Callable[[Any, "Context"], Codec[Any]]

_RESERVED = ("root", "start", "true", "false", "json_value", "json_number")  # words of the dialects, rules of `Any`
MAX_DEPTH = 64  # types nested deeper than this are refused; JSON readers and grammar compilers have limits near it
MAX_IN_PLACE = 2_000  # nodes of an expression; a larger part of a type is written once, as a rule
MAX_PLACES = 20_000  # parts of a type, one for each time that it is written out


@dataclass
class Compilation:
    """The state of compiling one root type."""

    find_hook: Callable[[Any], Hook | None]
    spacing: Spacing
    rules: dict[str, Expr] = field(default_factory=dict[str, Expr])
    definitions: dict[str, Any] = field(default_factory=dict[str, Any])
    fresh: dict[tuple[str, Expr], str] = field(default_factory=dict[tuple[str, Expr], str])  # rules without a type
    numbers: dict[str, int] = field(default_factory=dict[str, int])  # the last of their names, by stem
    parts: int = 0
    checks: dict[str, None] = field(default_factory=dict[str, None])
    enforced: dict[str, None] = field(default_factory=dict[str, None])
    places: dict[str, Expr] = field(default_factory=dict[str, Expr])  # the outer ones first
    named: dict[Any, str] = field(default_factory=dict[Any, str])
    with_fields: set[str] = field(default_factory=set[str])  # names of objects with fields
    positional: bool = False  # whether such objects are arrays, here
    expansions: int = 0  # parts whose data must be expanded before pydantic reads it
    finished: dict[str, Codec[Any]] = field(default_factory=dict[str, Codec[Any]])
    owners: list[Any] = field(default_factory=list[Any])  # the classes being compiled, the innermost last
    later: list[Callable[[], None]] = field(
        default_factory=list[Callable[[], None]]
    )  # to be done when every rule is known
    foreign: frozenset[str] = frozenset()  # names known not to be pydantic's own
    trusted: set[str] = field(
        default_factory=set[str]
    )  # names that were taken for pydantic's own before that was known
    misjudged: set[str] = field(default_factory=set[str])  # names of these that are not; it takes another compilation
    sizes: dict[int, tuple[Expr, int]] = field(default_factory=dict[int, tuple[Expr, int]])  # by identity

    def size(self, expr: Expr) -> int:
        """The nodes of an expression, written out."""
        if (known := self.sizes.get(id(expr))) is not None:
            return known[1]
        size = 1 + sum(map(self.size, children(expr)))
        self.sizes[id(expr)] = expr, size
        return size


@dataclass(frozen=True)
class Context:
    """A place in a type.

    Attributes:
        path: The place, such as `return.items[0].when`.
        limits: What `Annotated` says here.
        compilation: The state shared by all places of one root type.
        depth: How deeply the place is nested.
    """

    path: str
    limits: Limits
    compilation: Compilation
    depth: int = 0

    @property
    def spacing(self) -> Spacing:
        """How JSON is spaced in this compilation."""
        return self.compilation.spacing

    @property
    def positional(self) -> bool:
        """Whether objects with fields are arrays here."""
        return self.compilation.positional

    @property
    def is_root(self) -> bool:
        """Whether this is the whole type and no part of one."""
        return self.depth == 1

    @property
    def has_python_patterns(self) -> bool:
        """Whether pydantic reads patterns here by Python's engine: the innermost class with a configuration says it."""
        for owner in reversed(self.compilation.owners):
            for name in ("model_config", "__pydantic_config__"):
                config = getattr(get_origin(owner) or owner, name, None)
                if config is not None:
                    return bool(config.get("regex_engine") == "python-re")
        return False

    def codec(self, hint: Any, at: str = "", *, metadata: tuple[Any, ...] = ()) -> Codec[Any]:
        """The codec of a part.

        Args:
            hint: The part's type, `Annotated` or not.
            at: What to add to the path: `[0]`, `.when`.
            metadata: Annotations that stand apart from the type, as in pydantic's fields.

        Raises:
            UnsupportedType: The part cannot be compiled; the error names its path.
        """
        while get_origin(hint) is Annotated:
            hint, *inner = get_args(hint)
            metadata = (*inner, *metadata)
        place = Context(self.path + at, Limits(metadata), self.compilation, self.depth + 1)
        if place.depth > MAX_DEPTH:
            raise place.refuse(hint, f"is nested deeper than {MAX_DEPTH} levels")
        self.compilation.parts += 1
        if self.compilation.parts > MAX_PLACES:
            raise place.refuse(
                hint,
                f"is part {MAX_PLACES + 1:,} of its type, which is too large to be compiled; name what occurs in it again "
                "and again (a model, a dataclass), which is compiled once",
            )
        hook = self.compilation.find_hook(hint)
        if hook is None:
            raise place.refuse(
                hint,
                "has no JSON form; use a pydantic model, a dataclass or a built-in type, "
                "or register a hook (typefold.compiler.default_registry.hook)",
            )
        self.compilation.places.setdefault(place.path, EMPTY)
        before = self.compilation.expansions
        codec = hook(hint, place)
        if codec.expand is not None:
            self.compilation.expansions += 1
        elif codec.native and self.compilation.expansions > before:
            codec = replace(
                codec, native=False
            )  # a hook of the user's that knows nothing of arrays reads its own parts
        if not place.is_root and not isinstance(codec.expr, Ref) and self.compilation.size(codec.expr) > MAX_IN_PLACE:
            # A list writes its item twice, so lists of lists would double the grammar with each level.
            codec = replace(codec, expr=place.fresh_rule("part", codec.expr))
        self.compilation.places[place.path] = codec.expr
        if reason := place.limits.refusal():
            raise place.refuse(hint, reason)
        for limit in place.limits.held():
            self.compilation.enforced[f"{place.path}: {limit}"] = None
        left = tuple(place.limits.left())
        for check in left:
            place.check(check)
        if left:
            by_python = place.has_python_patterns and "pattern" in place.limits.names()
            codec = _checked(codec, hint, metadata, self.spacing, by_python=by_python)
        return replace(codec, plain=False) if place.limits.changing else codec

    def same(self, hint: Any) -> Codec[Any]:
        """The codec of another type at this very place, under the same limits: for aliases and new types."""
        while get_origin(hint) is Annotated:
            hint, *inner = get_args(hint)
            self.limits.add(inner)
        hook = self.compilation.find_hook(hint)
        if hook is None or self.depth > MAX_DEPTH:
            raise self.refuse(hint, "has no JSON form")
        return hook(hint, Context(self.path, self.limits, self.compilation, self.depth + 1))

    @contextmanager
    def keys(self) -> Generator[None]:
        """Objects in the block have their keys in every format: for hooks whose own code reads them."""
        before, self.compilation.positional = self.compilation.positional, False
        try:
            yield
        finally:
            self.compilation.positional = before

    def refuse(self, hint: Any, reason: str) -> UnsupportedType:
        """The error to raise for a type that cannot be compiled here."""
        return UnsupportedType(self.path, hint, reason)

    def allow(self, hint: Any, *names: str) -> None:
        """Refuse every limit here but these: it says nothing of such a type, and would fail on each value."""
        for name in self.limits.names():
            if name not in names:
                raise self.refuse(hint, f"has the limit {name}, which does not apply to it")

    def check(self, name: str) -> None:
        """Note a post-check: something that decoding cannot enforce at this place."""
        self.compilation.checks[f"{self.path}: {name}"] = None

    def rule(self, name: str, expr: Expr) -> Ref:
        """A rule that several places share."""
        self.compilation.rules.setdefault(name, expr)
        return Ref(name)

    def fresh_rule(self, base: str, expr: Expr) -> Ref:
        """A rule under a name of its own, made from `base`; the same expression shares one."""
        state, stem = self.compilation, _identifier(base)
        if (name := state.fresh.get((stem, expr))) is None:
            number = state.numbers.get(stem, 0) + 1
            while f"{stem}_{number}" in state.rules or f"{stem}_{number}" in state.named.values():
                number += 1
            state.numbers[stem] = number
            name = state.fresh[stem, expr] = f"{stem}_{number}"
        return self.rule(name, expr)

    def named(self, hint: Any, build: Callable[[], Codec[Any]], *, has_fields: bool = False) -> Codec[Any]:
        """The codec of a type that may occur in itself, by a rule with its name.

        Args:
            hint: The type.
            build: Makes the codec.
            has_fields: Whether the type is an object with fields, which may be written as an array.
        """
        state = self.compilation
        if hint in state.named:
            name = state.named[hint]
            return state.finished.get(name) or _knot(state, name)
        name = _rule_name(hint, {*state.named.values(), *state.rules})
        state.named[hint] = name
        if has_fields:
            state.with_fields.add(name)
        owners = [hint] if isinstance(get_origin(hint) or hint, type) else []
        state.owners += owners
        made = build()
        del state.owners[len(state.owners) - len(owners) :]
        state.rules[name] = made.expr
        state.definitions[name] = made.schema
        if name in state.trusted and not made.native:
            state.misjudged.add(name)
        codec = Codec(
            Ref(name),
            {"$ref": f"#/$defs/{name}"},
            made.to_json,
            made.from_json,
            made.accepts,
            bare=made.bare,
            native=made.native,
            plain=made.plain,
            expand=made.expand,
        )
        state.finished[name] = codec
        return codec


def _checked(
    codec: Codec[Any], hint: Any, metadata: tuple[Any, ...], spacing: Spacing, *, by_python: bool
) -> Codec[Any]:
    """The codec, with what decoding cannot enforce left to pydantic also where a hook reads the value, not pydantic."""

    @cache
    def adapter() -> TypeAdapter[Any]:
        annotated: Any = Annotated[hint, *map(_for_pydantic, metadata)]
        try:
            return TypeAdapter(annotated, config=ConfigDict(regex_engine="python-re") if by_python else None)
        except PydanticSchemaGenerationError:  # a class that pydantic does not know, and tests by isinstance
            return TypeAdapter(annotated, config=ConfigDict(arbitrary_types_allowed=True))

    def from_json(data: Any) -> Any:
        if codec.native:
            return adapter().validate_json(spacing.dump(codec.expanded(data)))
        return adapter().validate_python(codec.from_json(data))

    return replace(codec, from_json=from_json)


def _for_pydantic(mark: Any) -> Any:
    """The annotation in pydantic's words: it knows nothing of msgspec's."""
    if type(mark).__module__.partition(".")[0] != "msgspec":
        return mark
    return Field(**{name: getattr(mark, name) for name in KEYWORDS if getattr(mark, name, None) is not None})


def _knot(state: Compilation, name: str) -> Codec[Any]:
    if name not in state.foreign:
        state.trusted.add(name)
    return Codec(
        Ref(name),
        {"$ref": f"#/$defs/{name}"},
        to_json=lambda value: state.finished[name].to_json(value),
        from_json=lambda data: state.finished[name].from_json(data),
        accepts=lambda value: state.finished[name].accepts(value),
        native=name not in state.foreign,
        expand=(lambda data: state.finished[name].expanded(data)) if state.positional else None,
    )


def _identifier(text: str) -> str:
    """A rule name that every dialect takes."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    return name if name[:1].isalpha() else f"type_{name}".rstrip("_")


def _rule_name(hint: Any, used: Iterable[str]) -> str:
    """A name for a type's rule; only clashing names get a number."""
    base = _identifier(getattr(hint, "__name__", None) or str(hint))
    name, number = base, 2
    while name in used or name in _RESERVED:
        name, number = f"{base}_{number}", number + 1
    return name


def refuse_endless(hint: Any, path: str, *, function: str | None = None) -> None:
    """Look through a type's arguments.

    Args:
        hint: The annotation.
        path: What errors call it.
        function: Whose annotation it is.

    Raises:
        UnsupportedType: They are too many, or nested too deeply.

    Example:
        >>> refuse_endless(dict[str, list[int]], "return")
    """
    pending: list[tuple[Any, int]] = [(hint, 0)]
    count = 0
    while pending:
        part, depth = pending.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_PLACES:
            deep = f"nested deeper than {MAX_DEPTH} levels"
            many = f"made of more than {MAX_PLACES:,} parts"
            remedy = "name what occurs in it again and again (a model, a dataclass)"
            reason = f"is {deep if depth > MAX_DEPTH else many}; {remedy}"
            raise UnsupportedType(path, get_origin(hint) or class_of(hint), reason, function=function)
        origin = get_origin(part)
        if origin is not None and origin is not Literal:
            arguments: tuple[Any, ...] = get_args(part)
            parts = arguments[:1] if origin is Annotated else arguments
            pending += [(each, depth + 1) for each in parts]
