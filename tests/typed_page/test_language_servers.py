"""Hover in an editor: over a prompt function stand the user's own signature and docstring, wherever it is called.

The language servers of pyright and ty are asked, in `make check` (`-m checkers`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.typed_page.language_server import LanguageServer

PROGRAM = '''
from pydantic import BaseModel
from typefold import Prompt, ask, prompt, user


class Character(BaseModel):
    name: str


@prompt
def invent(setting: str, century: int = 20) -> Character:
    """Invent a character."""
    return ask(f"Invent a character who lives in {setting} in century {century}.")


@prompt(max_tokens=80, temperature=0.5)
async def describe(character: Character) -> str:
    """Describe a character."""
    return ask(user(f"Describe {character.name}."))


class House:
    @prompt
    def guess(self, message: str) -> Character:
        """Guess who wrote it."""
        return ask(f"Who wrote {message}?")


def program(house: House) -> None:
    invent("Mars")
    invent.map(["Mars"])
    describe.using(temperature=0)
    house.guess("Hello")
'''
SHOWN = {
    "invent(": ("(setting: str, century: int = 20) -> Character", "Invent a character."),
    "invent.map(": ("(setting: str, century: int = 20) -> Character", "Invent a character."),
    "describe.": ("(character: Character) -> str", "Describe a character."),
    "guess(": ("(message: str) -> Character", "Guess who wrote it."),
}
"""The beginning of what stands in `program`, and what is shown over it."""
SERVERS = {
    "pyright": ["pyright-langserver", "--stdio"],
    "ty": ["ty", "server"],
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.py").write_text(PROGRAM, encoding="utf-8")
    name, *rest = SERVERS[request.param]
    settings = {
        "python": {"pythonPath": sys.executable},
        "ty": {"configuration": {"environment": {"python": sys.prefix}}},
    }
    with LanguageServer([str(Path(sys.executable).parent / name), *rest], folder, settings) as running:
        running.open(folder / "page.py")
        yield running


@pytest.mark.checkers
@pytest.mark.parametrize("written", SHOWN)
def test_hover_shows_the_signature_and_the_docstring(server: LanguageServer, written: str) -> None:
    lines = PROGRAM.splitlines()
    called = lines.index("def program(house: House) -> None:")
    line = next(number for number, text in enumerate(lines) if number > called and written in text)
    shown = server.hover(server.folder / "page.py", line, lines[line].index(written))
    signature, document = SHOWN[written]
    assert "".join(signature.split()) in "".join(shown.split()), shown  # ty puts each parameter on its own line
    assert document in shown, shown
