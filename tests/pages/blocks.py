"""Code blocks of the pages, as written in Markdown: what each is, and what is to be done with it.

A Python block runs, after those before it on its page and in their namespace. A comment on the line above a fence says
otherwise: `<!-- checked: types -->` is for code that is only type-checked, `<!-- not run: why -->` for other people's, and
`<!-- theirs: library==1.2 -->` for a program of that library, which is compiled (tests/coming_from runs it). With
`title="name"` on the fence, a block is a file of that name, in a folder of the page's own, where the files of an index page beside it
are too: Python is run as a program (a module that others of the page import), anything else is data. In a block of `sh`, the lines that call `typefold` are run.
A comment that begins with `<!-- before:` is code that readers need not see.

Left out: blocks with no language, which show output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = ["ELSEWHERE", "PAGES", "ROOT", "Block", "Use", "blocks", "shared"]

ROOT = Path(__file__).parent.parent.parent

Use: TypeAlias = Literal["run", "types", "theirs", "none"]

ELSEWHERE = {
    "docs/testing.md": "tests/kit/test_page.py",
    "docs/types.md": "tests/test_types_page.py",
    "docs/typing.md": "tests/plugin/typing_page.py",
}
"""Pages whose blocks are made or run by a test of their own."""

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
)

_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>[^\n]*) -->\n)?```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$"
    r"|^<!-- before:\n(?P<before>.*?)^-->$",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        line: The line of the page on which its text begins.
        language: What is written behind the fence.
        text: Its text.
        title: The name of the file that it is.
        use: What is to be done with it.
        needs: The library that it is a program of, as pip takes it.
    """

    line: int
    language: str
    text: str
    title: str | None
    use: Use
    needs: str | None = None


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page that have a language, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        if found["before"] is not None:
            yield Block(text.count("\n", 0, found.start("before")) + 1, "python", found["before"], None, "run")
            continue
        line = text.count("\n", 0, found.start("text")) + 1
        use = _use(found["note"], f"{page}:{line}")
        needs = found["note"].partition(": ")[2] if use == "theirs" else None
        yield Block(line, found["language"], found["text"], found["title"], use, needs)


def shared(page: str) -> Iterator[Block]:
    """The files that the index of a page's folder shows, which all pages of the folder take for granted."""
    index = Path(page).with_name("index.md").as_posix()
    if index in PAGES and index not in (page, "docs/index.md"):
        yield from (block for block in blocks(index) if block.title)


def _use(note: str | None, where: str) -> Use:
    match (note or "").partition(": "):
        case ("checked", _, "types"):
            return "types"
        case ("not run", _, reason) if reason:
            return "none"
        case ("theirs", _, library) if library:
            return "theirs"
        case ("checked" | "not run" | "theirs", _, _):
            raise AssertionError(
                f"{where}: `<!-- {note} -->` is none of `checked: types`, `not run: why` and `theirs: library==1.2`"
            )
        case _:
            return "run"
