"""Ctrl-C and SIGTERM: how a program ends, what it says, and whose handler it is."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import pytest

from typefold import Runtime, ask, prompt, run
from typefold.execution.interrupts import Interruptible, Terminated, interruptible
from typefold.execution.progress import Progress
from typefold.runtime import Completion
from typefold.runtime.engines.scripted import ScriptedEngine

PROGRAM = """
import os, signal, sys, time
from typefold import Runtime, ask, prompt, run
from typefold.runtime.engines.scripted import ScriptedEngine

class Slow(ScriptedEngine):
    ended = 0

    def step(self):
        if len(self.requests) <= self.ended + 1:  # row 0 is not to end while this waits for the rows beside it
            time.sleep(0.001)
            return []
        if self.ended == 1:  # row 2 is there, and so row 1 was counted
            self.ended = -9
            os.kill(os.getpid(), signal.SIGTERM)
        done = super().step()
        self.ended += len(done)
        return done

    def close(self):
        print("engine closed", flush=True)

@prompt(temperature=0)
def tell(number: int) -> str:
    return ask(f"{number}")

def answer(request):
    return "y" * (1 if request.prompt[-1].content == "1" else 5000)

with Runtime(Slow(answer), journal=sys.argv[1]):
    try:
        run(tell, range(5), max_rows_in_flight=2)
    finally:
        print("finally", flush=True)
"""


@prompt
def tell(number: int) -> str:
    return ask(f"{number}")


@pytest.fixture(autouse=True)
def signals_as_python_has_them() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number in numbers:
        signal.signal(number, before[number])


def test_sigterm_ends_a_program_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    journal = tmp_path / "run.db"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(journal)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 143, done.stderr
    assert done.stdout.split("\n") == ["finally", "engine closed", ""]
    assert done.stderr.splitlines() == [
        "typefold: stopped by SIGTERM with 1 of 5 rows done; what was not done was taken out of the engine.",
        f"What was done is in {journal}: run the same program again, and it goes on from there.",
    ]


class Signalling(ScriptedEngine):
    """An engine that sends a signal to the main thread, once that has had time to wait for it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(lambda request: "y" * 5000)
        self._number = number

    def step(self) -> Sequence[Completion]:
        done = super().step()
        if self.steps == 20:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, self._number)
        time.sleep(0.001)  # the main thread is to get to its wait, and to its handler while the rows are there
        return done


def test_a_handler_of_the_program_s_own_decides() -> None:
    class Checkpoint(Exception):
        pass

    def handler(number: int, frame: FrameType | None) -> None:
        raise Checkpoint

    signal.signal(signal.SIGTERM, handler)
    with Runtime(Signalling(signal.SIGTERM)) as runtime:
        with pytest.raises(Checkpoint):
            tell.map([1, 2])
        assert signal.getsignal(signal.SIGTERM) is handler
        assert tell.using(max_tokens=1)(3) == "y"
        assert runtime.stats.cancelled == 2


def test_a_handler_that_only_takes_note_lets_the_batch_go_on() -> None:
    noted: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: noted.append(number))
    with Runtime(Signalling(signal.SIGTERM)):
        assert len(tell.using(max_tokens=50).map([1, 2])) == 2
    assert noted == [signal.SIGTERM]


def test_a_program_that_ignores_sigterm_ignores_it_in_a_batch() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Runtime(Signalling(signal.SIGTERM)):
        assert len(tell.using(max_tokens=50).map([1, 2])) == 2


def test_between_batches_sigterm_is_python_s() -> None:
    with Runtime(ScriptedEngine()):
        stream = run.stream(tell, range(3))
        next(stream)
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        list(stream)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_batches_may_overlap_in_any_order(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Interruptible(), Interruptible()
    first.begin()
    second.begin()
    first.end(None, "")
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    second.end(KeyboardInterrupt(), "7 rows done")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert capsys.readouterr().err == ""  # the outermost says it, if any does


ENDED_ELSEWHERE = """
import os, signal, threading
from typefold.execution.interrupts import Interruptible

for interrupted in (False, True):
    batch = Interruptible()
    batch.begin()
    if interrupted:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            pass
    thread = threading.Thread(target=batch.end, args=(None, ""))
    thread.start()
    thread.join()
try:
    os.kill(os.getpid(), signal.SIGTERM)
finally:
    print("a batch was taken for running", flush=True)
"""


def test_sigterm_behind_a_batch_that_another_thread_ended_is_python_s() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED_ELSEWHERE], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "", "")


def test_a_second_sigterm_does_not_break_off_what_the_first_began() -> None:
    with pytest.raises(Terminated) as caught, interruptible():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_ctrl_c_says_how_far_a_batch_had_come(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), Progress(1000) as progress, Progress(5):
        for row in range(12):
            progress.row(failed=row < 2)
        raise KeyboardInterrupt
    assert capsys.readouterr().err == (
        "typefold: stopped by Ctrl-C with 12 of 1,000 rows done (2 of them without a value); "
        "what was not done was taken out of the engine.\n"
    )
    with pytest.raises(ValueError), Progress(1000):
        raise ValueError
    assert capsys.readouterr().err == ""


def test_other_threads_leave_signals_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with Runtime(ScriptedEngine()), Progress(3):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


ENDLESS = '''
import asyncio, os, signal
from typefold import Runtime, ask, prompt, run
from typefold.runtime.engines.scripted import ScriptedEngine

@prompt
def tell(number: int) -> str:
    return ask(f"{number}")

@prompt
async def told(number: int) -> str:
    return ask(f"{number}")

class Interrupting(ScriptedEngine):
    """Sends a signal once the rows wait."""

    def step(self):
        done = super().step()
        if self.steps == 5:
            os.kill(os.getpid(), number)
        return done

def again(ask_once):
    def row(number):
        while True:
            try:
                return ask_once(number)
            except:
                pass
    return row

def again_awaited(ask_once):
    async def row(number):
        while True:
            try:
                return await ask_once(number)
            except BaseException:
                pass
    return row

async def sleeping(number):
    while True:
        try:
            return await told(number)
        except asyncio.CancelledError:
            await asyncio.sleep(0)

async def read(number):
    return [piece async for piece in told.stream(number)]

def at_last(number):
    try:
        return tell(number)
    finally:
        again(tell)(number)

def refused(number_of_row):
    """A call that fails at once, so that the row never waits."""
    if not interrupted:
        interrupted.append(number_of_row)
        os.kill(os.getpid(), number)
    return tell("no number")

def refused_map(number_of_row):
    try:
        refused(number_of_row)
    except ValueError:
        return tell.map(["no number"])

async def refused_awaited(number_of_row):
    if not interrupted:
        interrupted.append(number_of_row)
        os.kill(os.getpid(), number)
    return await told("no number")

number = signal.SIGINT
ROWS = {
    "call": again(tell),
    "map": again(lambda number: tell.map([number])),
    "submit": again(lambda number: tell.submit(number).result()),
    "stream": again(lambda number: list(tell.stream(number))),
    "defer": again(lambda number: tell.defer(number).result()),
    "run": again(lambda number: run(again(tell), [number])),
    "finally": at_last,
    "await": again_awaited(told),
    "await map": again_awaited(lambda number: told.map([number])),
    "await stream": again_awaited(read),
    "await future": again_awaited(tell.future),
    "await defer": again_awaited(lambda number: told.defer(number)),
    "shield": again_awaited(lambda number: asyncio.shield(told(number))),
    "sleep": sleeping,
    "refused": again(refused),
    "refused map": again(refused_map),
    "refused run": again(lambda number_of_row: run(again(refused), [number_of_row])),
    "refused await": again_awaited(refused_awaited),
}
for name, row in ROWS.items():
    interrupted = []
    with Runtime(Interrupting(lambda request: "y" * 5000)):
        try:
            run(row, range(2))
        except KeyboardInterrupt:
            print(name, flush=True)
number = signal.SIGTERM
with Runtime(Interrupting(lambda request: "y" * 5000)):
    run(ROWS["call"], range(2))
'''


def test_rows_that_swallow_everything_and_ask_again_keep_no_program_alive() -> None:
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=300, check=False)
    named = (
        "call map submit stream defer run finally await await.map await.stream await.future await.defer shield sleep "
        "refused refused.map refused.run refused.await"
    )
    assert done.stdout.split("\n") == [*(name.replace(".", " ") for name in named.split()), ""]
    assert done.returncode == 143
    assert "Traceback" not in done.stderr
    assert done.stderr.count("so it is left behind where it waits") >= 2 * 15


SWALLOWING = """
import os, signal, sys
from typefold import Runtime, ask, prompt, run
from typefold.runtime.engines.scripted import ScriptedEngine

@prompt
def tell(number: int) -> str:
    return ask(f"{number}")

def row(number):
    if number == 3:
        try:
            os.kill(os.getpid(), signal.{0})
            for _ in range(1_000_000): pass
        except BaseException as error:
            print("swallowed", type(error).__name__, flush=True)
    print(number, flush=True)
    return tell(number)

with Runtime(ScriptedEngine(lambda request: "yes")):
    tell(0)
    run(row, range(400))
"""


@pytest.mark.parametrize(
    ("name", "error", "status"), [("SIGTERM", "Terminated", 143), ("SIGINT", "KeyboardInterrupt", -2)]
)
def test_a_signal_that_a_row_swallows_ends_the_batch(name: str, error: str, status: int) -> None:
    source = SWALLOWING.replace("{0}", name)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, done.stderr
    assert done.stdout.split("\n") == ["0", "1", "2", f"swallowed {error}", "3", ""]


NEVER = """
import sys, time
from typefold import Runtime, ask, prompt, run
from typefold.runtime.engines.scripted import ScriptedEngine

@prompt
def tell(number: int) -> str:
    while True:
        try:
            print("begun", flush=True)
            for _ in iter(int, 1): int()
        except BaseException as error:
            print(type(error).__name__, flush=True)
    return ask("?")

with Runtime(ScriptedEngine(), journal=sys.argv[1]):
    {0}
"""


@pytest.mark.parametrize("call", ["tell.map(range(3))", "run(tell, range(3))"])
def test_a_second_ctrl_c_ends_the_process_though_a_body_never_returns(call: str, tmp_path: Path) -> None:
    source = NEVER.replace("{0}", call)
    child = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path / "run.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    child.send_signal(signal.SIGINT)
    assert [child.stdout.readline(), child.stdout.readline()] == ["KeyboardInterrupt\n", "begun\n"]
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=300)
    assert (child.returncode, out) == (-signal.SIGINT, "")
    assert err.startswith("typefold: ended by a second Ctrl-C.\nWhat was done is in ")


def test_a_row_that_will_not_end_does_not_hold_up_one_that_does(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[int] = []

    def row(number: int) -> str:
        while True:
            try:
                return tell(number)
            except BaseException:
                if number == 0:
                    ended.append(number)
                    raise

    with Runtime(ScriptedEngine(lambda request: "y" * 5000)) as runtime:
        stream = run.stream(row, [*range(3), 9], max_rows_in_flight=4)
        with pytest.raises(KeyboardInterrupt):
            interrupt_once_all_wait(runtime, stream)
        assert ended == [0]
        assert tell.using(max_tokens=1)(3) == "y"
        assert runtime.stats.running == runtime.stats.waiting == 0
    assert caplog.text.count("left behind") == 3


def interrupt_once_all_wait(runtime: Runtime, stream: Iterator[object]) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while runtime.stats.running < 4:
            pass
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    _ = runtime.engine
    thread.start()
    try:
        next(stream)
    finally:
        thread.join()


def test_ctrl_c_is_pythons_again_behind_a_batch_and_counts_anew() -> None:
    for _ in range(2):  # were the second one taken for a second Ctrl-C, this process would end
        with Runtime(Signalling(signal.SIGINT)), pytest.raises(KeyboardInterrupt):
            tell.map([1, 2])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
