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
        ("mypy, with the plugin", "mypy", "pyright", "basedpyright", "pyrefly"),
        "A list of types may hold anything.",
        missed=("generate: a number in a list of types",),
    ),
    Known(
        ("mypy, with the plugin", "mypy", "pyright", "basedpyright"),
        "`run` takes a prompt that needs a second argument.",
        missed=("programs: a prompt of two arguments",),
    ),
    Known(
        ("mypy, with the plugin", "mypy"),
        "A `Result` that is narrowed holds `Any`.",
        missed=(
            "results, narrowed: a typo behind case Success(value)",
            "results, narrowed: a typo behind case Failure(error)",
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
        ("mypy, with the plugin",),
        "The rule is missing yet.",
        missed=(
            "templates: a slice of a number",
            "templates: a call of a model",
            "templates: a text added to a number",
            "templates: a typo in a class's attribute",
            "return types: tools with another result",
            "ranges of options: a probability above 1",
            "ranges of options: no token at all",
            "ranges of options: a negative time",
            "ranges of options: a temperature below 0, generated",
            "ranges of options: no token at all, generated",
            "ranges of options: no sample at all",
            "examples of @prompt: a value out of range",
        ),
    ),
    Known(
        ("mypy, with the plugin", "mypy"),
        "Rows of `.starmap` without the parameters that have defaults are refused.",
        alarms=(
            'assert_type(make_hero.starmap([("Mars",)]), list[Hero])',
            'assert_type(make_hero.starmap([("Mars", 19)]), list[Hero])',
        ),
    ),
    Known(
        ("mypy, with the plugin", "mypy", "pyright", "basedpyright", "pyrefly"),
        "`generate` takes fewer forms by its types than it does.",
        alarms=(
            'assert_type(runtime.generate(("x", "y")), list[str])',
            "assert_type(runtime.generate(texts), list[str])",
            "assert_type(runtime.generate(mine), list[str])",
            'assert_type(runtime.generate([judge.render("x"), judge.render("y")]), list[str])',
            "assert_type(runtime.generate(texts, output_type=Scored[bool]), list[Scored[bool]])",
        ),
    ),
    Known(
        ("mypy, with the plugin", "mypy", "ty"),
        "A prompt method that is overridden counts as another variable.",
        alarms=('def mood(self, text: str) -> Literal["funny"]:',),
    ),
    Known(
        ("mypy, with the plugin",),
        "A parameter that is not used is a warning, which mypy counts as an error.",
        alarms=("def unused(text: str, tone: str) -> str:",),
    ),
    Known(
        ("mypy, with the plugin", "mypy", "pyright", "basedpyright", "ty", "pyrefly"),
        "A prompt has no `__name__`.",
        alarms=('return [f"{asked.__name__}: {asked.__doc__} {asked.explain()}" for asked in prompts]',),
    ),
    Known(
        ("mypy, with the plugin", "mypy"),
        "`Prompt` is invariant in its parameters and its result.",
        alarms=(
            'table: Mapping[str, Prompt[[str], Verdict | Character]] = {"judge": judge, "make": make}',
            'by_name: dict[str, Prompt[[str], Character]] = {"plain": make, "hero": make_hero}',
            "every: list[Prompt[..., object]] = [judge, make, rate, find]",
            "wide: Prompt[[str], str | int] = judge",
            "assert_type(explained([judge, rate]), list[str])",
            'assert_type(Job(make_hero, backup=make, others=[make, make_hero]).others[0]("x"), Character)',
        ),
    ),
    Known(
        ("pyright", "basedpyright", "pyrefly"),
        "A prompt method that is overridden counts as another variable.",
        alarms=("def rate(self, text: str, most: int = 5) -> int:", 'def mood(self, text: str) -> Literal["funny"]:'),
    ),
    Known(
        ("pyright", "basedpyright"),
        "The `bind` and `lash` of returns are partially unknown to pyright.",
        alarms=(
            "assert_type(result.bind(judged), Result[Verdict, PromptError])",
            "assert_type(result.bind(lambda one: judge.safe(one.name)), Result[Verdict, PromptError])",
            'assert_type(result.lash(lambda _: make.safe("Venus")), Result[Character, PromptError])',
            'chain = make.future("Mars").bind(lambda one: judge.future(one.name))',
        ),
    ),
    Known(
        ("pyright", "basedpyright"),
        "`Prompt` is invariant in its parameters and its result.",
        alarms=(
            'table: Mapping[str, Prompt[[str], Verdict | Character]] = {"judge": judge, "make": make}',
            'by_name: dict[str, Prompt[[str], Character]] = {"plain": make, "hero": make_hero}',
            "every: list[Prompt[..., object]] = [judge, make, rate, find]",
            "wide: Prompt[[str], str | int] = judge",
            "fewer: Prompt[[str], Hero] = make_hero",
            "assert_type(use(make_hero, settings), list[Hero])",
            "assert_type(oldest(make_hero, settings), Hero)",
            "assert_type(explained([judge, rate]), list[str])",
            'assert_type(await awaited(rated, "x"), Verdict)',
            'assert_type(Job(make_hero, backup=make, others=[make, make_hero]).others[0]("x"), Character)',
        ),
    ),
    Known(
        ("ty",),
        "Rows of `.starmap` without the parameters that have defaults are refused.",
        alarms=('assert_type(make_hero.starmap([("Mars",)]), list[Hero])',),
    ),
    Known(
        ("ty",),
        "`generate` takes fewer forms by its types than it does.",
        alarms=(
            'assert_type(runtime.generate(("x", "y")), list[str])',
            "assert_type(runtime.generate(texts), list[str])",
            "assert_type(runtime.generate(mine), list[str])",
            'assert_type(runtime.generate([judge.render("x"), judge.render("y")]), list[str])',
            'assert_type(runtime.generate("x", output_type=re.compile("[a-z]+")), str)',
            'assert_type(runtime.generate("x", output_type=add), ToolCall[int])',
            "assert_type(runtime.generate(texts, output_type=Scored[bool]), list[Scored[bool]])",
            'assert_type(runtime.generate(["x", "y"], output_type=[int, str]), list[object])',
        ),
    ),
    Known(
        ("ty", "pyrefly"),
        "`Prompt` is invariant in its parameters and its result.",
        alarms=(
            "return story",
            "return Prompt_of_int",
            "drawn: Samples[[str], Character] = make.sample(3)",
            'table: Mapping[str, Prompt[[str], Verdict | Character]] = {"judge": judge, "make": make}',
            'by_name: dict[str, Prompt[[str], Character]] = {"plain": make, "hero": make_hero}',
            "every: list[Prompt[..., object]] = [judge, make, rate, find]",
            "wide: Prompt[[str], str | int] = judge",
            "fewer: Prompt[[str], Hero] = make_hero",
            "assert_type(use(judge, settings), list[Verdict])",
            "assert_type(use(make, settings), list[Character])",
            "assert_type(use(make_hero, settings), list[Hero])",
            "assert_type(oldest(make_hero, settings), Hero)",
            "assert_type(first(rate, 3), int)",
            "assert_type(explained([judge, rate]), list[str])",
            'assert_type(await awaited(later, "x"), Character)',
            'assert_type(await awaited(rated, "x"), Verdict)',
            'assert_type(Job(make).asked("x"), Character)',
            'assert_type(Job(make_hero, backup=make, others=[make, make_hero]).others[0]("x"), Character)',
        ),
    ),
    Known(
        ("ty",),
        "The type of a value that is no `Done` is `ToolCall[...] & ~Done` to ty.",
        alarms=("assert_type(said, ToolCall[list[str] | int])",),
    ),
    Known(
        ("typefold check",),
        "The rule is missing yet.",
        missed=(
            "templates: a slice of a number",
            "templates: a call of a model",
            "templates: a text added to a number",
            "templates: an attribute that a method's result lacks",
            "templates: a typo in an Enum's attribute",
            "templates: a typo in a class's attribute",
            "return types: tools with another result",
            "ranges of options: a probability above 1",
            "ranges of options: no token at all",
            "ranges of options: a negative time",
            "ranges of options: a temperature below 0, generated",
            "ranges of options: no token at all, generated",
            "ranges of options: no sample at all",
            "examples of @prompt: an argument of the wrong type",
            "examples of @prompt: a value out of range",
        ),
    ),
)
