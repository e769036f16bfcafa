"""The programs of the README and of the first page are right; a copy with twelve mistakes has twelve errors, each at its place."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import Project

ROOT = Path(__file__).parent.parent.parent

MISTAKES = [
    ("Field(ge=0, le=120)", "Field(ge=120, le=0)", "Character:\n    return", "prompt-return"),
    ("lives in {setting}.", "lives in {seting}.", "seting", "name-defined"),
    ('make_character("a lighthouse")', "make_character(1920)", "1920)", "arg-type"),
    ('"Paris", "1920"', '"Paris", 1920', "1920]", "list-item"),
    ("hero.name", "hero.nmae", "hero.nmae", "attr-defined"),
    ("temperature=0", "tempurature=0", "tempurature", "prompt-option"),
    ('example("grim"', 'example("grin"', '"grin"', "prompt-example"),
    ("{{ text }}", "{{ txt }}", "txt }}", "prompt-name"),
    ("max_tokens=80", 'max_tokens="80"', '"80"', "prompt-option"),
    ("a {tone} narrator", "a calm narrator", "tone: str", "prompt-unused"),
    ('"calm") -> str', '"calm") -> complex', "complex", "prompt-return"),
    ('{text}"))', '{text}")) + 1', "ask(system", "prompt-ask"),
]
"""What is written, what is written instead, where the error begins, and its code."""


def program() -> str:
    pages = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.md"))
    blocks: list[str] = re.findall(r"```python\n(.*?)```", pages, re.DOTALL)
    return "\n\n".join(blocks)


def test_the_programs_are_right(project: Project) -> None:
    project.write("program.py", program())
    assert project.check("program.py") == []


def test_twelve_mistakes_are_twelve_errors(project: Project) -> None:
    text = program()
    for right, wrong, *_ in MISTAKES:
        assert text.count(right) == 1, right
        text = text.replace(right, wrong)
    project.write("program.py", text)
    expected = sorted((*place(text, where), code) for _, _, where, code in MISTAKES)
    assert sorted((error.line, error.column, error.code) for error in project.check("program.py")) == expected


def place(text: str, where: str) -> tuple[int, int]:
    assert text.count(where) == 1, where
    before = text[: text.index(where)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
