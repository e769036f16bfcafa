"""A folder with a user's module and files, and the command line in it."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import typefold.runtimes.current
from typefold.cli.app import app
from typefold.execution.open_runtimes import opened

Command = Callable[..., Result]

MODULE = '''
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typefold import ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine


def answer(request: Any) -> str:
    return "7" if request.constraint.kind == "text" else {kind!r}


class Label(BaseModel):
    kind: Literal["billing", "delivery"]
    urgency: Annotated[int, Field(ge=0, le=5)]


class Ticket(BaseModel):
    text: str
    stars: Annotated[int, Field(ge=1, le=5)] = 3


@prompt
def classify(text: str, stars: int = 3) -> Label:
    """Label a ticket."""
    return ask(f"Label {{text}} ({{stars}} stars).")


@prompt
def summary(ticket: Ticket, tags: list[str] | None = None) -> str:
    return ask(f"Sum up {{ticket.text}}, {{ticket.stars}}, {{tags}}.")


def program(text: str) -> Label:
    if "boom" in text:
        raise KeyError(text)
    return classify(text)


async def awaited(text: str) -> Label:
    return await classify.aio(text)


def plain(number: int) -> list[int]:
    return [number, number * 2]


def huge(number: int) -> int:
    return 2 ** number


configure(ScriptedEngine(answers=answer))
'''.format(kind='{"kind": "billing", "urgency": 2}')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with `tickets.py` in it."""
    (tmp_path / "tickets.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before, open_before = typefold.runtimes.current._default, [*opened]
    yield tmp_path
    sys.modules.pop("tickets", None)
    typefold.runtimes.current._default = before
    for runtime in [*opened]:
        if runtime not in open_before:  # one with a journal would be told of when another test is interrupted
            runtime.close()


@pytest.fixture
def command(folder: Path) -> Command:
    """The command line."""

    def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin)

    return invoke
