"""`docs/types.md`, made from the catalogue: every word about a single type comes from its output type or its hook."""

# It reads the bounds of the compiler:
# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from typefold.compiler import JsonFormat, OutputType, UnsupportedType, Vocabulary, default_registry, output_type
from typefold.compiler.context import MAX_DEPTH
from typefold.compiler.output_type import DEFAULT_JSON_FORMAT
from typefold.compiler.post_checks import DEEPEST
from typefold.compiler.shape import shape_of
from typefold.compiler.types import binary, containers, decimals, scalars, strings

from . import ENTRIES, REFUSED, SECTIONS, Entry, Section

__all__ = ["enforced", "page"]

_ROOT_RULE = (
    "str",
    "Annotated[str, Field(max_length=40)]",
    r'Annotated[str, Matching(r"[A-Z]{3}-\d{4}")]',
    'Literal["keep", "drop"]',
    "Mood",
    "Annotated[str, OneOf(cities)]",
    """Annotated[str, Grammar('root ::= "yes" | "no"')]""",
    "str | None",
    'Literal["auto", 1, None]',
    "bool",
    "date",
    "EmailStr",
    "list[str]",
    "Character",
)

_COMPACT_ROWS = (
    "Character",
    "Cast",
    "Film",
    "Ship",
    'Annotated[Circle | Square, Field(discriminator="kind")]',
    "Tree",
)

_COLUMNS = ["annotation", "an answer", "in the grammar", "checked after", "tokens"]
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_COUNTED = ("Length", "Bytes", "Items", "Properties")
_LIMITS = {
    *_BOUNDS,
    *(f"format{word[0].upper()}{word[1:]}" for word in _BOUNDS),
    "multipleOf",
    "pattern",
    "x-notes",
} | {*("uniqueItems", *(f"{side}{what}" for side in ("min", "max") for what in _COUNTED))}
_NOTES = {"default", "examples", "x-descriptions"}

_HEAD = """\
# Types

The types for the place behind the `->` of a prompt function. The tables are made from the compiler itself (`tests/catalogue/`).

| column | |
| --- | --- |
| in the grammar | held token by token, so no answer can break it; `string (date)` names the form of a string |
| checked after | limits that no grammar can express; an answer that fails there is `Invalid`, in its own row ([errors](errors.md)) |
| tokens | the most that an answer can take, its end included, with any tokenizer; where that many are left, nothing is truncated |

Parts are named by their places: `.age` is a field (`['age']` a key of a typed dictionary), `[]` an item, `[...]` a value and `.keys()`
a key of a dictionary, `|int` a member of a union.

All of it can be asked for in Python:

```python
from typefold import output_type

kind = output_type(list[bool])
kind.encode([True])  # the text of a value
kind.decode("[true]")  # the value of a text
kind.enforced, kind.post_checks, kind.constraint, kind.json_schema, kind.shape
print(kind.explain())  # all of it to read, in a notebook too; a prompt function has `explain()` as well
```
"""

_ROOT = """\
## The root rule

A whole answer is bare text where its type is `str`, with or without limits, or a choice of strings alone.
Every other answer is JSON: strings of other types too, and the same string inside a list or a model.
"""

_SPACING = """\
## JSON formats

JSON has one form throughout an answer, and strings only the escapes that JSON demands. `json_format=` of `output_type`, `@prompt`,
`.using`, `generate` and `Runtime` takes a `JsonFormat`, or its name in small letters. The default is `{default}`.
"""

_COMPACT = """\
## The compact format

`json_format="compact"` leaves out the keys: an object with fields is an array in the order of its fields, and the description for
the model names the places.

- A field that can only be one thing, such as a tag, is not written. One that may be left out is `null` (in a `TypedDict` `[]`, where
  `null` is a value of its own).
- In a union with several arrays among its members, objects stand under a name: that of a `Literal` which tells them apart, else that
  of the class.
- `dict[str, T]` stays an object, and so do objects of hooks and of JSON schemas.
- Values come back as from any other format: validators, aliases and defaults hold, and `.partials()` shows keys.
"""

_UNIONS = """\
Members may share texts. Then pydantic decides: in its smart mode the member that sets the most fields, then the one that converts
least (`1.0` is a `float` and no `int`), then the first; from left to right with `Field(union_mode="left_to_right")`; by the tag or
the function of a discriminator. So `date | str` is a date where the text is one. Members that pydantic does not know are compared by
the same rule. `explain()` and the checker show the texts that members share; a tag, a `Literal` of its own in each model, tells models
apart for certain. A discriminator's tag is always written; the choice of a function is checked after.
"""

_LENGTHS = """\
## Long limits

A length is counted by the grammar up to a bound. A greater limit is checked after, and then `max_tokens` alone ends an answer in time.
"""

_DEEP = """\
Checked after, too: {digits} digits of an `int`, and {levels} levels of a type that holds itself. A type that is itself nested deeper than
{depth} levels is refused.
"""

_SCHEMAS = """\
## JSON schemas as types

`type_of_schema(schema)` of `typefold.compiler` makes a type of a JSON schema, with the extra `schemas`
(`pip install 'typefold[schemas]'`). Values are plain JSON data: the answer, with keys in the order of the schema.

| | |
| --- | --- |
| drafts | 4 to 2020-12, by `$schema`; without it 2020-12, or an older one where its words tell. References within the document, recursive ones too |
| in the grammar | types, `properties`, `required`, `patternProperties`, `additionalProperties`, `propertyNames`, `items`, `prefixItems`, lengths, bounds, one `pattern` a string, `enum`, `const`, `allOf`, `anyOf`, `oneOf`, dependencies, the alternatives of `if`, `not` of types or a key |
| checked after, by jsonschema | `multipleOf`, `uniqueItems`, `contains`, other `not`, `if`, a `oneOf` whose members may overlap, `unevaluatedProperties`, `unevaluatedItems`, a second `pattern`, lookarounds, lengths beyond those of other types, numbers of keys beside `properties` |
| formats | `date`, `time`, `date-time` (with an offset), `duration`, `email`, `hostname`, `ipv4`, `ipv6`, `uri` and `iri` with their references, `uuid`, JSON pointers, `regex`; the model is told of others |
| keys | those that the schema names, unless `additionalProperties` is `true` or a type; any, where nothing is said of keys |
| patterns | as JavaScript and Python both read them: `\\d` and `\\w` are ASCII |
| refused, with the place | keywords that can neither be enforced nor checked (`$dynamicRef`), schemas that no value meets. Unknown words are annotations |
"""

_OWN = """\
## A type of your own

A hook gives a type its JSON form, in a `Registry` of your own or, in `default_registry`, everywhere; the docstring of
`typefold.compiler.Registry` shows one. A limit that a hook cannot put into the grammar is named with `context.check(...)`, and
`typefold.testing.laws.check_laws` then searches for a value or an answer that does not come back.
"""


def page() -> str:
    """The whole page."""
    said: set[str] = set()
    sections = [_section(section, said) for section in SECTIONS]
    return "\n".join(
        [
            _HEAD,
            _ROOT,
            _root_rule(),
            _spacing(),
            _compact(),
            *sections,
            _LENGTHS,
            _lengths(),
            *_refused(),
            _SCHEMAS,
            _OWN,
        ]
    )


def enforced(kind: OutputType[Any]) -> str:
    """What the grammar holds an answer to: its form, and the limits that are in the language."""
    if kind.constraint.kind == "text":
        return "any text"
    if kind.constraint.raw is not None:
        return "as the engine reads the grammar"
    schema = _without_limits(kind.json_schema)
    if kind.is_bare:
        form = _choices(schema) if kind.constraint.kind == "choice" else "text"
    else:
        form = _code(" ".join(shape_of(schema, kind.json_format).split("\n")))
    return "; ".join([form, *_by_place(kind.enforced)])


def _choices(schema: dict[str, Any]) -> str:
    while "$ref" in schema:
        schema = {"$defs": schema["$defs"], **schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]}
    return ", ".join(_code(text) for text in schema["enum"])


def _without_limits(schema: Any) -> Any:
    """A schema of the form alone: it also names limits that are only checked after, and defaults."""
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            made[key] = {name: _without_limits(part) for name, part in value.items()}
        elif key in ("anyOf", "prefixItems"):
            made[key] = [_without_limits(part) for part in value]
        elif key not in _LIMITS | _NOTES:
            made[key] = _without_limits(value) if isinstance(value, dict) else value
    return made


def _by_place(checks: Iterable[str]) -> Iterator[str]:
    """Limits or checks, those of one place together."""
    places: dict[str, list[str]] = {}
    for check in checks:
        place, _, name = check.partition(": ")
        places.setdefault(place.removeprefix("return"), []).append(name)
    for place, names in places.items():
        texts = ", ".join(_code(name) if "=" in name else name for name in names)
        yield f"{_code(place)} {texts}" if place else texts


def _section(section: Section, said: set[str]) -> str:
    parts = [f"## {section.title}\n", section.words + "\n"]
    if section.title == "Unions":
        parts.append(_UNIONS)
    if section.definitions:
        parts.append(f"```python\n{section.definitions}\n```\n")
    if words := "".join(_written(section, said)):
        parts.append(words)
    return "\n".join([*parts, _table(_COLUMNS, _rows(section))])


def _written(section: Section, said: set[str]) -> Iterator[str]:
    """How the types of a section are written, in the words of their hooks; each hook is heard once."""
    words: dict[str, list[str]] = {}
    for entry in section.entries:
        hook = default_registry.find(_inner(entry.hint))
        assert hook is not None and hook.__doc__, entry.source
        words.setdefault(" ".join(hook.__doc__.split()), []).append(_name(_inner(entry.hint), entry))
    for text, names in words.items():
        if text not in said:
            yield f"- {', '.join(map(_code, dict.fromkeys(names)))}: {text}\n"
    said.update(words)


def _inner(hint: Any) -> Any:
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint


def _name(hint: Any, entry: Entry) -> str:
    kind = get_origin(hint) or hint
    return "X | Y" if kind in (Union, UnionType) else str(getattr(kind, "__name__", None) or entry.source)


def _rows(section: Section) -> Iterator[list[str]]:
    """A row a type, and one for those that differ in nothing but the annotation."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for entry in section.entries:
        rows.setdefault(tuple(_facts(entry)), []).append(_code(entry.source))
    for facts, names in rows.items():
        yield [", ".join(names), *facts]


def _facts(entry: Entry) -> Iterator[str]:
    kind: OutputType[Any] = output_type(entry.hint)
    yield _code(kind.encode(entry.sample))
    yield enforced(kind)
    yield "; ".join(_by_place(kind.post_checks))
    most = kind.token_bounds(Vocabulary(longest=1)).most
    yield "unbounded" if most is None else str(most)


def _root_rule() -> str:
    by_source = {entry.source: entry for entry in ENTRIES}

    def row(source: str) -> list[str]:
        entry = by_source[source]
        kind: OutputType[Any] = output_type(entry.hint)
        try:
            inside = _code(output_type(list[entry.hint]).encode([entry.sample]))  # type: ignore[name-defined]
        except UnsupportedType:
            inside = "refused"
        form = "bare text" if kind.is_bare else "JSON"
        return [_code(entry.source), form, _code(kind.encode(entry.sample)), inside]

    return _table(
        ["annotation", "a whole answer is", "as a whole answer", "as the item of a list"], map(row, _ROOT_RULE)
    )


def _spacing() -> str:
    sample = next(entry for entry in ENTRIES if entry.source == "Character")
    rows = (
        [_code(f"JsonFormat.{form.name}"), _code(output_type(sample.hint, json_format=form).encode(sample.sample))]
        for form in JsonFormat
    )
    return _SPACING.format(default=f"JsonFormat.{DEFAULT_JSON_FORMAT.name}") + "\n" + _table(["format", "a text"], rows)


def _compact() -> str:
    def row(entry: Entry) -> list[str]:
        kind: OutputType[Any] = output_type(entry.hint, json_format=JsonFormat.COMPACT)
        plain: OutputType[Any] = output_type(entry.hint)
        shape = " ".join((kind.shape or "").split("\n"))
        return [_code(entry.source), *map(_code, (plain.encode(entry.sample), kind.encode(entry.sample), shape))]

    shown = (entry for source in _COMPACT_ROWS for entry in ENTRIES if entry.source == source)
    return (
        _COMPACT + "\n" + _table(["annotation", "spaced", "compact", "the description for the model"], map(row, shown))
    )


def _lengths() -> str:
    rows = [
        ["characters of a `str`", strings.LONGEST_EXACT],
        ["items of a list or a set, keys of a dictionary", containers.LONGEST_EXACT],
        ["`bytes`", binary.LONGEST_EXACT],
        ["`max_digits` and `decimal_places` of a `Decimal`", decimals._MOST_DIGITS],
    ]
    table = _table(["limit on", "counted up to"], ([str(cell) for cell in row] for row in rows))
    return table + "\n" + _DEEP.format(digits=scalars._INT_DIGITS, levels=DEEPEST, depth=MAX_DEPTH)


def _refused() -> Iterator[str]:
    yield f"## {REFUSED.title}\n"
    yield REFUSED.words + "\n"
    reasons: dict[str, list[str]] = {}
    for source, hint in REFUSED.always:
        reasons.setdefault(_refusal(hint).reason, []).append(_code(source))
    yield _table(["type", "refused: it ..."], ([", ".join(names), reason] for reason, names in reasons.items()))
    yield "A type may also be refused for its limits, its parts or its place.\n"
    yield f"```python\n{REFUSED.definitions}\n```\n"
    errors: dict[str, tuple[str, list[str]]] = {}  # the first error for a reason, and the annotations that have it
    for source, hint in REFUSED.here:
        error = _refusal(hint)
        errors.setdefault(error.reason, (str(error), []))[1].append(_code(source))
    yield _table(["annotation", "the error"], ([", ".join(names), error] for error, names in errors.values()))


def _refusal(hint: Any) -> UnsupportedType:
    try:
        output_type(hint)
    except UnsupportedType as error:
        return error
    raise AssertionError(f"{hint!r} is not refused")


def _code(text: str) -> str:
    ticks = "``" if "`" in text else "`"
    return f"{ticks}{text}{ticks}"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
