"""JSON schemas taken apart: the alternatives of a schema, each of one type of JSON, with the keywords that it must meet.

References, `allOf`, `anyOf` and their kin are multiplied out, so that a type is made of plain keywords. A keyword that has no
such form leaves its name on the alternative, as a check after decoding. References and the validity of single values are those
of the package jsonschema, in the draft that `$schema` names; so is the question which words are keywords. All other words are
annotations, as in the standard.

Objects are closed to the keys of their `properties` and `patternProperties`, where `additionalProperties` says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any, NoReturn, TypeAlias
from urllib.parse import quote, urldefrag

from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.types.json_schemas.schema_strings import python_pattern

_MOST = 256  # alternatives of one schema, when all is multiplied out
_MOST_DEPENDENCIES = 4  # beyond, they are a check after decoding: each doubles the alternatives
_DEEPEST = 4  # levels on which members of a `oneOf` are told apart


class SchemaError(ValueError):
    """A JSON schema that no type here expresses; the message names place and keyword."""


@dataclass(frozen=True, eq=False)
class Place:
    """A schema in its document, at a JSON pointer; there is one for each pointer."""

    schema: Any
    at: str
    resolver: Any


Schemas: TypeAlias = tuple[Place, ...]
"""Schemas that hold together; none is any value."""


@dataclass(frozen=True)
class Layer:
    """Keys of an object as one schema describes them; `more` is the schema of all others, `None` where nothing is said."""

    properties: Mapping[str, Schemas] = field(default_factory=dict[str, Schemas])
    patterns: Mapping[str, Schemas] = field(default_factory=dict[str, Schemas])
    more: Schemas | None = None
    closes: bool = True
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])  # annotations beside a reference, by key

    def at(self, key: str) -> Schemas:
        """The schemas of a key's value."""
        found = list(self.properties.get(key, ()))
        by_pattern = [part for regex, part in self.patterns.items() if re.search(python_pattern(regex), key)]
        found += [each for part in by_pattern for each in part]
        return tuple(found) if key in self.properties or by_pattern else self.more or ()


@dataclass(frozen=True)
class Part:
    """Values of one type of JSON (or listed ones, the kind `values`), with the keywords that they meet."""

    kind: str  # the type
    words: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the keywords, merged
    checks: tuple[str, ...] = ()  # keywords that are checked after decoding


KINDS = ("null", "boolean", "number", "string", "array", "object")
ALL = [Part(kind) for kind in KINDS]


def _both(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*one, *(each for each in other if not any(each is known or each == known for known in one)))


_MERGED: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
    **dict.fromkeys(("multipleOf", "pattern", "format", "rows", "layers", "required", "names"), _both),
    "integer": lambda one, other: True,
}
_OF_KIND = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_LISTED = {"number": ("multipleOf",), "string": ("pattern", "format")}
_CHECKED = {
    "array": ("contains", "uniqueItems", "unevaluatedItems"),
    "object": ("unevaluatedProperties",),
}
_BESIDE = {"type", "required", "properties", "patternProperties", "additionalProperties", "additionalItems"}
_READ = {
    *_BESIDE,
    *("$ref", "allOf", "anyOf", "oneOf", "not", "if", "enum", "const", "items", "prefixItems", "propertyNames"),
    *("dependencies", "dependentRequired", "dependentSchemas", "minContains", "maxContains", "then", "else"),
    *(word for table in (_OF_KIND, _LISTED, _CHECKED) for words in table.values() for word in words),
}


def kind_of(value: Any) -> str:
    """The type of JSON data."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    kinds = ((int | float, "number"), (str, "string"), (list, "array"), (dict, "object"))
    return next((kind for cls, kind in kinds if isinstance(value, cls)), type(value).__name__)


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same: `1` is `1.0`, and no truth value."""
    if kind_of(one) != kind_of(other):
        return False
    if is_list(one):
        return len(one) == len(other) and all(map(equal, one, other))
    if is_dict(one):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(one == other)


def told(schema: Any) -> dict[str, Any]:
    """The annotations of a schema that the model is told."""
    said = (
        {key: schema[key] for key in ("default", "deprecated", "examples") if key in schema} if is_dict(schema) else {}
    )
    about = schema.get("description") if is_dict(schema) else None
    return said | ({"description": about} if isinstance(about, str) else {})


def merged(one: Part, other: Part) -> Part | None:
    """The values of both; `None` where there are none for certain."""
    if one.kind == other.kind == "values":
        both = [each for each in one.words["values"] if any(equal(each, twin) for twin in other.words["values"])]
        return Part("values", {"values": both}) if both else None
    if "values" in (one.kind, other.kind):
        listed, kind = (one, other) if one.kind == "values" else (other, one)
        kept = [each for each in listed.words["values"] if kind_of(each) == kind.kind]
        return Part("values", {"values": kept}) if kept else None
    if one.kind != other.kind:
        return None
    words = dict(one.words)
    for word, value in other.words.items():
        words[word] = _MERGED[word](words[word], value) if word in words else value
    return Part(one.kind, words, _both(one.checks, other.checks))


def only(kind: str, words: Mapping[str, Any], checks: tuple[str, ...] = ()) -> list[Part]:
    """All values, those of one type with these keywords."""
    return [Part(kind, words, checks) if part.kind == kind else part for part in ALL]


class Document:
    """A schema with its draft, its references and the alternatives of its parts.

    Args:
        schema: The whole schema.

    Raises:
        SchemaError: The package jsonschema is not installed, or the schema is none.
    """

    def __init__(self, schema: Any) -> None:
        try:
            validators: Any = import_module("jsonschema").validators
            referencing: Any = import_module("referencing")
            drafts: Any = import_module("referencing.jsonschema")
            evolve: Any = import_module("attrs").evolve
        except ImportError as error:
            raise SchemaError("# needs the package jsonschema; install typefold[schemas]") from error
        self.pointers = {id(part): at for part, at in _walk(schema, "#")}
        latest: Any = validators.Draft202012Validator
        if not is_dict(schema) or "$schema" not in schema:
            latest = _draft_by_words(schema) or latest
        self.validator_class: Any = validators.validator_for(schema, default=latest)
        self.keywords = frozenset(self.validator_class.VALIDATORS)
        searched = {"pattern": _pattern, "patternProperties": _pattern_properties}
        self._checker: Any = validators.extend(self.validator_class, searched)
        specification: Any = drafts.specification_with(
            str(self.validator_class.META_SCHEMA.get("$schema", "")).rstrip("#")
        )
        self.is_ref_alone = "dependentRequired" not in self.keywords  # up to draft 7, its neighbours say nothing
        self._resource: Any = evolve(specification, id_of=partial(_id_of, specification)).create_resource
        resource = self._resource(schema)
        own = schema.get("$id", schema.get("id")) if is_dict(schema) else None
        self.base = (urldefrag(own).url if isinstance(own, str) else "") or "urn:typefold:schema"
        self.registry: Any = referencing.Registry().with_resource(self.base, resource)
        self._places: dict[str, Place] = {}
        self._known: dict[str, list[Part]] = {}
        self._validators: dict[str, Any] = {}
        self._open: list[str] = []
        self.root = self._place(schema, "#", self.registry.resolver(self.base))
        self.checks: set[str] = set()
        """The keywords that jsonschema checks after decoding."""

    def refuse(self, at: str, what: str) -> NoReturn:
        raise SchemaError(f"{at} {what}")

    def _place(self, schema: Any, at: str, resolver: Any) -> Place:
        if at not in self._places:
            self._places[at] = Place(schema, at, resolver)
        return self._places[at]

    def child(self, place: Place, *steps: str | int) -> Place:
        """The schema at a path below another."""
        schema, at, resolver = place.schema, place.at, place.resolver
        for step in steps:
            schema, at = schema[step], f"{at}/{_escaped(str(step))}"
        if is_dict(schema) and isinstance(schema.get("$id", schema.get("id")), str):
            resolver = resolver.in_subresource(self._resource(schema))
        return self._place(schema, at, resolver)

    def schemas(self, place: Place, *steps: str | int) -> Schemas:
        """The schema at a path; where it only refers to another, that one."""
        at = self.child(place, *steps)
        for _ in range(100):
            schema = at.schema
            if not is_dict(schema) or "$ref" not in schema:
                return (at,)
            if not self.is_ref_alone and any(word in self.keywords and word != "$ref" for word in schema):
                return (at,)
            at = self.target(at)
        self.refuse(place.at, "refers to itself and says nothing else")

    def target(self, place: Place) -> Place:
        """The schema that `$ref` names."""
        unresolvable: Any = import_module("referencing.exceptions").Unresolvable
        ref = place.schema["$ref"]
        try:
            found = place.resolver.lookup(ref)
        except (unresolvable, ValueError, TypeError, AttributeError):
            self.refuse(place.at, f"refers to {ref!r}, which is not in the schema")
        return self._place(found.contents, self.pointers.get(id(found.contents), str(ref)), found.resolver)

    def is_valid(self, place: Place, value: Any) -> bool:
        """Whether a value meets the schema at a place."""
        return bool(self.validator(place).is_valid(value)) if is_dict(place.schema) else bool(place.schema)

    def validator(self, place: Place) -> Any:
        """The validator of a place; formats are checked by the grammar."""
        if place.at not in self._validators:
            schema = {"$ref": f"{self.base}#{quote(place.at[1:], safe='/~')}"}
            self._validators[place.at] = self._checker(schema, registry=self.registry)
        return self._validators[place.at]

    def parts(self, schemas: Schemas) -> list[Part]:
        """The alternatives of schemas that hold together."""
        found = ALL
        for place in schemas:
            found = self._meet(place, found, self._parts_of(place))
        return found

    def _parts_of(self, place: Place) -> list[Part]:
        if place.at not in self._known:
            if place.at in self._open:
                self.refuse(place.at, "refers to itself and says nothing else")
            self._open.append(place.at)
            try:
                self._known[place.at] = self._read(place)
            finally:
                self._open.pop()
        return self._known[place.at]

    def _meet(self, place: Place, one: list[Part], other: list[Part]) -> list[Part]:
        if one is ALL or other is ALL:
            return other if one is ALL else one
        made = _distinct(both for a in one for b in other if (both := merged(a, b)) is not None)
        if len(made) > _MOST:
            self.refuse(place.at, f"has more than {_MOST} combinations of its alternatives")
        return made

    def _read(self, place: Place) -> list[Part]:
        schema = place.schema
        if not is_dict(schema):
            if isinstance(schema, bool):
                return ALL if schema else []
            self.refuse(place.at, f"is {schema!r}, which is no schema")
        said = [word for word in schema if word in self.keywords]
        if "$ref" in said and self.is_ref_alone:
            return self._parts_of(self.target(place))
        for word in said:
            if word not in _READ:
                self.refuse(place.at, f"has {word}, which can neither be enforced nor checked")
        found = [part for kind in self._kinds(place) for part in [self._direct(place, kind)]]
        if all(not part.words and not part.checks for part in found) and len(found) == len(ALL):
            found = ALL
        for word in said:
            found = self._meet(place, found, self._applied(place, word, schema[word]))
        return found

    def _applied(self, place: Place, word: str, value: Any) -> list[Part]:
        """The alternatives of a keyword that applies other schemas, or lists values."""
        match word:
            case "$ref":
                return self._parts_of(self.target(place))
            case "allOf":
                return self.parts(tuple(self.child(place, word, index) for index in range(len(value))))
            case "anyOf":
                return _distinct(part for i in range(len(value)) for part in self._parts_of(self.child(place, word, i)))
            case "oneOf":
                return self._one_of(place, value)
            case "enum" | "const":
                if word == "enum" and not is_list(value):
                    self.refuse(place.at, f"has enum={value!r}, which is no list")
                return [Part("values", {"values": list(value) if word == "enum" else [value]})]
            case "not":
                found = self._without(self.child(place, word))
                return [replace(part, checks=(word,)) for part in ALL] if found is None else found
            case "if":
                return self._if(place)
            case "dependencies" | "dependentRequired" | "dependentSchemas":
                return self._dependent(place, word, value)
            case _:
                return ALL

    def _kinds(self, place: Place) -> list[str]:
        """The types; `integer` only where `number` is not among them."""
        names = place.schema.get("type", KINDS) if "type" in self.keywords else KINDS
        names = [names] if isinstance(names, str) else names
        for name in names:
            if name not in (*KINDS, "integer"):
                self.refuse(place.at, f"has the type {name!r}, which JSON does not have")
        return [name for name in dict.fromkeys(names) if name != "integer" or "number" not in names]

    def _direct(self, place: Place, name: str) -> Part:
        """The keywords that speak of one type, and of nothing else."""
        kind = "number" if name == "integer" else name
        schema, words, checks = place.schema, dict[str, Any](), list[str]()
        if name == "integer":
            words["integer"] = True
        for word in _OF_KIND.get(kind, ()):
            if word in schema and word in self.keywords and not isinstance(schema[word], bool):
                if not isinstance(schema[word], (int, float)):
                    self.refuse(place.at, f"has {word}={schema[word]!r}, which is no number")
                words[word] = schema[word] if kind == "number" else int(schema[word])
        for word in ("minimum", "maximum"):  # draft 4 has a switch
            exclusive = f"exclusive{word.capitalize()}"
            if word in words and schema.get(exclusive) is True:
                words[exclusive] = words.pop(word)
        for word in _LISTED.get(kind, ()):
            if word in schema and word in self.keywords:
                if (word == "multipleOf") == isinstance(schema[word], str) or schema[word] == 0:
                    self.refuse(place.at, f"has {word}={schema[word]!r}, which no value meets")
                if word == "pattern":
                    self.pattern(place, schema[word])
                words[word] = (schema[word],)
        for word in _CHECKED.get(kind, ()):
            is_idle = schema.get(word) is (word != "uniqueItems") and word != "contains"
            if word in schema and word in self.keywords and not is_idle:
                checks.append(word)
        if kind == "array":
            words |= self._rows(place)
        if kind == "object":
            words |= self._layers(place)
        return Part(kind, words, tuple(checks))

    def _rows(self, place: Place) -> dict[str, Any]:
        schema, items = place.schema, place.schema.get("items", True)
        listed = "prefixItems" if "prefixItems" in self.keywords and "prefixItems" in schema else "items"
        if listed not in schema:
            return {}
        if listed == "items" and not is_list(items):
            return {"rows": (((), self.schemas(place, "items")),)}
        rest = "items" if listed == "prefixItems" else "additionalItems"
        prefix = tuple(self.schemas(place, listed, index) for index in range(len(schema[listed])))
        return {"rows": ((prefix, self.schemas(place, rest) if rest in schema else ()),)}

    def _layers(self, place: Place) -> dict[str, Any]:
        schema, words = place.schema, dict[str, Any]()
        if wrong := [word for word in ("properties", "patternProperties") if not is_dict(schema.get(word, {}))]:
            self.refuse(place.at, f"has {wrong[0]}={schema[wrong[0]]!r}, which is no object")
        if any(word in schema for word in ("properties", "patternProperties", "additionalProperties")):
            for regex in schema.get("patternProperties", {}):
                self.pattern(place, regex)
            properties = {key: self.schemas(place, "properties", key) for key in schema.get("properties", {})}
            patterns = {
                key: self.schemas(place, "patternProperties", key) for key in schema.get("patternProperties", {})
            }
            more = self.schemas(place, "additionalProperties") if "additionalProperties" in schema else None
            notes = {
                key: told(part)
                for key, part in schema.get("properties", {}).items()
                if all(place.schema is not part for place in properties[key])
            }
            words["layers"] = (Layer(properties, patterns, more, notes=notes),)
        required = schema.get("required", ())
        if not is_list(required) and required != ():
            self.refuse(place.at, f"has required={required!r}, which is no list of keys")
        if required:
            words["required"] = tuple(map(str, required))
        if "propertyNames" in schema and "propertyNames" in self.keywords:
            words["names"] = self.schemas(place, "propertyNames")
        return words

    def pattern(self, place: Place, regex: str) -> None:
        """Refuse what is no pattern."""
        try:
            re.compile(python_pattern(regex))
        except (re.error, OverflowError, RecursionError) as error:
            self.refuse(place.at, f"has the pattern {regex!r}, which is no regular expression: {error}")

    def _one_of(self, place: Place, value: Any) -> list[Part]:
        members = [self._parts_of(self.child(place, "oneOf", index)) for index in range(len(value))]
        apart = all(
            self._are_apart(a, b, 0)
            for i, one in enumerate(members)
            for other in members[:i]
            for a in one
            for b in other
        )
        parts = [part for member in members for part in member]
        return _distinct(parts if apart else (replace(each, checks=_both(each.checks, ("oneOf",))) for each in parts))

    def _are_apart(self, one: Part, other: Part, depth: int) -> bool:
        """Whether no value is of both, as far as is easily seen; an object may have keys that are not listed."""
        if "values" in (one.kind, other.kind):
            return merged(one, other) is None
        if one.kind != other.kind:
            return True
        if one.kind != "object" or depth > _DEEPEST:
            return False
        for key in set(one.words.get("required", ())) & set(other.words.get("required", ())):
            first, second = (
                self.parts(tuple(place for layer in part.words.get("layers", ()) for place in layer.at(key)))
                for part in (one, other)
            )
            if all(self._are_apart(a, b, depth + 1) for a in first for b in second):
                return True
        return _lacks(one, other) and _lacks(other, one)

    def _without(self, place: Place) -> list[Part] | None:
        """The alternatives of all other values, or `None` where they are not simple."""
        schema = place.schema
        if not is_dict(schema):
            return [] if schema else ALL
        said = {word for word in schema if word in self.keywords}
        if not said:
            return []
        if said == {"type"} and "integer" not in (kinds := self._kinds(place)):
            return [part for part in ALL if part.kind not in kinds]
        if (
            said in ({"required"}, {"required", "type"})
            and len(schema["required"]) == 1
            and schema.get("type", "object") == "object"
        ):
            lacks = Part("object", {"layers": (self._lacking(schema["required"][0]),)})
            return [lacks] if "type" not in schema else [lacks, *(part for part in ALL if part.kind != "object")]
        if said == {"anyOf"}:
            found = ALL
            for index in range(len(schema["anyOf"])):
                other = self._without(self.child(place, "anyOf", index))
                if other is None:
                    return None
                found = self._meet(place, found, other)
            return found
        return None

    def _lacking(self, key: str) -> Layer:
        return Layer({key: (self._place(False, "#false", None),)}, closes=False)

    def _if(self, place: Place) -> list[Part]:
        schema = place.schema
        if "then" not in schema and "else" not in schema:
            return ALL
        met = self._parts_of(self.child(place, "if"))
        if "then" in schema:
            met = self._meet(place, met, self._parts_of(self.child(place, "then")))
        other = self._parts_of(self.child(place, "else")) if "else" in schema else ALL
        return [replace(part, checks=_both(part.checks, ("if",))) for part in _distinct([*met, *other])]

    def _dependent(self, place: Place, word: str, value: Any) -> list[Part]:
        found = ALL
        for key, needed in value.items():
            if is_list(needed) or isinstance(needed, str):
                keys = (needed,) if isinstance(needed, str) else tuple(needed)
                if len(value) > _MOST_DEPENDENCIES:
                    found = self._meet(place, found, only("object", {}, (word,)))
                    continue
                there = only("object", {"required": (key, *keys)})
            else:
                there = self._meet(
                    place, only("object", {"required": (key,)}), self._parts_of(self.child(place, word, key))
                )
            without = only("object", {"layers": (self._lacking(key),)})
            found = self._meet(place, found, _distinct([*without, *there]))
        return found


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    """The keyword in jsonschema, which searches for patterns in Python's words."""
    error: Any = import_module("jsonschema").ValidationError
    if isinstance(value, str) and re.search(python_pattern(pattern), value) is None:
        yield error(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Any, schema: Any) -> Iterator[Any]:
    for pattern, part in patterns.items() if is_dict(value) else ():
        for key in value:
            if re.search(python_pattern(pattern), key):
                yield from validator.descend(value[key], part, path=key, schema_path=pattern)


def _id_of(specification: Any, part: Any) -> Any:
    """The address that a schema gives itself; `id` may be something else, where a property was forgotten around it."""
    try:
        return specification.id_of(part)
    except AttributeError:
        return None


def _distinct(parts: Iterable[Part]) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        if part not in found:
            found.append(part)
    return found


def _lacks(one: Part, other: Part) -> bool:
    """Whether an object of `one` cannot have a key that `other` needs."""
    listed, patterns, more = members_of(one)
    return more is None and any(
        key not in listed and not any(re.search(python_pattern(regex), key) for regex in patterns)
        for key in other.words.get("required", ())
    )


def members_of(part: Part) -> tuple[dict[str, Schemas], dict[str, Schemas], Schemas | None]:
    """An object's listed keys, those by pattern, and the schemas of all others, `None` where there may be none."""
    layers: Sequence[Layer] = part.words.get("layers", ())
    keys = dict.fromkeys([*(key for layer in layers for key in layer.properties), *part.words.get("required", ())])
    listed = {key: _together(layer.at(key) for layer in layers) for key in keys}
    open_ = [layer.more for layer in layers if layer.more is not None]
    patterns = {
        regex: _together([found, *(each.more or () for each in layers if each is not layer and not each.patterns)])
        for layer in layers
        for regex, found in layer.patterns.items()
    }
    if open_:
        more: Schemas | None = _together(open_)
    else:
        more = None if any(layer.closes for layer in layers) else ()
    return listed, patterns, None if more and any(place.schema is False for place in more) else more


def rows_of(part: Part) -> tuple[list[Schemas], Schemas]:
    """An array's first items, and the schemas of all others."""
    rows: Sequence[tuple[Sequence[Schemas], Schemas]] = part.words.get("rows", ())
    count = max((len(prefix) for prefix, _ in rows), default=0)
    first = [_together(row[index] if index < len(row) else rest for row, rest in rows) for index in range(count)]
    return first, _together(rest for _, rest in rows)


def _together(schemas: Iterable[Schemas]) -> Schemas:
    return tuple(dict.fromkeys(place for each in schemas for place in each))


def _walk(schema: Any, at: str) -> Iterator[tuple[Any, str]]:
    """All objects and lists of a document, each with its pointer."""
    pending = [(schema, at)]
    while pending:
        part, at = pending.pop()
        if is_dict(part) or is_list(part):
            yield part, at
            items = part.items() if is_dict(part) else enumerate(part)
            pending += [(each, f"{at}/{_escaped(str(step))}") for step, each in items]


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _draft_by_words(schema: Any) -> Any:
    """The draft that a schema without `$schema` must be of, by words that later ones have in another form."""
    validators: Any = import_module("jsonschema.validators")
    parts = [part for part, _ in _walk(schema, "#") if is_dict(part)]
    if any(isinstance(part.get(word), bool) for part in parts for word in ("exclusiveMinimum", "exclusiveMaximum")):
        return validators.Draft4Validator
    is_listed = any(is_list(part.get("items")) and part["items"] and is_dict(part["items"][0]) for part in parts)
    return validators.Draft201909Validator if is_listed else None
