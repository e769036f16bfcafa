"""`docs/typing.md` says what mypy says.

`TYPEFOLD_WRITE_DOCS=1 pytest tests/plugin/test_typing_page.py` (`make docs`) writes the page.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sections import with_sections_of
from typefold.checks.check import check
from typefold.checks.findings import CODES

from .conftest import Error, Project
from .typing_page import BY_THEMSELVES, CASES, page

PAGE = Path(__file__).parent.parent.parent / "docs" / "typing.md"


NAMES = [f"case_{number}.py" for number in range(len(CASES))]


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> list[Error]:
    """The messages of mypy about all cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TYPEFOLD_MYPY_RAISE", "1")
        patch.chdir(folder := tmp_path_factory.mktemp("cases"))
        project = Project(folder, request.config.cache.mkdir("mypy"))
        return project.check(*written(project))


def written(project: Project) -> list[str]:
    """The cases as files of a project."""
    for name, case in zip(NAMES, CASES, strict=True):
        project.write(name, case.program)
    return NAMES


def test_the_page_shows_what_mypy_says(errors: list[Error], project_with: Callable[..., Project]) -> None:
    said = [
        (case, case.said(each for each in errors if each.file == name)) for name, case in zip(NAMES, CASES, strict=True)
    ]
    assert {error.code for error in errors} == {case.code for case in CASES}
    alone = project_with()
    alone.write("alone.py", BY_THEMSELVES.program)
    made = page(said, BY_THEMSELVES.said(alone.check("alone.py")))
    made = with_sections_of(made, PAGE.read_text(encoding="utf-8"))  # those that other tests write
    if os.environ.get("TYPEFOLD_WRITE_DOCS"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "docs/typing.md is out of date; `make docs` writes it"


def test_typefold_check_finds_the_same_but_for_what_takes_a_type_checker(project: Project, errors: list[Error]) -> None:
    by_mypy = {(each.file, each.line, each.column, each.message, each.code) for each in errors}
    checked = check([Path(name) for name in written(project)])
    found = {(each.path, each.line, each.column, each.message, each.code) for each in checked.findings}
    assert {each[-1] for each in by_mypy - found} == {"prompt-option", "prompt-example"}  # the types of their values
    assert {each[-1] for each in found - by_mypy} <= {"prompt-example"}  # another reason, at the same place
    assert {each[:3] for each in found} <= {each[:3] for each in by_mypy}


def test_every_check_is_on_the_page() -> None:
    assert {case.code for case in CASES} == CODES.keys() - {
        "prompt-unread"
    }  # which files those are depends on the Python
