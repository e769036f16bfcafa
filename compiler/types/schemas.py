"""JSON schemas as types, for a hook or a program that has only a schema; values are plain JSON data.

All that is regular is in the grammar. A keyword that no grammar can express is a named post-check (`return: uniqueItems`): the
package jsonschema runs it, in the schema's draft. Keywords that can neither be enforced nor checked are refused with their
place; nothing is dropped in silence. Words that are no keywords in the draft are annotations, as in the standard.

Objects are closed, as all objects here are: a key needs a place in `properties` or `patternProperties`, unless
`additionalProperties` says more of others. Listed keys come in the order of `properties`, free ones behind them. Objects have
keys in every JSON format. `number` is a whole number or a decimal. The formats of the standard are asserted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any, ClassVar

from pydantic import Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from typefold.compiler.codec import Codec, JsonSchema, identity, schema_of
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import ANY_TEXT, json_string
from typefold.compiler.grammar.nodes import EMPTY, NEVER, Expr, Lit, Ref, choice, optional, repeat, seq
from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.limits import LENGTHS
from typefold.compiler.registry import default_registry
from typefold.compiler.types.containers import LONGEST_EXACT
from typefold.compiler.types.objects import ordered_parts
from typefold.compiler.types.schema_parts import (
    ALL,
    Document,
    Part,
    SchemaError,
    Schemas,
    equal,
    kind_of,
    members_of,
    rows_of,
)
from typefold.compiler.types.schema_strings import (
    format_texts,
    has_format,
    is_asserted,
    pattern_texts,
    python_pattern,
    without,
)
from typefold.compiler.types.strings import is_text, text_of_length

__all__ = ["SchemaError", "schema_codec", "type_of_schema"]

_NAMES = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "minProperties": "min_length",
    "maxProperties": "max_length",
}
"""The names of limits, the same as in annotations."""


def type_of_schema(schema: JsonSchema | bool, *, name: str = "Schema") -> Any:
    """Make the type that a JSON schema describes; its values are JSON data.

    Args:
        schema: The schema, in the draft that its `$schema` names, or in 2020-12; references are to its own parts.
        name: A name for objects that have no title.

    Returns:
        An annotation, for `output_type` or inside of others.

    Raises:
        SchemaError: A keyword can neither be enforced nor checked.

    Example:
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.schemas import type_of_schema
        >>> schema = {
        ...     "type": "object",
        ...     "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 120}, "name": {"type": "string"}},
        ...     "required": ["age"],
        ... }
        >>> kind = output_type(type_of_schema(schema))
        >>> kind.decode('{"age": 36}'), kind.enforced
        ({'age': 36}, ("return['age']: ge=0", "return['age']: le=120"))
    """
    document = Document(schema)
    _read_all(document)
    title = schema.get("title") if is_dict(schema) else None
    return type(str(title or name), (SchemaValue,), {"document": document, "name": name})


def schema_codec(schema: JsonSchema, context: Context, *, name: str = "Schema") -> Codec[Any]:
    """Make the codec of a JSON schema, for a hook of your own type; its values are JSON data, to be made into yours.

    Args:
        schema: The schema, as for `type_of_schema`.
        context: The context that the hook was given.
        name: A name for objects that have no title.

    Raises:
        UnsupportedType: A keyword can neither be enforced nor checked.

    Example:
        >>> from dataclasses import replace
        >>> from typefold.compiler import Registry, default_registry, output_type
        >>> class Colour:
        ...     def __init__(self, red: int, green: int, blue: int) -> None:
        ...         self.parts = [red, green, blue]
        >>> channel = {"type": "integer", "minimum": 0, "maximum": 255}
        >>> schema = {"type": "array", "items": channel, "minItems": 3, "maxItems": 3}
        >>> mine = Registry(parent=default_registry)
        >>> @mine.hook(Colour)
        ... def colour_codec(hint, context):
        ...     return replace(
        ...         schema_codec(schema, context),
        ...         to_json=lambda colour: colour.parts,
        ...         from_json=lambda parts: Colour(*parts),
        ...         accepts=lambda value: isinstance(value, Colour),
        ...         native=False,
        ...         plain=False,
        ...     )
        >>> output_type(Colour, registry=mine).decode("[255, 0, 17]").parts
        [255, 0, 17]
    """
    try:
        hint = type_of_schema(schema, name=name)
    except SchemaError as error:
        raise context.refuse(name, f"has a JSON schema that can't be enforced: {error}") from error
    return context.same(hint)


class SchemaValue:
    """The type of a schema. It has no instances: its values are JSON data."""

    document: ClassVar[Document]
    name: ClassVar[str]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        from typefold.compiler.output_type import output_type

        return core_schema.no_info_plain_validator_function(lambda data: output_type(cls).codec.from_json(data))


class Mismatch(ValueError):
    """A value that is not of a schema, with the keyword and the place in the value."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = _NAMES.get(word, word)
        self.loc: tuple[str | int, ...] = ()

    def at(self, step: str | int) -> Mismatch:
        """The same, one level further out."""
        self.loc = (step, *self.loc)
        return self


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, SchemaValue))
def schema_value_codec(hint: type[SchemaValue], context: Context) -> Codec[Any]:
    """As the alternatives of the root, with the checks of jsonschema on the whole value."""
    context.allow(hint)
    document = hint.document
    try:
        codec = context.same(_Node(document, (document.root,), hint.name))
    except SchemaError as error:
        raise context.refuse(hint, f"has a JSON schema that can't be enforced: {error}") from error

    def from_json(data: Any) -> Any:
        problems: list[tuple[str, tuple[Any, ...], str]] = []
        try:
            made = codec.to_json(data)
        except Mismatch as error:
            made, problems = None, [(error.word, error.loc, str(error))]
        if document.checks:
            for error in document.validator(document.root).iter_errors(data):
                word = next((word for word in _words(error) if word in document.checks), str(error.validator))
                problems.append((_NAMES.get(word, word), tuple(error.absolute_path), error.message))
        if problems:
            details = [
                InitErrorDetails(type=PydanticCustomError(word, "{said}", {"said": said}), loc=loc, input=data)  # type: ignore[arg-type]  # a keyword is literal
                for word, loc, said in problems
            ]
            raise ValidationError.from_exception_data(hint.__name__, details)
        return made

    def accepts(value: Any) -> bool:
        try:
            return from_json(value) is not Ellipsis
        except ValueError:
            return False

    return replace(codec, from_json=from_json, accepts=accepts, native=False)


def _words(error: Any) -> list[str]:
    """The keywords on the way to an error of jsonschema, the innermost first, with those of alternatives."""
    inner = [word for each in error.context or () for word in _words(each)]
    path = [str(step) for step in reversed(error.absolute_schema_path)]
    return [*("if" if step in ("then", "else") else step for step in path), *inner]


def _read_all(document: Document) -> None:
    """Read each schema that a value may reach, so that a bad one is refused here."""
    pending: list[Schemas] = [(document.root,)]
    seen: set[Schemas] = set()
    while pending:
        schemas = pending.pop()
        if schemas in seen:
            continue
        seen.add(schemas)
        for part in document.parts(schemas):
            if part.kind == "object":
                listed, patterns, more = members_of(part)
                pending += [*listed.values(), *patterns.values(), more or (), part.words.get("names", ())]
            elif part.kind == "array":
                first, rest = rows_of(part)
                pending += [*first, rest]
    if not document.parts((document.root,)):
        document.refuse("#", "is met by no value")


@dataclass
class _Node:
    """Schemas that hold together, as a type inside the compiler. Equal ones share a rule, so that they may contain themselves."""

    document: Document
    schemas: Schemas
    name: str
    is_key: bool = False

    @property
    def key(self) -> _Key:
        schema = self.schemas[0].schema
        title = schema.get("title") if is_dict(schema) else None
        last = self.schemas[0].at.rpartition("/")[2].strip("#")
        return _Key((id(self.document), self.schemas), str(title or (last if len(last) > 1 else "") or self.name))

    def __repr__(self) -> str:
        return f"the schema {' and '.join(place.at for place in self.schemas)}"


@dataclass(frozen=True)
class _Key:
    """The identity of a node; rules are named after it."""

    identity: Any
    title: str

    @property
    def __name__(self) -> str:
        return self.title


@default_registry.hook_factory(lambda hint: isinstance(hint, _Node))
def node_codec(node: _Node, context: Context) -> Codec[Any]:
    """One of the alternatives; in a rule of its own, where it is an object or an array."""
    parts = node.document.parts(node.schemas)
    if node.is_key:
        parts = [part for part in parts if part.kind in ("string", "values")]
    if parts is ALL or not node.schemas:
        return context.same(Any)
    if not any(part.kind in ("object", "array") for part in parts):
        return _Alternatives(node, context).codec(parts)
    codec = context.named(node.key, lambda: _Alternatives(node, context).codec(parts))
    is_dead = isinstance(codec.expr, Ref) and context.compilation.rules.get(codec.expr.name) == NEVER
    return replace(codec, expr=NEVER) if is_dead else codec


@dataclass
class _Alternatives:
    """Makes the codec of a node."""

    node: _Node
    context: Context

    def codec(self, parts: Sequence[Part]) -> Codec[Any]:
        several = len(parts) > 1
        made: list[Codec[Any]] = []
        for part in parts:
            codec = getattr(self, f"_{part.kind}")(part, f"|{part.kind}" if several else "")
            if codec.expr != NEVER:
                made.append(codec)
                for word in part.checks:
                    self.check(word, "")
                self.node.document.checks.update(part.checks)
        if len(made) == 1:
            return made[0]

        def to_json(value: Any) -> Any:
            failed: list[Mismatch] = []
            for codec in made:
                try:
                    return codec.to_json(value)
                except Mismatch as error:
                    failed.append(error)
            raise max(
                failed, key=lambda error: (len(error.loc), error.word != "type"), default=_wrong("nothing", value)
            )

        bares = [codec.bare for codec in made]
        return _data(
            choice(*(codec.expr for codec in made)),
            {"anyOf": [codec.schema for codec in made]},
            to_json,
            bare=choice(*(bare for bare in bares if bare is not None)) if made and None not in bares else None,
        )

    def part(self, schemas: Schemas, at: str, *, is_key: bool = False) -> Codec[Any]:
        return self.context.codec(_Node(self.node.document, schemas, self.node.name, is_key), at=at)

    def check(self, word: str, at: str, value: Any = None) -> None:
        """Note a keyword that is checked after decoding."""
        name = _NAMES.get(word, word)
        self.context.compilation.checks[
            f"{self.context.path}{at}: {name if value is None else f'{name}={value!r}'}"
        ] = None

    def hold(self, word: str, at: str, value: Any) -> None:
        """Note a keyword that the grammar enforces."""
        self.context.compilation.enforced[f"{self.context.path}{at}: {_NAMES.get(word, word)}={value!r}"] = None

    def _null(self, part: Part, at: str) -> Codec[Any]:
        return _plain(self.context.codec(None, at=at), "null")

    def _boolean(self, part: Part, at: str) -> Codec[Any]:
        return _plain(self.context.codec(bool, at=at), "boolean")

    def _values(self, part: Part, at: str) -> Codec[Any]:
        document, dump = self.node.document, self.context.json_format.dump
        values: list[Any] = []
        for value in part.words["values"]:
            is_met = all(document.is_valid(place, value) for place in self.node.schemas)
            if is_met and _is_written(value) and not any(equal(value, known) for known in values):
                values.append(value)
        if self.node.is_key:
            values = [value for value in values if isinstance(value, str)]

        def to_json(value: Any) -> Any:
            for known in values:
                if equal(value, known):
                    return known
            raise Mismatch("enum", f"{value!r} is none of the values that are listed")

        texts = all(isinstance(value, str) for value in values)
        return _data(
            choice(*(Lit(dump(value)) for value in values)),
            {"enum": values} | ({"type": "string"} if texts else {}),
            to_json,
            bare=choice(*map(Lit, values)) if texts else None,
        )

    def _number(self, part: Part, at: str) -> Codec[Any]:
        words, several = part.words, bool(at)
        multiples, whole_only = words.get("multipleOf", ()), words.get("integer", False)
        limits = {_NAMES[word]: words[word] for word in _BOUNDS if word in words}
        whole = {
            name: math.ceil(bound) if name == "ge" else math.floor(bound) if name == "le" else bound
            for name, bound in limits.items()
        }
        for name, move in (("gt", math.floor), ("lt", math.ceil)):
            if name in whole:
                whole[name] = move(whole[name])
        found = [self._limited(int, whole, several)]
        if not whole_only:
            found.append(self._limited(float, {name: _inside(name, bound) for name, bound in limits.items()}, several))
        codecs = [codec for codec in found if codec is not None]
        for multiple in multiples:
            self.check("multipleOf", at, multiple)

        def to_json(value: Any) -> Any:
            if kind_of(value) != "number" or (isinstance(value, float) and not math.isfinite(value)):
                raise _wrong("number", value)
            if whole_only:
                if value != int(value):
                    raise Mismatch("type", f"{value!r} is no whole number")
                value = int(value)
            for word, fails in _BOUNDS.items():
                if word in words and fails(value, words[word]):
                    raise Mismatch(word, f"{value!r} is beyond {word}={words[word]!r}")
            for multiple in multiples:
                if not _is_multiple(value, multiple):
                    raise Mismatch("multipleOf", f"{value!r} is not a multiple of {multiple!r}")
            return value

        schema = schema_of("integer" if whole_only else "number", **{word: words.get(word) for word in _BOUNDS})
        if multiples:
            schema["multipleOf"] = multiples[0]
        return _data(choice(*(codec.expr for codec in codecs)), schema, to_json)

    def _limited(self, kind: type, limits: dict[str, Any], several: bool) -> Codec[Any] | None:
        """A number between bounds; `None` where there is none."""
        low = max(
            (limits[name] + (name == "gt") * (kind is int) for name in ("ge", "gt") if name in limits), default=None
        )
        high = min(
            (limits[name] - (name == "lt") * (kind is int) for name in ("le", "lt") if name in limits), default=None
        )
        if (
            low is not None
            and high is not None
            and (low > high or (low == high and kind is float and {"gt", "lt"} & limits.keys()))
        ):
            return None
        hint = Annotated[kind, Field(**limits)] if limits else kind
        said = ", ".join(f"{name}={bound!r}" for name, bound in limits.items())
        label = f"Annotated[{kind.__name__}, {said}]" if limits else kind.__name__
        return self.context.codec(hint, at=f"|{label}" if several else "")

    def _string(self, part: Part, at: str) -> Codec[Any]:
        words = part.words
        least, most = words.get("minLength", 0), words.get("maxLength")
        limits = {_NAMES[word]: words[word] for word in ("minLength", "maxLength") if word in words}
        patterns = words.get("pattern", ())
        formats = tuple(name for name in words.get("format", ()) if is_asserted(name))
        if most is not None and least > most:
            return _data(NEVER, {}, identity)
        # One language is in the grammar, the smallest that is known to be whole; the others are checked.
        known = [("format", name, format_texts(name), True) for name in formats]
        known += [("pattern", regex, *pattern_texts(regex)) for regex in patterns]
        first = next((each for each in known if each[2] is not None and each[3]), None)
        first = first or next((each for each in known if each[2] is not None and each[2] != ANY_TEXT), None)
        hint: Any = str if first is None else _Text(first[2])
        codec = self.context.codec(hint, at=at, metadata=(Field(**limits),) if limits else ())
        for each in known:
            (self.hold if each is first and each[3] else self.check)(each[0], at, each[1])
        searched = [(regex, re.compile(python_pattern(regex))) for regex in patterns]

        def to_json(value: Any) -> Any:
            if not is_text(value):
                raise _wrong("string", value)
            if len(value) < least or (most is not None and len(value) > most):
                word = "minLength" if len(value) < least else "maxLength"
                raise Mismatch(word, f"{value!r} has {len(value)} characters")
            for regex, searcher in searched:
                if searcher.search(value) is None:
                    raise Mismatch("pattern", f"{value!r} does not match {regex!r}")
            for name in formats:
                if not has_format(name, value):
                    raise Mismatch("format", f"{value!r} is no {name}")
            return value

        schema = schema_of("string", pattern=(*patterns, None)[0], format=(*words.get("format", ()), None)[0])
        schema |= {word: words[word] for word in ("minLength", "maxLength") if word in words}
        return _data(codec.expr, schema, to_json, bare=codec.bare)

    def _array(self, part: Part, at: str) -> Codec[Any]:
        words = part.words
        first, rest = rows_of(part)
        least, most = words.get("minItems", 0), words.get("maxItems")
        firsts: list[Codec[Any]] = []
        for index, schemas in enumerate(first[:most]):
            codec = self.part(schemas, f"{at}[{index}]")
            if codec.expr == NEVER:
                most = index
                break
            firsts.append(codec)
        item = None if most is not None and most <= len(firsts) else self.part(rest, f"{at}[]")
        if item is not None and item.expr == NEVER:
            item, most = None, len(firsts)
        if most is not None and least > most:
            return _data(NEVER, {}, identity)
        count = len(firsts)
        low = self._bound("minItems", least, at, words, ends=False) or 0
        high = self._bound("maxItems", most, at, words, ends=True)
        if item is not None and not count:
            expr = self._list("[", item.expr, "]", low, high)
        else:
            expr = self._row(firsts, item, low, high)

        def to_json(value: Any) -> Any:
            if not is_list(value):
                raise _wrong("array", value)
            if len(value) < least or (most is not None and len(value) > most):
                raise Mismatch("minItems" if len(value) < least else "maxItems", f"has {len(value)} items")
            made: list[Any] = []
            for index, each in enumerate(value):
                codec = firsts[index] if index < count else item
                try:
                    made.append(each if codec is None else codec.to_json(each))
                except Mismatch as error:
                    raise error.at(index) from None
            return made

        schema = schema_of("array", minItems=words.get("minItems"), maxItems=words.get("maxItems"))
        if firsts:
            schema |= {
                "prefixItems": [codec.schema for codec in firsts],
                "items": False if item is None else item.schema,
            }
        elif item is not None:
            schema["items"] = item.schema
        if "uniqueItems" in part.checks:
            schema["uniqueItems"] = True
        return _data(expr, schema, to_json)

    def _bound(self, word: str, bound: int | None, at: str, words: Mapping[str, Any], *, ends: bool) -> int | None:
        """The bound for the grammar; as a check after decoding, if it is far off."""
        if bound is not None and bound > LONGEST_EXACT:
            self.check(word, at, bound)
            return None
        if word in words:
            self.hold(word, at, words[word])
        return bound

    def _list(self, start: str, item: Expr, end: str, least: int, most: int | None) -> Expr:
        if most == 0:
            return Lit(start + end)
        more = repeat(seq(self.context.json_format.comma, item), max(least - 1, 0), None if most is None else most - 1)
        some = seq(start, item, more, end)
        return some if least else choice(start + end, some)

    def _row(self, firsts: Sequence[Codec[Any]], item: Codec[Any] | None, least: int, most: int | None) -> Expr:
        """Items of their own kinds, and others behind; from the back, each with what may follow it."""
        comma, count = self.context.json_format.comma, len(firsts)
        after: Expr = EMPTY
        if item is not None:
            more = None if most is None else most - count
            after = repeat(seq(comma, item.expr), max(least - count, 0), more)
        for index in reversed(range(count)):
            here = seq(comma if index else "", firsts[index].expr, after)
            after = here if index < least else optional(here)
            if index % 8 == 7:
                after = self.context.fresh_rule("items", after)  # parsers limit the depth of parentheses
        return seq("[", after, "]")

    def _object(self, part: Part, at: str) -> Codec[Any]:
        node, words, document = self.node, part.words, self.node.document
        colon, comma, dump = (getattr(self.context.json_format, name) for name in ("colon", "comma", "dump"))
        listed, patterns, rest = members_of(part)
        required: Sequence[str] = words.get("required", ())
        names: Schemas = words.get("names", ())
        fields: dict[str, Codec[Any]] = {}
        for key, schemas in listed.items():
            codec = self.part(schemas, f"{at}[{key!r}]") if _is_written(key) else _data(NEVER, {}, identity)
            if codec.expr != NEVER and all(document.is_valid(name, key) for name in names):
                fields[key] = codec
            elif key in required:
                return _data(NEVER, {}, identity)
        free: list[tuple[str | None, Expr, Codec[Any]]] = []
        key_text = self.part(names, f"{at}.keys()", is_key=True).bare if names else ANY_TEXT
        for regex, schemas in [*patterns.items(), *([] if rest is None else [(None, rest)])]:
            codec = self.part(schemas, f"{at}[...]")
            texts, is_whole = (key_text or NEVER, True) if regex is None else pattern_texts(regex)
            texts = NEVER if codec.expr == NEVER else without(texts, listed)
            free.append((regex, texts, codec))
            if not is_whole or (regex is None and patterns):
                self._look("patternProperties", at)
            if regex is not None and names:
                self._look("propertyNames", at)
        if len(patterns) > 1:
            self._look("patternProperties", at)
        least, most = words.get("minProperties", 0), words.get("maxProperties")
        pairs = [(seq(dump(key), colon, codec.expr), key in required) for key, codec in fields.items()]
        tail = choice(*(seq(json_string(texts), colon, codec.expr) for _, texts, codec in free if texts != NEVER))
        high = None
        if not pairs and tail != NEVER:
            low = self._bound("minProperties", least, at, words, ends=False) or 0
            high = self._bound("maxProperties", most, at, words, ends=True)
            expr = self._list("{", tail, "}", low, high)
            if least > 1:  # a key may come twice, and counts once
                self.check("minProperties", at, least)
        else:
            if tail != NEVER:
                pairs.append((seq(tail, repeat(seq(comma, tail), 0, None)), False))
            expr = ordered_parts(node.key.title, "{", pairs, "}", self.context)
            if least > len(required) and least > (0 if tail == NEVER and len(fields) < least else len(required)):
                self.check("minProperties", at, least)
            if most is not None and (tail != NEVER or most < len(fields)):
                self.check("maxProperties", at, most)
            if tail == NEVER and least > len(fields):
                return _data(NEVER, {}, identity)
        searched = [
            (None if regex is None else re.compile(python_pattern(regex)), texts, codec) for regex, texts, codec in free
        ]

        def free_value(key: str, value: Any) -> Any:
            found = [codec for regex, _, codec in searched if regex is not None and regex.search(key)]
            found = found or [codec for regex, _, codec in searched if regex is None]
            if not found or key in listed or not is_text(key):
                raise Mismatch("additionalProperties", f"has the key {key!r}, which is not listed")
            for codec in found:
                value = codec.to_json(value)
            return value

        def to_json(value: Any) -> Any:
            if not is_dict(value):
                raise _wrong("object", value)
            for key in required:
                if key not in value:
                    raise Mismatch("required", f"lacks the key {key!r}")
            made: dict[str, Any] = {}
            for key in [*(key for key in fields if key in value), *(key for key in value if key not in fields)]:
                try:
                    made[key] = fields[key].to_json(value[key]) if key in fields else free_value(key, value[key])
                except Mismatch as error:
                    raise error.at(key) from None
            if len(made) < least or (most is not None and len(made) > most):
                raise Mismatch("minProperties" if len(made) < least else "maxProperties", f"has {len(made)} keys")
            if names and not all(document.is_valid(name, key) for name in names for key in value):
                raise Mismatch("propertyNames", "has a key that is not allowed")
            return made

        notes = {key: text for layer in words.get("layers", ()) for key, text in layer.notes.items()}
        return _data(expr, self._described(fields, free, notes, part), to_json)

    def _look(self, word: str, at: str) -> None:
        self.check(word, at)
        self.node.document.checks.add(word)

    def _described(
        self,
        fields: Mapping[str, Codec[Any]],
        free: Sequence[tuple[str | None, Expr, Codec[Any]]],
        notes: Mapping[str, str],
        part: Part,
    ) -> JsonSchema:
        own = next((place.schema for place in self.node.schemas if is_dict(place.schema)), {})
        made: JsonSchema = {"type": "object"}
        if fields or not free:
            made["title"] = self.node.key.title
            made |= {"description": own["description"]} if isinstance(own.get("description"), str) else {}
            made["properties"] = {
                key: codec.schema | ({"description": notes[key]} if key in notes else {})
                for key, codec in fields.items()
            }
            made["required"] = [key for key in fields if key in part.words.get("required", ())]
        patterns = {regex: codec.schema for regex, _, codec in free if regex is not None}
        made["additionalProperties"] = next((codec.schema for regex, _, codec in free if regex is None), False)
        if patterns:
            made["patternProperties"] = patterns
        return made | {word: part.words[word] for word in ("minProperties", "maxProperties") if word in part.words}


@dataclass
class _Text:
    """Strings of a language, as a type inside the compiler; lengths are limits on it."""

    texts: Expr


@default_registry.hook_factory(lambda hint: isinstance(hint, _Text))
def text_codec(hint: _Text, context: Context) -> Codec[Any]:
    """The language, of the lengths that the limits allow where that stays small."""
    context.allow(hint, *LENGTHS)
    text = text_of_length(hint.texts, context)
    return replace(_data(json_string(text), {"type": "string"}, identity), bare=text)


_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value < bound,
    "maximum": lambda value, bound: value > bound,
    "exclusiveMinimum": lambda value, bound: value <= bound,
    "exclusiveMaximum": lambda value, bound: value >= bound,
}


def _inside(name: str, bound: Any) -> float:
    """The bound as a float, or the next one inside of it."""
    near = float(bound)
    if name in ("ge", "gt") and near < bound:
        return math.nextafter(near, math.inf)
    return math.nextafter(near, -math.inf) if name in ("le", "lt") and near > bound else near


def _is_multiple(value: Any, multiple: Any) -> bool:
    """As jsonschema judges it, which divides."""
    if isinstance(value, int) and isinstance(multiple, int):
        return value % multiple == 0
    try:
        return bool(value / multiple == int(value / multiple))
    except OverflowError:
        return Fraction(value) % Fraction(multiple) == 0


def _data(expr: Expr, schema: JsonSchema, to_json: Callable[[Any], Any], *, bare: Expr | None = None) -> Codec[Any]:
    """The codec of JSON data; `to_json` brings a value into the one form in which it is written, or raises Mismatch."""
    return Codec(expr, schema, to_json, to_json, lambda value: True, bare=bare, native=False, plain=True)


def _plain(codec: Codec[Any], kind: str) -> Codec[Any]:
    def to_json(value: Any) -> Any:
        if kind_of(value) != kind:
            raise _wrong(kind, value)
        return value

    return _data(codec.expr, codec.schema, to_json)


def _wrong(kind: str, value: Any) -> Mismatch:
    return Mismatch("type", f"is of the type {kind_of(value)}, not {kind}")


def _is_written(value: Any) -> bool:
    """Whether JSON can write a value of an `enum`."""
    if is_list(value):
        return all(map(_is_written, value))
    if is_dict(value):
        return all(is_text(key) and _is_written(each) for key, each in value.items())
    return is_text(value) if isinstance(value, str) else not isinstance(value, float) or math.isfinite(value)
