"""The same twelve mistakes in other libraries: `python -m tests.typed_page.compare_peers` (`make peers`).

Each program of `peers/` is written as its library's documentation writes such programs, and has the mistakes of `with_typefold.py`
as far as they can be made in it. Each library is installed in an environment of its own, which takes some minutes and 1 GB.
mypy (`--strict`, without the error about functions that have no body) and pyright (strict) read the programs, and a table
goes into `docs/typing.md`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.libraries import environment
from tests.sections import with_section
from tests.typed_page.checkers import Report, read_mypy, read_pyright
from tests.typed_page.marks import Compared, Page

__all__ = ["PEERS", "Peer"]

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Peer:
    """A library.

    Attributes:
        name: Its name in the table.
        package: Its distribution.
        needs: The version that is installed, with its extras.
    """

    name: str
    package: str
    needs: str

    @property
    def program(self) -> str:
        """The file of its program."""
        return f"with_{self.name.lower().replace(' ', '_')}.py"


PEERS = (
    Peer("magentic", "magentic", "magentic==0.41.1"),
    Peer("mirascope", "mirascope", "mirascope[openai]==2.8.2"),
    Peer("Pydantic AI", "pydantic-ai-slim", "pydantic-ai-slim[openai]==2.68.0"),
    Peer("Marvin", "marvin", "marvin==3.2.7"),
    Peer("Instructor", "instructor", "instructor==1.17.0"),
    Peer("DSPy", "dspy", "dspy==3.4.1"),
    Peer("Outlines", "outlines", "outlines[openai]==1.3.3"),
)


def main(environments: Path) -> None:
    """Check all programs, and write the table.

    Args:
        environments: A folder with an environment for each library; those that are missing are made.
    """
    page = Page(Path(shutil.copytree(PROGRAMS, environments / "programs", dirs_exist_ok=True)))
    pythons = {"typefold": Path(sys.executable)}
    pythons |= {peer.name: environment(environments / peer.package, peer.needs) for peer in PEERS}
    programs = {"typefold": "with_typefold.py"} | {peer.name: peer.program for peer in PEERS}

    def checked(name: str) -> list[Compared]:
        return [*_checked(page, programs[name], pythons[name])]

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(pythons, pool.map(checked, pythons), strict=True))
    for name, both in found.items():
        for checker, each in zip(("mypy", "pyright"), both, strict=True):
            for line, report in each.alarms:
                print(f"{name}, {checker}: {line}: {report.message} [{report.code}]")
    docs = ROOT / "docs" / "typing.md"
    text = with_section(docs.read_text(encoding="utf-8"), "peers", _table(page, programs, found))
    docs.write_text(text, encoding="utf-8")


def _checked(page: Page, program: str, python: Path) -> Iterator[Compared]:
    """The findings of mypy and pyright in a program; mypy has typefold's plugin where that is the library."""
    settings = PROGRAMS.parent / "page" / "pyproject.toml"  # with the plugin, for typefold alone
    config = settings if python == Path(sys.executable) else ""
    strict = ["--strict", "--disable-error-code=empty-body", "--output=json", "--cache-dir=/dev/null"]
    mypy = ["mypy", f"--config-file={config}", *strict, f"--python-executable={python}", program]
    pyright = ["pyright", "--project", str(settings), "--pythonpath", str(python), "--outputjson", program]
    for command, read in ((mypy, read_mypy), (pyright, read_pyright)):
        bin_folder = Path(sys.executable).parent
        done = subprocess.run(
            [str(bin_folder / command[0]), *command[1:]], cwd=page.folder, capture_output=True, text=True
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        reports: list[Report] = [each for each in read(done.stdout) if each.file == program]
        yield page.compared(reports)


def _table(page: Page, programs: dict[str, str], found: dict[str, list[Compared]]) -> str:
    """The table: a column for each library, a row for each mistake."""
    versions = {peer.name: peer.needs.split("==")[1] for peer in PEERS}
    rows = [["mistake", *(f"{name} {versions.get(name, '')}".strip() for name in programs)]]
    rows.append(["---"] * len(rows[0]))
    of_typefold = [each.words for each in page.mistakes if each.file == programs["typefold"]]
    for words in of_typefold:
        rows.append([words, *(_cell(page, file, words, found[name]) for name, file in programs.items())])
    for checker, index in (("mypy", 0), ("pyright", 1)):
        counts: list[str] = []
        for name, file in programs.items():
            planted = [each for each in page.mistakes if each.file == file]
            counts.append(f"{len(found[name][index].found)} of {len(planted)}")
        rows.append([f"found by {checker}", *counts])
    for checker, index in (("mypy", 0), ("pyright", 1)):
        rows.append([f"false alarms of {checker}", *(str(len(found[name][index].alarms)) for name in programs)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\nMeasured on {date.today():%d %B %Y} with `make peers`.\n"


def _cell(page: Page, file: str, words: str, found: list[Compared]) -> str:
    mistake = next((each for each in page.mistakes if each.file == file and each.words == words), None)
    if mistake is None:
        return "-"
    by = [name for name, each in zip(("mypy", "pyright"), found, strict=True) if mistake in each.found]
    return "both" if len(by) == 2 else by[0] if by else "neither"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "peers")
