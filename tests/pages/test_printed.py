"""Pages of which a test compares the output that they show: the block behind a Python block is what that prints.

`TYPEFOLD_WRITE_DOCS=1 pytest tests/pages/test_printed.py` writes the output into the pages.
"""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any

import pytest

from .blocks import ROOT
from .running import as_main

PAGES = ["docs/guides/prompt-as-sent.md"]

_PYTHON = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:(?P<between>\n)```\n(?P<output>.*?)^```\n)?", re.DOTALL | re.MULTILINE
)


@pytest.mark.usefixtures("no_model_is_loaded", "folder")
@pytest.mark.parametrize("page", PAGES)
def test_the_output_on_a_page_is_what_its_code_prints(page: str) -> None:
    module = ModuleType("__main__")
    path = ROOT / page

    def run(block: re.Match[str]) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(block["code"], page, "exec"), module.__dict__)
        code = f"```python\n{block['code']}```\n"
        shown: Any = re.sub(r"\n{2,}", "\n\n", printed.getvalue()).strip("\n")
        assert "None" not in shown.splitlines(), f"{page} shows readers nothing behind:\n{code}"
        return f"{code}\n```\n{shown}\n```\n" if shown else code

    with as_main(module):
        text = path.read_text(encoding="utf-8")
        written = _PYTHON.sub(run, text)
    if os.environ.get("TYPEFOLD_WRITE_DOCS"):
        path.write_text(written, encoding="utf-8")
    assert "```\n" in written and written == path.read_text(encoding="utf-8")
