"""Every Python block of the README and of docs/ runs, and is well typed; what does not says so, or has a test of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy import api

from tests.apart import apart

from .blocks import ELSEWHERE, PAGES, ROOT, blocks
from .running import run_page

WITH_CODE = [
    page
    for page in PAGES
    if page not in ELSEWHERE and any(block.language in ("python", "sh") for block in blocks(page))
]

CONFIG = """\
[tool.mypy]
strict = true
plugins = ["typefold.mypy"]
error_summary = false
python_version = "3.11"
# A page shows what a call gives by naming it.
disable_error_code = ["no-redef"]

# Large, and not what is checked here: all that they give is Any.
[[tool.mypy.overrides]]
module = ["vllm.*", "ray.*", "torch.*", "pandas.*", "polars.*", "pyarrow.*", "duckdb.*", "datasets.*", "PIL.*", "daft.*"]
follow_imports = "skip"
ignore_missing_imports = true
"""


@pytest.mark.usefixtures("no_model_is_loaded", "folder", "capsys")
@pytest.mark.parametrize("page", WITH_CODE)
def test_the_blocks_of_a_page_run(page: str) -> None:
    run_page(page)


def test_the_programs_of_the_pages_are_well_typed(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    (tmp_path / "mypy.toml").write_text(CONFIG, encoding="utf-8")
    files = [file for page in WITH_CODE for file in written(page, tmp_path)]
    cache = str(pytestconfig.cache.mkdir("mypy_pages"))
    options = ["--config-file", str(tmp_path / "mypy.toml"), "--cache-dir", cache]
    out, err, _ = apart(api.run, [*options, *files])
    assert not out + err


def written(page: str, folder: Path) -> Iterator[str]:
    """The files that a page's programs are: one for each that has a name, and one for all others, in the page's lines."""
    rest: list[str] = []
    for block in blocks(page):
        if block.language != "python" or block.use in ("none", "theirs"):
            continue
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
            yield str(folder / block.title)
        else:
            rest += [""] * (block.line - 1 - len(rest)) + block.text.splitlines()
    if rest:
        own = folder / f"page_{re.sub('[^a-z]', '_', page.lower())}.py"
        own.write_text("\n".join(rest) + "\n", encoding="utf-8")
        yield str(own)


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.use == "theirs" for block in blocks(page))])
def test_programs_of_other_libraries_compile(page: str) -> None:
    for block in blocks(page):
        if block.use == "theirs":
            compile("\n" * (block.line - 1) + block.text, str(ROOT / page), "exec")


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_pages_left_out_here_have_tests_of_their_own(page: str, test: str) -> None:
    assert page in PAGES
    assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


def test_files_that_pages_show_have_names_of_their_own() -> None:
    titles = [block.title for page in PAGES for block in blocks(page) if block.title]
    assert len(titles) == len(set(titles))
