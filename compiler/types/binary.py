"""Bytes in base64, UUIDs and paths, as JSON strings.

- `bytes` and `bytearray` are canonical base64 (RFC 4648, padded), decoded by typefold: pydantic would take the text itself
  for the bytes. `Base64Bytes`, `Base64UrlBytes` and their `str` forms are the same text, decoded by pydantic. A length
  counts bytes, and is in the grammar.
- A `UUID` is written in lower case; the version of pydantic's `UUID4` and its kin is in the grammar.
- A path is any text. Whether a file exists (`FilePath`, `DirectoryPath`, `NewPath`) is a post-check.
"""

from __future__ import annotations

import base64
import pathlib
from typing import Annotated, Any
from uuid import UUID

from pydantic import Base64Encoder, EncodedBytes, EncodedStr
from pydantic.types import Base64UrlEncoder, PathType, UuidVersion

from typefold.compiler.codec import Codec, text_codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import ANY_TEXT, json_string
from typefold.compiler.grammar.nodes import Expr, char_class, choice, join, repeat, seq
from typefold.compiler.limits import LENGTHS
from typefold.compiler.registry import default_registry

LONGEST_EXACT = 768
"""A longer `max_length` of bytes is a post-check: as a grammar it would be slow to compile."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_HEX = char_class((0x30, 0x39), (0x61, 0x66))
_PATH_CHECKS = {"file": "an existing file", "dir": "an existing directory", "new": "no existing path"}


@default_registry.hook(bytes, bytearray)
def bytes_codec(hint: Any, context: Context) -> Codec[Any]:
    """Canonical base64."""
    marks = context.limits.claim(EncodedBytes)
    if marks:
        return _encoded(hint, marks[-1].encoder, context, to_bytes=bytes)
    context.allow(hint, *LENGTHS)
    text = seq('"', _groups(*context.lengths(hint, LONGEST_EXACT), "+/"), '"')
    return Codec(
        text,
        {"type": "string", "format": "base64"},
        lambda value: base64.b64encode(value).decode(),
        lambda data: hint(base64.b64decode(data, validate=True)),
        lambda value: type(value) is hint,
        native=False,
    )


def encoded_str_codec(hint: Any, mark: EncodedStr, context: Context) -> Codec[str]:
    """A text in base64, for `Base64Str`; whether the bytes are UTF-8 is a post-check."""
    context.check("base64 of UTF-8", told="")
    context.imply_config()
    return _encoded(hint, mark.encoder, context, to_bytes=str.encode)


def _encoded(hint: Any, encoder: Any, context: Context, *, to_bytes: Any) -> Codec[Any]:
    """A text that pydantic decodes by an encoder of its own; limits hold for the result, and pydantic checks them."""
    if encoder not in (Base64Encoder, Base64UrlEncoder):
        raise context.refuse(hint, f"is encoded by {encoder!r}, whose texts are unknown; use Base64Encoder or a hook")
    context.allow(hint, *LENGTHS, "pattern")
    url = encoder is Base64UrlEncoder
    write = base64.urlsafe_b64encode if url else base64.b64encode
    return text_codec(
        Annotated[hint, (EncodedBytes if hint is bytes else EncodedStr)(encoder=encoder)],
        seq('"', _groups(0, None, "-_" if url else "+/"), '"'),
        ("base64url" if url else "base64") + (" of UTF-8" if hint is str else ""),
        hint,
        write=lambda value: write(to_bytes(value)).decode(),
    )


def _groups(least: int, most: int | None, symbols: str) -> Expr:
    """Groups of three bytes in four characters, the last of which may be padded."""
    alphabet = _LETTERS + symbols
    any_six = char_class(alphabet)
    tails: list[Expr] = [
        seq(),
        seq(any_six, char_class(alphabet[::16]), "=="),  # one byte more: the bits that stand for nothing are zero
        seq(any_six, any_six, char_class(alphabet[::4]), "="),
    ]
    group = repeat(any_six, 4, 4)
    lows = [max(0, -(-(least - rest) // 3)) for rest in range(3)]
    highs = [None if most is None else (most - rest) // 3 for rest in range(3)]
    low, high = max(lows), None if most is None else (most - 2) // 3
    if high is not None and high < low:
        spans = zip(tails, lows, highs, strict=True)
        return choice(
            *(seq(repeat(group, few, many), tail) for tail, few, many in spans if many is None or few <= many)
        )
    # The part that all tails may follow comes once, and beside it the one group more or less that some of them may have.
    longer = [seq(group, tail) for tail, many in zip(tails, highs, strict=True) if many != high]
    shorter = [seq(repeat(group, few, few), tail) for tail, few in zip(tails, lows, strict=True) if few < low]
    return choice(seq(repeat(group, low, high), choice(*tails, *longer)), *shorter)


@default_registry.hook(UUID)
def uuid_codec(hint: type[UUID], context: Context) -> Codec[UUID]:
    """Hexadecimal digits in lower case; a version is in the grammar."""
    context.allow(hint)
    third: Expr = repeat(_HEX, 4, 4)
    fourth = third
    if versions := [mark.uuid_version for mark in context.limits.claim(UuidVersion)]:
        third, fourth = seq(f"{versions[-1]}", repeat(_HEX, 3, 3)), seq(char_class("89ab"), repeat(_HEX, 3, 3))
    text = join("-", [repeat(_HEX, 8, 8), repeat(_HEX, 4, 4), third, fourth, repeat(_HEX, 12, 12)])
    return text_codec(hint, seq('"', text, '"'), f"uuid{versions[-1]}" if versions else "uuid", UUID)


@default_registry.hook(
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)
def path_codec(hint: type[pathlib.PurePath], context: Context) -> Codec[pathlib.PurePath]:
    """Any text, read as a path."""
    context.allow(hint)
    try:
        kind = type(hint())
    except (NotImplementedError, RuntimeError):  # a path of the other operating system
        raise context.refuse(hint, "cannot be made on this system; use its Pure form") from None
    context.imply_config()
    for mark in context.limits.claim(PathType):
        context.check(_PATH_CHECKS.get(mark.path_type, f"a path to a {mark.path_type}"))
    return text_codec(hint, json_string(ANY_TEXT), "path", kind)
