"""Fixtures of all tests: a runtime on the scripted engine, and a clean slate for the process-wide defaults."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from typefold import Runtime
from typefold.execution.open_runtimes import opened
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtimes import current

os.environ["TYPEFOLD_PROGRESS"] = "0"
settings.register_profile("no clock", deadline=None)  # on a busy machine any example may take long
settings.load_profile("no clock")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out long searches and type checkers that were not asked for, and say which tests stay in one process where several run.

    Those do that share something dear: an engine, a Ray, a cache of mypy's; and else what a file's own fixtures make.
    """
    for marker in ("prove", "checkers"):
        if marker not in config.option.markexpr:
            left_out = [item for item in items if item.get_closest_marker(marker) is not None]
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item.get_closest_marker(marker) is None]
    if addressed := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(
            f"the name of a test has an address in it, which differs between processes: {addressed[0]}"
        )
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_shared(item)))


def _shared(item: pytest.Item) -> str:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    if item.get_closest_marker("engine") is not None and folder == "engine":
        return "the session's engine"
    if folder in ("plugin", "scale") and item.path.suffix == ".py":
        return folder
    return str(item.path)


@pytest.fixture
def engine() -> ScriptedEngine:
    """An engine that gives valid answers at random, the same for the same request."""
    return ScriptedEngine(seed=1)


@pytest.fixture
def runtime(engine: ScriptedEngine) -> Iterator[Runtime]:
    """The scripted engine as the current runtime."""
    with Runtime(engine) as runtime:
        yield runtime


@pytest.fixture(autouse=True)
def no_runtimes_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test inherits another's runtimes: those that it leaves open are closed, and none is the default."""
    for name in ("_default", "_of_environment"):
        monkeypatch.setattr(current, name, None)
    before = list(opened)
    yield
    for runtime in [each for each in opened if each not in before]:
        runtime.close()
