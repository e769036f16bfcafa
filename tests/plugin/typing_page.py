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
# Checks

<!-- Made by a test from the messages of mypy: TYPEFOLD_WRITE_DOCS=1 pytest tests/plugin/test_typing_page.py (make docs). -->

Every mistake that the mypy plugin and `typefold check` find, with the message, and what other type checkers see. The guide
[typing](guides/typing.md) sets them up.
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

The project keeps a page of user code (`tests/typed_page/page/`) with asserted types and planted mistakes. `make check` runs mypy
(with the plugin and without it), pyright, basedpyright, ty and pyrefly over it, each in its strict mode where it has one, and
`typefold check`. A test holds the table, which shows the kinds of mistakes of which some checker misses one. A dash is for mistakes
that a checker can't see: those inside strings, types and numbers, or all others. Anything said of a right line is a false alarm.

<!-- begin: typed page -->

<!-- end: typed page -->

### The same mistakes elsewhere

Twelve of these mistakes, in programs of other libraries as their documentation writes them (`tests/typed_page/peers/`), found by
mypy `--strict` (of typefold with the plugin) and by pyright, strict. A dash stands where the mistake can't be made.
DSPy and mirascope ship no `py.typed`, so mypy takes all of them for `Any`.

<!-- begin: peers -->

<!-- end: peers -->

## `.defer` by name

The plugin widens every parameter of `.defer(...)`, so that a `Deferred[T]` may be given where a `T` is due, by name too.
Without it, type checkers see deferred values in the first six positional places.

## How types are judged

Neither tool runs the program. Types are made again from their declarations, also imported ones, with pydantic, dataclasses and the
like, and given to the compiler, so both have the findings of decoration. A part that a declaration does not say counts as right: a
class made by a function, a decorator or a metaclass of your own, a limit that is computed, a class with a hook. Of libraries only
objects on a list (`dsl/checks/libraries.py`) are called, and nothing that grows without measure (`10**10**10`) is worked out, so a
file that you would not run can be checked.

mypy's cache knows the inputs of the findings. After another version of a library, or a new hook in a module that the class's own
module has nothing to do with, run mypy once with `--no-incremental`.

`typefold check --format json` prints `files`, `prompts` and `findings`, each with `path`, `line`, `column`, `code`, `severity` and
`message`. Two further codes are its own: `import` (with `--import`) and `syntax`, for a file that can't be read.

## prompt-unread

The plugin takes the parser of the Python that runs mypy, and the libraries beside it. A file with newer syntax (`type X = ...` under
Python 3.11), and types of a library that is not installed there, can't be checked: `prompt-unread` says at the first prompt what is
missing, and such types count as right. Where mypy runs in the program's own environment, all is checked.

## Versions

| | |
| --- | --- |
| the plugin | mypy 2.4 (2.4.0 and 2.4.1 were tried); under an older one it stops and says so |
| types alone | mypy 2.3 (2.3.1 was tried). 2.0 needs `--enable-incomplete-feature=TypeForm` for a `Literal`; under 1.8 and 1.15 `generate` and `output_type` give `Never` |
| pyright | from 1.1.412 on (up to 1.1.414 was tried); older ones take `int \\| None` for no type where a type is given as a value |

`typefold doctor` says that a mypy is too old.

## Cost

On 800 prompt functions in 300 files, with half as many models, the plugin's checks take 2.1 s of CPU time beside the 15 s that
mypy takes without any cache; on 200 functions in 75 files 0.8 s. A run that finds nothing changed loads nothing of typefold
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
