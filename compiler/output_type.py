"""`OutputType[T]`: a compiled annotation, with the rule for bare text at the root.

At the root, strings and choices whose members are all strings are bare text. All other answers are canonical JSON. pydantic
reads all types that it knows from the JSON text, so its validators, aliases and defaults hold; hooks read the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, Generic, TypeVar, cast

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic_core import SchemaError
from typing_extensions import TypeForm

import typefold.compiler.types  # noqa: F401  # pyright: ignore[reportUnusedImport]  # fills the default registry
from typefold.compiler.codec import Codec, JsonSchema, adapter_of
from typefold.compiler.constraint import TEXT, Constraint
from typefold.compiler.contained import is_fatal
from typefold.compiler.context import Compilation, Context, UnionMembers, refuse_endless
from typefold.compiler.errors import UnsupportedType, describe
from typefold.compiler.explain import Explanation, unbounded_parts
from typefold.compiler.grammar.json_strings import ANY_TEXT
from typefold.compiler.grammar.nodes import Expr, Language, is_recursive
from typefold.compiler.grammar.sampler import shortest_height
from typefold.compiler.grammar.token_bounds import TokenBounds, Vocabulary, byte_bounds
from typefold.compiler.json_format import JsonFormat, JsonFormatName, read_exact, write_exact
from typefold.compiler.limits import Limits
from typefold.compiler.post_checks import DEEPEST, decode_error
from typefold.compiler.registry import Registry, default_registry
from typefold.compiler.shape import LONGEST, bare_shape_of, shape_of, with_choice_classes

T = TypeVar("T")

DEFAULT_JSON_FORMAT = JsonFormat.SPACED


@dataclass(frozen=True, eq=False)
class OutputType(Generic[T]):
    """A type with its constraint, its encoder and its decoder.

    Attributes:
        hint: The annotation.
        json_format: The format of its JSON.
        constraint: The constraint for the engine.
        json_schema: JSON schema of the answer with its keys, in every format. It describes and enforces nothing.
        enforced: The limits that the constraint enforces, each with its path.
        post_checks: The limits and validators that are checked after decoding, each as `path: name`. An answer that fails
            one is `Invalid`, with this entry as its `check`.
        codec: The type's form inside JSON.
        parts: The JSON texts of each part, by path; for `explain`.
        reader_limits: Limits of the JSON readers that answers don't meet in practice; `explain` does not list them.
        unasked: The paths of fields that the model is neither told nor asked, since the program's default fills them.
        names: Names of functions' scopes that annotations of their classes mention, for pydantic.
        unions: The unions in the type; for `shared_texts`.
        scored: The paths of choices whose probabilities the caller wants.

    Example:
        >>> from typing import Literal
        >>> from typefold.compiler import output_type
        >>> kind = output_type(Literal["keep", "drop"])
        >>> kind.constraint.spec, kind.decode("keep")
        (('keep', 'drop'), 'keep')
        >>> output_type(list[int]).encode([1, 2])
        '[1, 2]'
        >>> from typing import NamedTuple
        >>> class Point(NamedTuple):
        ...     x: int
        ...     y: int
        >>> output_type(Point, json_format="compact").encode(Point(1, 2)), output_type(Point).encode(Point(1, 2))
        ('[1, 2]', '{"x": 1, "y": 2}')
    """

    hint: TypeForm[T]
    json_format: JsonFormat
    constraint: Constraint
    json_schema: JsonSchema
    enforced: tuple[str, ...]
    post_checks: tuple[str, ...]
    codec: Codec[T] = field(repr=False)
    parts: Mapping[str, Expr] = field(default_factory=dict[str, Expr], repr=False)
    reader_limits: tuple[str, ...] = field(default=(), repr=False)
    unasked: tuple[str, ...] = ()
    names: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    unions: tuple[UnionMembers, ...] = field(default=(), repr=False)
    scored: tuple[str, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether answers are bare text and not JSON."""
        return self.codec.bare is not None

    def encode(self, value: T) -> str:
        """Write a value as text.

        Args:
            value: A value of the type.

        Returns:
            The one text of the value, which the constraint admits.

        Raises:
            ValueError: The value is not of the type, or JSON cannot write it.

        Example:
            >>> output_type(bool).encode(True), output_type(str).encode("yes")
            ('true', 'yes')
        """
        data = self.codec.to_json(value)
        return str(data) if self.is_bare else self.json_format.dump(data)

    def decode(self, text: str) -> T:
        """Read the value of an answer.

        Args:
            text: The whole answer.

        Returns:
            The value, validated.

        Raises:
            DecodeError: The text is not in the language, or fails a post-check.

        Example:
            >>> output_type(tuple[int, str]).decode('[1, "a"]')
            (1, 'a')
        """
        try:
            if self.codec.bare is ANY_TEXT and not self.post_checks:
                return cast(T, text)
            if self.adapter is not None and self.codec.expand is not None:
                return self.adapter.validate_json(write_exact(self.codec.expand(read_exact(text)), self.json_format))
            if self.adapter is not None:
                return self.adapter.validate_json(json.dumps(text) if self.is_bare else text)
            return self.codec.from_json(text if self.is_bare else json.loads(text))
        except BaseException as error:  # a validator may raise anything; the row fails, and no other
            if is_fatal(error):
                raise
            raise decode_error(text, error, (*self.post_checks, *self.reader_limits)) from error

    def expanded(self, data: Any) -> Any:
        """Add the keys that the compact format leaves out.

        Args:
            data: The JSON data of an answer, whole or partial.

        Returns:
            The data with all keys.
        """
        return self.codec.expanded(data)

    def token_bounds(self, vocabulary: Vocabulary) -> TokenBounds:
        """Bound the tokens of an answer.

        Args:
            vocabulary: Facts about the engine's tokenizer.

        Returns:
            The fewest and the most tokens.
        """
        return self.constraint.token_bounds(vocabulary)

    def explain(self, vocabulary: Vocabulary | None = None, *, name: str | None = None) -> Explanation:
        """Explain the type: its format, its constraint, limits that decoding enforces, checks after it, and length.

        Args:
            vocabulary: Facts about a tokenizer (an engine's `vocabulary`), for bounds in tokens. Without it there are
                bounds in bytes only.
            name: The title; the type by default.

        Returns:
            An `Explanation` to print, to show in a notebook, or to read by its fields.

        Example:
            >>> from typing import Annotated
            >>> from pydantic import Field
            >>> from typefold.compiler import output_type
            >>> kind = output_type(list[Annotated[int, Field(ge=0, le=9)]])
            >>> kind.explain().enforced, kind.explain().unbounded
            (('return[]: ge=0', 'return[]: le=9'), ('return: any number of items',))
        """
        constraint, answer = self.constraint, describe(self.hint)
        least, most = (0, inf) if constraint.language is None else byte_bounds(constraint.language)
        decision, tail = constraint.few_answers, constraint.forced_ending
        return Explanation(
            name=name or answer,
            answer=answer,
            is_bare=self.is_bare,
            shape=self._shape,
            json_schema=self.json_schema,
            kind=constraint.kind,
            grammar=constraint.spec,
            enforced=self.enforced,
            post_checks=self.post_checks,
            shared_texts=self.shared_texts,
            unbounded=() if most < inf else tuple(self._unbounded()),
            least_bytes=int(least),
            most_bytes=None if most == inf else int(most),
            tokens=None if vocabulary is None else self.token_bounds(vocabulary),
            settled_by=None if tail is None else tail.key,
            unasked=self.unasked,
            decided_after=None if decision is None or decision.tokens > most else decision.tokens,
        )

    def _unbounded(self) -> Iterator[str]:
        language = self.constraint.language
        if language is not None and not self.is_bare:
            return unbounded_parts(self.parts, language)
        part = "any number of characters" if self.codec.raw is None else "as the engine reads the grammar"
        return iter([f"{next(iter(self.parts))}: {part}"])

    @cached_property
    def shape(self) -> str | None:
        """The description of the answer's form for the model; `None` for bare text of which there is nothing to say.

        Raises:
            UnsupportedType: It is too long to be part of each prompt.
        """
        text = self._shape
        if text is not None and len(text) > LONGEST:
            raise UnsupportedType(
                next(iter(self.parts)),
                self.hint,
                f"is described in {len(text):,} characters, which each prompt would carry, and {LONGEST:,} are the most; "
                "shorten its choices and descriptions, or describe it in your own words (with describe_format=False)",
            )
        return text

    @cached_property
    def _shape(self) -> str | None:
        try:
            return (bare_shape_of if self.is_bare else shape_of)(self.json_schema, self.json_format)
        except RecursionError as error:
            raise UnsupportedType(
                next(iter(self.parts)),
                self.hint,
                "is a chain of too many types to be described; describe it in your own words (with describe_format=...)",
            ) from error

    @cached_property
    def shared_texts(self) -> tuple[str, ...]:
        """Texts that several members of a union share, and the member that each is read as: `path: text is A and B, ...`.

        Example:
            >>> from datetime import date
            >>> output_type(date | str).shared_texts
            ('return: "0001-01-01" is date and str, and is read as date',)
        """
        from typefold.compiler.types.shared_texts import shared_texts  # for those who ask

        return shared_texts(self.unions)

    @cached_property
    def adapter(self) -> TypeAdapter[T] | None:
        return adapter_of(self.hint, self.names) if self.codec.native else None


def output_type(
    hint: TypeForm[T],
    *,
    json_format: JsonFormat | JsonFormatName | None = None,
    registry: Registry = default_registry,
    path: str = "return",
    namespace: Mapping[str, Any] | None = None,
) -> OutputType[T]:
    """Compile a type.

    Args:
        hint: Any annotation: a class, a union, a `Literal`, `Annotated`, an alias.
        json_format: The format of JSON, as a `JsonFormat` or its name; `JsonFormat.SPACED` by default.
        registry: The hooks to use; the default registry by default.
        path: The name of the type in errors, `return` by default.
        namespace: Names that annotations kept as text mention, for classes of a function that has returned. The names
            of a running function are found without.

    Returns:
        The compiled type. Equal annotations share one.

    Raises:
        UnsupportedType: The type has no JSON form. The error names its path, and a type to write instead.
        ValueError: There is no such JSON format.

    Example:
        >>> from typefold.compiler import output_type
        >>> output_type(dict[str, float]).decode('{"a": 1.5}')
        {'a': 1.5}
    """
    fmt = JsonFormat.named(json_format or DEFAULT_JSON_FORMAT)
    same = _latest.get((id(hint), fmt, path))
    if same is not None and same[0] is hint and same[1] == (registry, registry.version):
        return cast("OutputType[T]", same[2])
    return _remembered(hint, fmt, registry, path, namespace or {})


def _remembered(
    hint: TypeForm[T], fmt: JsonFormat, registry: Registry, path: str, namespace: Mapping[str, Any]
) -> OutputType[T]:
    """The compiled type of an equal annotation, or a new one. An annotation without a hash is compiled each time."""
    identity: Any = hint
    if not isinstance(hint, type) or hasattr(hint, "__args__"):
        refuse_endless(hint, path)
        identity = (hint, repr(hint))  # `Literal[1]` equals `Literal[True]`, but is not the same type
    key = (identity, fmt, registry, registry.version, path)
    try:
        known = _compiled.get(key)
    except TypeError:
        return _compile(hint, fmt, registry, path, namespace)
    if known is None:
        if len(_compiled) >= _CACHE_SIZE:
            _compiled.clear()
        known = _compiled[key] = _compile(hint, fmt, registry, path, namespace)
    if len(_latest) >= _CACHE_SIZE:
        _latest.clear()
    _latest[id(hint), fmt, path] = hint, (registry, registry.version), known
    return cast("OutputType[T]", known)


_CACHE_SIZE = 4096
_compiled: dict[Any, OutputType[Any]] = {}
# By the identity of the annotation, which is held. Rows mostly ask for the same object, and its hash and repr are slow.
_latest: dict[tuple[int, JsonFormat, str], tuple[Any, tuple[Registry, tuple[int, ...]], OutputType[Any]]] = {}


def _compile(
    hint: Any, json_format: JsonFormat, registry: Registry, path: str, namespace: Mapping[str, Any]
) -> OutputType[Any]:
    not_native = frozenset[str]()
    try:
        while True:
            state = Compilation(
                registry.find, json_format, namespace, not_native=not_native, positional=json_format.positional
            )
            codec = Context("", Limits(), state).codec(hint, at=path)
            for finish in state.later:
                finish()
            if not state.misjudged:
                break
            not_native |= state.misjudged  # names come out the same each time, so that these can be told beforehand
    except RecursionError as error:
        raise UnsupportedType(path, hint, "is nested too deeply, or contains itself without a name") from error
    language = Language(codec.expr if codec.bare is None else codec.bare, state.rules)
    recursive = is_recursive(language)
    if shortest_height(language) == inf:
        reason = "it contains itself with no way to end" if recursive else "no text meets its limits"
        raise UnsupportedType(path, hint, f"has no finite value: {reason}")
    if recursive:
        state.checks[f"{path}: no deeper than {DEEPEST} levels"] = None
    constraint = TEXT if codec.bare == ANY_TEXT else Constraint.of(language, json=codec.bare is None)
    if codec.raw is not None:
        constraint = Constraint("grammar", raw=codec.raw)
    schema = with_choice_classes(codec.schema, state.definitions, state.choice_schemas)
    made = OutputType(
        hint,
        json_format,
        constraint,
        schema,
        tuple(state.enforced),
        tuple(state.checks),
        codec,
        state.parts,
        tuple(state.reader_limits),
        tuple(state.unasked),
        state.names,
        tuple(state.unions),
        tuple(state.scored),
    )
    if codec.native:
        try:
            made.adapter  # noqa: B018  # pydantic refuses some limits only when it builds its validator
        except (
            PydanticSchemaGenerationError,
            PydanticUserError,
            SchemaError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            raise UnsupportedType(path, hint, f"is refused by pydantic: {error}") from error
    return made
