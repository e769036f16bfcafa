"""What all tests share: a runtime on the scripted engine, and a clean slate for the process-wide defaults."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from typefold import Runtime, selection
from typefold.runtime.engines.scripted import ScriptedEngine

os.environ["TYPEFOLD_PROGRESS"] = "0"
settings.register_profile("no clock", deadline=None)  # on a busy machine any example may take long
settings.load_profile("no clock")


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
def no_default_runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test inherits another's default runtime."""
    monkeypatch.setattr(selection, "_default", None)
    yield
    if (made := selection._default) is not None:
        made.close()
