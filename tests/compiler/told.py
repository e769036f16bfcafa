"""Proof of a description: it says all that the JSON schema and the checks say, nothing else, and nothing twice.

The JSON schema is taken apart into phrases, without regard to where they stand. Each phrase is looked for in the description
and taken out of it, as often as the schema has it. Of a true description only words of structure are left over.
"""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pydantic_core import to_jsonable_python

from typefold.compiler import OutputType
from typefold.compiler.shape import shape_of

STRUCTURE = "any array boolean integer JSON null number object one of or string text value where default optional unique items matching"
"""Words that are left of a description when all phrases of the schema are taken out of it."""

UNTOLD = {
    "validator": "the name of a function says nothing of its meaning; `Predicate` of a method of `str` is told",
    "a valid email address": "the form says so: `string (email)`",
    "a valid URL": "the form says so: `string (uri)`",
    "base64 of UTF-8": "the form says so",
    "hashable items": "a question of Python's classes, which JSON does not have",
    "no deeper than": "no answer that is worth anything is 200 levels deep",
    "the engine alone reads the grammar": "it is no limit: the engine keeps to the grammar",
}
"""Post-checks that the model is not told, by the beginning of their names, each with the reason."""

SAVED = 20  # characters; a type that is used twice is written out each time if a definition of its own would save fewer


def prove(kind: OutputType[Any]) -> None:
    """Raise AssertionError where the description of a type leaves something out, adds something, or repeats something."""
    text, schema = kind.shape, kind.json_schema
    if text is None:
        said = list(phrases(kind))
        assert not [words for words in said if words], f"{kind.hint}: nothing is told of {said}"
        return
    assert len(text) <= 2 * len(json.dumps(schema, ensure_ascii=False)) + 40, f"{kind.hint}: {len(text)} characters"
    lines = text.split("\n")
    assert len(lines) == 1 or lines[1] == "where", text
    assert all(re.match(r"\w+: ", line) for line in lines[2:]), text
    left = f" {text} "
    for options, count in sorted(Counter(phrases(kind)).items(), key=lambda each: -min(map(len, each[0]))):
        found = 0
        for words in filter(None, options):
            while found < count and (
                match := re.search(
                    f"(?<!\\w){re.escape(words)}(?!\\w)"
                    if words[0].isalnum() and words[-1].isalnum()
                    else re.escape(words),
                    left,
                )
            ):
                left = left[: match.start()] + "\0" + left[match.end() :]
                found += 1
        assert found, f"{kind.hint}: {options[0]!r} is not told in {text!r}"
    for name in re.findall(r"^(\w+): ", "\n".join(lines[2:]), re.MULTILINE):
        left = re.sub(rf"\b{name}\b", "\0", left)
    more = set(re.findall(r'\w+|"', left)) - set(STRUCTURE.split())
    assert not more, f"{kind.hint}: {sorted(more)} is told in {text!r}, and no part of the schema says so"
    for check in kind.post_checks:
        assert is_told(check.partition(": ")[2], text), f"{kind.hint}: {check} is not told in {text!r}"


def is_told(check: str, text: str) -> bool:
    """Whether the words of a post-check are in a description, or it is one of those that are not told."""
    if any(check.startswith(name) for name in UNTOLD):
        return True
    name, _, value = check.partition("=")
    if not value:
        return check in text
    words = {
        "strip_whitespace": "space at either end",
        "to_lower": "lower case",
        "to_upper": "upper case",
        "ascii_only": "ASCII only",
    }
    if (known := words.get(name.removeprefix("str_"))) is not None:
        return known in text
    made = eval(value.partition(" of ")[0], {"datetime": datetime, "Decimal": Decimal, "re": re})
    said: Any = getattr(made, "pattern", None) or to_jsonable_python(made)
    return str(said) in text or json.dumps(said) in text


def phrases(kind: OutputType[Any]) -> Iterator[tuple[str, ...]]:
    """The phrases that a schema asks for; where there are several ways to say it, all of them."""
    schema = kind.json_schema
    definitions = schema.get("$defs", {})
    uses: Counter[str] = Counter()
    pending = [schema]
    while pending:
        part = pending.pop()
        if "$ref" in part:
            name = part["$ref"].removeprefix("#/$defs/")
            uses[name] += 1
            if uses[name] == 1:
                pending.append(definitions[name])
        pending += parts(part)
    bodies = [(schema, 1)]
    text = kind.shape or ""
    for name in uses:
        written = 1
        if uses[name] > 1 and set(definitions[name]) != {"$ref"} and not re.search(rf"\n{name}(_\d+)?: ", text):
            alone = shape_of({"$ref": f"#/$defs/{name}", "$defs": definitions}, kind.json_format)
            saved = (uses[name] - 1) * len(alone.partition("\n")[0]) - (uses[name] + 1) * len(name)
            assert saved < SAVED + 8, f"{name} is written out {uses[name]} times: {text}"
            written = uses[name]
        bodies.append((definitions[name], written))
    is_bare = kind.is_bare
    for body, written in bodies:
        for _ in range(written):
            yield from of_part(body, kind, is_bare=is_bare)


def parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    written = schema.get(
        "x-positions", schema.get("properties", {})
    )  # what can only be one thing has no place in an array
    found = [*(schema["properties"][key] for key in written), *schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    return [
        *found,
        *(
            schema[key]
            for key in ("items", "additionalProperties", "propertyNames")
            if isinstance(schema.get(key), dict)
        ),
    ]


def of_part(schema: dict[str, Any], kind: OutputType[Any], *, is_bare: bool = False) -> Iterator[tuple[str, ...]]:
    """The phrases of a schema and the parts in it; a definition is not in it."""
    yield from of_notes(schema)
    yield from of_limits(schema)
    if "x-tag" in schema:
        yield (f"{json.dumps(schema['x-tag'], ensure_ascii=False)}{kind.json_format.colon}",)
    if "enum" in schema:
        texts = [json.dumps(each, ensure_ascii=False) for each in schema["enum"]]
        bare = [each if isinstance(each, str) else texts[i] for i, each in enumerate(schema["enum"])]
        choices = [", ".join(texts), ", ".join(bare)]
        if "x-descriptions" in schema:
            for each, bare_one, about in zip(texts, bare, schema["x-descriptions"], strict=True):
                ending = f" ({one_line(about)})" if about else ""
                yield (f"{each}{ending}", f"{bare_one}{ending}")
        elif len(texts) > 1 or is_bare:
            yield tuple(dict.fromkeys(f"one of: {listed}" for listed in choices))
        else:
            yield (texts[0],)
    positions = schema.get("x-positions")
    required = schema.get("required", ())
    for key, value in schema.get("properties", {}).items():
        if positions is not None and key not in positions:
            yield from of_notes(value)
            continue
        quoted = json.dumps(key, ensure_ascii=False)
        yield (f"{quoted}{kind.json_format.colon}",) if positions is None else (f"{key}: ", f"{quoted}: ")
        default = kind.json_format.dump(value["default"]) if "default" in value else "null"
        goes_without_saying = default == "null" or [default] == members_of(value, kind)
        if positions is None and key not in required:
            said = f"(optional, default {default})"
            yield (said, "(optional)") if goes_without_saying else (said,)
        elif positions is not None and positions[key] is not None:
            said = f"or {positions[key]} (default {default})"
            yield (said, f"or {positions[key]}") if goes_without_saying else (said,)
        yield from of_part(value, kind)
    inside = parts({key: value for key, value in schema.items() if key not in ("properties", "x-positions")})
    for part in inside:
        if part.get("type") == "integer" and part | {"type": "number"} in inside:
            continue  # a number may be a whole one
        yield from of_part(part, kind)


def members_of(schema: dict[str, Any], kind: OutputType[Any]) -> list[str]:
    """The members of a choice as JSON, wherever it is defined."""
    while "$ref" in schema:
        schema = kind.json_schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return list(map(kind.json_format.dump, schema.get("enum", ())))


def of_notes(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    if about := one_line(schema.get("description") or ""):
        yield (f"({about})", f"({json.dumps(about, ensure_ascii=False)})")
    if schema.get("examples"):
        yield (f"such as {', '.join(json.dumps(each, ensure_ascii=False) for each in schema['examples'])}",)
    if schema.get("deprecated"):
        yield ("(deprecated)",)
    for note in schema.get("x-notes", ()):
        yield (note,)


def of_limits(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    if (pattern := schema.get("pattern")) is not None:
        yield (f"matching {pattern}", f"matching {json.dumps(pattern, ensure_ascii=False)}")
    if "format" in schema:
        yield (schema["format"],)
    if "multipleOf" in schema:
        yield (f"a multiple of {schema['multipleOf']}",)
    for start, exclusive in (("m", "exclusiveM"), ("formatM", "formatExclusiveM")):
        least, most = schema.get(f"{start}inimum"), schema.get(f"{start}aximum")
        above, below = schema.get(f"{exclusive}inimum"), schema.get(f"{exclusive}aximum")
        if least is not None and most is not None and above is None and below is None:
            yield (f"from {least} to {most}",)
            continue
        bounds = ((">=", least), (">", above), ("<=", most), ("<", below))
        if said := " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None):
            yield (said,)
    unit = {"Length": "character", "Bytes": "byte", "Items": "item", "Properties": "entr"}
    for keyword, singular in unit.items():
        few, many = schema.get(f"min{keyword}"), schema.get(f"max{keyword}")
        if few is None and many is None:
            continue
        unique = "unique " if keyword == "Items" and schema.get("uniqueItems") else ""
        number = few if many is None else many
        ending = ("y" if number == 1 else "ies") if singular == "entr" else ("" if number == 1 else "s")
        what = f"{unique}{singular}{ending}"
        if few == many:
            yield (f"{few} {what}",)
        elif many is None:
            yield (f"at least {few} {what}",)
        else:
            yield (f"{few} to {many} {what}",) if few else (f"at most {many} {what}",)


def one_line(text: str | None) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text or "").split())
