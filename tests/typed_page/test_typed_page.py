"""The typed page: user code with planted mistakes, which type checkers must see, among right lines, which they must not refuse.

`page/` is a project of its own, which nothing here imports: its marks are described in `marks.py`. `make check` runs the
checkers over it (`-m checkers`), and `TYPEFOLD_WRITE_DOCS=1` (`make docs`) writes their table into `docs/typing.md`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.sections import section_of, with_section
from tests.typed_page.checkers import CHECKERS, Checker, reports
from tests.typed_page.known import IN_STRINGS, KNOWN
from tests.typed_page.marks import Compared, Page
from tests.typed_page.table import table

PAGE = Page(Path(__file__).parent / "page")
DOCS = Path(__file__).parents[2] / "docs" / "typing.md"


@pytest.fixture(scope="module")
def compared(request: pytest.FixtureRequest) -> Mapping[str, Compared]:
    """The marks beside the reports of each checker. The caches of mypy are kept from run to run."""
    cache = Path(request.config.rootpath) / ".cache" / "typed_page"
    return {name: PAGE.compared(each) for name, each in reports(PAGE.folder, cache).items()}


@pytest.mark.checkers
@pytest.mark.parametrize("checker", CHECKERS, ids=[each.name for each in CHECKERS])
def test_each_checker_goes_wrong_where_it_is_known_to(checker: Checker, compared: Mapping[str, Compared]) -> None:
    """Fewer mistakes found, or more false alarms, are a loss; the other way round, a line of `known.py` has become needless."""
    said = compared[checker.name]
    kinds = {kind for kind in PAGE.kinds if checker.looks_at(in_strings=kind in IN_STRINGS)}
    missed = Counter(f"{each.kind}: {each.words}" for each in said.missed if each.kind in kinds)
    alarms = Counter(line for line, _ in said.alarms)
    known = [each for each in KNOWN if checker.name in each.checkers]
    known_missed = Counter(words for each in known for words in each.missed)
    known_alarms = Counter(line for each in known for line in each.alarms)
    told = {line: f"{report.file}:{report.line} [{report.code}] {report.message}" for line, report in said.alarms}
    assert not missed - known_missed, "mistakes that it no longer finds"
    assert not {line: told[line] for line in alarms - known_alarms}, "right lines that it refuses"
    assert not known_missed - missed, "mistakes that it finds by now"
    assert not known_alarms - alarms, "right lines that it takes by now"


@pytest.mark.checkers
def test_the_table_is_that_of_the_checkers(compared: Mapping[str, Compared]) -> None:
    made = table(PAGE, compared)
    if os.environ.get("TYPEFOLD_WRITE_DOCS"):
        DOCS.write_text(with_section(DOCS.read_text(encoding="utf-8"), "typed page", made), encoding="utf-8")
    assert section_of(DOCS.read_text(encoding="utf-8"), "typed page") == made, (
        "docs/typing.md is out of date: `make docs`"
    )


def test_mistakes_are_planted_in_every_corner() -> None:
    assert len(PAGE.mistakes) >= 300
    assert min(len(each) for each in PAGE.kinds.values()) >= 3
    assert PAGE.kinds.keys() >= IN_STRINGS


def test_the_page_is_a_program() -> None:
    """Its modules can be imported, so that a slip of the pen is not taken for a planted mistake."""
    names = ", ".join(name.removesuffix(".py") for name in PAGE.sources)
    done = subprocess.run([sys.executable, "-c", f"import {names}"], cwd=PAGE.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
