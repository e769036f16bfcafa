"""typefold: typed prompt functions for offline vLLM.

A prompt function's body is a message, its return annotation the form of the answer. Calls are collected into one
continuous batch and give parsed, typed values.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from typefold.exports import *  # noqa: F403  # they are listed there
    from typefold.exports import __all__ as __all__
else:

    def __getattr__(name: str) -> object:
        """Load the public names at the first use of one: mypy loads its plugin by way of this package, and may need none."""
        from importlib import import_module

        loaded = vars(import_module("typefold.exports"))
        globals().update({each: loaded[each] for each in loaded if each == "__all__" or not each.startswith("__")})
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]
