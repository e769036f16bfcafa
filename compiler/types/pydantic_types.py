"""pydantic's own types that are no plain annotation: secrets, sizes, JSON values and generic models inside themselves.

`SecretStr` is written as its text, under the limits of a text; `SecretBytes` in base64; `Secret[T]` as `T`. `ByteSize` is a
whole number of bytes. `PositiveInt`, `conint`, `StrictStr` and the like are plain annotations, and need nothing here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_origin

from pydantic import ByteSize, JsonValue, Secret, SecretBytes, SecretStr

from typefold.compiler.codec import Codec, pydantic_reader, schema_of
from typefold.compiler.context import Context
from typefold.compiler.grammar.numeric import integers
from typefold.compiler.limits import BOUNDS, LENGTHS
from typefold.compiler.registry import default_registry
from typefold.compiler.types.binary import bytes_codec
from typefold.compiler.types.scalars import any_codec

default_registry.hook(JsonValue)(any_codec)


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


@default_registry.hook_factory(lambda hint: type(hint).__name__ == "PydanticRecursiveRef")
def recursive_model_codec(hint: Any, context: Context) -> Codec[Any]:
    """The model that is being compiled: pydantic puts this for a generic model inside itself, `b: "Box[T] | None"`."""
    for owner in reversed(context.compilation.owners):
        origin = getattr(owner, "__pydantic_generic_metadata__", {}).get("origin")
        if origin and hint.type_ref.startswith(f"{origin.__module__}.{origin.__qualname__}:{id(origin)}["):
            return context.same(owner)
    raise context.refuse(hint, "stands for a generic model inside itself that is not to be found; write Self")
