"""The reach of the checks into templates, options and tools: mistakes are found by both tools, and right code passes both."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from typefold.checks.check import check

from .conftest import Project

HEAD = """
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, TypedDict
from pydantic import BaseModel, Field
from typefold import Runtime, ToolCall, Tools, ask, prompt

class Mood(Enum):
    GRIM = "grim"
    def shown(self) -> str: return self.value
class Tone(StrEnum):
    CALM = "calm"
class Character(BaseModel):
    name: str
    age: int
    def title(self) -> str: return self.name
class Money:
    def __add__(self, other: object) -> "Money": return self
    def __lt__(self, other: object) -> bool: return True
    def __getitem__(self, key: int) -> int: return 1
    def __iter__(self) -> Any: ...
    def __call__(self) -> str: return "x"
@dataclass(order=True)
class Point:
    x: int
class Pair(NamedTuple):
    a: int
    b: str
class Row(TypedDict):
    n: int
"""
TEMPLATE = '''
@prompt
def shows(
    cast: list[Character], lead: Character, n: int, x: float, s: str, money: Money, point: Point, row: Row, pair: Pair,
    when: date, d: Decimal, rows: dict[str, Character], seq: Sequence[int], it: Iterable[int], cb: Callable[[int], str],
    kind: type[Character], moods: type[Mood], maybe: int | None, either: int | str, anything: Any, tone: Tone,
    t: tuple[int, ...], nums: list[int], lit: Literal[1, 2], words: set[str],
) -> str:
    """TEMPLATE"""
    return ask()
'''

RIGHT_EXPRESSIONS = [
    *(
        "cast[1:][0].name",
        "cast[:2] | length",
        "s[1:3].upper()",
        "pair[0] + 1",
        "pair.b | upper",
        "n + 1 - x * 2",
        "s ~ n",
    ),
    *(
        "s * 3",
        "'%d items' % n",
        "'%s and %s' % (s, n)",
        "money + 1",
        "money[2]",
        "money()",
        "money < money",
        "point >= point",
    ),
    *(
        "when < when",
        "(when - when).days",
        "d + 1",
        "d * n",
        "rows['a'].name",
        "rows[s].age + 1",
        "seq[1:]",
        "seq + [1]",
    ),
    *(
        "cb(3) | upper",
        "kind(name='a', age=3).name",
        "moods.GRIM.shown()",
        "moods['GRIM'].value",
        "maybe + 1",
        "either + 1",
    ),
    *(
        "anything[1:].x + 3",
        "tone + 'x'",
        "tone.upper()",
        "t[0] + 1",
        "(t[1:] | first) + 1",
        "nums | sum + 1",
        "-n",
        "+x",
    ),
    *(
        "(nums | sort | first) + 2",
        "s | truncate(20) | upper",
        "s | replace('a', 'b')",
        "x | round(1, 'ceil')",
        "n | abs",
    ),
    *(
        "cast | map(attribute='name') | join(', ') | upper",
        "cast | sum(attribute='age') + 1",
        "s | default('x') | upper",
    ),
    *(
        "cast | sort(attribute='age') | first",
        "cast | length > 3 and n < 4",
        "n if n > 3 else s",
        "s in ['a', 'b']",
        "3 in nums",
    ),
    *(
        "n is divisibleby(3)",
        "n is even",
        "s is string",
        "nums | tojson",
        "row | tojson",
        "row.n + 1",
        "nums | batch(2) | list",
    ),
    *(
        "s.split(',')[0] | trim",
        "rows.items() | list",
        "lit + 1",
        "not s",
        "'%.2f' | format(x)",
        "nums | max + 1",
        "nums[n] + 1",
    ),
    *(
        "dict(a=1).a",
        "range(3) | list",
        "lead.title() | upper",
        "lead.name[0]",
        "words | sort | join",
        "it | list",
        "s[n] | upper",
    ),
    *(
        "(lead or cast[0]).name",
        "nums | select('odd') | list",
        "s | indent(2)",
        "nums[-1]",
        "cast | groupby('age') | list",
    ),
    *(
        "nums | map('string') | join",
        "x | int + 1",
        "pair | list",
        "rows | dictsort",
        "rows | length",
        "1 < n < 3",
        "n == s",
    ),
]
RIGHT_STATEMENTS = """
    {% for each in moods %}{{ each.value }} {{ each.shown() }}{% endfor %}{% for i in money %}{{ i }}{% endfor %}
    {% for key, value in rows.items() %}{{ key | upper }} {{ value.age + 1 }}{% endfor %}
    {% set total = 0 %}{% for c in cast %}{% set total = total + c.age %}{{ loop.index + 1 }} {{ loop.first }}{% endfor %}
    {% set z = 1 %}{% if n %}{% set z = "a" %}{% elif s %}{% set z = lead %}{% endif %}{{ z + 1 }} {{ z.name }}
    {% for a, b in [(1, 2), (3, 4)] %}{{ a + b }}{% endfor %} {% macro m(a) %}{{ a + 1 }}{% endmacro %}{{ m(3) }}
"""
ATTRIBUTE = [
    *(
        "cast[1:].nmae",
        "cast[:2][0].nmae",
        "s[1:3].uper",
        "(cast | first).nmae",
        "(s + 'x').uper",
        "n[1:]",
        "lead[0]",
        "lead[1:]",
    ),
    *(
        "rows[1:]",
        "row[0]",
        "kind.nmae",
        "kind().nmae",
        "moods.GRIMM",
        "(s | upper).uper",
        "(s | length).foo",
        "cast[n].nmae",
    ),
    *(
        "rows[s].nmae",
        "lead.name[0].foo",
        "s ~ lead.nmae",
        "[lead.nmae]",
        "{'a': lead.nmae}",
        "range(lead.nmae)",
        "not lead.nmae",
    ),
    *(
        "(nums | sort)[0].foo",
        "(n if n else x).real_",
        "(lead or cast[0]).nmae",
        "'a'.foo",
        "n[0]",
    ),
]
OPERATOR = [
    *(
        "lead + 1",
        "s + 1",
        "1 + s",
        "s - 'a'",
        "when + 1",
        "lead < lead",
        "s < n",
        "n in n",
        "cast + 1",
        "-s",
        "-lead",
        "s()",
    ),
    *(
        "lead.name()",
        "n()",
        "row()",
        "(s | upper) + 1",
        "maybe + 'a'",
        "tone - 1",
        "'a' + 1",
        "d + x",
        "moods.GRIM + 1",
        "1 < s",
    ),
    *(
        "lead.age > s",
        "point + point",
        "(cast | length) ~ (n + s)",
        "cast[0].age + cast[0].name",
    ),
]
FILTER = [
    *(
        "s | truncate(lenght=3)",
        "s | replace('a')",
        "s | upper(3)",
        "s | truncate('a')",
        "s | round",
        "n | first",
        "n | length",
    ),
    *(
        "lead | length",
        "cast | sum",
        "cast | sort",
        "lead | tojson",
        "n | join",
        "x | round('a')",
        "x | round(1, 'up')",
        "n is even(2)",
    ),
    *(
        "words | sum",
        "n is divisibleby",
        "n is divisibleby('x')",
        "s is even",
        "nums | batch(2, 3, 4)",
        "x is in(3)",
        "n | list",
    ),
]
WRONG = {
    **dict.fromkeys(ATTRIBUTE, "prompt-attribute"),
    **dict.fromkeys(OPERATOR, "prompt-operator"),
    **dict.fromkeys(FILTER, "prompt-filter"),
}
STATEMENTS = {
    "{% for a in lead.age | abs %}{% endfor %}": "prompt-attribute",
    "{% for c in cast[1:] %}{{ c.nmae }}{% endfor %}": "prompt-attribute",
    "{% if lead.age > s %}{% endif %}": "prompt-operator",
    "{% set q = cast[0] %}{{ q.nmae }}": "prompt-attribute",
    "{% for a in 3 %}{% endfor %}": "prompt-attribute",
    "{% for a in kind %}{% endfor %}": "prompt-attribute",
    "{% call lead.name() %}{% endcall %}": "prompt-operator",
    "{% for c in cast if c.nmae %}{% endfor %}": "prompt-attribute",
    "{% for a in moods %}{{ a.nmae }}{% endfor %}": "prompt-attribute",
}
METHODS = '''
class Critic(BaseModel):
    style: str = "x"
    @classmethod
    def label(cls) -> str: return "y"
    @prompt
    @classmethod
    def judge(cls, text: str) -> str:
        """{{ cls.label() }} {{ text }} {{ cls.style }}"""
        return ask()
    @prompt
    @classmethod
    def misjudge(cls, text: str) -> str:
        """{{ text }}
        {{ cls.lable() }}
        {% for i in cls %}{% endfor %}
        {{ cls().stile }}
        """
        return ask()
'''
OPTIONS = """
HOT = 3.5
COLD: Final = -1
FINE = 0.5
@prompt(temperature=FINE, seed=3, timeout=5, presence_penalty=-2)
def told(text: str) -> str:
    return ask(text)
class Teller:
    limit: Literal[0] = 0
    @prompt
    def told(self, text: str) -> str:
        return ask(text)
def right(runtime: Runtime, some: Literal[1, 4], n: int, **options: Any) -> None:
    told.using(temperature=FINE, max_tokens=80, timeout=3).using(temperature=some, seed=n)
    runtime.generate("x", temperature=some, max_tokens=n, priority=3)
    runtime.generate(["x", "y"], priority=[1, 2], max_tokens=5, output_type=int)
    runtime("x", stop=["a"], top_k=0, logprobs=-1)
    Teller().told.using(max_tokens=5, retries=1)
    told.sample(3), told.sample(n)
def wrong(runtime: Runtime, some: Literal[3, 4]) -> None:
    told.using(temperature=-0.5)  # wrong
    told.using(temperature=COLD).using(top_p=0.5)  # wrong
    told.using(top_p=0.5).using(max_tokens=0)  # wrong
    told.using(temperature=HOT)  # wrong
    told.using(temperature=some)  # wrong
    told.using(seed=2**64)  # wrong
    runtime.generate("x", temperature=some)  # wrong
    runtime.generate(["x"], top_p=1.5, output_type=int)  # wrong
    runtime.generate("x", frequency_penalty=-5)  # wrong
    runtime("x", repetition_penalty=0)  # wrong
    told.using(timeout=-3)  # wrong
    told.using(max_failures=-1)  # wrong
    told.sample(0)  # wrong
    told.using(seed=3).sample(-2)  # wrong
@prompt(temperature=HOT)  # wrong
def hot(text: str) -> str:
    return ask(text)
"""
BY_MYPY = """
def by_type(teller: Teller) -> None:
    teller.told.using(max_tokens=teller.limit)  # wrong
    Teller().told.using(retries=-1)  # wrong
"""
TOOLS = """
def search(query: str) -> list[str]:
    return [query]
def add(a: int, b: Annotated[int, Field(ge=0)] = 3, *, c: bool = True) -> int:
    return a + b
def many(*rows: int) -> int: return 3
def bare(a) -> int: return 3  # type: ignore
def odd(a: complex) -> int: return 3
async def later(a: int) -> int: return 3
def unknown(a: "Missing") -> int: return 3  # type: ignore
class Maker: ...
@prompt
def asks(a: str) -> str:
    return ask(a)
TOOLS = Tools(search, add)
"""
RETURNS = {
    "Annotated[ToolCall[list[str] | int], Tools(search, add)]": "",
    "Annotated[ToolCall[list[str] | int], TOOLS]": "",
    "list[Annotated[ToolCall[Any], Tools(search, add, asks)]]": "",
    "Annotated[ToolCall[int], Tools(unknown)]": "",
    "Annotated[ToolCall[str], Tools(asks)] | None": "",
    "Annotated[ToolCall[int], Tools(search, add)]": "has the tool search, which gives list[str]",
    "Annotated[ToolCall[list[str]], TOOLS]": "has the tool add, which gives int",
    "list[Annotated[ToolCall[int], Tools(many)]]": "many takes *rows: int, which has no names",
    "Annotated[ToolCall[int], Tools(bare)]": "the parameter a of bare has no annotation",
    "Annotated[ToolCall[int], Tools(odd)]": "complex has no form in JSON",
    "Annotated[ToolCall[int], Tools(later)]": "later is an `async def`",
    "Annotated[ToolCall[Maker], Tools(Maker)]": "Maker is a class",
    "Annotated[ToolCall[int], Tools()]": "there is no function to choose",
    "Annotated[ToolCall[int], Tools(add, add)]": "two functions have one name",
    "ToolCall[int]": "names no tools",
    "Annotated[ToolCall[int], Tools(asks)]": "has the tool asks, which gives str",
}

Lines = dict[int, list[tuple[str, str]]]


def by_both(project: Project, text: str) -> tuple[str, Lines, Lines]:
    """The program, and the findings of mypy and of `typefold check` by line: codes and messages."""
    written = project.write("app.py", HEAD + text)
    by_mypy, by_check = Lines(), Lines()
    for error in project.check("app.py"):
        by_mypy.setdefault(error.line, []).append((error.code, error.message))
    for each in check([Path("app.py")]).findings:
        by_check.setdefault(each.line, []).append((each.code, each.message))
    return written, by_mypy, by_check


def test_right_templates_options_and_tools_pass(project: Project) -> None:
    template = "\n".join(f"    {{{{ {each} }}}}" for each in RIGHT_EXPRESSIONS) + RIGHT_STATEMENTS
    text = (
        TEMPLATE.replace("TEMPLATE", template) + METHODS[: METHODS.index("    @prompt\n    @classmethod\n    def mis")]
    )
    text += OPTIONS[: OPTIONS.index("def wrong")] + TOOLS
    for number, returned in enumerate(returned for returned, reason in RETURNS.items() if not reason):
        text += f"@prompt\ndef calls{number}(task: str) -> {returned}:\n    return ask(task)\n"
    assert by_both(project, text)[1:] == ({}, {})


def test_mistakes_in_templates_are_found(project: Project) -> None:
    planted = {f"{{{{ {each} }}}}": code for each, code in WRONG.items()} | STATEMENTS
    text = TEMPLATE.replace("TEMPLATE", "\n".join(planted)) + METHODS
    written, by_mypy, by_check = by_both(project, text)
    lines = written.splitlines()
    for number, line in enumerate(lines, 1):
        code = planted.get(line.removeprefix('    """').removesuffix('"""'))
        if code is not None:
            assert [code for code, _ in by_mypy.get(number, ())] == [code], line
            assert [code for code, _ in by_check.get(number, ())] == [code], line
    rest = [
        number
        for number, line in enumerate(lines, 1)
        if line.strip().startswith(("{{ cls.lable", "{% for i in cls", "{{ cls().st"))
    ]
    assert len(rest) == 3 and not {*rest} - {*by_mypy} and not {*rest} - {*by_check}
    for found in (by_mypy, by_check):
        codes = [code for each in found.values() for code, _ in each if code != "prompt-unused"]
        assert len(codes) == len(planted) + 3, "and nothing else is reported"


def test_values_of_options_are_judged_wherever_they_are_given(project: Project) -> None:
    written, by_mypy, by_check = by_both(project, OPTIONS + BY_MYPY)
    marked = [number for number, line in enumerate(written.splitlines(), 1) if line.endswith("# wrong")]
    assert {number: [code for code, _ in found] for number, found in by_mypy.items()} == {
        number: ["prompt-option"] for number in marked
    }
    assert [*by_check] == marked[: -BY_MYPY.count("wrong")]
    assert all(found == by_mypy[number] for number, found in by_check.items())


def test_tools_are_judged_as_the_program_would_make_them(project: Project) -> None:
    text = TOOLS
    for number, returned in enumerate(RETURNS):
        text += f"@prompt\ndef calls{number}(task: str) -> {returned}:\n    return ask(task)\n"
    written, by_mypy, by_check = by_both(project, text)
    for number, line in enumerate(written.splitlines(), 1):
        if line.startswith("def calls"):
            reason = RETURNS[line.partition(" -> ")[2].removesuffix(":")]
            for found in (by_mypy, by_check):
                messages = [message for _, message in found.get(number, ())]
                assert reason in messages[0] if reason else messages == [], line


NEWER = {
    "alias": "type Text = str",
    "generic": "def first[T](items: list[T]) -> T: return items[0]",
    "class_with_default": "class Box[T = int]: ...",
    "nested_f_string": "x = f\"{'a' + f\"{'b'}\"}\"",
    "except_without_brackets": "try: ...\nexcept ValueError, TypeError: ...",
    "template_string": 'x = t"a"',
}


@pytest.mark.parametrize("name", NEWER)
def test_syntax_that_only_mypy_can_read_is_never_silent(name: str, project: Project) -> None:
    project.write(
        "app.py",
        f"{NEWER[name]}\nfrom typefold import ask, prompt\n@prompt\ndef f(text: str) -> complex:\n    return ask(text)\n",
    )
    project.write(
        "models.py",
        f"{NEWER[name]}\nfrom typing import Annotated\nfrom pydantic import Field\nBad = Annotated[int, Field(ge=3, le=1)]\n",
    )
    project.write(
        "other.py",
        "from models import Bad\nfrom typefold import ask, prompt\n@prompt\ndef f(text: str) -> Bad:\n    return ask(text)\n",
    )
    found = project.check("app.py", "other.py", options=("--python-version", "3.14"))
    try:
        ast.parse(NEWER[name])
    except SyntaxError:
        codes = {(error.file, error.code) for error in found}
        assert codes == {("app.py", "prompt-unread"), ("other.py", "prompt-unread")}
        assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in found[0].message
    else:
        assert {error.code for error in found} == {"prompt-return"}


def test_a_file_without_prompts_that_only_mypy_can_read_is_left_alone(project: Project) -> None:
    project.write("plain.py", 'x = t"a"\ntype Text = str\n')
    assert project.check("plain.py", options=("--python-version", "3.14")) == []


def test_a_script_of_any_name_is_read(project: Project) -> None:
    project.write(
        "script", "from typefold import ask, prompt\n@prompt\ndef f(text: str) -> complex:\n    return ask(text)\n"
    )
    assert [error.code for error in project.check("script")] == ["prompt-return"]
