"""Objects that are frozen while an engine is there are freed with it. No vLLM is needed."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from typefold.runtime.engines.vllm import loading
from typefold.runtime.engines.vllm.loading import freeze, thaw

AT_START = int(subprocess.check_output([sys.executable, "-c", "import gc; print(gc.get_freeze_count())"]))
"""The number of objects that are frozen before anything is imported: Python 3.12 has some."""


class Knot:
    """A thing that only the collector frees."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No engine is there, whatever other tests left, and none is left; vLLM thaws all at any shutdown of its own."""
    before = gc.get_freeze_count()
    monkeypatch.setattr(loading, "_engines", 0)
    yield
    assert gc.get_freeze_count() in (0, AT_START)
    if before:
        gc.freeze()


@pytest.mark.usefixtures("thawed")
def test_what_an_engine_held_goes_with_it_though_it_was_frozen() -> None:
    knot = Knot()
    gone = weakref.ref(knot)
    freeze()
    del knot
    gc.collect()
    assert gone() is not None  # frozen: no collection looks at it
    thaw()
    assert gone() is None


@pytest.mark.usefixtures("thawed")
def test_garbage_is_collected_before_it_could_be_frozen() -> None:
    gone = weakref.ref(Knot())
    freeze()
    assert gone() is None
    thaw()


@pytest.mark.usefixtures("thawed")
def test_another_engine_keeps_what_is_there_frozen() -> None:
    freeze()
    freeze()
    thaw()
    assert gc.get_freeze_count() > 0
    thaw()
