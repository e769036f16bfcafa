"""Types made again from their declarations, without running the program that declares them.

A declaration of a type says what it is: annotations, limits, a base class, a decorator. `evaluate` reads such expressions
and `classes` such classes, and both hand what they read to the machinery that Python would hand it to (pydantic,
dataclasses, enum, ...), so that the compiler judges the very types that it would judge when the program runs. What can't
be known for certain becomes an opaque type, of which the compiler has nothing to say.

The only code that runs is that of the standard library, of pydantic, attrs and msgspec, and of typefold: of their objects,
those on the lists in `libraries`.
"""

from typefold.checks.evaluator.evaluate import Evaluator
from typefold.checks.evaluator.verdict import Judgement, judged
from typefold.checks.symbols import Declared, Known, Meaning, ModuleName, Names, Where

__all__ = ["Declared", "Evaluator", "Judgement", "Known", "Meaning", "ModuleName", "Names", "Where", "judged"]
