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

        if "__all__" not in globals():  # once only, and never over a name that a test has replaced
            loaded = vars(import_module("typefold.exports")).items()
            names = {each: value for each, value in loaded if each == "__all__" or not each.startswith("__")}
            globals().update({**names, **globals()})
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        """Load the names, so that completion, `help` and Python's "Did you mean" see them."""
        __getattr__("__all__")
        return sorted(globals())
