"""Every example in a docstring runs. (Blocks of the README and of docs/ run too: see tests/pages.)"""

# Tests look inside:
# pyright: reportPrivateUsage=false

import doctest
import importlib
import inspect
import pkgutil
import re
from types import ModuleType

import pytest

import typefold
from typefold.execution.open_runtimes import opened
from typefold.runtimes import current

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(typefold.__path__, "typefold.")
    if not module.name.endswith(("engines.vllm", "pytest_plugin", "ray.mapping"))  # Ray's runs in tests/scale
)


class Finder(doctest.DocTestFinder):
    """Finds the examples of public names too: their `__module__` is their package, not the module that defines them."""

    def _from_module(self, module: ModuleType, object: object) -> bool:
        if inspect.isclass(object):
            return re.search(rf"^class {object.__name__}\b", inspect.getsource(module), re.MULTILINE) is not None
        if inspect.isfunction(object):
            return bool(object.__globals__ is vars(module))
        return bool(super()._from_module(module, object))  # type: ignore[misc]  # pyright: ignore  # not in the stubs


def examples(name: str) -> list[doctest.DocTest]:
    return Finder(exclude_empty=True).find(importlib.import_module(name), name)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    for case in examples(name):
        assert runner.run(case).failed == 0
        assert set(opened) <= {current._default}, f"{case.name} leaves a runtime open, which later tests would see"


def test_there_are_examples_to_run() -> None:
    found = [case.name for name in MODULES for case in examples(name) if case.examples]
    assert len(found) >= 20
    assert any(name.endswith("Deferred.then") for name in found), "examples of methods of public classes are found"
