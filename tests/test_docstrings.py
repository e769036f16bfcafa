"""Every example in a docstring runs. (Blocks of the README and of docs/ run too: see tests/pages.)"""

import doctest
import importlib
import pkgutil

import pytest

import typefold

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(typefold.__path__, "typefold.")
    if not module.name.endswith(("engines.vllm", "pytest_plugin", "ray.mapping"))  # Ray's runs in tests/scale
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
