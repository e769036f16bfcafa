"""The metrics of a batch that are shown while it runs, the places of them, and where nothing is shown."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import contextlib
import fcntl
import io
import logging
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from typefold import Runtime, ask, gather, prompt, run
from typefold.execution import progress
from typefold.execution.progress import (
    Clock,
    Display,
    Lines,
    Log,
    Meter,
    Metrics,
    Notebook,
    Progress,
    Terminal,
    clock,
    showing,
)
from typefold.runtime import Statistics
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


FIGURES = Metrics(
    done=12,
    total=128,
    failed=2,
    rows_per_second=3.14,
    tokens_per_second=412.4,
    running=16,
    waiting=20,
    cached=0.375,
    left=72.0,
)


class Shown(list[Metrics]):
    """A display that remembers, and lets the batch end once it has shown something."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.Event()
        self.closed: list[float] = []

    def show(self, figures: Metrics) -> None:
        self.append(figures)
        self.first.set()

    def close(self, figures: Metrics, seconds: float) -> None:
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


BARE = Metrics(
    done=3,
    total=None,
    failed=0,
    rows_per_second=0,
    tokens_per_second=0,
    running=0,
    waiting=0,
    cached=None,
    left=None,
)


def test_the_line_says_rows_failures_speed_the_time_left_the_queue_and_the_cache() -> None:
    assert str(FIGURES) == (
        "rows 12/128 · 2 failed · 3.1 rows/s · 412 tok/s · 1:12 left · 16 running, 20 waiting · prefix cache 38%"
    )
    assert str(BARE) == "rows 3 · 0.0 rows/s · 0 tok/s"
    assert str(replace(BARE, restarts=2)).endswith(" · engine restarted 2x")
    assert str(replace(BARE, from_journal=1200)) == "rows 3 · 1,200 from the journal"
    assert str(replace(BARE, rows_per_second=0.05)) == "rows 3 · 3.0 rows/min · 0 tok/s"
    assert str(replace(BARE, rows_per_second=1234.5)) == "rows 3 · 1,234 rows/s · 0 tok/s"
    loading = replace(BARE, done=0, total=9, loading=("Qwen/Qwen3-4B", 12.4))
    assert str(loading) == "rows 0/9 · loading Qwen/Qwen3-4B 12 s"


@pytest.mark.parametrize(
    ("width", "says"),
    [
        (
            200,
            "rows 12/128 · 2 failed · 3.1 rows/s · 412 tok/s · 1:12 left · 16 running, 20 waiting · prefix cache 38%",
        ),
        (90, "rows 12/128 · 2 failed · 3.1 rows/s · 412 tok/s · 1:12 left · 16 running, 20 waiting"),
        (80, "rows 12/128 · 2 failed · 3.1 rows/s · 412 tok/s · 1:12 left"),
        (50, "rows 12/128 · 2 failed · 3.1 rows/s · 1:12 left"),
        (40, "rows 12/128 · 2 failed · 1:12 left"),
        (25, "rows 12/128 · 2 failed"),
        (8, "rows 12…"),
    ],
)
def test_what_matters_least_goes_first_where_there_is_no_room(width: int, says: str) -> None:
    assert FIGURES.line(width) == says


def test_a_long_name_of_a_model_is_cut_to_fit() -> None:
    loading = replace(BARE, done=0, total=9, loading=("/home/somebody/models/of-mine/SmolLM2-135M-Instruct", 7.0))
    assert loading.line(79) == "rows 0/9 · loading …/of-mine/SmolLM2-135M-Instruct 7 s"
    assert loading.line(40) == "rows 0/9 · loading …nstruct 7 s"


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
            elapsed=4.0,
        ),
    )
    figures = meter.read(10, 2)
    assert figures == Metrics(
        done=10,
        total=40,
        failed=2,
        rows_per_second=2.5,
        tokens_per_second=100.0,
        running=8,
        waiting=9,
        cached=0.25,
        left=12.0,
    )
    time = 113.0
    assert meter.read(20, 2).tokens_per_second == pytest.approx(400 / 13)
    time = 114.0
    figures = meter.read(20, 2)
    assert (figures.rows_per_second, figures.tokens_per_second) == (1.0, 0.0)
    assert meter.read(20, 2, whole=True).rows_per_second == pytest.approx(20 / 14)
    assert meter.seconds == 14.0


def test_rows_from_the_journal_count_neither_for_speed_nor_for_the_time_left() -> None:
    time, stats = 0.0, Statistics()
    meter = Meter(lambda: (stats, 8), lambda: time, total=10_000)
    time, stats = 1.0, Statistics(succeeded=9_000, from_journal=9_000)
    figures = meter.read(9_000, 0)
    assert (figures.rows_per_second, figures.left, figures.from_journal) == (0.0, None, 9_000)
    time, stats = 11.0, Statistics(succeeded=9_010, from_journal=9_000, elapsed=10.0)
    figures = meter.read(9_010, 0)
    assert figures.rows_per_second == pytest.approx(1.0)
    assert figures.left == pytest.approx(990.0)
    assert meter.read(9_010, 0, whole=True).rows_per_second == pytest.approx(1.0)


def test_a_row_of_which_a_journal_answered_a_part_counts_for_the_rest() -> None:
    time, stats = 0.0, Statistics()
    meter = Meter(lambda: (stats, 8), lambda: time, total=20)
    time, stats = 5.0, Statistics(succeeded=20, from_journal=10, elapsed=5.0)  # two calls a row, one of them replayed
    figures = meter.read(10, 0)
    assert (figures.rows_per_second, figures.left) == (1.0, 10.0)


def test_loading_a_model_is_told_and_does_not_count_for_the_time_left() -> None:
    time, stats, loads = 0.0, Statistics(), list[str]()
    meter = Meter(lambda: (stats, 8), lambda: time, 100, lambda: loads)
    loads.append("Qwen/Qwen3-4B")
    time = 1.0
    assert meter.read(0, 0).loading == ("Qwen/Qwen3-4B", 1.0)
    time = 60.0
    assert meter.read(0, 0).loading == ("Qwen/Qwen3-4B", 60.0)
    loads.clear()
    time, stats = 70.0, Statistics(succeeded=10, elapsed=10.0)
    figures = meter.read(10, 0)
    assert (figures.loading, figures.left) == (None, 90.0)


def test_rows_that_call_nothing_have_a_speed_too() -> None:
    time = 0.0
    meter = Meter(lambda: (Statistics(), 0), lambda: time, total=100)
    time = 10.0
    figures = meter.read(20, 0)
    assert (figures.rows_per_second, figures.left) == (2.0, 40.0)


def test_the_outermost_batch_is_shown_with_all_that_is_done_inside(shown: Shown) -> None:
    def program(thing: str) -> list[str]:
        names = name.map([thing, thing + "!"])
        shown.first.wait(30)
        return names

    with Runtime(ScriptedEngine()):
        run(program, ["a", "b", "c"])
    assert {figures.total for figures in shown} == {3}
    assert (shown[-1].done, shown[-1].failed) == (3, 0)
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
    def fail(figures: Metrics) -> None:
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


_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("plain", [False, True], ids=["colours", "NO_COLOR"])
@pytest.mark.parametrize(
    ("width", "drawn"),
    [
        (40, "rows 12/128 · 2 failed · 1:12 left"),
        (60, "rows 12/128 · 2 failed · 3.1 rows/s · 412 tok/s · 1:12 left"),
        (80, "rows 12/128 · 2 failed · 3.1 rows/s · 412 tok/s · 1:12 left"),
        (200, str(FIGURES)),
    ],
)
def test_a_terminal_has_the_figures_in_one_line_and_the_last_ones_stay(width: int, drawn: str, plain: bool) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, legacy_windows=False, no_color=plain)
    terminal = Terminal(console)
    terminal.show(FIGURES)
    shown = _CODES.sub("", screen.getvalue()).strip("\r\n")
    assert "\n" not in shown and len(shown) < width
    assert shown.endswith(drawn)
    assert (shown[0] in "━╸") == (width > 60)  # a bar, where there is room for one
    before = len(screen.getvalue())
    terminal.close(replace(FIGURES, left=None), 61.2)
    rest = screen.getvalue()[before:]
    assert "\x1b[2K" in rest  # the line is wiped
    last = _CODES.sub("", rest).strip("\r\n").splitlines()[-1]
    assert last.startswith("rows 12/128 · 2 failed") and last.endswith(" · took 1:01") and len(last) < width


def test_what_a_program_writes_to_a_file_does_not_go_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, file = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    terminal = Terminal(Console(file=screen, force_terminal=True, width=80, legacy_windows=False))
    terminal.show(FIGURES)
    print("a row of the output")
    terminal.close(FIGURES, 1.0)
    assert file.getvalue() == "a row of the output\n"


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
    assert said[-1][1] == {"text/plain": f"{FIGURES} · took 1:01"}


def test_logs_have_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="typefold.execution.progress"):
        log = Log()
        log.show(FIGURES)
        log.close(FIGURES, 20.2)
    assert [record.getMessage() for record in caplog.records] == [str(FIGURES), f"{FIGURES} · took 0:20"]


def test_the_same_lines_go_to_standard_error_where_no_logging_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.show(FIGURES)
    lines.close(FIGURES, 20.2)
    assert capsys.readouterr().err == f"typefold: {FIGURES}\ntypefold: {FIGURES} · took 0:20\n"


class Ticking(Clock):
    """A clock by which a second goes by whenever somebody waits, until it has gone by so often."""

    def __init__(self, seconds: int) -> None:
        self.seconds = 0.0
        self.wound = threading.Event()
        self.rung = threading.Event()
        self._until = seconds

    def now(self) -> float:
        return self.seconds

    def wait(self, ended: threading.Event, seconds: float) -> bool:
        self.wound.wait(30)
        if self.seconds >= self._until:
            self.rung.set()
            return ended.wait()
        self.seconds += seconds
        return False


def test_there_is_a_line_every_thirty_seconds_and_one_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TYPEFOLD_PROGRESS")
    time = Ticking(95)
    with showing(quiet=False), Progress(40, clock=time) as counting:
        for _ in range(10):
            counting.row(failed=False)
        time.wound.set()
        time.rung.wait(30)
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" · ")[2] for line in lines] == ["1:30 left", "3:00 left", "4:30 left", "took 1:35"]
    assert {line.partition(" · ")[0] for line in lines} == {"typefold: rows 10/40"}


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TYPEFOLD_PROGRESS", "1")
    with showing(quiet=True), Progress(40) as counting:
        assert counting._thread is None
    assert capsys.readouterr().err == ""


def test_of_batches_side_by_side_one_is_shown_and_then_the_next(shown: Shown) -> None:
    with Progress(2):
        shown.first.wait(30)
        with Progress(3):
            assert {figures.total for figures in shown} == {2}
        second = Progress(4)
        second.__enter__()
    while not any(figures.total == 4 for figures in shown):
        shown.first.clear()
        shown.first.wait(30)
    second.__exit__(None, None, None)
    assert {figures.total for figures in shown} == {2, 4}
    assert len(shown.closed) == 2


class ZMQInteractiveShell:
    """What runs the code of a notebook's cells, by its name."""


def test_where_a_batch_is_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("TYPEFOLD_PROGRESS")
    assert progress._wanted(draw=True) is None  # neither a terminal nor logs at that level
    with caplog.at_level(logging.INFO, logger="typefold.execution.progress"):
        assert progress._wanted(draw=True) == (Log, 30.0)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        assert progress._wanted(draw=True) == (Terminal, 0.25)
        assert progress._wanted(draw=False) == (Log, 30.0)
        monkeypatch.setenv("TERM", "dumb")
        assert progress._wanted(draw=True) == (Log, 30.0)
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
    monkeypatch.delitem(sys.modules, "IPython")
    monkeypatch.setenv("TYPEFOLD_PROGRESS", "1")
    assert progress._wanted(draw=True) == (Lines, 30.0)  # on a dumb terminal
    assert progress._wanted(draw=False) == (Lines, 30.0)
    monkeypatch.setattr(sys, "stderr", None)
    assert progress._is_terminal(sys.stderr) is False


PROGRAM = """if True:
    import threading
    from typefold import Runtime, ask, prompt, run
    from typefold.execution import progress
    from typefold.runtime.engines.scripted import ScriptedEngine

    seen = threading.Event()

    class Seen(progress.Terminal):
        def show(self, figures):
            super().show(figures)
            if figures.failed > 1000:
                seen.set()

    progress.Terminal = Seen

    @prompt(max_tokens=3)
    def tag(text: str) -> int:
        return ask(f"Tag: {text}")

    def slow(text: str) -> int:
        if "2400" in text:
            seen.wait(60)
        return tag(text)

    with Runtime(ScriptedEngine(answers=lambda request: "oops")):
        run.safe(slow, [f"row {number} has words" for number in range(2500)])
"""


def test_a_terminal_of_eighty_columns_has_failures_and_speed_on_one_line() -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("TYPEFOLD_PROGRESS", "COLUMNS")}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm"},
    )
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # the program has ended
        while read := os.read(ours, 65536):
            written += read
    os.close(ours)
    assert program.wait() == 0
    lines = [_CODES.sub("", line).strip() for line in re.split(r"[\r\n]+", written.decode())]
    drawn = [line for line in lines if "rows " in line]
    assert all(len(line) < 80 for line in drawn)
    told = re.compile(r"rows \d,\d{3}/2,500 · \d,\d{3} failed · [\d,.]+ rows/s · [\d,]+ tok/s · \d+:\d\d left")
    assert any(told.search(line) for line in drawn), drawn
    assert drawn[-1].startswith("rows 2,500/2,500 · 2,500 failed · ") and " · took 0:" in drawn[-1]


THINGS = ["a", "x" * 9000, "b"]
"""The second is too long for the model."""


@pytest.mark.parametrize(
    ("batch", "counts"),
    [
        (lambda: name.safe.map(THINGS), (3, 3, 1)),
        (lambda: run.safe(name, THINGS), (3, 3, 1)),
        (lambda: list(run.stream(name, THINGS)), (3, 3, 1)),
        (lambda: gather.safe([name.defer(thing) for thing in THINGS]), (3, 3, 1)),
        (lambda: name.sample(4)("a"), (4, 4, 0)),
        (lambda: name.sample(2).safe.map(THINGS), (6, 6, 2)),
    ],
    ids=["map", "run", "stream", "gather", "sample", "samples"],
)
def test_rows_and_failures_are_counted_in_every_way_to_ask(
    batch: Callable[[], object], counts: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Progress] = []
    before = Progress.__enter__

    def enter(self: Progress) -> Progress:
        made.append(self)
        return before(self)

    monkeypatch.setattr(Progress, "__enter__", enter)
    with Runtime(ScriptedEngine()):
        batch()
    assert (made[0]._done, made[0]._total, made[0]._failed) == counts
