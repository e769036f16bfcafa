"""Description of an answer for a model: JSON with types in place of values, or bare text with its limits.

It says once whatever the JSON schema says: keys, choices, limits (those that are checked after decoding too), defaults and
descriptions. It is spaced like the answer, and notes stand in parentheses behind the type that they are about. A type that
contains itself is named and defined below, and so is one that is used twice where that is shorter, or where it has a
description. So the text grows with the source of a type, and not with its expansion.

Invariant: a text of the user's is on one line, and its parentheses are balanced or in quotation marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from typefold.compiler.codec import JsonSchema
from typefold.compiler.guards import class_of, is_dict
from typefold.compiler.json_format import JsonFormat
from typefold.compiler.limits import one_line

LONGEST = 100_000
"""Characters of a description, which each prompt carries; a longer one is refused."""

_ANY = "any JSON value"
_PLAIN = re.compile(r"[^\W_](?:[^\n\r\t\v\f\x00-\x1f,;()\[\]{}\"`\\]*[^\s,;()\[\]{}\"`\\\x00-\x1f])?")
"""A member that can be listed without quotation marks and be read as meant."""
_LABEL = re.compile(r"\w+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_KINDS: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_WORDS = frozenset(
    re.findall(r"\w+", "any array boolean false integer null number object one or string text true value where")
)
"""Words of descriptions, which are no names of definitions."""
_SAVED, _SAVED_WITHOUT_NAME = 20, 60
"""Characters that a definition must save; one without a name of its own is harder to read."""


def shape_of(schema: JsonSchema, json_format: JsonFormat) -> str:
    """Describe the values of a schema, such as `[integer >= 0, ...]`."""
    printer = _Printer(schema.get("$defs", {}), json_format)
    head = printer.text(printer.rooted(schema))
    named = [f"{name}: {body}" for name, body in reversed(printer.below)]
    return "\n".join([head, *(["where"] if named else []), *named])


def bare_shape_of(schema: JsonSchema, json_format: JsonFormat) -> str | None:
    """Describe bare text, such as `one of: keep, drop`; `None` where there is nothing to say of it."""
    printer = _Printer(schema.get("$defs", {}), json_format)
    text = printer.bare(printer.rooted(schema))
    return None if text == "text" else text


def with_choice_classes(
    schema: JsonSchema, definitions: dict[str, JsonSchema], classes: dict[str, JsonSchema]
) -> JsonSchema:
    """The whole schema, with each class of choices (`x-class`) among its definitions."""
    if not classes:
        return {**schema, "$defs": dict(definitions)} if definitions else dict(schema)
    found: dict[str, JsonSchema] = {}

    def moved(part: JsonSchema) -> JsonSchema:
        if "x-class" not in part:
            return _mapped(part, moved) if not _PARTS.isdisjoint(part) else part
        name = part["x-class"]
        found[name] = classes[name] | {key: part[key] for key in ("type", "enum", "x-descriptions") if key in part}
        rest = {key: value for key, value in part.items() if key not in found[name] or key in _NOTES}
        return {"$ref": f"#/$defs/{name}"} | {key: value for key, value in rest.items() if key != "x-class"}

    made, others = moved(schema), {name: moved(part) for name, part in definitions.items()}
    return {**made, "$defs": {**others, **found}} if others or found else made


_NOTES = ("description", "examples", "deprecated")  # keywords about one use of a type, which is the same without them


_PARTS = frozenset({"properties", "anyOf", "prefixItems", "items", "additionalProperties", "propertyNames"})


def _mapped(schema: JsonSchema, of: Callable[[JsonSchema], Any]) -> dict[str, Any]:
    """A schema with its parts replaced."""
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: of(part) for name, part in value.items()}
        elif key in ("anyOf", "prefixItems"):
            made[key] = [of(part) for part in value]
        else:
            is_part = key in ("items", "additionalProperties", "propertyNames") and is_dict(value)
            made[key] = of(value) if is_part else value
    return made


@dataclass(eq=False)
class _Node:
    """A part of a schema; equal parts are one node."""

    number: int
    schema: dict[str, Any]  # the schema with nodes in the places of its parts; without notes
    notes: str = ""  # the notes on this use of `inner`, in parentheses
    inner: _Node | None = None  # the part that the notes are about
    uses: int = 0  # the number of places where it stands
    name: str | None = None  # the name by which the text speaks of it
    text: str | None = None  # its text, where it has no name
    is_open: bool = False
    parts: list[_Node] = field(default_factory=list["_Node"])


class _Printer:
    def __init__(self, definitions: dict[str, Any], json_format: JsonFormat) -> None:
        self.definitions = definitions
        self.colon, self.comma, self.dump = json_format.colon, json_format.comma, json_format.dump
        self.nodes: dict[str, _Node] = {}
        self.referred: dict[str, _Node] = {}  # the nodes of definitions
        self.names_of: dict[int, str] = {}  # and their names, by the numbers of the nodes
        self.waiting: list[str] = []
        self.names: set[str] = set(_WORDS)
        self.below: list[tuple[str, str]] = []

    # --- nodes ---

    def rooted(self, schema: JsonSchema) -> _Node:
        """The node of a whole schema, with the uses of all nodes counted."""
        root = self.node({key: value for key, value in schema.items() if key != "$defs"})
        while self.waiting:
            name = self.waiting.pop()
            if name not in self.referred:
                self.referred[name] = self.node(self.definitions[name])
                self.names_of.setdefault(self.referred[name].number, name)
        pending = [root]
        root.uses = 1
        while pending:
            node = pending.pop()
            for part in self.parts(node):
                part.uses += 1
                if "$ref" not in part.schema or part.uses == 1:  # a definition stands in the text once
                    pending.append(part)
        return root

    def parts(self, node: _Node) -> list[_Node]:
        return [self.referred[node.schema["$ref"]]] if "$ref" in node.schema else node.parts

    def node(self, schema: JsonSchema) -> _Node:
        notes = _notes(schema)
        if notes:
            inner = self.node({key: value for key, value in schema.items() if key not in _noted(schema)})
            return self.one(_Node(0, {}, notes, inner, parts=[inner]), f"{notes}{inner.number}")
        if "x-tag" in schema:
            inner = self.node({key: value for key, value in schema.items() if key != "x-tag"})
            node = _Node(0, {"x-tag": schema["x-tag"]}, inner=inner, parts=[inner])
            return self.one(node, f"{json.dumps(schema['x-tag'])}{inner.number}")
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            self.waiting.append(name)
            return self.one(_Node(0, {"$ref": name}), f"#{name}")
        parts: list[_Node] = []

        def part(inside: JsonSchema) -> _Node:
            parts.append(self.node(inside))
            return parts[-1]

        made = _mapped({key: value for key, value in schema.items() if key not in ("title", "default", *_NOTES)}, part)
        if "properties" in schema:
            made["defaults"] = {key: each["default"] for key, each in schema["properties"].items() if "default" in each}
        key = json.dumps(made, default=lambda node: {"": node.number})
        return self.one(_Node(0, made, parts=parts), key)

    def one(self, node: _Node, key: str) -> _Node:
        node.number = len(self.nodes)
        return self.nodes.setdefault(key, node)

    # --- texts ---

    def text(self, node: _Node) -> str:
        """The text of a node where it stands: its name, if it has one."""
        if node.is_open:  # it contains itself; a part without a name is ended by the type around it that has one
            return self.named(node) if "$ref" in node.schema else self.body(node)
        if node.text is None:
            node.is_open = True
            node.text = self.body(node)
            node.is_open = False
            if self.has_name(node) or (node.uses > 1 and self.is_worth_a_name(node, node.text)):
                self.below.append((self.named(node), node.text))
        return node.name or node.text

    def has_name(self, node: _Node) -> bool:
        return node.name is not None

    def named(self, node: _Node) -> str:
        """The name of a node, a new one if it has none."""
        node.name = node.name or self.new_name(node)
        return node.name

    def new_name(self, node: _Node) -> str:
        base = self.name_of(node) or ("choice" if "enum" in node.schema else "part")
        name = next(
            name
            for number in range(1, len(self.names) + 2)
            if (name := f"{base}_{number}" if number > 1 else base) not in self.names
        )
        self.names.add(name)
        return name

    def name_of(self, node: _Node) -> str | None:
        """The name of the definition that a node refers to or is."""
        return node.schema.get("$ref") or self.names_of.get(node.number)

    def is_worth_a_name(self, node: _Node, text: str) -> bool:
        name = self.name_of(node)
        if name is not None and (self.referred[name].notes or node.notes):
            return True  # a description is told once
        saved = (node.uses - 1) * len(text) - (node.uses + 1) * len(name or "choice") - 3
        return saved >= (_SAVED_WITHOUT_NAME if name is None else _SAVED)

    def body(self, node: _Node) -> str:
        if node.inner is not None:
            inner = self.text(node.inner)
            if not node.notes:
                return f"{{{self.dump(node.schema['x-tag'])}{self.colon}{inner}}}"
            return self.noted(node.inner, inner, node.notes)
        schema = node.schema
        if "$ref" in schema:
            return self.text(self.referred[schema["$ref"]])
        if "anyOf" in schema:
            members: list[_Node] = schema["anyOf"]
            numbers = [each.schema for each in members if each.schema.get("type") == "number"]
            texts = [
                self.text(each)
                for each in members
                if each.schema.get("type") != "integer" or each.schema | {"type": "number"} not in numbers
            ]
            return " or ".join(dict.fromkeys(texts))  # a number may be a whole one
        notes: list[str] = schema.get("x-notes", [])
        if "enum" in schema:
            return _behind(_choice(schema), notes)
        match schema.get("type"):
            case "object":
                return self.object(schema, notes)
            case "array":
                return self.array(schema, notes)
            case "string":
                return _string(schema, notes)
            case "integer" | "number":
                steps = [f"a multiple of {schema['multipleOf']}"] if "multipleOf" in schema else []
                return _behind(schema["type"] + _range(schema, "m", "exclusiveM"), [*steps, *notes])
            case "boolean" | "null":
                return str(schema["type"])
            case _:
                return _behind(_ANY, notes)

    def noted(self, node: _Node, text: str, notes: str) -> str:
        """A text with notes behind it; a union whose last member has notes of its own is put in parentheses."""
        if node.name is None and any(part.notes and part.name is None for part in node.schema.get("anyOf", ())[-1:]):
            text = f"({text})"
        return text if notes and text.endswith(notes) else text + notes

    def object(self, schema: dict[str, Any], notes: Iterable[str]) -> str:
        if "x-positions" in schema:
            return _behind(self.positions(schema), notes)
        if "properties" in schema:
            pairs = [f"{self.dump(key)}{self.colon}{self.property(schema, key)}" for key in schema["properties"]]
            return _behind("{" + self.comma.join(pairs) + "}", notes)
        keys: _Node | None = schema.get("propertyNames")
        values: _Node | None = schema.get("additionalProperties")
        pair = f"{self.key(keys)}{self.colon}{self.text(values) if isinstance(values, _Node) else _ANY}"
        entries = _between(schema.get("minProperties"), schema.get("maxProperties"), "entries")
        return _behind(f"{{{pair}{self.comma}...}}", [*entries, *notes])

    def key(self, node: _Node | None) -> str:
        """The keys of a dictionary, which JSON writes as strings."""
        if node is None:
            return "string"
        text = self.text(node)
        if node.name is not None or text.startswith(("string", '"')):
            return text
        members = text.partition(" (one of: ")[2]
        return f"string (one of: {members}" if members else f"string ({text})"

    def property(self, schema: dict[str, Any], key: str) -> str:
        node: _Node = schema["properties"][key]
        mark = "" if key in schema.get("required", ()) else f" (optional{self.default(schema, key, ', ')})"
        return self.with_mark(node, mark)

    def with_mark(self, node: _Node, mark: str) -> str:
        """A field's type, the mark of one that may be left out, and the notes on the field."""
        text = self.text(node)
        if mark and node.notes and node.inner is not None and node.name is None:
            return self.noted(node.inner, self.text(node.inner), "") + mark + node.notes
        return text + mark

    def default(self, schema: dict[str, Any], key: str, before: str) -> str:
        """The default of a field that may be left out. Null goes without saying, and so does the only value of a type."""
        text = self.dump(schema["defaults"].get(key))
        return "" if text in ("null", self.text(schema["properties"][key])) else f"{before}default {text}"

    def positions(self, schema: dict[str, Any]) -> str:
        """Describe an object that is written as an array. The names label the positions and are not part of it."""
        places: list[str] = []
        for key, mark in schema["x-positions"].items():
            default = self.default(schema, key, " (")
            mark = "" if mark is None else f" or {mark}{default}{')' if default else ''}"
            places.append(
                f"{key if _LABEL.fullmatch(key) else self.dump(key)}: {self.with_mark(schema['properties'][key], mark)}"
            )
        constant = (node.notes for key, node in schema["properties"].items() if key not in schema["x-positions"])
        return "[" + self.comma.join(places) + "]" + "".join(constant)

    def array(self, schema: dict[str, Any], notes: Iterable[str]) -> str:
        if "prefixItems" in schema:
            return _behind("[" + self.comma.join(map(self.text, schema["prefixItems"])) + "]", notes)
        unit = "unique items" if schema.get("uniqueItems") else "items"
        count = _between(schema.get("minItems"), schema.get("maxItems"), unit)
        if not count and schema.get("uniqueItems"):
            count = [unit]
        items = self.text(schema["items"]) if isinstance(schema.get("items"), _Node) else _ANY
        return _behind(f"[{items}{self.comma}...]", [*count, *notes])

    def bare(self, node: _Node) -> str:
        """The text of a string that is a whole answer, without quotation marks."""
        if node.inner is not None:
            return self.bare(node.inner) + node.notes
        if "$ref" in node.schema:
            return self.bare(self.referred[node.schema["$ref"]])
        if "enum" in node.schema:
            return _behind(f"one of: {_members(node.schema)}", node.schema.get("x-notes", ()))
        return "text" + self.body(node).removeprefix("string")


def _noted(schema: JsonSchema) -> tuple[str, ...]:
    """The keywords that are notes on a use of the type beside them."""
    more = ("x-notes",) if any(key in schema for key in ("$ref", "anyOf", "x-tag")) else ()
    return (*_NOTES, "default", *more)


def _notes(schema: JsonSchema) -> str:
    """The notes on a use of a type: description, examples, and checks where the type itself stands elsewhere."""
    notes = list(schema.get("x-notes", ())) if "x-notes" in _noted(schema) else []
    texts = [_behind("", notes).removeprefix(" ")] if notes else []
    if about := one_line(schema.get("description", "")):
        texts.append(_in_parentheses(about))
    if schema.get("examples"):
        listed = ", ".join(json.dumps(each, ensure_ascii=False) for each in schema["examples"])
        texts.append(_in_parentheses(f"such as {listed}"))
    if schema.get("deprecated"):
        texts.append("(deprecated)")
    return "".join(f" {text}" for text in texts)


def _in_parentheses(text: str) -> str:
    """A text of the user's in parentheses, in quotation marks where it has some or parentheses that are not closed."""
    depth = 0
    for char in (outside := _STRING.sub("", text)):
        depth += (char == "(") - (char == ")")
        if depth < 0 or char == '"':
            break
    return f"({json.dumps(text, ensure_ascii=False) if depth or chr(34) in outside else text})"


def _behind(text: str, notes: Iterable[str]) -> str:
    """A text with limits and checks behind it."""
    listed = ", ".join(notes)
    return f"{text} ({listed})" if listed else text


def _choice(schema: dict[str, Any]) -> str:
    """The members of a choice, after the type. In place of the value, small models would copy the first member."""
    members: list[Any] = schema["enum"]
    if len(members) == 1 and "x-descriptions" not in schema:
        return json.dumps(members[0], ensure_ascii=False)
    kinds = {_KINDS.get(class_of(member), "value") for member in members}
    kind = kinds.pop() if len(kinds) == 1 else "number" if kinds == {"integer", "number"} else "value"
    return f"{kind} (one of: {_members(schema)})"


def _members(schema: dict[str, Any]) -> str:
    members: list[Any] = schema["enum"]
    texts = [json.dumps(member, ensure_ascii=False) for member in members]
    if all(isinstance(member, str) and _PLAIN.fullmatch(member) for member in members):
        texts = members
    abouts = map(one_line, (about or "" for about in schema.get("x-descriptions", [""] * len(members))))
    return ", ".join(
        f"{text} {_in_parentheses(about)}" if about else text for text, about in zip(texts, abouts, strict=True)
    )


def _string(schema: dict[str, Any], notes: Iterable[str]) -> str:
    pattern = schema.get("pattern")
    if pattern is not None:
        is_plain = pattern.isprintable() and pattern == pattern.strip() and ", " not in pattern
        pattern = f" matching {pattern if is_plain else json.dumps(pattern, ensure_ascii=False)}"
    form = [schema["format"]] if "format" in schema else []
    if bounds := _range(schema, "formatM", "formatExclusiveM"):
        form = [f"{''.join(form)}{bounds}".strip()]
    lengths = _between(schema.get("minLength"), schema.get("maxLength"), "characters")
    lengths += _between(schema.get("minBytes"), schema.get("maxBytes"), "bytes")
    return _behind(f"string{pattern or ''}", [*form, *lengths, *notes])


def _between(least: int | None, most: int | None, what: str) -> list[str]:
    if least is None and most is None:
        return []
    what = {"entries": "entry"}.get(what, what.removesuffix("s")) if (least if most is None else most) == 1 else what
    if least == most:
        return [f"{most} {what}"]
    if most is None:
        return [f"at least {least} {what}"]
    return [f"at most {most} {what}" if not least else f"{least} to {most} {what}"]


def _range(schema: dict[str, Any], inclusive: str, exclusive: str) -> str:
    """The bounds behind a type, such as ` from 1 to 5` or ` > 0`; keywords begin with `inclusive` or `exclusive`."""
    least, above = schema.get(f"{inclusive}inimum"), schema.get(f"{exclusive}inimum")
    most, below = schema.get(f"{inclusive}aximum"), schema.get(f"{exclusive}aximum")
    if least is not None and most is not None and above is None and below is None:
        return f" from {least} to {most}"
    pairs = ((">=", least), (">", above), ("<=", most), ("<", below))
    said = [f"{sign} {bound}" for sign, bound in pairs if bound is not None]
    return f" {' and '.join(said)}" if said else ""
