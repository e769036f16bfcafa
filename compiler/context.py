"""The context of a hook while a type is compiled: its path, the limits there, and the codecs of parts.

One `Compilation` serves one root type. It holds the named rules (recursion goes by name), the schema's definitions and the
post-checks. A type with a rule of its own is compiled once. Its occurrences inside itself are forward references: codecs
that look up the finished one when they are used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from pydantic import ConfigDict, Field, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic_core import to_json as to_json_text

from typefold.compiler.codec import Codec, JsonSchema, adapter_of
from typefold.compiler.contained import is_fatal
from typefold.compiler.errors import UnsupportedType, describe
from typefold.compiler.grammar.nodes import EMPTY, Expr, Ref, children
from typefold.compiler.guards import class_of, split_annotated
from typefold.compiler.json_format import JsonFormat
from typefold.compiler.limits import KEYWORDS, Limits, with_description

Hook: TypeAlias = Callable[[Any, "Context"], Codec[Any]]

# Names of the dialects and of rules of `Any`.
_RESERVED = ("root", "start", "true", "false", "json_value", "json_number")
MAX_DEPTH = 64  # levels of nesting of a type; JSON parsers and grammar compilers have limits near it
MAX_PARTS = 20_000  # parts of a type; a part counts each time that it is written out
_CONFIGURED = {f"str_{name}": name for name in ("min_length", "max_length", "strip_whitespace", "to_lower", "to_upper")}
_BEYOND = (math.inf, -math.inf, math.nan)
_MODES: tuple[Literal["null", "strings"], ...] = ("null", "strings")
_MASK = b"**********"
_LEAVES = frozenset({"string", "integer", "number", "boolean", "null", "any"})
_MAX_INLINE = 2_000  # nodes of an expression; a larger part of a type is written once, as a rule


@dataclass(frozen=True)
class UnionMembers:
    """A union's members, in which `explain` looks for texts that they share."""

    path: str  # the path of the union
    names: tuple[str, ...]  # the members' names
    codecs: tuple[Codec[Any], ...]  # their codecs
    read: Callable[[Any], Any]  # reads JSON data as the union does
    rules: Mapping[str, Expr]  # the rules that the codecs' expressions refer to
    definitions: Mapping[str, JsonSchema]  # the JSON schemas that their schemas refer to


@dataclass
class Compilation:
    """The state of compiling one root type."""

    find_hook: Callable[[Any], Hook | None]
    json_format: JsonFormat
    namespace: Mapping[str, Any] = field(default_factory=dict[str, Any])  # names that the caller gave, for annotations
    names: dict[str, Any] = field(default_factory=dict[str, Any])  # names of functions' scopes that annotations mention
    unasked: dict[str, None] = field(default_factory=dict[str, None])  # paths of fields that the program fills
    scored: dict[str, None] = field(default_factory=dict[str, None])  # paths of choices whose probabilities are wanted
    rules: dict[str, Expr] = field(default_factory=dict[str, Expr])
    definitions: dict[str, Any] = field(default_factory=dict[str, Any])
    anonymous: dict[tuple[str, Expr], str] = field(default_factory=dict[tuple[str, Expr], str])  # rules without a type
    numbers: dict[str, int] = field(default_factory=dict[str, int])  # the last number of their names, by stem
    part_count: int = 0
    checks: dict[str, None] = field(default_factory=dict[str, None])
    reader_limits: dict[str, None] = field(default_factory=dict[str, None])
    enforced: dict[str, None] = field(default_factory=dict[str, None])
    parts: dict[str, Expr] = field(default_factory=dict[str, Expr])  # by path, the outer ones first
    named: dict[Any, str] = field(default_factory=dict[Any, str])
    choices: dict[Any, str] = field(default_factory=dict[Any, str])  # names in the schema of classes without a rule
    choice_schemas: dict[str, JsonSchema] = field(default_factory=dict[str, JsonSchema])  # and what is said of them
    with_fields: set[str] = field(default_factory=set[str])  # names of objects with fields
    positional: bool = False  # whether such objects are arrays, here
    expansions: int = 0  # parts whose data must be expanded before pydantic reads it
    finished: dict[str, Codec[Any]] = field(default_factory=dict[str, Codec[Any]])
    owners: list[Any] = field(default_factory=list[Any])  # the classes being compiled, the innermost last
    later: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])  # run when all rules are known
    not_native: frozenset[str] = frozenset()  # names of types that pydantic does not read, from an earlier compilation
    assumed_native: set[str] = field(default_factory=set[str])  # names taken for native before they were compiled
    misjudged: set[str] = field(default_factory=set[str])  # names of these that are not native: compile once more
    unions: list[UnionMembers] = field(default_factory=list["UnionMembers"])
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
    """A part of a type while it is compiled, as a hook gets it.

    Attributes:
        path: The path of the part, such as `return.items[0].when`.
        limits: The limits that `Annotated` gives here.
        compilation: The state shared by all parts of one root type.
        depth: The levels of nesting above the part.
        tags: The names of fields that are always written here, since a discriminator looks for them.
        beside_whole: Whether another member of the union here is a whole number, so that a float needs a point.
    """

    path: str
    limits: Limits
    compilation: Compilation
    depth: int = 0
    tags: frozenset[str] = frozenset()
    beside_whole: bool = False

    @property
    def json_format(self) -> JsonFormat:
        """The separators of JSON in this compilation."""
        return self.compilation.json_format

    @property
    def positional(self) -> bool:
        """Whether objects with fields are arrays here."""
        return self.compilation.positional

    @property
    def is_key(self) -> bool:
        """Whether this is a dictionary's key, which is a string in JSON."""
        return self.path.endswith((".keys()", ".keys()|"))

    @property
    def is_root(self) -> bool:
        """Whether this is the whole type."""
        return self.depth == 1

    @property
    def config(self) -> ConfigDict:
        """The configuration here: of the innermost class that has one, since plain records inherit it."""
        for owner in reversed(self.compilation.owners):
            cls = get_origin(owner) or owner
            for base in (cls, *getattr(cls, "__orig_bases__", ())):  # a typed dictionary has no other bases
                for name in ("model_config", "__pydantic_config__"):
                    config: ConfigDict | None = getattr(get_origin(base) or base, name, None)
                    if config is not None:
                        return config
            if hasattr(cls, "__attrs_attrs__") or hasattr(cls, "__struct_fields__"):  # which pydantic does not read
                break
        return ConfigDict()

    def imply_config(self) -> None:
        """Add the limits that the configuration sets for every text here, unless the part has its own."""
        for name, limit in _CONFIGURED.items():
            if value := self.config.get(name):
                self.limits.imply(limit, value)

    @property
    def has_python_patterns(self) -> bool:
        """Whether pydantic uses Python's regex engine here."""
        return self.config.get("regex_engine") == "python-re"

    def codec(
        self,
        hint: Any,
        at: str = "",
        *,
        metadata: tuple[Any, ...] = (),
        about: tuple[Any, ...] = (),
        tags: frozenset[str] = frozenset(),
        beside_whole: bool = False,
    ) -> Codec[Any]:
        """Compile a part.

        Args:
            hint: The part's type, `Annotated` or not.
            at: The step to add to the path: `[0]`, `.when`.
            metadata: Annotations that stand apart from the type, as in pydantic's fields.
            about: Marks of which only the descriptions count, as a pydantic field beside its annotations.
            tags: Names of fields that must be written, though they have a default.
            beside_whole: Whether another member of the union here is a whole number.

        Returns:
            The codec of the part.

        Raises:
            UnsupportedType: The part cannot be compiled. The error names its path.
        """
        hint, inner = split_annotated(hint)
        metadata = (*inner, *metadata)
        part = Context(self.path + at, Limits(metadata, about), self.compilation, self.depth + 1, tags, beside_whole)
        if part.depth > MAX_DEPTH:
            raise part.refuse(hint, f"is nested deeper than {MAX_DEPTH} levels")
        self.compilation.part_count += 1
        if self.compilation.part_count > MAX_PARTS:
            raise part.refuse(
                hint,
                f"is part {MAX_PARTS + 1:,} of its type, which is too large to be compiled; give types that occur "
                "repeatedly a name (a model, a dataclass), so that each is compiled once",
            )
        hook = self.compilation.find_hook(hint)
        if hook is None:
            raise part.refuse(
                hint,
                "has no JSON form; use a pydantic model, a dataclass or a built-in type, "
                "or register a hook (typefold.compiler.default_registry.hook)",
            )
        self.compilation.parts.setdefault(part.path, EMPTY)
        before = self.compilation.expansions
        codec = hook(hint, part)
        if codec.expand is not None:
            self.compilation.expansions += 1
        elif codec.native and self.compilation.expansions > before:
            codec = replace(codec, native=False)  # a user's hook that knows no arrays reads its own parts
        if not part.is_root and not isinstance(codec.expr, Ref) and self.compilation.size(codec.expr) > _MAX_INLINE:
            # A list writes its item twice, so each level of nested lists would double the grammar.
            codec = replace(codec, expr=part.fresh_rule("part", codec.expr))
        self.compilation.parts[part.path] = codec.expr
        if reason := part.limits.refusal():
            raise part.refuse(hint, reason)
        codec = _lenient(codec, hint, metadata, self.compilation.names)
        for limit in part.limits.held():
            self.compilation.enforced[f"{part.path}: {limit}"] = None
        left = tuple(part.limits.left())
        for check in left:
            part.check(check, told="")  # limits are told by their values
        if left:
            by_python = part.has_python_patterns and "pattern" in part.limits.names()
            codec = _checked(codec, hint, metadata, part, by_python=by_python)
        if part.limits.is_silent:
            return codec
        plain, schema = codec.plain and not part.limits.changing, part.described(hint, codec.schema)
        if plain == codec.plain and schema is codec.schema:
            return codec
        return replace(codec, plain=plain, schema=schema)

    def described(self, hint: Any, schema: JsonSchema) -> JsonSchema:
        """The schema of this part with its limits, checks and descriptions, each of which is added once."""
        try:
            return self.limits.described(schema, self.path)
        except ValueError as error:
            raise self.refuse(hint, str(error)) from None

    def same(self, hint: Any) -> Codec[Any]:
        """The codec of another type at the same path, under the same limits: for aliases and new types."""
        hint, metadata = split_annotated(hint)
        self.limits.add(metadata)
        hook = self.compilation.find_hook(hint)
        if hook is None or self.depth > MAX_DEPTH:
            raise self.refuse(hint, "has no JSON form")
        return hook(
            hint, Context(self.path, self.limits, self.compilation, self.depth + 1, self.tags, self.beside_whole)
        )

    @contextmanager
    def keys(self) -> Generator[None]:
        """Write objects in the block with keys in every format, for hooks whose own code reads them."""
        before, self.compilation.positional = self.compilation.positional, False
        try:
            yield
        finally:
            self.compilation.positional = before

    def refuse(self, hint: Any, reason: str) -> UnsupportedType:
        """The error to raise for a type that cannot be compiled here."""
        return UnsupportedType(self.path, hint, reason)

    def allow(self, hint: Any, *names: str) -> None:
        """Refuse all limits here but these: others do not apply to the type and would fail on each value."""
        for name in self.limits.names():
            if name not in names:
                raise self.refuse(hint, f"has the limit {name}, which does not apply to it")

    def lengths(self, hint: Any, longest: int, what: str = "length") -> tuple[int, int | None]:
        """Take the least and the greatest length for the grammar, where they are no more than `longest`.

        Larger ones stay post-checks: as a grammar they would be slow to compile.
        """
        least, most = self.limits.peek("min_length") or 0, self.limits.peek("max_length")
        if most is not None and least > most:
            raise self.refuse(hint, f"has bounds that no {what} meets (min_length={least}, max_length={most})")
        if least <= longest:
            self.limits.take("min_length")
        if most is not None and most <= longest:
            self.limits.take("max_length")
        return least if least <= longest else 0, most if most is not None and most <= longest else None

    def leave_to_program(self, at: str) -> None:
        """Note a field that the model is neither told nor asked: the program's default fills it."""
        self.compilation.unasked[f"{self.path}{at}"] = None

    def check(self, name: str, *, told: str | None = None) -> None:
        """Note a post-check: a limit on this part that decoding cannot enforce.

        Args:
            name: The name of the check.
            told: The words for the model; the name by default, but for a validator. None are told if it is empty.
        """
        self.compilation.checks[f"{self.path}: {name}"] = None
        if words := "" if told is None and name.startswith("validator ") else name if told is None else told:
            self.limits.note(words)

    def reader_limit(self, name: str) -> None:
        """Note a limit of the reader of JSON at this place that an answer does not meet in practice."""
        self.compilation.reader_limits[f"{self.path}: {name}"] = None

    def rule(self, name: str, expr: Expr) -> Ref:
        """A rule that several parts share."""
        self.compilation.rules.setdefault(name, expr)
        return Ref(name)

    def named_choice(self, hint: Any, schema: JsonSchema, about: Mapping[str, Any]) -> JsonSchema:
        """The schema of a class of choices, with a name under which the description defines it; `about` describes the class."""
        state = self.compilation
        if hint not in state.choices:
            name = _rule_name(hint, {*state.named.values(), *state.rules, *state.choice_schemas})
            state.choices[hint] = name
            try:
                state.choice_schemas[name] = with_description({"title": hint.__name__}, about)
            except ValueError as error:
                raise self.refuse(hint, str(error)) from None
        return schema | {"x-class": state.choices[hint]}

    def fresh_rule(self, base: str, expr: Expr) -> Ref:
        """A rule for an expression, with a new name made from `base`; equal expressions share one."""
        state, stem = self.compilation, _identifier(base)
        if (name := state.anonymous.get((stem, expr))) is None:
            number = state.numbers.get(stem, 0) + 1
            while f"{stem}_{number}" in state.rules or f"{stem}_{number}" in state.named.values():
                number += 1
            state.numbers[stem] = number
            name = state.anonymous[stem, expr] = f"{stem}_{number}"
        return self.rule(name, expr)

    def named(
        self,
        hint: Any,
        build: Callable[[], Codec[Any]],
        *,
        has_fields: bool = False,
        tags: frozenset[str] = frozenset(),
    ) -> Codec[Any]:
        """The codec of a type that may occur in itself, through a rule with its name.

        Args:
            hint: The type.
            build: Makes the codec.
            has_fields: Whether the type is an object with fields, which the compact format writes as an array.
            tags: Names of fields that are always written in this form of the type; it has a rule of its own.
        """
        state, key = self.compilation, (hint, tags) if tags else hint
        if key in state.named:
            name = state.named[key]
            return state.finished.get(name) or _forward_reference(state, name)
        name = _rule_name(hint, {*state.named.values(), *state.rules, *state.choice_schemas})
        state.named[key] = name
        if has_fields:
            state.with_fields.add(name)
        owners = [hint] if isinstance(get_origin(hint) or hint, type) else []
        state.owners += owners
        outer = self.limits.descriptions  # of this occurrence, and not of the type
        self.limits.descriptions = []
        made = build()
        del state.owners[len(state.owners) - len(owners) :]
        state.rules[name] = made.expr
        state.definitions[name] = self.described(hint, made.schema)
        self.limits.descriptions = outer
        if name in state.assumed_native and not made.native:
            state.misjudged.add(name)
        codec = replace(made, expr=Ref(name), schema={"$ref": f"#/$defs/{name}"}, raw=None)
        state.finished[name] = codec
        return codec


def _lenient(codec: Codec[Any], hint: Any, metadata: tuple[Any, ...], names: Mapping[str, Any]) -> Codec[Any]:
    """The codec, which writes what pydantic's serializer writes for a value of another type, as an unchecked default may be.

    Such a value is written as the one that pydantic reads from that; where there is none, it is refused.
    """
    is_leaf = codec.schema.get("type", "any") in _LEAVES and not codec.schema.keys() & {"$ref", "anyOf", "enum"}

    @cache
    def adapter() -> TypeAdapter[Any]:
        return adapter_of(Annotated[hint, None, *map(_for_pydantic, metadata)], names)

    def to_json(value: Any) -> Any:
        if codec.accepts(value):
            return codec.to_json(value)
        try:
            if is_leaf:
                raise ValueError
            return codec.to_json(value)  # a subclass, or a container whose items are written in their turn
        except (ValueError, TypeError, AttributeError, ArithmeticError, KeyError) as error:
            remedy = (
                ""
                if value not in _BEYOND
                else "; where ser_json_inf_nan='strings' is configured, it has a word in JSON"
            )
            own = str(error) if isinstance(error, ValueError) else ""  # others speak of the code that writes
            problem, cause = own or f"{value!r:.80} is no value of {describe(hint)}{remedy}", error
        read = value
        try:
            nulls, words = (to_json_text(value, inf_nan_mode=mode, serialize_unknown=True) for mode in _MODES)
            text = adapter().dump_json(value, by_alias=True, warnings=False) if codec.native else _MASK
            if _MASK not in text and nulls == words:  # pydantic does not write secrets, nor infinities but as null
                read = adapter().validate_json(text)
        except BaseException as error:  # a serializer is user code
            if is_fatal(error):
                raise
        if read is value or not codec.accepts(read):
            raise ValueError(problem) from cause
        return codec.to_json(read)

    return replace(codec, to_json=to_json)


def _checked(codec: Codec[Any], hint: Any, metadata: tuple[Any, ...], part: Context, *, by_python: bool) -> Codec[Any]:
    """The codec with its post-checks run by pydantic, also where a hook reads the value."""
    names = part.compilation.names

    @cache
    def adapter() -> TypeAdapter[Any]:
        annotated: Any = Annotated[hint, *map(_for_pydantic, (*metadata, *part.limits.implied))]
        try:
            return adapter_of(annotated, names, ConfigDict(regex_engine="python-re") if by_python else None)
        except PydanticSchemaGenerationError:  # of a class that pydantic does not know; it tests with isinstance
            return adapter_of(annotated, names, ConfigDict(arbitrary_types_allowed=True))
        except PydanticUserError:  # a class takes no configuration from outside
            return adapter_of(annotated, names)

    def from_json(data: Any) -> Any:
        if codec.native:
            return adapter().validate_json(part.json_format.dump(codec.expanded(data)))
        return adapter().validate_python(codec.from_json(data))

    return replace(codec, from_json=from_json)


def _for_pydantic(mark: Any) -> Any:
    """The annotation as one of pydantic's, which does not know msgspec's."""
    if type(mark).__module__.partition(".")[0] != "msgspec":
        return mark
    return Field(**{name: getattr(mark, name) for name in KEYWORDS if getattr(mark, name, None) is not None})


def _forward_reference(state: Compilation, name: str) -> Codec[Any]:
    if name not in state.not_native:
        state.assumed_native.add(name)
    return Codec(
        Ref(name),
        {"$ref": f"#/$defs/{name}"},
        to_json=lambda value: state.finished[name].to_json(value),
        from_json=lambda data: state.finished[name].from_json(data),
        accepts=lambda value: state.finished[name].accepts(value),
        native=name not in state.not_native,
        expand=(lambda data: state.finished[name].expanded(data)) if state.positional else None,
        fit=lambda data: state.finished[name].fits(data),
    )


def _identifier(text: str) -> str:
    """A rule name that is valid in all dialects."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    return name if name[:1].isalpha() else f"type_{name}".rstrip("_")


def _rule_name(hint: Any, used: Iterable[str]) -> str:
    base = _identifier(getattr(hint, "__name__", None) or str(hint))
    name, number = base, 2
    while name in used or name in _RESERVED:
        name, number = f"{base}_{number}", number + 1
    return name


def refuse_endless(hint: Any, path: str, *, function: str | None = None) -> None:
    """Refuse an annotation whose arguments, written out, are too many: even its hash and its repr would have no end."""
    pending: list[tuple[Any, int]] = [(hint, 0)]
    count = 0
    while pending:
        part, depth = pending.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_PARTS:
            deep = f"nested deeper than {MAX_DEPTH} levels"
            many = f"made of more than {MAX_PARTS:,} parts"
            remedy = "give types that occur repeatedly a name (a model, a dataclass)"
            reason = f"is {deep if depth > MAX_DEPTH else many}; {remedy}"
            raise UnsupportedType(path, get_origin(hint) or class_of(hint), reason, function=function)
        origin = get_origin(part)
        if origin is not None and origin is not Literal:
            arguments: tuple[Any, ...] = get_args(part)
            parts = arguments[:1] if origin is Annotated else arguments
            pending += [(each, depth + 1) for each in parts]
