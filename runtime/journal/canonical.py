"""Digests of values, the same in every process: a type's name and the value's parts.

Sets go by their members in any order, mappings by their items in any order, records (dataclasses, models, structs) by their
fields. A value that is known only by its address has no digest, nor has one that contains itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from typefold.compiler.contained import is_fatal
from typefold.compiler.guards import class_of, is_mapping, is_sequence, is_set

_DEEPEST = 200
_PLAIN = (str, bytes, int, float, complex, bool, type(None))

_FIRST_NAMES = {
    name: f"{module}.{name}"
    for module, names in {
        "typefold.compiler.bounds": "TokenBounds",
        "typefold.compiler.constraint": "Constraint",
        "typefold.compiler.hooks.own": "Grammar Matching OneOf",
        "typefold.compiler.image": "Image",
        "typefold.compiler.message": "Message",
        "typefold.compiler.wire": "CharClass Choice Language Lit Ref Repeat Seq",
        "typefold.definition": "Example",
        "typefold.messages": "RawPrompt",
        "typefold.runtime.adapters": "Adapter",
        "typefold.runtime.errors": "BadInput Cancelled EngineFailed InputFailed Invalid PromptError PromptTooLong Refused "
        "TimedOut Truncated",
        "typefold.runtime.journal.model": "ModelIdentity",
        "typefold.runtime.journal.records": "Record Summary",
        "typefold.runtime.request": "FinishReason Outcome Request TokenLogprob",
        "typefold.runtime.statistics": "Statistics",
        "typefold.special": "Logged Reasoned Scored",
        "typefold.tools": "ToolCall",
        "typefold.voting": "Best Votes",
    }.items()
    for name in names.split()
} | {"JsonFormat": "typefold.compiler.spacing.WireFormat"}
"""Full names of typefold's own classes when the first keys were written. Keys keep them when classes are renamed."""


class _Unknown(Exception):
    """The value has no digest."""


def digest(value: object, size: int = 16) -> bytes | None:
    """Return a digest of a value; `None` for one that is not known by its content.

    Args:
        value: Any value.
        size: The number of bytes of the digest; by default 16.

    Example:
        >>> digest({"b": 1, "a": {2, 3}}) == digest({"a": {3, 2}, "b": 1})
        True
        >>> digest(1) == digest(1.0), digest(object())
        (False, None)
    """
    try:
        return _digest(value, 0, size)
    except BaseException as error:  # of any kind, from the value's own class: it has no digest, and its row goes on
        if is_fatal(error):
            raise
        return None


def _digest(value: Any, depth: int, size: int = 16) -> bytes:
    if depth > _DEEPEST:
        raise _Unknown
    kind = class_of(value)
    state = hashlib.blake2b(f"{_full_name(kind)}:".encode("utf-8", "surrogatepass"), digest_size=size)
    if kind in _PLAIN:
        state.update(_plain(value))
    elif isinstance(value, Enum):
        state.update(value.name.encode("utf-8", "surrogatepass"))
    elif isinstance(value, (bytes, bytearray)):
        state.update(bytes(value))
    elif (parts := _fields(value)) is not None:
        for name, part in parts:
            state.update(_digest(name, depth + 1) + _digest(part, depth + 1))
    elif is_mapping(value):
        for pair in sorted(_digest(key, depth + 1) + _digest(part, depth + 1) for key, part in value.items()):
            state.update(pair)
    elif is_set(value):
        for each in sorted(_digest(member, depth + 1) for member in value):
            state.update(each)
    elif is_sequence(value):
        for member in value:
            state.update(_digest(member, depth + 1))
    elif hasattr(value, "__array__"):
        state.update(_array(value, depth))
    elif hasattr(value, "mode") and callable(tobytes := getattr(value, "tobytes", None)):  # Pillow's images
        state.update(_digest((value.mode, value.size, tobytes()), depth + 1))
    else:  # dates, decimals, paths, and all with a repr of their content
        state.update(_repr(value))
    return state.digest()


def _full_name(kind: type[Any]) -> str:
    first = _FIRST_NAMES.get(kind.__qualname__) if kind.__module__.partition(".")[0] == "typefold" else None
    return first or f"{kind.__module__}.{kind.__qualname__}"


def _plain(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and not isinstance(value, bool):  # str() of a large int is refused
        return hex(value).encode()
    return (value if isinstance(value, str) else repr(value)).encode("utf-8", "surrogatepass")


def _array(value: Any, depth: int) -> bytes:
    """Return a digest of an array's kind, shape and content; its repr is shortened."""
    held = value.__array__()
    parts = held.tolist() if held.dtype.hasobject else held.tobytes()
    shape = (str(held.dtype), held.shape)
    return _digest(shape, depth + 1) + _digest(parts, depth + 1)


def _repr(value: object) -> bytes:
    text = repr(value)
    if " at 0x" in text or "..." in text:  # its address, or a part of its content
        raise _Unknown
    return text.encode("utf-8", "surrogatepass")


def _fields(value: Any) -> Iterable[tuple[str, Any]] | None:
    """Return the fields of a record, or `None`; not those of structs at their defaults, since a library's versions add some."""
    kind = class_of(value)
    if is_dataclass(kind):
        kept = [each.name for each in fields(kind) if each.metadata.get("digest", True)]
        return [(name, getattr(value, name, None)) for name in kept]
    if hasattr(kind, "model_fields"):  # pydantic
        extra: dict[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
        declared: dict[str, Any] = getattr(value, "__dict__", {})
        return [*declared.items(), *extra.items()]
    if hasattr(kind, "__attrs_attrs__"):
        return [(each.name, getattr(value, each.name, None)) for each in kind.__attrs_attrs__]
    names = getattr(kind, "__struct_fields__", None)
    if names is None:
        return None
    defaults: Sequence[Any] = getattr(kind, "__struct_defaults__", ())
    by_name = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    held = [(name, getattr(value, name, None)) for name in names if not name.startswith("_")]
    return [(name, part) for name, part in held if not _is_default(part, by_name.get(name, _Unknown))]


def _is_default(part: object, default: object) -> bool:
    try:
        return type(part) is type(default) and bool(part == default)
    except Exception:
        return False
