"""What is shown of a batch while it runs, where, and where nothing is."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import io
import logging
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from typefold import Runtime, ask, progress, prompt, run
from typefold.figures import Figures, Meter, clock
from typefold.progress import Display, Log, Notebook, Progress, Terminal
from typefold.runtime import Statistics
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


FIGURES = Figures(
    done=12,
    total=128,
    failed=2,
    calls=1034,
    tokens_per_second=412.4,
    running=16,
    waiting=20,
    cached=0.375,
    left=72.0,
)


class Shown(list[Figures]):
    """A display that remembers, and lets the batch end once it has shown something."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.Event()
        self.closed: list[float] = []

    def show(self, figures: Figures) -> None:
        self.append(figures)
        self.first.set()

    def close(self, figures: Figures, seconds: float) -> None:
        self.append(figures)
        self.closed.append(seconds)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Every batch is shown here, again and again."""
    shown = Shown()

    def wanted(*, draw: bool) -> Any:
        return (lambda: shown), 0.001

    monkeypatch.setattr(progress, "_wanted", wanted)
    return shown


def test_the_line_says_rows_calls_speed_the_queue_the_cache_failures_and_the_time_left() -> None:
    assert str(FIGURES) == (
        "rows 12/128 · 1,034 calls · 412 tok/s · 16 running, 20 waiting · prefix cache 38% · 2 failed · 1:12 left"
    )
    bare = Figures(
        done=3, total=None, failed=0, calls=3, tokens_per_second=0, running=0, waiting=0, cached=None, left=None
    )
    assert str(bare) == "rows 3 · 3 calls · 0 tok/s · 0 running, 0 waiting"
    assert str(replace(bare, restarts=2)).endswith(" · engine restarted 2x")
    resumed = replace(bare, replayed=1200)
    assert str(resumed) == "rows 3 · 3 calls · 0 tok/s · 0 running, 0 waiting · 1,200 from the journal"


@pytest.mark.parametrize(("seconds", "says"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (7325, "2:02:05")])
def test_time_is_shown_as_clocks_show_it(seconds: float, says: str) -> None:
    assert clock(seconds) == says


def test_figures_are_of_the_batch_and_speed_of_the_last_ten_seconds() -> None:
    time, stats = 100.0, Statistics(succeeded=50, output_tokens=1000, prompt_tokens=10, cached_tokens=10)
    meter = Meter(lambda: (stats, 8), lambda: time, total=40)
    time, stats = (
        104.0,
        Statistics(
            succeeded=58,
            failed=2,
            output_tokens=1400,
            prompt_tokens=110,
            cached_tokens=35,
            running=12,
            waiting=5,
            replayed=7,
        ),
    )
    figures = meter.read(10, 2)
    assert figures == Figures(
        done=10,
        total=40,
        failed=2,
        calls=10,
        tokens_per_second=100.0,
        running=8,
        waiting=9,
        cached=0.25,
        left=12.0,
        replayed=7,
    )
    time = 113.0
    assert meter.read(20, 2).tokens_per_second == pytest.approx(400 / 13)
    time = 114.0
    assert meter.read(20, 2).tokens_per_second == 0.0
    assert meter.seconds == 14.0


def test_the_outermost_batch_is_shown_with_all_that_is_done_inside(shown: Shown) -> None:
    def program(thing: str) -> list[str]:
        names = name.map([thing, thing + "!"])
        shown.first.wait(30)
        return names

    with Runtime(ScriptedEngine()):
        run(program, ["a", "b", "c"])
    assert {figures.total for figures in shown} == {3}
    assert (shown[-1].done, shown[-1].calls, shown[-1].failed) == (3, 6, 0)
    assert len(shown.closed) == 1
    assert "typefold-progress" not in {thread.name for thread in threading.enumerate()}


def test_failed_rows_are_counted_and_a_batch_without_a_length_has_no_total(shown: Shown) -> None:
    def things() -> Iterator[str]:
        yield "x" * 9000
        yield "a"
        shown.first.wait(30)

    with Runtime(ScriptedEngine()):
        name.safe.map(things())
    assert (shown[-1].done, shown[-1].total, shown[-1].failed, shown[-1].left) == (2, None, 1, None)


def test_a_stream_is_watched_too_and_lets_go_when_it_is_left(shown: Shown) -> None:
    with Runtime(ScriptedEngine()):
        stream = run.stream(name, ["a"] * 50)
        next(stream)
        shown.first.wait(30)
        stream.close()
    assert len(shown.closed) == 1
    assert not progress._shown.locked()


def test_a_display_that_fails_costs_nobody_their_results(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(figures: Figures) -> None:
        shown.first.set()
        raise OSError("the terminal is gone")

    monkeypatch.setattr(shown, "show", fail)

    def program(thing: str) -> str:
        shown.first.wait(30)
        return thing

    assert run(program, ["a", "b"]) == ["a", "b"]
    assert not progress._shown.locked()


def test_one_row_is_no_batch_to_watch(shown: Shown) -> None:
    with Progress(1) as counting:
        counting.row(failed=False)
    assert counting._thread is None


def test_a_terminal_has_a_bar_and_the_figures_and_is_left_clean() -> None:
    screen = io.StringIO()
    terminal = Terminal(Console(file=screen, force_terminal=True, width=120, legacy_windows=False))
    terminal.show(FIGURES)
    drawn = screen.getvalue()
    for part in ("rows", "━", "12/128", "1,034 calls", "412 tok/s", "2 failed"):
        assert part in drawn
    terminal.show(FIGURES)
    terminal.close(FIGURES, 3.0)
    assert "\x1b[2K" in screen.getvalue()[len(drawn) :]  # the line is wiped


def test_a_notebook_has_one_line_that_changes_and_stays() -> None:
    said: list[tuple[str, dict[str, str]]] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            said.append(("update", data))

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> object:
        said.append(("display", data))
        return Handle()

    shown: Display = Notebook(display)
    shown.show(FIGURES)
    shown.show(FIGURES)
    shown.close(FIGURES, 61.04)
    assert [kind for kind, _ in said] == ["display", "update", "update"]
    assert said[-1][1] == {"text/plain": f"{FIGURES} · 61.0 s"}


def test_logs_have_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="typefold.progress"):
        log = Log()
        log.show(FIGURES)
        log.close(FIGURES, 20.2)
    assert [record.getMessage() for record in caplog.records] == [str(FIGURES), f"{FIGURES} · ended after 20 s"]


class ZMQInteractiveShell:
    """What runs the code of a notebook's cells, by its name."""


def test_where_a_batch_is_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("TYPEFOLD_PROGRESS")
    assert progress._wanted(draw=True) is None  # neither a terminal nor logs at that level
    with caplog.at_level(logging.INFO, logger="typefold.progress"):
        assert progress._wanted(draw=True) == (Log, 10.0)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        assert progress._wanted(draw=True) == (Terminal, 0.25)
        assert progress._wanted(draw=False) == (Log, 10.0)
        notebook: Any = types.ModuleType("IPython")
        notebook.get_ipython = ZMQInteractiveShell
        shows: Any = types.ModuleType("IPython.display")
        shows.display = print
        monkeypatch.setitem(sys.modules, "IPython", notebook)
        monkeypatch.setitem(sys.modules, "IPython.display", shows)
        wanted = progress._wanted(draw=True)
        assert wanted is not None
        assert isinstance(wanted[0](), Notebook)
        monkeypatch.setenv("TYPEFOLD_PROGRESS", "0")
        assert progress._wanted(draw=True) is None
    monkeypatch.setattr(sys, "stderr", None)
    assert progress._is_terminal(sys.stderr) is False
