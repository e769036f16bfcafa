"""The plugin beside other plugins, over code that does not use typefold, and over code that nobody should write."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from mypy import api

from tests.apart import apart
from typefold.mypy import plugin

from .conftest import Project


def test_it_works_beside_the_plugins_of_pydantic_and_returns(project_with: Callable[..., Project]) -> None:
    project = project_with("typefold.mypy", "pydantic.mypy", "returns.contrib.mypy.returns_plugin")
    project.write(
        "app.py",
        '''
        from typing import assert_type
        from pydantic import BaseModel, Field
        from returns.pipeline import flow
        from returns.pointfree import bind
        from returns.future import FutureResult
        from typefold import PromptError, ask, prompt

        class Character(BaseModel):
            name: str
            age: int = Field(ge=3, le=1)

        @prompt
        def make(setting: str) -> Character:
            return ask(setting)

        @prompt
        def retell(character: Character) -> str:
            """{{ character.nmae }}"""
            return ask()

        chain = flow("Mars", make.future, bind(retell.future))
        assert_type(chain, FutureResult[str, PromptError])
        Character(name=3)
        ''',
    )
    assert [(error.line, error.code) for error in project.check("app.py")] == [
        (13, "prompt-return"),
        (18, "prompt-attribute"),
        (23, "call-arg"),
    ]


LARGE = [pytest.param(package, marks=pytest.mark.prove) for package in ("rich", "pydantic", "hypothesis", "returns")]


@pytest.mark.parametrize("package", ["jinja2", "starlette", *LARGE])
def test_code_that_does_not_use_typefold_has_no_new_errors(project_with: Callable[..., Project], package: str) -> None:
    pytest.importorskip(package, reason="vLLM brings it")
    outputs: list[str] = []
    for plugins in ((), ("typefold.mypy",)):
        project = project_with(*plugins)
        options = ("-p", package, "--no-silence-site-packages", "--follow-imports=silent", "--no-warn-unused-ignores")
        out, err, _ = apart(api.run, project.arguments(options=options))
        assert not err
        outputs.append(out)
    assert outputs[0] == outputs[1]


STRANGE = '''
import typing as t
from dataclasses import make_dataclass
from enum import Enum
from typing import *
import typefold
from missing import Missing, decorate  # type: ignore
from typefold import *
from typefold import prompt as p, ask as a

def make(n: int) -> Any: ...
class Meta(type): ...
class WithMeta(metaclass=Meta): ...
class Base(make(3)): ...
@decorate
class Decorated: ...
class Cycle(t.Generic[t.TypeVar("X")]): ...
class E(Enum):
    A = make(1)
    B = len("x")
class Self1:
    me: "Self1"
    you: "Self2"
class Self2(Self1): ...
D = make_dataclass("D", ["x"])
N = N2 = NewType("N", "N2")
A1: TypeAlias = "A2"
A2: TypeAlias = "list[A1]"
if make(1):
    class Twice: ...
else:
    class Twice: x: int
for i in []:
    class Looped: ...
LIMIT = make(3)

@p
def f1(x) -> "Missing": return a(x)
@p
def f2(x: WithMeta) -> Base: return a(f"{x}")
@p()
def f3() -> Decorated: return a("")
@p(**{})
def f4() -> Cycle[int]: return a("")
@p(examples=make(3), temperature=make(4))
def f5(*args: E, **kwargs: Missing) -> E:
    """{{ args[0].name }} {{ kwargs.x.y }} {{ kwargs["z"] }}"""
    return a()
@p
def f6() -> Self2: return a("")
@p
def f7() -> D: return a("")
@p
def f8() -> N: return a("")
@p
def f9() -> A1: return a("")
@p
def f10() -> Twice: return a("")
@p
def f11() -> Looped: return a("")
@p
def f12() -> "list[": return a("")
@p
def f13() -> Annotated[int, LIMIT, make(3), lambda: 3]: return a("")
@p
def f14() -> Literal[LIMIT]: return a("")
@p
def f15() -> Annotated[str, "]" * 3, f"{LIMIT}"]: return a("")
@p
def f16() -> "1 +": return a("")
@p
def f17(): pass
@p
def f18() -> int: ...
@p
def f19(self, /, *, loop: int = 3) -> int:
    """{{ self }} {{ loop }} \\N{BULLET} \\
    {{ "\\x41" ~ loop }}" """
    return a()
@p
def f20() -> int:
    "a" "b {{ x"
    return a()
@p
def f21() -> int:
    f"{LIMIT}"
    return a()
@p
async def f22() -> AsyncIterator[int]:
    yield a("")
@overload
@p
def f23(x: int) -> int: ...
@overload
@p
def f23(x: str) -> str: ...
def f23(x): return p(lambda: a(""))()
class C:
    @p
    def m() -> int: return a()
    @property
    @p
    def n(self) -> "C": return a("")
    @p
    @staticmethod
    def o() -> int: return a("")
    x = p(lambda self: a(""))
    class C:
        @p
        def m(self) -> "C": return a(self.x)
g = p(f1)
h = p(temperature=0)(f1.__wrapped__)
p(3)
p(nothing=3)
[a(x) for x in "abc"]
lambda: a()
a(a(a()))
T = TypeVar("T")
@p
def f24(x: T) -> T:
    """{{ x.foo }} {% for y in x %}{% endfor %} {{ x.y.z() }}"""
    return a()
@p
def f25(x: Callable[..., T], y: type[T], z: tuple[()], w: None, v: t.Never) -> tuple[int, ...]:
    """{{ x() }} {{ y.z }} {{ z[0] }} {{ w.x }} {{ v.v }} {% for i in w %}{% endfor %} {{ x.__call__ }}"""
    return a()
del f1
output_type(*[int]), output_type(**{}), output_type(), output_type("list["), output_type(output_type(int)), output_type(hint=D)
Runtime("x").generate(output_type=make(3))
Runtime("x")("y", output_type=[*[int], lambda: 3, D, "1 +", complex()])
Runtime("x").generate("x", **{"output_type": int}), Runtime.generate("x", output_type=N), Runtime("x")("x", output_type=(yield_ := E))
class R(Runtime):
    kind = output_type(int)
    def generate(self, *args, **kwargs): return super().generate("x", output_type=self.kind, **kwargs)
    @classmethod
    @p
    def m(cls, x: T) -> list[T]: return a(f"{x}")
    @p
    @classmethod
    @staticmethod
    def o(cls) -> int: return a("")
R("x")("x", output_type=A1), [r.generate("x", output_type=r) for r in [Runtime("x")]]
'''


def test_it_does_not_stumble_over_strange_code(project: Project) -> None:
    project.write("strange.py", STRANGE)
    project.check("strange.py")  # an exception in the plugin would be an internal error of mypy's


def test_it_imports_nothing_but_itself_before_the_first_prompt() -> None:
    program = (
        "import sys, typefold.mypy; typefold.mypy.plugin('2.4'); "
        "print(sorted({'vllm', 'torch', 'jinja2', 'pydantic', 'typefold.compiler', 'typefold.prompts'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("version", ["1.20.0", "2.3.1"])
def test_an_older_mypy_is_told_which_one_works(version: str) -> None:
    with pytest.raises(SystemExit, match=f"needs mypy 2.4 or newer, and this is mypy {version}"):
        plugin(version)


@pytest.mark.parametrize("version", ["2.4.0", "2.10.0+dev.abc", "3.0"])
def test_a_newer_mypy_is_taken(version: str) -> None:
    assert plugin(version).__name__ == "TypefoldPlugin"
