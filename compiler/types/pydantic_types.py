"""pydantic's own types: email addresses, URLs, secrets, sizes and JSON values.

Their languages are generous where the true one is not regular, so that what a model means can be written, and pydantic
has the last word, as a named post-check:

- `EmailStr`: letters, digits and the signs that RFC 5321 allows around one `@`, with a dot in the domain; no dot at an end
  or beside another, no hyphen at an end of a label, and a last label that does not end in a digit. Beyond ASCII, what
  email-validator has by character: no private use, no spaces, and in the domain only blocks that have letters. The 63
  characters of a label are not counted: in a grammar they take half a second to compile.
- URLs: an allowed scheme, `://`, a host, and then no spaces or control characters. `AnyUrl` takes any scheme, and those
  without a host (`mailto:`, `urn:`). Characters beyond ASCII are legal in a path; pydantic writes them in percent form.
- `SecretStr` is written as its text, under the limits of a text; `SecretBytes` in base64; `Secret[T]` as `T`.
- `ByteSize` is a whole number of bytes.

pydantic's `PositiveInt`, `conint`, `StrictStr` and the like are plain annotations, and need nothing here.
"""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (dataclasses.replace tells the lambdas that it is given no types)
from __future__ import annotations

import base64
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, get_args, get_origin

from pydantic import (
    ByteSize,
    EmailStr,
    ImportString,
    Json,
    JsonValue,
    NameEmail,
    Secret,
    SecretBytes,
    SecretStr,
    UrlConstraints,
)
from pydantic.networks import _BaseMultiHostUrl, _BaseUrl  # pyright: ignore[reportPrivateUsage]  # no public base

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import json_string
from typefold.compiler.grammar.nodes import ANY, Expr, char_class, choice, optional, repeat, seq
from typefold.compiler.grammar.numeric import integers
from typefold.compiler.registry import default_registry
from typefold.compiler.types.addresses import IPV6
from typefold.compiler.types.binary import bytes_codec
from typefold.compiler.types.reading import pydantic_reader
from typefold.compiler.types.scalars import NUMBER_LIMITS, any_codec

LENGTHS = ("min_length", "max_length")
_ALNUM = char_class((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))
_PLANES = char_class((0x10000, 0x1FBF9), (0x20000, 0x33479), (0x3D000, 0x3FC3F))  # beyond are private use and tags
_IN_LOCAL = char_class(
    (0xA1, 0xAC),
    (0xAE, 0x1FFF),
    (0x2010, 0x2027),
    (0x2030, 0x205E),
    (0x2070, 0x2FFF),
    (0x3001, 0xD7FB),
    (0xF900, 0xFEFE),
    (0xFF00, 0xFFFD),
    (0xE0100, 0xE01EF),
)
_IN_DOMAIN = char_class(
    (0xAA, 0xAC),
    (0xAE, 0x1FFF),
    (0x2070, 0x2184),
    (0x2460, 0x24EA),
    (0x2C00, 0x2FFF),
    (0x3001, 0xD7A3),
    (0xF900, 0xFEFE),
    (0xFF00, 0xFFDC),
)
_BEYOND = ANY - char_class((0x00, 0xA0), (0x2000, 0x206F), (0x3000, 0x3000), "\ufeff")  # letters, and no spaces
_SPECIAL = {"http", "https", "ws", "wss", "ftp"}  # schemes whose hosts are domains
_VISIBLE = char_class((0x21, 0x7E))

default_registry.hook(JsonValue)(any_codec)


@default_registry.hook(EmailStr)
def email_codec(hint: Any, context: Context) -> Codec[str]:
    """An address, checked after by the package email-validator, which also brings its domain into normal form."""
    context.allow(hint, *LENGTHS, "pattern")
    if find_spec("email_validator") is None:
        raise context.refuse(hint, "needs the package email-validator; install pydantic[email]")
    context.check("a valid email address")
    atom = repeat(_ALNUM | char_class("!#$%&'*+-/=?^_`{|}~") | _IN_LOCAL | _PLANES, 1, None)
    inner = _ALNUM | _IN_DOMAIN | _PLANES
    label = seq(inner, optional(seq(repeat(inner | char_class("-"), 0, None), inner)))
    last = seq(optional(seq(inner, repeat(inner | char_class("-"), 0, None))), inner - char_class((0x30, 0x39)))
    text = seq(atom, repeat(seq(".", atom), 0, None), "@", repeat(seq(label, "."), 1, None), last)
    schema = {"type": "string", "format": "email"}
    return Codec(json_string(text), schema, str, pydantic_reader(hint), lambda value: type(value) is str)


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, (_BaseUrl, _BaseMultiHostUrl)))
def url_codec(hint: Any, context: Context) -> Codec[Any]:
    """A URL with one of the class's schemes; checked after, and brought into normal form."""
    marks: list[UrlConstraints] = [hint._constraints, *context.limits.claim(UrlConstraints)]
    context.allow(hint)
    schemes = next((mark.allowed_schemes for mark in reversed(marks) if mark.allowed_schemes), None)
    context.check("a valid URL")
    rest = optional(seq(char_class("/?#"), repeat(_VISIBLE | _BEYOND, 0, None)))
    if schemes is None:
        lower = char_class((0x61, 0x7A))
        scheme = seq(lower, repeat(lower | char_class((0x30, 0x39), "+-."), 0, None))
        text = seq(scheme, ":", repeat(_VISIBLE | _BEYOND | char_class(" "), 0, None))
    else:
        special = not _SPECIAL.isdisjoint(schemes)
        several = issubclass(hint, _BaseMultiHostUrl)
        authority = _authority(special=special, several=several)
        hostless = not special and not several and not any(mark.host_required for mark in marks)  # as in file:///etc
        text = seq(choice(*schemes), "://", optional(authority) if hostless else authority, rest)
    reader = pydantic_reader(hint)
    schema = {"type": "string", "format": "uri" if schemes is None else f"uri with {' or '.join(schemes)}"}
    return Codec(json_string(text), schema, str, reader, lambda value: type(value) is hint)


def _authority(*, special: bool, several: bool) -> Expr:
    """A host, or several with commas between, with a user in front and a port behind where there is one."""
    user = seq(repeat(_ALNUM | char_class("-._~!$&'()*+,;=%:"), 1, None), "@")
    forbidden = "/?#\\<>^|@:[]" + ("%" if special else "") + ("," if several else "")
    name = repeat(_VISIBLE - char_class(forbidden), 1, None)
    host = seq(choice(name, seq("[", IPV6, "]")), optional(seq(":", integers(0, 65535))))
    hosts = seq(host, repeat(seq(",", host), 0, None)) if several else host
    return seq(optional(user), hosts)


@default_registry.hook(SecretStr)
def secret_str_codec(hint: Any, context: Context) -> Codec[SecretStr]:
    """The text itself, as a JSON string."""
    context.allow(hint, *LENGTHS)
    text = context.same(str)
    return replace(
        text,
        to_json=SecretStr.get_secret_value,
        from_json=SecretStr,
        accepts=lambda value: type(value) is SecretStr,
        bare=None,
        plain=False,
    )


@default_registry.hook(SecretBytes)
def secret_bytes_codec(hint: Any, context: Context) -> Codec[SecretBytes]:
    """The bytes in base64."""
    inner = bytes_codec(bytes, context)
    return replace(
        inner,
        to_json=lambda value: base64.b64encode(value.get_secret_value()).decode(),
        from_json=lambda data: SecretBytes(inner.from_json(data)),
        accepts=lambda value: type(value) is SecretBytes,
        native=False,
    )


@default_registry.hook(Secret)
def secret_codec(hint: Any, context: Context) -> Codec[Any]:
    """As the type inside."""
    if not get_args(hint):
        raise context.refuse(hint, "does not say what it hides; write Secret[str] or the like")
    inner = context.codec(get_args(hint)[0])
    return replace(
        inner,
        to_json=lambda value: inner.to_json(value.get_secret_value()),
        from_json=lambda data: get_origin(hint)(inner.from_json(data)),
        accepts=lambda value: isinstance(value, Secret) and inner.accepts(value.get_secret_value()),
        bare=None,
        plain=False,
    )


@default_registry.hook(ByteSize)
def byte_size_codec(hint: Any, context: Context) -> Codec[ByteSize]:
    """A whole number of bytes."""
    context.allow(hint, *NUMBER_LIMITS)
    context.reader_limit("no more than 4300 digits")
    schema = {"type": "integer", "minimum": 0}
    reader = pydantic_reader(hint)
    return Codec(integers(0, None), schema, int, reader, lambda value: type(value) is ByteSize)


@default_registry.hook(NameEmail)
def name_email_codec(hint: Any, context: Context) -> Codec[Any]:
    """Never: two fields in one text."""
    raise context.refuse(hint, "is two fields in one text; use a model with `name: str` and `email: EmailStr`")


@default_registry.hook(Json)
def json_text_codec(hint: Any, context: Context) -> Codec[Any]:
    """Never: JSON inside a JSON string."""
    raise context.refuse(hint, "is JSON inside a JSON string; use JsonValue, or the type itself")


@default_registry.hook(ImportString)
def import_string_codec(hint: Any, context: Context) -> Codec[Any]:
    """Never: a model's answer should import nothing."""
    raise context.refuse(hint, "would import what the model names; use a Literal of names and look the object up")


@default_registry.hook_factory(lambda hint: type(hint).__name__ == "PydanticRecursiveRef")
def recursive_model_codec(hint: Any, context: Context) -> Codec[Any]:
    """What pydantic puts for a generic model inside itself, `b: "Box[T] | None"`: the model that is being compiled."""
    for owner in reversed(context.compilation.owners):
        origin = getattr(owner, "__pydantic_generic_metadata__", {}).get("origin")
        if origin and hint.type_ref.startswith(f"{origin.__module__}.{origin.__qualname__}:{id(origin)}["):
            return context.same(owner)
    raise context.refuse(hint, "stands for a generic model inside itself that is not to be found; write Self")
