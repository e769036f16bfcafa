"""Types made again from their declarations, without running the program that declares them.

Declarations go to the machinery that Python would hand them to (pydantic, dataclasses, enum, ...), so that the compiler
judges the very types that it would judge when the program runs. A type that can't be known for certain becomes an opaque
one, which the compiler takes for right.

The only code that runs is that of the standard library, of pydantic, attrs and msgspec, and of typefold: of their objects,
those on the lists in `typefold.checks.libraries`. The door is `verdict`; nothing outside imports another module.
"""
