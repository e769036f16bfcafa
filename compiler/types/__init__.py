"""The output types that typefold ships, registered in the default registry, a family a file.

Importing this package fills the registry. An exact class is asked first, so the order matters to predicates alone, of
which the newest is asked first: `flags` narrows `choices`, and comes after it.
"""

from typefold.compiler.types import (
    addresses,
    aliases,
    binary,
    choices,
    containers,
    data_classes,
    decimals,
    flags,
    markers,
    models,
    more_containers,
    pydantic_types,
    refused,
    scalars,
    schemas,
    strings,
    temporal,
    unions,
)

__all__ = [
    "addresses",
    "aliases",
    "binary",
    "choices",
    "containers",
    "data_classes",
    "decimals",
    "flags",
    "markers",
    "models",
    "more_containers",
    "pydantic_types",
    "refused",
    "scalars",
    "schemas",
    "strings",
    "temporal",
    "unions",
]
