"""Description of an answer for a model: JSON with types in place of values, or bare text with its limits.

It is made from the JSON schema, is spaced like the answer, and names the limits that the constraint enforces. A field's
description follows it as a comment. Types that contain themselves are named and defined once.
"""

from __future__ import annotations

import json
import re
from typing import Any

from typefold.compiler.codec import JsonSchema
from typefold.compiler.json_format import JsonFormat

_ANY = "any JSON value"
_PLAIN = re.compile(r"\w(?:[\w .'-]*\w)?")  # a member that can be listed without quotes and be read as meant


def shape_of(schema: JsonSchema, json_format: JsonFormat) -> str:
    """Describe the values of a schema, such as `[integer >= 0, ...]`."""
    printer = _Shape(schema.get("$defs", {}), json_format)
    text = printer.of({key: value for key, value in schema.items() if key != "$defs"})
    named = [f"{name}: {printer.body(name)}" for name in printer.recursive]
    return "\n".join([text, *(["where"] if named else []), *named])


class _Shape:
    def __init__(self, definitions: dict[str, Any], json_format: JsonFormat) -> None:
        self.definitions = definitions
        self.json_format = json_format
        self.open: list[str] = []
        self.recursive: dict[str, None] = {}

    def of(self, schema: JsonSchema) -> str:
        if "x-tag" in schema:
            inside = {key: value for key, value in schema.items() if key != "x-tag"}
            return f"{{{json.dumps(schema['x-tag'], ensure_ascii=False)}{self.json_format.colon}{self.of(inside)}}}"
        if "$ref" in schema:
            return self.reference(schema["$ref"].removeprefix("#/$defs/"))
        if "anyOf" in schema:
            return " or ".join(dict.fromkeys(map(self.of, schema["anyOf"])))
        if "enum" in schema:
            return _choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self.object(schema)
            case "array":
                return self.array(schema)
            case "string":
                return _string(schema)
            case "integer" | "number":
                return str(schema["type"]) + _range(schema)
            case "boolean":
                return "boolean"
            case "null":
                return "null"
            case _:
                return _ANY

    def reference(self, name: str) -> str:
        if name in self.open or name in self.recursive:
            self.recursive[name] = None
            return name
        return self.body(name)

    def body(self, name: str) -> str:
        self.open.append(name)
        text = self.of(self.definitions[name])
        self.open.pop()
        return text

    def object(self, schema: JsonSchema) -> str:
        colon, comma = self.json_format.colon, self.json_format.comma
        if "x-positions" in schema:
            return self.positions(schema)
        if "properties" not in schema:
            return f"{{string{colon}{self.of(schema.get('additionalProperties', {}))}{comma}...}}"
        required = schema.get("required", [])
        pairs: list[str] = []
        for key, value in schema["properties"].items():
            note = "" if key in required else " (optional)"
            about = value.get("description")
            note += f" ({' '.join(about.split())})" if about else ""
            pairs.append(f"{json.dumps(key, ensure_ascii=False)}{colon}{self.of(value)}{note}")
        return "{" + comma.join(pairs) + "}"

    def positions(self, schema: JsonSchema) -> str:
        """Describe an object that is written as an array. The names label the positions and are not part of it."""
        places: list[str] = []
        for key, mark in schema["x-positions"].items():
            value = schema["properties"][key]
            about = value.get("description")
            note = ("" if mark is None else f" or {mark}") + (f" ({' '.join(about.split())})" if about else "")
            places.append(f"{key}: {self.of(value)}{note}")
        constant = (value for key, value in schema["properties"].items() if key not in schema["x-positions"])
        abouts = [" ".join(value["description"].split()) for value in constant if value.get("description")]
        return "[" + self.json_format.comma.join(places) + "]" + "".join(f" ({about})" for about in abouts)

    def array(self, schema: JsonSchema) -> str:
        comma = self.json_format.comma
        if "prefixItems" in schema:
            return "[" + comma.join(map(self.of, schema["prefixItems"])) + "]"
        least, most = schema.get("minItems"), schema.get("maxItems")
        bound = _between(least, most, "items")
        return f"[{self.of(schema.get('items', {}))}{comma}...]{bound}"


def bare_shape_of(schema: JsonSchema, json_format: JsonFormat) -> str | None:
    """Describe bare text, such as `one of: keep, drop`; `None` where there is nothing to say of it."""
    definitions = schema.get("$defs", {})
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    text = shape_of(schema, json_format)
    if len(schema.get("enum", ())) > 1:
        text = text.removeprefix("string (").removesuffix(")")
    elif "enum" not in schema:
        text = "text" + text.removeprefix("string")
    return None if text == "text" else text


def _choice(members: list[Any]) -> str:
    """The members of a choice, after the type. In place of the value, small models would copy the first member."""
    texts = [json.dumps(member, ensure_ascii=False) for member in members]
    if len(texts) == 1:
        return texts[0]
    words = [member for member in members if isinstance(member, str) and _PLAIN.fullmatch(member)]
    if len(words) == len(members):
        return f"string (one of: {', '.join(words)})"
    kind = "string" if all(isinstance(member, str) for member in members) else "value"
    return f"{kind} (one of: {', '.join(texts)})"


def _string(schema: JsonSchema) -> str:
    if "pattern" in schema:
        return f"string matching {schema['pattern']}"
    if "format" in schema:
        return f"string ({schema['format']})"
    return "string" + _between(schema.get("minLength"), schema.get("maxLength"), "characters")


def _between(least: int | None, most: int | None, what: str) -> str:
    if least is None and most is None:
        return ""
    if least == most:
        return f" ({most} {what})"
    if most is None:
        return f" (at least {least} {what})"
    return f" (at most {most} {what})" if not least else f" ({least} to {most} {what})"


def _range(schema: JsonSchema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    step = f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    if least is not None and most is not None:
        return f" from {least} to {most}{step}"
    if least is not None:
        return f" >= {least}{step}"
    return (f" <= {most}" if most is not None else "") + step
