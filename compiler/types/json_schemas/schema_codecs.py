"""Codecs of the alternatives of a JSON schema: their grammar, and the one form in which a value of each is written.

`Codec.to_json` brings a value into that form (keys in the order of the schema, whole numbers without a point), or raises
`Mismatch` with the keyword and the place. So it is the check of the structure too, and of all that is checked after decoding
but for the keywords that jsonschema checks. Members of a union may share texts, since a value is its own JSON data.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from typefold.compiler.codec import Codec, JsonSchema, identity, schema_of
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import ANY_TEXT, json_string
from typefold.compiler.grammar.nodes import EMPTY, NEVER, Expr, Lit, Ref, choice, optional, repeat, seq
from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.limits import LENGTHS
from typefold.compiler.registry import default_registry
from typefold.compiler.types.containers import LONGEST_EXACT
from typefold.compiler.types.json_schemas.schema_parts import (
    ALL,
    Document,
    Part,
    Schemas,
    equal,
    kind_of,
    members_of,
    rows_of,
    told,
)
from typefold.compiler.types.json_schemas.schema_strings import (
    format_texts,
    has_format,
    is_asserted,
    pattern_texts,
    python_pattern,
    without,
)
from typefold.compiler.types.objects import ordered_parts
from typefold.compiler.types.strings import is_text, text_of_length

NAMES = {
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

_LONGEST_NOTE = 200  # characters of a keyword that is told as it stands


class Mismatch(ValueError):
    """A value that is not of a schema, with the keyword and the place in the value."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = NAMES.get(word, word)
        self.loc: tuple[str | int, ...] = ()

    def at(self, step: str | int) -> Mismatch:
        """The same, one level further out."""
        self.loc = (step, *self.loc)
        return self


@dataclass
class SchemaNode:
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


@default_registry.hook_factory(lambda hint: isinstance(hint, (SchemaNode, _Text)))
def node_codec(node: SchemaNode | _Text, context: Context) -> Codec[Any]:
    """One of the alternatives; in a rule of its own, where it is an object or an array."""
    if isinstance(node, _Text):
        context.allow(node, *LENGTHS)
        text = text_of_length(node.texts, context)
        return _data(json_string(text), {"type": "string"}, identity, bare=text)
    parts = node.document.parts(node.schemas)
    if node.is_key:
        parts = [part for part in parts if part.kind in ("string", "values")]
    if parts is ALL or not node.schemas:
        return context.same(Any)
    about = told(node.schemas[0].schema) if len(node.schemas) == 1 else {}
    if not any(part.kind in ("object", "array") for part in parts):
        return _described(_Alternatives(node, context).codec(parts), about)
    codec = context.named(node.key, lambda: _described(_Alternatives(node, context).codec(parts), about))
    is_dead = isinstance(codec.expr, Ref) and context.compilation.rules.get(codec.expr.name) == NEVER
    return replace(codec, expr=NEVER) if is_dead else codec


@dataclass
class _Alternatives:
    """Makes the codec of a node."""

    node: SchemaNode
    context: Context

    def codec(self, parts: Sequence[Part]) -> Codec[Any]:
        several = len(parts) > 1
        made: list[Codec[Any]] = []
        for part in parts:
            codec = getattr(self, f"_{part.kind}")(part, f"|{part.kind}" if several else "")
            if codec.expr != NEVER:
                made.append(_noted(codec, self.said(part.checks)))
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

    def said(self, words: Sequence[str]) -> list[str]:
        """Keywords that are checked after decoding, for the model."""
        found = [
            f"{word} {json.dumps(place.schema[word], ensure_ascii=False)}"
            for word in words
            for place in self.node.schemas
            if is_dict(place.schema) and word in place.schema and word not in ("uniqueItems", "oneOf")
        ]
        return [text for text in found if len(text) <= _LONGEST_NOTE and "$ref" not in text]

    def part(self, schemas: Schemas, at: str, *, is_key: bool = False) -> Codec[Any]:
        return self.context.codec(SchemaNode(self.node.document, schemas, self.node.name, is_key), at=at)

    def check(self, word: str, at: str, value: Any = None) -> None:
        """Note a keyword that is checked after decoding."""
        name = NAMES.get(word, word)
        self.context.compilation.checks[
            f"{self.context.path}{at}: {name if value is None else f'{name}={value!r}'}"
        ] = None

    def hold(self, word: str, at: str, value: Any) -> None:
        """Note a keyword that the grammar enforces."""
        self.context.compilation.enforced[f"{self.context.path}{at}: {NAMES.get(word, word)}={value!r}"] = None

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
        limits = {NAMES[word]: words[word] for word in _BOUNDS if word in words}
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
        limits = {NAMES[word]: words[word] for word in ("minLength", "maxLength") if word in words}
        patterns = words.get("pattern", ())
        formats = tuple(name for name in words.get("format", ()) if is_asserted(name))
        if most is not None and least > most:
            return _data(NEVER, {}, identity)
        # One language is in the grammar, the smallest that is known to be whole; the others are checked.
        known = [("format", name, *format_texts(name)) for name in formats]
        known += [("pattern", regex, *pattern_texts(regex)) for regex in patterns]
        first = next((each for each in known if each[3]), None) or next(
            (each for each in known if each[2] != ANY_TEXT), None
        )
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
        key_text: Expr | None = ANY_TEXT
        key_schema: JsonSchema = {}
        if names:
            key_codec = self.part(names, f"{at}.keys()", is_key=True)
            key_text, key_schema = key_codec.bare, key_codec.schema
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
            self._look("additionalProperties", at)
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

        return _data(expr, self._told_object(fields, free, key_schema, part), to_json)

    def _look(self, word: str, at: str) -> None:
        self.check(word, at)
        self.node.document.checks.add(word)

    def _told_object(
        self,
        fields: Mapping[str, Codec[Any]],
        free: Sequence[tuple[str | None, Expr, Codec[Any]]],
        keys: JsonSchema,
        part: Part,
    ) -> JsonSchema:
        """The JSON schema of an object: of its listed keys, or of free ones alone."""
        words, limits = part.words, ("minProperties", "maxProperties")
        made: JsonSchema = {"type": "object"} | {word: words[word] for word in limits if word in words}
        open_ = [(regex, codec) for regex, texts, codec in free if texts != NEVER]
        if not fields and open_:
            regex, codec = open_[0]
            names = keys if regex is None else {"type": "string", "pattern": regex}
            made["additionalProperties"] = codec.schema
            return made | ({"propertyNames": names} if names else {})
        notes = {key: note for layer in words.get("layers", ()) for key, note in layer.notes.items()}
        made["title"] = self.node.key.title
        made["properties"] = {key: codec.schema | notes.get(key, {}) for key, codec in fields.items()}
        made["required"] = [key for key in fields if key in words.get("required", ())]
        made["additionalProperties"] = next((codec.schema for regex, codec in open_ if regex is None), False)
        said = [
            f"{'at least' if word == 'minProperties' else 'at most'} {words[word]} keys"
            for word in limits
            if word in words
        ]
        said += [
            "other keys may follow" if regex is None else f"keys matching {regex} may follow" for regex, _ in open_
        ]
        return made | ({"x-notes": said} if said else {})


@dataclass
class _Text:
    """Strings of a language, as a type inside the compiler; lengths are limits on it."""

    texts: Expr


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
    """As jsonschema judges it, which divides by a float."""
    if isinstance(multiple, int):
        return bool(value % multiple == 0)
    try:
        return bool(value / multiple == int(value / multiple))
    except OverflowError:
        return Fraction(value) % Fraction(multiple) == 0


def _noted(codec: Codec[Any], notes: Sequence[str]) -> Codec[Any]:
    if not notes or "$ref" in codec.schema:
        return codec
    return replace(codec, schema=codec.schema | {"x-notes": [*codec.schema.get("x-notes", ()), *notes]})


def _described(codec: Codec[Any], about: dict[str, Any]) -> Codec[Any]:
    return replace(codec, schema=codec.schema | about) if about else codec


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
