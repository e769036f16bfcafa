"""The marks of the typed page: planted mistakes, and how far the reports of a checker agree with them.

`# kind: ...` names the kind of the mistakes below it. `# E: ...` at the end of a line plants one there. A checker finds it
with a report anywhere in that statement (of a function: from its first decorator to the line before its body), and a report
anywhere else is a false alarm. A report that a type is unknown finds nothing, since it says the same of right code. `# E: ^` gives the mistake above this statement too: a body, say.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.typed_page.checkers import Report

__all__ = ["Compared", "Mistake", "Page"]

_MARK = re.compile(r"  # E: (?P<words>.+)$")
_UNKNOWN = re.compile(r"reportUnknown|reportMissingTypeStubs|reportUntyped|untyped|no-any-return")
_KIND = re.compile(r"^# kind: (?P<kind>.+)$")


@dataclass(frozen=True)
class Mistake:
    """A planted mistake.

    Attributes:
        file: The file's name.
        lines: The numbers of the lines of its statements.
        kind: Its kind.
        words: What is wrong; no other of its kind says the same.
    """

    file: str
    lines: frozenset[int]
    kind: str
    words: str


@dataclass(frozen=True)
class Compared:
    """A checker's reports beside the marks; an alarm is a line of code, with its report."""

    found: frozenset[Mistake]
    missed: tuple[Mistake, ...]
    alarms: tuple[tuple[str, Report], ...]


class Page:
    """The files of a folder and the mistakes in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
        self.mistakes = tuple(each for file, source in self.sources.items() for each in _mistakes(file, source))

    @property
    def kinds(self) -> dict[str, list[Mistake]]:
        """The mistakes by kind."""
        kinds: dict[str, list[Mistake]] = {}
        for each in self.mistakes:
            kinds.setdefault(each.kind, []).append(each)
        return kinds

    def line(self, report: Report) -> str:
        """The code that a report is about."""
        return _MARK.sub("", self.sources[report.file].splitlines()[report.line - 1]).strip()

    def compared(self, reports: Iterable[Report]) -> Compared:
        """Compare a checker's reports with the marks."""
        found: set[Mistake] = set()
        alarms: dict[str, Report] = {}
        for report in reports:
            at = [each for each in self.mistakes if each.file == report.file and report.line in each.lines]
            if not _UNKNOWN.search(report.code):
                found.update(at)
            if not at:
                alarms.setdefault(self.line(report), report)
        missed = tuple(each for each in self.mistakes if each not in found)
        return Compared(frozenset(found), missed, tuple(alarms.items()))


def _mistakes(file: str, source: str) -> Iterator[Mistake]:
    headers = list(_headers(ast.parse(source)))
    marked: dict[tuple[str, str], set[int]] = {}
    kind = ""
    for number, line in enumerate(source.splitlines(), 1):
        if named := _KIND.match(line):
            kind = named["kind"]
        if mark := _MARK.search(line):
            key = list(marked)[-1] if mark["words"] == "^" else (kind, mark["words"])
            assert (mark["words"] == "^") == (key in marked), f"{file}:{number}: two marks of one kind say the same"
            lines = min((each for each in headers if number in each), key=len)
            marked.setdefault(key, set()).update(lines)
    for (kind, words), numbers in marked.items():
        yield Mistake(file, frozenset(numbers), kind, words)


def _headers(tree: ast.AST) -> Iterator[range]:
    """The lines of each statement, without those of the statements in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            decorators: list[ast.expr] = getattr(node, "decorator_list", [])
            body: list[ast.stmt] = getattr(node, "body", [])
            first = min([node.lineno, *(each.lineno for each in decorators)])
            end = max(body[0].lineno, node.lineno + 1) if body else (node.end_lineno or node.lineno) + 1
            yield range(first, end)
