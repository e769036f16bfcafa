"""Every example in a docstring runs, and so does every Python block of the README."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import typefold

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(typefold.__path__, "typefold.")
    if not module.name.endswith(("engines.vllm", "pytest_plugin"))
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    assert result.failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = sum(bool(case.examples) for name in MODULES for case in finder.find(importlib.import_module(name), name))
    assert found >= 20


@pytest.mark.parametrize("name", ["README.md"])
def test_the_python_blocks_of_a_page_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, name, "exec"), {"__name__": "page"})
