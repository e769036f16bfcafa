"""The output types that typefold ships, a family a file. Importing this package registers them in the default registry.

An exact class is asked first, then the predicates, the newest first. Two predicates of different files hold for one type
in one case, an exception that is a data class too; so `refused` comes after `data_classes`.
"""

# ruff: noqa: F401  # imported for the registration
# pyright: reportUnusedImport=false
from typefold.compiler.types import (
    aliases,
    binary,
    choices,
    containers,
    data_classes,
    decimals,
    models,
    networks,
    refused,
    scalars,
    schemas,
    strings,
    temporal,
    unions,
)
