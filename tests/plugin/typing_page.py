"""`docs/typing.md`: every check with wrong code and what mypy says of it, word by word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import dedent, fill

from typefold.checks.findings import CODES

from .conftest import Error

__all__ = ["BY_THEMSELVES", "CASES", "Case", "page"]


@dataclass(frozen=True)
class Case:
    """A check, or one side of it.

    Attributes:
        code: Its code.
        words: What it finds.
        wrong: Code with which something is wrong.
    """

    code: str
    words: str
    wrong: str

    @property
    def program(self) -> str:
        """The code, with what it needs."""
        return HEAD + self.wrong

    def said(self, errors: Iterable[Error]) -> list[str]:
        """The errors, with the lines as they are shown."""
        head = HEAD.count("\n")
        return [f"{error.line - head}:{error.column}: {error.message}  [{error.code}]" for error in errors]


HEAD = dedent("""\
    from collections.abc import Callable
    from enum import Enum
    from typing import Annotated, Literal
    from pydantic import BaseModel, Field
    from typefold import Logged, Runtime, Scored, ask, example, output_type, prompt


    class Character(BaseModel):
        name: Annotated[str, Field(max_length=40)]
        age: Annotated[int, Field(ge=0, le=120)]


    @prompt
    def make_character(setting: str) -> Character:
        return ask(f"Invent a character who lives in {setting}.")


    """)


def case(code: str, words: str, wrong: str) -> Case:
    return Case(code, words, dedent(wrong).strip("\n") + "\n")


CASES = (
    case(
        "prompt-template",
        "The docstring of a prompt whose body says `ask()` is a Jinja2 template, and is read as one. Templates can't take in others.",
        '''
        @prompt
        def title(text: str) -> str:
            """Give this a title:

            {% if text %}{{ text }}
            """
            return ask()


        @prompt
        def shorten(text: str) -> str:
            """{% include "style.txt" %} {{ text }}"""
            return ask()
        ''',
    ),
    case(
        "prompt-name",
        "A template may use the function's parameters, its own variables, and Jinja2's globals.",
        '''
        @prompt
        def judge(text: str) -> Literal["keep", "drop"]:
            """Is this text any good?

            {{ txt }}"""
            return ask()
        ''',
    ),
    case(
        "prompt-attribute",
        "The parts of a parameter that a template reads must be there: attributes, keys of typed dictionaries, elements of loops, and "
        "the names that filters such as `map` ask for. Where the type is open (`Any`, a class with `__getattr__`), it may be. "
        "So it may where the template asks: `is defined`, `default`. Of a union, one member must have it.",
        '''
        @prompt
        def introduce(lead: Character, cast: list[Character]) -> str:
            """Introduce {{ lead.nmae }}, who is {{ lead.age.years }}, to:

            {% for one in cast -%}
            - {{ loop.idx }}. {{ one.name | upper }}, {{ one.role }}
            {% endfor %}
            {{ cast | map(attribute="aeg") | join(", ") }} {% for year in lead.age %}{% endfor %}
            """
            return ask()
        ''',
    ),
    case(
        "prompt-operator",
        "Operators, comparisons and calls must be such as the values have. Of a union, one member must have it, and a class of which "
        "something is open counts as right. So are the values behind them known: of slices, filters, conditions and calls.",
        '''
        @prompt
        def rate(lead: Character, cast: list[Character], kind: type[Character]) -> str:
            """{{ lead.name + 1 }} {{ lead.age() }} {% if lead < cast[0] %}older{% endif %}
            {{ cast[1:].name }} {{ (cast | first).nmae }} {{ kind.nmae }} {{ lead[0] }} {{ lead.age[1:] }}"""
            return ask()
        ''',
    ),
    case(
        "prompt-filter",
        "Filters and tests are Jinja2's own, and take the arguments and the values that Jinja2's take.",
        '''
        @prompt
        def shout(text: str, number: int) -> str:
            """{{ text | uper }} {{ text is strng }} {{ text | truncate(lenght=9) }}
            {{ text | round }} {{ number | first }} {{ number | round(1, "up") }}"""
            return ask()
        ''',
    ),
    case(
        "prompt-braces",
        "A template fills in `{{ text }}`; single braces around a parameter are sent as they stand, and so are those of a string in "
        "the body that was meant to be an f-string. Braces around anything else, as in JSON, are left alone, as is text in "
        "`{% raw %}`.",
        '''
        @prompt
        def mood(text: str) -> Literal["grim", "funny"]:
            """What is the mood of {text}? Answer as in {"mood": "grim"}."""
            return ask()


        @prompt
        def judge(text: str) -> Literal["keep", "drop"]:
            return ask("Is this text any good? {text}")
        ''',
    ),
    case(
        "prompt-constant",
        "A template that uses none of the parameters asks every row the same. Where that is meant, name them with a `_` before.",
        '''
        @prompt
        def summarise(text: str) -> str:
            """Summarise the text in one sentence."""
            return ask()
        ''',
    ),
    case(
        "prompt-unused",
        "A parameter that neither the body nor the template uses changes nothing. A name that begins with `_` is left alone. "
        "This is a note of mypy's and a warning of `typefold check`: neither fails for it, but the latter with `--strict`.",
        """
        @prompt
        def retell(text: str, tone: str = "calm") -> str:
            return ask(f"Retell: {text}")
        """,
    ),
    case(
        "prompt-return",
        "The compiler makes a constraint from the return type, also where its parts are declared elsewhere; types that it refuses when the "
        "function is decorated is reported on the annotation, with the path to the part. The words are the compiler's. "
        "[types.md](types.md) lists every type.",
        """
        class Meeting(BaseModel, arbitrary_types_allowed=True):
            when: Callable[[], int]


        class Plan(BaseModel):
            meetings: list[Meeting]


        @prompt
        def plan(text: str) -> Plan:
            return ask(text)


        @prompt
        def nothing(text: str) -> None:
            return ask(text)
        """,
    ),
    case(
        "prompt-return",
        "So are limits that no value can meet, patterns that can't be enforced, and choices without members.",
        """
        class Rating(BaseModel):
            stars: Annotated[int, Field(ge=10, le=3)]


        class Mood(Enum):
            pass


        @prompt
        def rate(text: str) -> list[Rating]:
            return ask(text)


        @prompt
        def name(text: str) -> Annotated[str, Field(min_length=5, max_length=2)]:
            return ask(text)


        @prompt
        def plate(text: str) -> Annotated[str, Field(pattern="[A-Z")]:
            return ask(text)


        @prompt
        def mood(text: str) -> Mood:
            return ask(text)


        @prompt
        def score(text: str) -> Scored[int]:
            return ask(text)
        """,
    ),
    case(
        "prompt-return",
        "Types that are given as values are judged as well: to a runtime, and to `output_type`.",
        """
        def answers(runtime: Runtime) -> None:
            runtime.generate(["How old?", "How far?"], output_type=[int, complex])
            runtime("Who?", output_type=Character | dict[str, complex])


        plain = output_type(list[Logged[int]])
        """,
    ),
    case(
        "prompt-union",
        "Members of a union may share texts, and pydantic decides which of them reads one ([types.md](types.md#unions)). This is a note and "
        "no mistake: it says which text is shared, the shortest, and the member that gets it. Neither tool fails for it.",
        """
        class Named(BaseModel):
            name: Annotated[str, Field(max_length=40)]
            age: Annotated[int, Field(ge=0)] = 0


        class Genre(Enum):
            NOVEL = "novel"


        @prompt
        def find(text: str) -> list[Character | Named]:
            return ask(text)


        @prompt
        def genre(text: str) -> Genre | str:
            return ask(text)
        """,
    ),
    case(
        "prompt-option",
        "Options of `@prompt(...)`: names that do not exist, values of another type or out of range, and options that do not go "
        "with the return type. In `.using(...)` and of a runtime, type checkers see names and types, and the plugin ranges. A value may "
        "be written out, a constant of any module, or of a `Literal` type.",
        """
        @prompt(tempurature=0.5, max_tokens="80", retries=-1, n=3, timeout=input())
        def tell(text: str) -> str:
            return ask(text)


        @prompt(stop=".")
        def count(text: str) -> int:
            return ask(text)


        HOT = 2.5
        count.using(temperature=HOT, max_tokens=0)
        """,
    ),
    case(
        "prompt-ask",
        "`ask` gives the value that the body has to return, and works nowhere else. To type checkers it is a value of the return type, so "
        "they see nothing wrong here.",
        """
        @prompt
        def shorten(text: str) -> str:
            return ask(f"Shorten: {text}")[:80]


        @prompt
        def describe(setting: str) -> str:
            hero = make_character(setting)
            return ask(f"Describe {hero.name}.")


        @prompt
        def greet(name: str) -> str:
            return f"Hello {name}!"


        def forgotten(text: str) -> int:
            return ask(f"How many words? {text}")
        """,
    ),
    case(
        "prompt-example",
        "Examples are held against the function: the value against the return type, its limits too where it is written out, and "
        "the arguments against the parameters.",
        """
        @prompt(
            examples=[
                example("greta", text="It was good."),
                example("great", txt="It was good."),
                example("great", text=3),
                example("great"),
            ]
        )
        def praise(text: str) -> Literal["great", "awful"]:
            return ask(text)


        @prompt(examples=[example(11, text="It was good.")])
        def stars(text: str) -> Annotated[int, Field(ge=1, le=5)]:
            return ask(text)
        """,
    ),
)

BY_THEMSELVES = case(
    "",
    "",
    '''
    @prompt
    def ask_for(setting: str) -> Character:
        return ask(f"Invent a character who lives in {seting}.")


    def program(setting: str) -> str:
        hero = make_character(setting)
        crowd = make_character.map([setting, 1920])
        make_character()
        make_character.using(tempurature=1)
        make_character(setting).nmae
        return crowd


    @prompt
    def empty(text: str) -> Literal[()]:
        return ask(text)


    @prompt
    def silent(text: str) -> str:
        """Say it."""
    ''',
)
"""What mypy says without the plugin."""

_HEAD = """\
# Types and checks

<!-- Made by a test from the messages of mypy: TYPEFOLD_WRITE_DOCS=1 pytest tests/plugin/test_typing_page.py (make docs). -->

typefold is typed throughout (`py.typed`): mypy and pyright see the parameters and the return type of every prompt function
through every way of asking it. The mypy plugin and `typefold check` find the mistakes that they can't see: both read prompts,
and both let the compiler judge the types.

```toml
[tool.mypy]
plugins = ["typefold.mypy"]  # beside others, in any order
```

```
typefold check src  # without mypy, and without running the program
```
"""

_BY_THEMSELVES = """\
## Mistakes that type checkers find by themselves

A body is an f-string, so its names are checked; calls, `.map`, `.using` and the like have the function's own types. In
this code, mypy finds, without the plugin:
"""

_CHECKS = """\
## The checks

The examples on this page begin with

```python
{head}
```

Below each stand the messages of mypy, with `line:column`. Columns point into docstrings.
"""

_REST = """\
## In five type checkers

The project keeps a page of user code (`tests/typed_page/page/`): calls, methods, tables, futures, programs, results, special
types, prompts as values. Types are asserted on some of its lines, mistakes are planted on others, and the rest is right.
`make check` runs mypy (with the plugin and without it), pyright, basedpyright, ty and pyrefly over it, each in its strict mode
where it has one, and `typefold check`. A mistake is found where the checker says anything about its statement; anything
that it says elsewhere is a false alarm. The last five kinds stand in strings, types and numbers, where only typefold's own
checks look: plain checkers have a dash there, and `typefold check` in the others. The test that writes this table fails when
a checker finds fewer mistakes or more, and when it has other false alarms.

<!-- begin: typed page -->

<!-- end: typed page -->

### The same mistakes elsewhere

Twelve of these mistakes, in a program of other libraries as their documentation writes it (`tests/typed_page/peers/`): found by
mypy `--strict` and by pyright, strict. A dash stands where the mistake can't be made: a prompt that has no variables, or an
answer that can't be `None`. Of typefold, mypy has the plugin. Where the documentation calls a client with an f-string, the
prompts stand in plain functions, whose arguments every checker sees. That a type is unknown counts for nothing, but as a false
alarm where the line is right. DSPy and mirascope ship no `py.typed`, so mypy takes all of
them for `Any`.

<!-- begin: peers -->

<!-- end: peers -->

## Silencing

A comment `# type: ignore[prompt-unused]` silences a check on its line. On the line of the `def` it silences findings about
the signature and the docstring, in which there is no room for a comment; the line on which the docstring ends will do
too. `typefold check` heeds the same comments.

A whole check is switched off for mypy as any other is:

```toml
[tool.mypy]
disable_error_code = ["prompt-unused"]
```

## `.defer` by name

The plugin widens every parameter of `.defer(...)`, so that a `Deferred[T]` may be given where a `T` is due, by name too.
Without it, type checkers see deferred values in the first six positional places.

## A prompt as a value

`Prompt[[str], Character]` is the type of a prompt function that can be called with one text and returns a `Character`, and
`AsyncPrompt` that of one written with `async def`: for parameters, fields and tables. `.sample(n)` returns a `Samples` or an
`AsyncSamples`.

```python
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, ParamSpec, TypeVar

from pydantic import BaseModel
from typefold import Prompt, PromptError, ask, prompt
from returns.result import Result

P = ParamSpec("P")
T = TypeVar("T")
Verdict = Literal["keep", "drop"]


class Character(BaseModel):
    name: str


@prompt
def judge(text: str) -> Verdict:
    return ask(f"Keep or drop? {text}")


@prompt
def invent(setting: str, century: int = 20) -> Character:
    return ask(f"Invent a character who lives in {setting} in century {century}.")


def of_each(function: Prompt[[str], T], texts: Iterable[str]) -> list[T]:
    return function.map(texts)


def tried(function: Prompt[P, T], *args: P.args, **kwargs: P.kwargs) -> Result[T, PromptError]:
    return function.safe(*args, **kwargs)


@dataclass
class Step:
    prompt: Prompt[[str], Character]


step = Step(invent)
table: dict[str, Prompt[[str], Verdict | Character]] = {"judge": judge, "invent": invent}
every: list[Prompt[..., object]] = [judge, invent]
```

A prompt fits where its function would: with a default where fewer arguments are given, with a narrower return type where a
wider one is due, bound to an object as a function without its first parameter. It also fits where a `Callable` is due, though
pyright then widens a `Literal` that it returns to `str`. mypy, pyright, basedpyright, ty and pyrefly agree on all of this.

To type checkers these names are aliases of classes that are generic in a `Callable`, and `isinstance` takes no such alias:
`is_prompt(value)` narrows a value to a prompt. Errors and editors show the class, whose parameter is the function. Over a call
of `invent`, pyright's language server shows `(function) invent: Prompt[(setting: str, century: int = 20) -> Character]` and ty's
the same without the name, each above the function's own docstring; over a method, `Prompt[(message: str) -> str]`. `.map` and
the like show what is left of the parameters.

## Results

`.safe` gives a `Result` of returns. pyright, basedpyright, ty and pyrefly know what is in it wherever it is taken apart. mypy
alone gives `Any` for it behind `isinstance(result, Success)` and `case Success(value)`, so that a typo behind these passes. With
the plugin it knows. `succeeded(result)` and `failed(result)` narrow a result for mypy without the plugin too, and for every other
type checker.

```python
from returns.result import Result, Success
from typefold import PromptError, failed, succeeded


def length(result: Result[str, PromptError]) -> int:
    return len(result.unwrap()) if succeeded(result) else 0


def shown(result: Result[str, PromptError]) -> str:
    if failed(result):
        return str(result.failure())
    match result:
        case Success(text):
            return text.upper()  # with the plugin: mypy knows that this is a text
        case _:
            return ""
```

A result's own `.map` and the like keep their types. `.bind` does too, but pyright strict and basedpyright report it as partially
unknown, since returns declares the function that it takes with a `Result` of anything: `Success(1).bind(half)` is reported where
nothing of typefold is imported. Another type than returns' own would mend it, and would be no `Result` to `case Success(value)`. An
early `return result` behind `if failed(result):` does the work of `.bind` and is clean.

## Methods

A method that overrides a prompt method is held to its signature, as any other method is.

`@prompt` stands above `@classmethod` and `@staticmethod`. Type checkers then see the parameters that are left, seen
from the class and from an instance, in every way of asking. The other order is typed alike and works alike up to Python
3.12. Since 3.13 a `classmethod` no longer asks the object inside it, so of a prompt below it only plain calls work; `.map` and the
like fail with a message that says which order to write, since type checkers take both orders for the same.

A static method whose first parameter is a class (`type[T]`) looks like a class method to type checkers: give such a
function another first parameter, or leave it outside of the class.

## `typefold check`

`typefold check [paths]` finds the prompt functions in files and folders, those inside functions too, and has the
findings of the plugin, but for those that need a type checker (the result of a call in a template, the types of options and
examples, the attributes that are runtimes).
Nothing of the program runs, no model is loaded, and neither mypy nor vLLM is needed, so it suits a pre-commit hook.

- The exit status is 0 where all is right, 1 where something is wrong, 2 where a path does not exist. Warnings count with
  `--strict` only, and notes never.
- `--format json` prints one object: `files` and `prompts` (how many there are) and `findings`, each with `path`, `line`,
  `column`, `code`, `severity` and `message`. In text, a finding is `path:line:column: severity: message  [code]`.
- `--import` also imports the files, so that types that only the running program knows are compiled too; the error on which an
  import ends is a finding with the code `import`. A file that can't be read is one with the code `syntax`, and the others
  are checked all the same: Python can't parse it, its code is nested too deeply, it is no regular file, its encoding is
  unknown, or it has more than 4 MB. Files are read in the encoding that they declare.

```yaml
# .pre-commit-config.yaml
- repo: local
  hooks:
    - id: typefold
      name: typefold check
      entry: typefold check
      language: system
      types: [python]
```

## How types are judged

Neither tool runs the program. Types are made again from their declarations (classes, aliases, limits, also imported
ones) with pydantic, dataclasses and the like, and given to the compiler, so both have the findings of decoration, in the
same words. A part that a declaration does not say counts as right: a class made by a function, a decorator or a metaclass of your
own, a limit that is computed. A class for which some module registers a hook is right too.

So it is safe to check a file that you would not run. Of libraries, those objects are called, subclassed or handed on that
are on a list (`dsl/checks/libraries.py`): those that describe types, as `Field`, `conint`, `Decimal`. Every other function
counts as unknown, a library is never imported from the folders of the program, and a value or a type that grows without
measure (`10**10**10`) is not worked out.

mypy's cache and its daemon (`dmypy`) know the inputs of the findings: a limit that is changed two modules away brings the
prompts that return it up again. Two things do not: installing another version of a library, and registering a hook in a
module that the class's own module has nothing to do with; mypy then needs `--no-incremental` once, or a new cache.

## prompt-unread

mypy itself reads newer syntax than the Python that runs it. The plugin takes that Python's parser, and makes types with the
libraries that are installed beside mypy. So it can't check a file with prompts, or a module that a return type comes from, that
has newer syntax (`type X = ...` under Python 3.11), nor types of a library (attrs, msgspec) that is not installed there.
`prompt-unread` then says at the first prompt what is missing and why, and types from there count as right. Where mypy runs in the
program's own environment, all is checked.

## Versions

The plugin needs mypy 2.4, the first that asks a plugin for the inputs of its findings, and was tested with 2.4.0 and 2.4.1. Under an
older mypy (1.8 to 2.3 were tried) it stops and says so.

The types alone need mypy 2.3 (2.3.1 was tried), and over the typed page it says what 2.4 says. Older ones lack `TypeForm`: under 1.8 and 1.15
prompts have their types in every way of asking, but `generate`, a runtime's call and `output_type` give `Never`, so that mistakes
in what they take and give pass; under 1.8 `run.stream` gives `Any` too. mypy 2.0 needs `--enable-incomplete-feature=TypeForm`
for a `Literal` there. `typefold doctor` says that a mypy is too old. Pyright is right about all of typefold from 1.1.412 on (up to
1.1.414 was tried): older ones take `int | None` for no type where a type is given as a value.

## Cost

On 800 prompt functions in 300 files, with half as many models, the plugin's checks take 2.1 s of CPU time beside the 15 s that
mypy takes without any cache: a seventh. On 200 functions in 75 files it is 0.8 s, of which 0.3 s load typefold. The time grows with
the number of types that are returned and of templates. A run that finds nothing changed loads nothing of typefold
(`benchmarks/plugin.py`).
"""


def page(said: Sequence[tuple[Case, list[str]]], by_themselves: list[str]) -> str:
    """The whole page.

    Args:
        said: The cases, each with what mypy says.
        by_themselves: What mypy says without the plugin.
    """
    parts = [_HEAD, _BY_THEMSELVES, _code(BY_THEMSELVES.wrong), _text(by_themselves)]
    parts.append(_CHECKS.format(head=HEAD.strip()))
    parts.append(_table())
    last = ""
    for each, lines in said:
        if each.code != last:
            parts.append(f"### {each.code}\n")
            last = each.code
        parts += [fill(each.words, 120) + "\n", _code(each.wrong), _text(lines)]
    return "\n".join([*parts, _REST])


def _table() -> str:
    rows = "".join(f"| [`{code.name}`](#{code.name}) | {code.title} |\n" for code in CODES.values())
    return f"| code | finds |\n| --- | --- |\n{rows}"


def _code(text: str) -> str:
    return f"```python\n{text.strip()}\n```\n"


def _text(lines: Iterable[str]) -> str:
    return "```\n" + "".join(f"{line}\n" for line in lines) + "```\n"
