"""`typefold new`: the files of a project to start from, with a prompt, its tests, settings of the checkers, and a Makefile."""

from __future__ import annotations

import re
from pathlib import Path

from typefold.cli.target import CommandError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")

_PROMPTS = '''"""The prompts of this project, and the program over them."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typefold import ask, prompt


class Label(BaseModel):
    kind: Literal["billing", "delivery", "praise", "other"]
    urgency: Annotated[int, Field(ge=0, le=5)]


@prompt(temperature=0)
def classify(text: str, stars: int = 3) -> Label:
    return ask(f"Label this customer's ticket ({stars} of 5 stars): {text}")


@prompt(max_tokens=120, temperature=0)
def reply(text: str) -> str:
    """Write a short, friendly reply to this customer.

    {{ text }}"""
    return ask()


def triage(text: str, stars: int = 3) -> str | None:
    """A program for one row: plain Python that calls prompts. `None` where nobody needs to reply."""
    label = classify(text, stars)
    return None if label.kind == "praise" else reply(text)
'''

_TESTS = '''"""Tests of the prompts, without a model: the fixture `typefold_engine` stands in for it."""

import pytest
from typefold import run
from typefold.testing import FakeEngine

from prompts import Label, classify, reply, triage


def test_a_complaint_gets_a_reply(typefold_engine: FakeEngine) -> None:
    typefold_engine.answer(classify, Label(kind="delivery", urgency=4))
    typefold_engine.answer(reply, "We are sorry.")
    assert triage("It never came.", stars=1) == "We are sorry."
    typefold_engine.assert_called_with(classify, "It never came.", 1)


def test_praise_needs_no_reply(typefold_engine: FakeEngine) -> None:
    typefold_engine.answer(classify, Label(kind="praise", urgency=0))
    assert run(triage, ["Thank you!", "Lovely."]) == [None, None]
    assert typefold_engine.count(reply) == 0


@pytest.mark.parametrize("text", ["", "Where is it?", "{{ text }}", "\\u00e9" * 1000])
def test_every_text_gets_a_label(typefold_engine: FakeEngine, text: str) -> None:
    assert 0 <= classify(text).urgency <= 5  # an answer that is made up, valid under the type
'''

_PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["typefold"]

[project.optional-dependencies]
cuda = ["typefold[cuda]"]
cpu = ["typefold[cpu]"]
dev = ["mypy", "pytest"]

[tool.setuptools]
py-modules = ["prompts"]

[tool.mypy]
files = ["prompts.py", "tests"]
mypy_path = "."
strict = true
plugins = ["typefold.mypy"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
"""

_MAKEFILE = """# make install, make check, make test: no model is needed. make run: TYPEFOLD_MODEL=org/name make run

PYTHON ?= python

.PHONY: all install check test run

all: check test

install:
\t$(PYTHON) -m pip install -e '.[dev]'

check:
\t$(PYTHON) -m mypy
\ttypefold check prompts.py

test:
\t$(PYTHON) -m pytest

run:
\ttypefold run prompts.py:classify -i tickets.csv -o labels.csv --journal run.db
"""

_TICKETS = """text,stars
It never came.,1
I was charged twice.,2
Do you ship to Norway?,4
"""

_IGNORED = """__pycache__/
.*_cache/
*.db
*.db-*
*.db.*
*.failures.jsonl
*.typefold-part
labels.csv
"""

_FILES = {
    "prompts.py": _PROMPTS,
    "tests/test_prompts.py": _TESTS,
    "tickets.csv": _TICKETS,
    "pyproject.toml": _PROJECT,
    "Makefile": _MAKEFILE,
    ".gitignore": _IGNORED,
}


def start_project(folder: Path) -> list[str]:
    """Write a project into a new or empty folder, and return the names of its files. Raises `CommandError`."""
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        hint = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "my-project"
        raise CommandError(
            f"{name!r} can't be a project's name, which has letters, digits, - and _; for instance {hint}"
        )
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandError(f"{folder} is there and not empty; name a new folder, so that nothing is overwritten")
        for path, text in _FILES.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as new:
                new.write(text.replace("{name}", name))
    except OSError as error:
        raise CommandError(f"{folder} can't be written: {error.strerror or error}") from error
    return list(_FILES)
