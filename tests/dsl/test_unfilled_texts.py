"""Texts that nothing fills in are refused when the function is decorated, and `typefold check` finds the same ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from typefold import ask, prompt
from typefold.checks.check import check
from typefold.compiler import TemplateError
from typefold.errors import PromptUsageError

BRACES = {
    "an f-string for a docstring": '''
        def f(text: str) -> str:
            """What is the mood of {text}?"""
            return ask()
    ''',
    "beside a use": '''
        def f(text: str) -> str:
            """{{ text }} What is the mood of {text!r}?"""
            return ask()
    ''',
    "in a template of two": '''
        def f(text: str) -> str:
            """What is the mood of {text}?"""
            return ask() if text else ask(f"Nothing: {text}")
    ''',
    "in a class": '''
        class C:
            @prompt
            def f(self, text: str) -> str:
                """What is the mood of {text}?"""
                return ask()
    ''',
    "no f": """
        def f(text: str) -> str:
            return ask("What is the mood of {text}?")
    """,
    "half an f": """
        def f(text: str, tone: str) -> str:
            return ask(f"Retell {text} " "in a {tone} tone.")
    """,
    "no f in a message": """
        def f(text: str) -> str:
            return ask(system("Be brief."), user("What is the mood of {text.title}?"))
    """,
    "no f in a variable": """
        ASKED = "What is the mood of {text}?"

        def f(text: str) -> str:
            return ask(ASKED)
    """,
    "a template in the body": """
        def f(text: str) -> str:
            return ask("What is the mood of {{ text }}?")
    """,
    "braces too many": """
        def f(text: str) -> str:
            return ask(f"What is the mood of {{text}}?")
    """,
}
CONSTANT = {
    "nothing shown": '''
        def f(text: str) -> str:
            """What is the mood of the text?"""
            return ask()
    ''',
    "of another style": '''
        def f(text: str, tone: str = "calm") -> str:
            """What is the mood of $text or %(text)s?"""
            return ask()
    ''',
    "looked at and not shown": '''
        def f(text: str) -> str:
            """What is the mood of the text?"""
            if not text:
                raise ValueError(text)
            return ask()
    ''',
    "all at once": '''
        def f(*texts: str, **more: str) -> str:
            """What is the mood of the texts?"""
            return ask()
    ''',
}
FINE = {
    "examples of JSON": '''
        def f(text: str) -> str:
            """{{ text }} Answer like {"text": 1, "more": {"a": 2}} or {text: string}."""
            return ask()
    ''',
    "raw": '''
        def f(text: str) -> str:
            """{{ text }} Keep {% raw %}{text}{% endraw %} as it is."""
            return ask()
    ''',
    "documentation": '''
        def f(text: str) -> str:
            """The mood of {text}, of {{ anything }}."""
            return ask(f"What is the mood of {text}?")
    ''',
    "used once": """
        def f(text: str) -> str:
            return ask(f"Put {{text}} for the name in: {text}")
    """,
    "filled in by other means": """
        ASKED = "What is the mood of {text}?"

        def f(text: str) -> str:
            return ask(ASKED.format(text=text))
    """,
    "by name": """
        def f(text: str) -> str:
            return ask("What is the mood of {text}?".format(**locals()))
    """,
    "an inner function": """
        def f(texts: list[str]) -> str:
            return ask("Moods, each as {mood}: " + ", ".join(text for text in sorted(texts, key=lambda text: texts.index(text))))
    """,
    "nothing to be used": '''
        def f() -> str:
            """Write {anything}."""
            return ask()
    ''',
    "left out on purpose": '''
        def f(_number: int) -> str:
            """Write a poem."""
            return ask()
    ''',
    "only the instance": '''
        class C:
            @prompt
            def f(self) -> str:
                """Write a poem about {self}."""
                return ask()
    ''',
    "used by the other message": '''
        def f(text: str) -> str:
            """Say that there is nothing."""
            return ask(f"What is the mood of {text}?") if text else ask()
    ''',
    "not used, and nothing that says so": """
        def f(text: str) -> str:
            return ask("Write a poem about {nature}.")
    """,
}


@pytest.fixture
def found(tmp_path: Path) -> Callable[[str], tuple[list[str], type[Exception] | None]]:
    """The codes of errors that `typefold check` finds in a program, and what decoration raises."""

    def both(program: str) -> tuple[list[str], type[Exception] | None]:
        text = dedent(program)
        if "@prompt" not in text:
            text = text.replace("def f(", "@prompt\ndef f(", 1)
        path = tmp_path / "app.py"
        path.write_text("from typefold import ask, prompt, system, user\n" + text, encoding="utf-8")
        codes = [each.code for each in check([path]).findings if each.severity == "error"]
        namespace: dict[str, Any] = {"__name__": "app"}
        try:
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
        except (TemplateError, PromptUsageError) as error:
            return codes, type(error)
        return codes, None

    return both


@pytest.mark.parametrize("program", BRACES.values(), ids=BRACES)
def test_braces_that_nothing_fills_in_are_refused_and_found(program: str, found: Callable[..., Any]) -> None:
    codes, raised = found(program)
    assert set(codes) == {"prompt-braces"}
    assert raised is (TemplateError if '"""' in program else PromptUsageError)


@pytest.mark.parametrize("program", CONSTANT.values(), ids=CONSTANT)
def test_a_template_that_shows_no_parameter_is_refused_and_found(program: str, found: Callable[..., Any]) -> None:
    assert found(program) == (["prompt-constant"], TemplateError)


@pytest.mark.parametrize("program", FINE.values(), ids=FINE)
def test_what_may_be_meant_is_left_alone(program: str, found: Callable[..., Any]) -> None:
    assert found(program) == ([], None)


def test_the_refusal_says_what_to_write() -> None:
    with pytest.raises(PromptUsageError) as caught:

        @prompt
        def judge(text: str) -> bool:  # pyright: ignore[reportUnusedFunction]  # it is not made
            return ask("Is this good? {text!r:>9}")

    assert str(caught.value) == (
        "judge: the body has {text!r:>9} in a string that is sent as it stands, and never uses the parameter 'text'; write an "
        'f-string, f"... {text!r:>9} ..."'
    )
