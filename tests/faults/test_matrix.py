"""Every fault, met in every way of calling, ends as the matrix says; `docs/reliability.md` shows the matrix.

`TYPEFOLD_WRITE_DOCS=1 pytest tests/faults/test_matrix.py` (`make docs`) writes it there.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from returns.result import Result, Success

from typefold import Runtime
from typefold.execution import call
from typefold.execution.interrupts import Terminated
from typefold.runtime.scheduling import pending, watchdog

from .breaking import EARLY, FAULTY, ROWS, World
from .matrix import FAULTS, VALUE, Ends, Fault, table
from .ways import WAYS, task

PAGE = Path(__file__).parent.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- the fault matrix -->", "<!-- end of the fault matrix -->"


@pytest.fixture(autouse=True)
def signals_as_python_has_them() -> Iterator[None]:
    """Whatever runs the tests may have its own."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number in numbers:
        signal.signal(number, before[number])


def name_of(result: Result[int, Exception]) -> str:
    return VALUE if isinstance(result, Success) else type(result.failure()).__name__


def idle(runtime: Runtime) -> bool:
    """Whether nothing is left in the engine, now or soon."""
    for _ in range(2000):
        if runtime.stats.running == runtime.stats.waiting == 0:
            return True
        time.sleep(0.005)
    return False


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace("`", ""))
def test_a_fault_ends_as_the_matrix_says(
    fault: Fault, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(fault.world.trouble, fault.world.answer, fault.world.refuses, fault.world.unable)
    clock = SimpleNamespace(monotonic=lambda: world.now)
    monkeypatch.setattr(pending, "time", clock)
    monkeypatch.setattr(call, "time", clock)
    monkeypatch.setattr(watchdog, "time", clock)
    expected = fault.in_way(way)
    rows = [fault.text if text == FAULTY else text for text in ROWS]
    before = set(threading.enumerate())
    with Runtime(world.build, deduplicate=False, **fault.options) as runtime:
        try:
            results = dict(zip(ROWS, WAYS[way](rows), strict=True))
        except (KeyboardInterrupt, Terminated) as interrupted:
            said = capsys.readouterr().err
            ends = Ends(type(interrupted).__name__, expected.beside, expected.early)
            if way in ("`.map`", "`run`", "a deferred graph"):
                assert "typefold: stopped by" in said
                assert "rows done" in said
        else:
            ends = Ends(name_of(results[FAULTY]), name_of(results["beside"]), name_of(results[EARLY]))
            assert name_of(results["behind"]) == ends.beside
            if not isinstance(results[FAULTY], Success):
                assert fault.says in str(results[FAULTY].failure())
            assert runtime.stats.submitted >= len(ROWS)
        assert idle(runtime)
        after = task.safe("after")
        stats = runtime.stats
        assert stats.submitted == stats.succeeded + stats.failed + stats.cancelled
    assert (ends.faulty, ends.beside, ends.early) == (expected.faulty, expected.beside, expected.early)
    assert name_of(after) == (VALUE if expected.usable else "EngineFailed")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    world.release.set()  # a thread that was left behind ends by itself
    for thread in set(threading.enumerate()) - before:
        if thread.name in ("typefold-engine", "typefold-watchdog"):
            thread.join(30)
            assert not thread.is_alive()


def test_the_page_shows_the_matrix() -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    made = f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"
    if os.environ.get("TYPEFOLD_WRITE_DOCS"):
        PAGE.write_text(made, encoding="utf-8")
        text = made
    assert text == made, "docs/reliability.md is out of date; `make docs` writes it"
