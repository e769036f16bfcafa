"""The package that a public name says it comes from: the one that users import it from, whatever module defines it.

Errors, reprs and pickles then name `typefold.Prompt` and no module inside of the package, so that modules may be moved.
Each package calls `set_public_module` at the end of its `__init__`, with its public names and with what pickles name beside
them. Left out: objects that are neither a class nor a function, such as type aliases.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any


def set_public_module(package: str, values: Iterable[object]) -> None:
    """Set the `__module__` of the classes and functions that are defined inside of a package to the package.

    Args:
        package: The package's full name. It must have each of the values under the value's own name, for pickle.
        values: Anything; what is defined elsewhere is left as it is.

    Example: set_public_module(__name__, [globals()[name] for name in __all__])
    """
    for value in values:
        if isinstance(value, (type, FunctionType)) and value.__module__.startswith(f"{package}."):
            if isinstance(value, type):
                _resolve_annotations(value, vars(sys.modules[package]))
            value.__module__ = package


def _resolve_annotations(cls: type[Any], package: dict[str, Any]) -> None:
    """Evaluate annotations that are text, since they are looked up in the class's module, which changes."""
    names = {**package, **vars(sys.modules[cls.__module__])}  # the package has what a module imports for checkers only
    if own := inspect.get_annotations(cls, globals=names, eval_str=True):
        cls.__annotations__ = own
    for field in fields(cls) if is_dataclass(cls) else ():
        field.type = own.get(field.name, field.type)
