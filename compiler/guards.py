"""Type guards for containers with elements of unknown types, and small questions about annotations."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Annotated, Any, get_args, get_origin

from typing_extensions import Format, TypeIs


def is_dict(value: object) -> TypeIs[dict[Any, Any]]:
    """Whether a value is a dictionary."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeIs[list[Any]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_tuple(value: object) -> TypeIs[tuple[Any, ...]]:
    """Whether a value is a tuple."""
    return isinstance(value, tuple)


def is_list_or_tuple(value: object) -> TypeIs[list[Any] | tuple[Any, ...]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, (list, tuple))


def is_collection(value: object) -> TypeIs[list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]]:
    """Whether a value is a list, a tuple or a set."""
    return isinstance(value, (list, tuple, set, frozenset))


def is_mapping(value: object) -> TypeIs[Mapping[Any, Any]]:
    """Whether a value is a mapping of any class."""
    return isinstance(value, Mapping)


def is_set(value: object) -> TypeIs[Set[Any]]:
    """Whether a value is a set of any class."""
    return isinstance(value, Set)


def is_sequence(value: object) -> TypeIs[Sequence[Any]]:
    """Whether a value is a sequence of any class but `str`."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def class_of(value: object) -> type[Any]:
    """The class of a value."""
    return type(value)


def split_annotated(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split an annotation into its type and the metadata that `Annotated` has beside it."""
    kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return kind, tuple(marks)


def signature_of(function: Callable[..., object]) -> inspect.Signature:
    """Return a function's signature; names in annotations that are not defined yet, as Python 3.14 allows, stay references."""
    if sys.version_info >= (3, 14):
        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)
