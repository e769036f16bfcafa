"""pydantic's models, and those of its own types that are no plain annotation.

pydantic reads models itself, so validators, aliases and defaults hold as its users know them. `SecretStr` is written as its
text, under the limits of a text; `SecretBytes` in base64; `Secret[T]` as `T`. `ByteSize` is a whole number of bytes.
`PositiveInt`, `conint`, `StrictStr` and the like are plain annotations, and need nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from inspect import signature
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    BaseModel,
    ByteSize,
    JsonValue,
    PydanticUndefinedAnnotation,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo

from typefold.compiler.codec import STRICT, Codec, pydantic_reader, schema_of
from typefold.compiler.context import Context
from typefold.compiler.errors import UnsupportedType
from typefold.compiler.grammar.nodes import Language, is_recursive
from typefold.compiler.grammar.numeric import integers
from typefold.compiler.limits import BOUNDS, LENGTHS
from typefold.compiler.registry import default_registry
from typefold.compiler.types.binary import bytes_codec
from typefold.compiler.types.local_names import find_name, mentioned_names, note_names
from typefold.compiler.types.objects import (
    Field,
    class_description,
    field_key,
    is_asked,
    object_codec,
    object_data,
    object_hook,
    said_by_pydantic,
)
from typefold.compiler.types.scalars import any_codec

default_registry.hook(JsonValue)(any_codec)


@object_hook(lambda hint: isinstance(hint, type) and issubclass(hint, BaseModel))
def model_codec(hint: type[BaseModel], context: Context) -> Codec[BaseModel]:
    """The fields under their validation aliases; fields with a default may be left out."""
    if hint is BaseModel:
        raise context.refuse(hint, "has no fields of its own; use a model of yours")
    if not hint.__pydantic_fields_complete__:
        _complete(hint, context)
    fields: list[Field] = []
    said = said_by_pydantic(hint)
    for name, info in hint.model_fields.items():
        if not is_asked(hint, name, (*info.metadata, info), context, required=info.is_required()):
            continue
        key = field_key(hint, name, info, hint.model_config, context)
        about = (info, said.get(key))
        codec = context.codec(info.annotation, at=f".{name}", metadata=tuple(info.metadata), about=about)
        required = _must_be_written(hint, info, codec, context)
        fields.append(Field(name, key, codec, required, info.default))
    _complete(hint, context)  # after the models in its fields, whose schemas pydantic then need not make again
    keys = [field.key for field in fields]
    if len(set(keys)) < len(keys):
        raise context.refuse(
            hint, f"has two fields with one alias ({sorted(k for k in keys if keys.count(k) > 1)[0]!r})"
        )
    _note_init(hint, fields, context)
    _note_validators(hint, context)
    codecs = {field.key: field.codec for field in fields}
    native = all(codec.native for codec in codecs.values())

    def to_json(value: BaseModel) -> dict[str, Any]:
        if value.model_extra:
            raise ValueError(f"{hint.__name__} holds fields that it does not declare ({', '.join(value.model_extra)})")
        return object_data(fields, lambda name: getattr(value, name))

    def from_json(data: Any) -> BaseModel:
        """Read by pydantic, from JSON. With a field that it does not read itself, in Python mode: a strict model wants values."""
        if native:
            named = {key: codecs[key].expanded(item) for key, item in data.items()}
            return hint.model_validate_json(context.json_format.dump(named))
        return hint.model_validate({key: codecs[key].from_json(item) for key, item in data.items()})

    return object_codec(hint, fields, context, from_json=from_json, to_json=to_json)


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, RootModel))
def root_model_codec(hint: type[RootModel[Any]], context: Context) -> Codec[RootModel[Any]]:
    """As the root's type, inside JSON; limits stand on the root's own type."""
    context.allow(hint)

    def build() -> Codec[RootModel[Any]]:
        _complete(hint, context)
        field = hint.model_fields["root"]
        if field.deprecated:
            raise context.refuse(
                hint, "has a deprecated root, of which pydantic makes no value; leave `deprecated` out"
            )
        codec = context.codec(field.annotation, metadata=tuple(field.metadata), about=(field,))
        context.limits.describe([class_description(hint)])
        _note_validators(hint, context)
        return Codec(
            codec.expr,
            codec.schema,
            lambda value: codec.to_json(value.root),
            lambda data: hint.model_validate(codec.from_json(data)),
            lambda value: type(value) is hint,
            native=codec.native,
            expand=codec.expand,
            fit=lambda data: STRICT.and_(codec.fits(data)),
        )

    return context.named(hint, build)


@default_registry.hook_factory(lambda hint: type(hint).__name__ == "PydanticRecursiveRef")
def recursive_model_codec(hint: Any, context: Context) -> Codec[Any]:
    """The model that is being compiled: pydantic puts this for a generic model inside itself, `b: "Box[T] | None"`."""
    for owner in reversed(context.compilation.owners):
        origin = getattr(owner, "__pydantic_generic_metadata__", {}).get("origin")
        if origin and hint.type_ref.startswith(f"{origin.__module__}.{origin.__qualname__}:{id(origin)}["):
            return context.same(owner)
    raise context.refuse(hint, "stands for a generic model inside itself that is not to be found; write Self")


@default_registry.hook(SecretStr)
def secret_str_codec(hint: Any, context: Context) -> Codec[SecretStr]:
    """The text itself, as a JSON string."""
    context.allow(hint, *LENGTHS)
    return context.same(str).wrapped(SecretStr, SecretStr, SecretStr.get_secret_value)


@default_registry.hook(SecretBytes)
def secret_bytes_codec(hint: Any, context: Context) -> Codec[SecretBytes]:
    """The bytes in base64."""
    inner = bytes_codec(bytes, context).wrapped(SecretBytes, SecretBytes, SecretBytes.get_secret_value)
    return replace(inner, native=False)


@default_registry.hook(Secret)
def secret_codec(hint: Any, context: Context) -> Codec[Any]:
    """As the type inside."""
    if not get_args(hint):
        raise context.refuse(hint, "does not say what it hides; write Secret[str] or the like")
    inner = context.codec(get_args(hint)[0])
    return inner.wrapped(Secret, get_origin(hint), lambda value: value.get_secret_value())


@default_registry.hook(ByteSize)
def byte_size_codec(hint: Any, context: Context) -> Codec[ByteSize]:
    """A whole number of bytes."""
    context.allow(hint, *BOUNDS, "multiple_of")
    context.reader_limit("no more than 4300 digits")
    schema = schema_of("integer", minimum=0)
    return Codec(integers(0, None), schema, int, pydantic_reader(hint), lambda value: type(value) is ByteSize)


def _must_be_written(hint: type[BaseModel], info: FieldInfo, codec: Codec[Any], context: Context) -> bool:
    """Whether a field has no default, or a default that pydantic is told to check and that fails or contains itself."""
    checked = hint.model_config.get("validate_default") if info.validate_default is None else info.validate_default
    if info.is_required() or not checked or info.default_factory is not None:
        return info.is_required()
    default: object = info.default
    if isinstance(default, (dict, list, BaseModel)):
        try:
            is_endless = is_recursive(Language(codec.expr, context.compilation.rules))
        except KeyError:  # a rule that is not finished: of a type that is being compiled around it
            is_endless = True
        if is_endless:  # as `Field({}, validate_default=True)` of a model inside itself
            return True
    annotated: Any = Annotated[info.annotation, None, *info.metadata]
    try:
        TypeAdapter[Any](annotated).validate_python(default)
    except ValidationError:
        return True
    except Exception:  # a validator that needs more than the value; it runs when there is an answer
        return False
    return False


def _complete(hint: type[BaseModel], context: Context) -> None:
    if hint.__pydantic_complete__:
        return
    names = mentioned_names(hint, context)
    while True:
        try:
            hint.model_rebuild(_types_namespace=names)
        except (UnsupportedType, ValidationError):
            raise
        except PydanticUndefinedAnnotation as error:
            name = str(error.name)
            try:
                if name in names:
                    raise KeyError(name)
                names[name] = find_name(name, hint, context)
            except KeyError:
                raise context.refuse(hint, f"is not fully defined ({error})") from error
        except (NameError, TypeError, ValueError) as error:
            raise context.refuse(hint, f"is not fully defined ({error})") from error
        else:
            return note_names(names, context)


def _note_init(hint: type[BaseModel], fields: Sequence[Field], context: Context) -> None:
    """Note an `__init__` of the model's own, which pydantic calls with the fields; one that wants more is never met."""
    if not hint.__pydantic_custom_init__:
        return
    given = {field.key for field in fields}
    for each in list(signature(hint.__init__).parameters.values())[1:]:
        if each.default is each.empty and each.name not in given and each.kind is each.POSITIONAL_OR_KEYWORD:
            raise context.refuse(
                hint, f"needs {each.name!r} in its __init__, which is no field; give it a default, or make it a field"
            )
    context.check(f"validator {hint.__name__}.__init__")


def _note_validators(hint: type[BaseModel], context: Context) -> None:
    decorators = hint.__pydantic_decorators__
    for name, decorator in (decorators.field_validators | decorators.validators).items():
        context.check(f"validator {hint.__name__}.{name} of {', '.join(decorator.info.fields)}")
    for name in (*decorators.model_validators, *decorators.root_validators):
        context.check(f"validator {hint.__name__}.{name}")
    # pydantic fills private attributes in one of its own.
    if hint.model_post_init.__module__.partition(".")[0] != "pydantic":
        context.check(f"validator {hint.__name__}.model_post_init")
