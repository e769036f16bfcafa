"""Where a checker still goes wrong over the typed page, and why: mistakes that it misses, and right lines that it refuses.

The test fails when one is missing here, and when one here is no longer so.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IN_STRINGS", "KNOWN", "Known"]

IN_STRINGS = frozenset({"templates", "return types", "ranges of options", "ask", "examples of @prompt"})
"""Kinds of mistakes inside strings, types and numbers, for which there are typefold's own checks."""


@dataclass(frozen=True)
class Known:
    """One cause, and all that it does.

    Attributes:
        checkers: The names of the checkers.
        why: The cause, in a sentence for the page.
        missed: The words of planted mistakes, with their kinds before: `"results: a typo"`.
        alarms: Right lines, as they stand without their mark.
    """

    checkers: tuple[str, ...]
    why: str
    missed: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


KNOWN: tuple[Known, ...] = (
    Known(
        ("mypy",),
        "To mypy alone, `isinstance(result, Success)` and `case Success(value)` give `Any`, of returns by itself too; the plugin narrows them.",
        missed=(
            "results, narrowed: a typo behind case Success(value)",
            "results, narrowed: a typo behind case Failure(error)",
            "results, narrowed: another type returned",
            "results, narrowed: a typo behind isinstance(Success)",
            "results, narrowed: a typo behind isinstance(Failure)",
            "results, narrowed: another type, in a batch",
            "results that are awaited: a typo in a field",
        ),
        alarms=(
            "assert_type(character, Character)",
            "return character.name",
            "assert_type(error, PromptError)",
            "return hero.age",
            "assert_type(result.unwrap(), Character)",
            "return result.unwrap().name",
            "assert_type(result.failure(), PromptError)",
        ),
    ),
    Known(
        ("pyright", "basedpyright"),
        "returns declares `bind` and `lash` with a bare `Result` inside, which the strict mode calls partially unknown, without typefold too; what they give is right, and `.map`, `match` and `isinstance` are clean.",
        alarms=(
            "assert_type(result.bind(judged), Result[Verdict, PromptError])",
            "assert_type(result.bind(lambda one: judge.safe(one.name)), Result[Verdict, PromptError])",
            'assert_type(result.lash(lambda _: make.safe("Venus")), Result[Character, PromptError])',
            'chain = make.future("Mars").bind(lambda one: judge.future(one.name))',
        ),
    ),
    Known(
        ("ty", "pyrefly"),
        "There is no rule for comparisons that can't be true.",
        missed=("branches: a comparison with what is no member", "branches: an Enum compared with a text"),
    ),
    Known(
        ("ty",),
        "A function that is given where a type may stand is read as an annotation, before overloads are tried.",
        alarms=(
            'assert_type(runtime.generate("x", output_type=add), ToolCall[int])',
            "assert_type(runtime.generate(texts, output_type=add), list[ToolCall[int]])",
        ),
    ),
    Known(
        ("ty",),
        "A field of a pydantic model takes any value, which pydantic may convert.",
        missed=(
            "decisions and probabilities of fields: a choice for its probabilities",
            "decisions and probabilities of fields: an example of another choice",
        ),
    ),
    Known(
        ("typefold check",),
        "These take a type checker.",
        missed=(
            "templates: an attribute that a method's result lacks",
            "examples of @prompt: an argument of the wrong type",
        ),
    ),
    Known(
        ("typefold check",),
        "There is no such rule.",
        missed=("templates: a typo in a class's attribute",),
    ),
)
