"""Objects with named fields, the common form of models, dataclasses and their kin.

An object is written with its keys or, in the compact format, as an array in the order of the fields. There each field has
its place, so positions alone give an answer its meaning. A field that can only be one thing has none. One that may be left
out is `null` there; where `null` is a value of its own, it is written, or has another mark. `Codec.expand` puts the keys
back, so that pydantic reads objects as ever.
"""

# pyright: reportUnknownLambdaType=false
# (dataclasses.replace tells the lambdas that it is given no types)
from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from inspect import isabstract
from typing import Any, Generic, TypeAlias, get_args, get_origin

from pydantic import AliasChoices, AliasPath, RootModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python
from typing_extensions import is_protocol

from typefold.compiler.codec import Codec, Fit, JsonSchema
from typefold.compiler.context import Context
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import EMPTY, NEVER, Expr, Language, Lit, choice, join, seq
from typefold.compiler.guards import is_dict
from typefold.compiler.limits import SKIPPED
from typefold.compiler.registry import default_registry

_MARKS = ("null", "[]", "{}")  # for a field that is left out: the first that is no value of it
_LONGEST_DEFAULT = 80  # characters of JSON
_ABOUT = ("title", "description", "examples", "deprecated")


NOTHING: Any = PydanticUndefined  # in place of a default
# Modules of objects that stand for no default, or a factory.
_OF_MARKS = ("attr", "dataclasses", "msgspec", "pydantic_core")

Build: TypeAlias = Callable[[Any, Context], Codec[Any]]


def object_hook(predicate: Callable[[Any], bool]) -> Callable[[Build], Build]:
    """Register a hook for objects with fields: a rule with the type's name holds each, and no limits apply to it."""

    def register(build: Build) -> Build:
        @default_registry.hook_factory(predicate)
        @wraps(build)
        def hook(hint: Any, context: Context) -> Codec[Any]:
            context.allow(hint)
            if isabstract(generic_of(hint)) or is_protocol(generic_of(hint)):
                raise context.refuse(
                    hint, "is abstract, so no answer can be one; use a class that is none, or a union of such"
                )
            tags = frozenset(name for name in context.tags if _may_be_left_out(hint, name))
            return context.named(hint, lambda: build(hint, context), has_fields=True, tags=tags)

        return hook

    return register


@dataclass(frozen=True)
class Field:
    """A field of an object: its name in Python, its key in JSON, and its default, or a library's mark for none."""

    name: str
    key: str
    codec: Codec[Any]
    required: bool
    default: object = NOTHING


def object_codec(
    hint: Any,
    fields: Sequence[Field],
    context: Context,
    *,
    from_json: Callable[[Any], Any] | None = None,
    by_key: bool = False,
    to_json: Callable[[Any], dict[str, Any]] | None = None,
    accepts: Callable[[Any], bool] | None = None,
    native: bool = True,
    plain: bool = False,
    may_lack: bool = False,
) -> Codec[Any]:
    """Make the codec of an object in the format of this compilation: with keys, or as an array.

    Args:
        hint: The type.
        fields: The fields, in order.
        context: The hook's own.
        from_json: Makes a value of the JSON data of the fields that are there, by their keys; the default calls the class.
        by_key: Whether the class takes its arguments by the keys in JSON, and not by the names of the fields.
        to_json: Converts a value to JSON data by key; the default reads attributes.
        accepts: Whether an object is a value of the type; the default compares classes.
        native: Whether pydantic reads the object as it is, if it reads all fields.
        plain: Whether a value is its own JSON data, where it has keys.
        may_lack: Whether a value that lacks a field differs from one that has its default, as of a `TypedDict`.
    """
    cls, arguments = generic_of(hint), constructor_arguments(fields, by_key=by_key)
    context.limits.describe([class_description(hint), said_by_pydantic(cls).get("")])
    if context.tags:
        fields = [replace(field, required=field.required or field.name in context.tags) for field in fields]
    codecs = {field.key: field.codec for field in fields}

    def fit(data: Any) -> Fit:
        made = Fit(2 if may_lack else 1, len(data))
        return made.and_(*(codecs[key].fits(item) for key, item in data.items()))

    codec = Codec(
        EMPTY if context.positional else _with_keys(cls.__name__, fields, context),
        _schema(fields, cls.__name__),
        to_json or (lambda value: object_data(fields, lambda name: getattr(value, name))),
        from_json or (lambda data: cls(**arguments(data))),
        accepts or (lambda value: type(value) is cls),
        native=native and all(field.codec.native for field in fields),
        plain=plain,
        fit=fit,
        fields=tuple((field.name, field.key, field.codec) for field in fields),
    )
    return _as_array(hint, codec, fields, context, may_lack=may_lack) if context.positional else codec


def object_data(fields: Sequence[Field], get: Callable[[str], Any]) -> dict[str, Any]:
    """Convert a value's fields to JSON data; `get` raises `KeyError` or `AttributeError` for an absent one.

    A default that its own type does not hold, as `None` for an `int`, is left out, and so comes back.
    """
    data: dict[str, Any] = {}
    for field in fields:
        try:
            value = get(field.name)
        except (KeyError, AttributeError):
            if field.required:
                raise
            continue
        try:
            data[field.key] = field.codec.to_json(value)
        except ValueError:
            if field.required or value is not field.default:
                raise
    return data


def is_asked(owner: Any, name: str, marks: Sequence[Any], context: Context, *, required: bool, at: str = "") -> bool:
    """Whether the model is asked for a field. One that `SkipJsonSchema` or `exclude` keeps from JSON is left to its default."""
    at, info = at or f".{name}", last_field_info(marks)
    skipped = any(isinstance(mark, SKIPPED) for mark in marks)
    if skipped and required:
        raise replace(context, path=context.path + at).refuse(
            owner,
            f"needs {name!r}, which SkipJsonSchema keeps from the model; give it a default, or leave the mark out",
        )
    if skipped or (not required and info is not None and info.exclude):
        context.leave_to_program(at)
        return False
    return True


def constructor_arguments(fields: Iterable[Field], *, by_key: bool = False) -> Callable[[Any], dict[str, Any]]:
    """Make a function from JSON data to values by the names of the fields or, as some constructors take them, their keys."""
    known = {field.key: field for field in fields}
    return lambda data: {
        key if by_key else known[key].name: known[key].codec.from_json(item) for key, item in data.items()
    }


def _may_be_left_out(hint: Any, name: str) -> bool:
    """Whether a class gives a default to a field."""
    cls = generic_of(hint)
    if (infos := getattr(cls, "__pydantic_fields__", None)) is not None:
        return name in infos and not infos[name].is_required()
    if dataclasses.is_dataclass(cls):
        return any(each.name == name and each.default is not dataclasses.MISSING for each in dataclasses.fields(cls))
    return name not in getattr(cls, "__required_keys__", (name,))


def _with_keys(name: str, fields: Sequence[Field], context: Context) -> Expr:
    colon, dump = context.json_format.colon, context.json_format.dump
    pairs = [(seq(dump(field.key), colon, field.codec.expr), field.required) for field in fields]
    return ordered_parts(name, "{", pairs, "}", context)


def ordered_parts(name: str, opening: str, parts: Sequence[tuple[Expr, bool]], closing: str, context: Context) -> Expr:
    """Parts in this order with commas between, those that are not required present or absent.

    A rule holds the rest behind an optional part, so that the text grows with the parts and not with their combinations.
    """
    comma = context.json_format.comma
    # The expression from here on if nothing was written yet (any of some options), and if something was: each a beginning
    # and the same rest, which is kept the other way round, so that a part is looked at once however many follow.
    alone: list[Expr] = [Lit(closing)]
    after: list[Expr | str] = [Lit(closing)]
    rest: list[Expr | str] = []
    for part, required in reversed(parts):
        if required:
            rest += reversed(after)
            alone, after = [part], [comma, part]
        else:
            behind = seq(*after, *reversed(rest))
            alone = [seq(each, *reversed(rest)) for each in alone] if rest else alone
            alone.append(seq(part, behind))
            after = [context.fresh_rule(f"{name}_rest", choice(seq(comma, part, behind), behind))]
            rest = []
    return seq(opening, choice(*reversed(alone)), *reversed(rest))


def class_description(hint: Any) -> dict[str, Any]:
    """The docstring and the title that a class has of its own: not an inherited docstring, nor one that was made for it."""
    cls: Any = generic_of(hint)
    cls = getattr(cls, "__pydantic_generic_metadata__", {}).get("origin") or cls
    config = _config(cls)
    doc: Any = cls.__dict__.get("__doc__")
    if (
        not isinstance(doc, str)
        or cls is RootModel
        or doc == "An enumeration."
        or re.fullmatch(rf"{re.escape(cls.__name__)}\(.*\)", doc)
    ):
        doc = None
    title = config.get("title")
    about = {"title": None if title == cls.__name__ else title, "description": doc}
    extra = config.get("json_schema_extra")
    return about | {key: extra[key] for key in _ABOUT if key in extra} if is_dict(extra) else about


def _config(cls: Any) -> Mapping[str, Any]:
    """The configuration that pydantic finds at a class."""
    return getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}


def said_by_pydantic(cls: Any) -> dict[str, Any]:
    """Descriptions of a class's fields that only pydantic's own schema has, by key; `""` is that of the class.

    They come from functions that change the schema, and from docstrings of fields where the class keeps none of them.
    """
    config, infos = _config(cls), getattr(cls, "__pydantic_fields__", {})
    extras: list[Any] = [config.get("json_schema_extra"), *[info.json_schema_extra for info in infos.values()]]
    if not (any(map(callable, extras)) or (config.get("use_attribute_docstrings") and not infos)):
        return {}
    try:
        schema = TypeAdapter(cls).json_schema()
    except Exception:  # types without a schema, or an error of such a function: then there is nothing to tell
        return {}
    schema = schema.get("$defs", {}).get(str(schema.get("$ref", "")).removeprefix("#/$defs/"), schema)
    parts = {"": schema, **schema.get("properties", {})}
    return {key: {word: part[word] for word in _ABOUT[1:] if word in part} for key, part in parts.items()}


def _schema(fields: Sequence[Field], title: str) -> JsonSchema:
    return {
        "type": "object",
        "title": title,
        "properties": {field.key: field.codec.schema | _default(field) for field in fields},
        "required": [field.key for field in fields if field.required],
        "additionalProperties": False,
    }


def _default(field: Field) -> dict[str, Any]:
    """The default of a field in JSON. One that has no JSON form, or a long one, is not told."""
    if field.required or type(field.default).__module__.partition(".")[0] in _OF_MARKS:
        return {}
    if field.default is None:
        return {"default": None}
    for write in (field.codec.to_json, to_jsonable_python):  # pydantic writes a default that is of another type
        try:
            data = write(field.default)
            return {"default": data} if len(json.dumps(data, allow_nan=False)) <= _LONGEST_DEFAULT else {}
        except Exception:  # whatever is wrong with a default is found by the code that uses it
            continue
    return {}


@dataclass(frozen=True)
class _Place:
    """A field's place in an array: its one text, which is then not written, or the mark where it is left out."""

    field: Field
    constant: str | None = None
    mark: str | None = None


def _as_array(hint: Any, codec: Codec[Any], fields: Sequence[Field], context: Context, *, may_lack: bool) -> Codec[Any]:
    places = [_place(hint, field, context, may_lack=may_lack) for field in fields]
    written = [place for place in places if place.constant is None]
    constants = {place.field.key: json.loads(place.constant) for place in places if place.constant is not None}

    def to_json(value: Any) -> list[Any]:
        data = codec.to_json(value)
        for key, constant in constants.items():
            if key in data and data[key] != constant:
                raise ValueError(f"{key} is {data[key]!r}, which is not written, since it can only be {constant!r}")
        return [data[each.field.key] if each.field.key in data else json.loads(each.mark or "") for each in written]

    def by_key(data: Any, read: Callable[[Codec[Any], Any], Any]) -> dict[str, Any]:
        """The fields that are there, as far as the array has come."""
        found, items = dict[str, Any](), iter(data)
        for place in places:
            if place.constant is not None:
                found[place.field.key] = read(place.field.codec, constants[place.field.key])
                continue
            try:
                item = next(items)
            except StopIteration:
                break
            if place.mark is None or item != json.loads(place.mark):
                found[place.field.key] = read(place.field.codec, item)
        return found

    texts = [choice(each.field.codec.expr, each.mark) if each.mark else each.field.codec.expr for each in written]
    return replace(
        codec,
        expr=seq("[", join(context.json_format.comma, texts), "]"),
        schema=codec.schema | {"x-positions": {place.field.key: place.mark for place in written}},
        to_json=to_json,
        from_json=lambda data: codec.from_json(by_key(data, lambda _, item: item)),
        plain=False,
        expand=lambda data: by_key(data, lambda part, item: part.expanded(item)),
        fit=lambda data: codec.fits(by_key(data, lambda _, item: item)),
    )


def _place(hint: Any, field: Field, context: Context, *, may_lack: bool) -> _Place:
    expr = field.codec.expr
    if isinstance(expr, Lit) and (field.required or not may_lack):
        return _Place(field, constant=expr.text)
    if field.required:
        return _Place(field)
    for mark in _MARKS if may_lack else _MARKS[:1]:
        if not _admits(expr, mark, context):
            return _Place(field, mark=mark)
    if may_lack:
        raise context.refuse(
            hint,
            f"has the key {field.key!r}, which may be left out and may hold anything, so that in a compact array nothing is "
            "left to say that it is not there; give it a narrower type, or use json_format='spaced'",
        )
    return _Place(field)


def _admits(expr: Expr, text: str, context: Context) -> bool:
    """Whether a text is one of the expression's, as far as is known; a type that is being compiled may be anything."""
    state = context.compilation
    unfinished = {name: NEVER if text == "null" else Lit(text) for name in state.with_fields if name not in state.rules}
    try:
        return recognises(Language(expr, state.rules | unfinished), text)
    except KeyError:
        return True


def generic_of(hint: Any) -> Any:
    """The class that a parametrised type was made from, or the class itself."""
    return get_origin(hint) or hint


def field_key(owner: Any, name: str, info: FieldInfo | None, config: Mapping[str, Any], context: Context) -> str:
    """The name under which pydantic reads a field."""
    if info is None or config.get("validate_by_alias", True) is False:
        return name
    alias: Any = info.validation_alias or info.alias
    if isinstance(alias, AliasChoices):
        alias = next((each for each in alias.choices if isinstance(each, str)), alias.choices[0])
    if isinstance(alias, AliasPath):
        raise context.refuse(
            owner, f"reads {name!r} from a nested path (AliasPath), which has no JSON form; use a str alias"
        )
    return alias or name


def last_field_info(metadata: Sequence[Any]) -> FieldInfo | None:
    """The last `Field` among the annotations of a field."""
    return next((mark for mark in reversed(metadata) if isinstance(mark, FieldInfo)), None)


def parameters_of(hint: Any) -> dict[Any, Any]:
    """The type of each type variable of a class, in `Box[int]` and in `class IntBox(Box[int])`."""
    known: dict[Any, Any] = dict(zip(getattr(generic_of(hint), "__parameters__", ()), get_args(hint), strict=False))
    for base in _generic_bases(hint):
        known = {name: substituted(kind, known) for name, kind in parameters_of(base).items()} | known
    return known


def inherits_arguments(hint: Any) -> bool:
    """Whether a base of the class gives type variables a meaning; pydantic forgets it, and would read any value."""
    return any(get_args(base) or inherits_arguments(base) for base in _generic_bases(hint))


def _generic_bases(hint: Any) -> list[Any]:
    bases = getattr(generic_of(hint), "__orig_bases__", ())
    return [base for base in bases if get_origin(base) not in (None, Generic)]


def substituted(hint: Any, known: Mapping[Any, Any]) -> Any:
    """The type with the known type variables in it replaced."""
    if not known or isinstance(hint, (str, type(None))):
        return hint
    try:
        if hint in known:
            return known[hint]
    except TypeError:  # unhashable, as an annotation with a list in it is
        return hint
    inside = getattr(hint, "__parameters__", ()) if get_origin(hint) is not None else ()
    return hint[tuple(known.get(name, name) for name in inside)] if inside else hint
