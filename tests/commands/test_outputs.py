"""Files that commands write: never one that is read, whole or not at all, by one command at a time."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.commands.conftest import Command
from typefold import Journal, JournalError, Runtime, ask, prompt
from typefold.cli import output as output_module
from typefold.cli.input_records import open_source
from typefold.cli.output import Output, open_output, own_output
from typefold.cli.target import CommandError
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.tables.arrow import pyarrow

pa, pq = pyarrow(), pyarrow("pyarrow.parquet")

RUN = ["run", "tickets:classify", "-i", "in.jsonl"]


@prompt
def tell(text: str) -> str:
    return ask(text)


def put(path: Path, text: str = '{"text": "a"}\n') -> str:
    path.write_text(text, encoding="utf-8")
    return path.name


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    """An input, an earlier output, a journal, and links to them."""
    put(folder / "in.jsonl")
    put(folder / "out.jsonl", "old\n")
    put(folder / "out.failures.jsonl", "old failures\n")
    with Runtime(ScriptedEngine(answers=lambda request: "yes"), journal=folder / "run.db"):
        tell.map(["a", "b"])
    (folder / "linked.db").symlink_to("run.db")
    os.link(folder / "run.db", folder / "hard.db")
    (folder / "linked.jsonl").symlink_to("in.jsonl")
    os.link(folder / "in.jsonl", folder / "hard.jsonl")
    os.mkfifo(folder / "fifo.jsonl")
    (folder / "folder.jsonl").mkdir()


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    "arguments",
    [
        [*RUN, "-o", "in.jsonl"],
        [*RUN, "-o", "linked.jsonl"],
        [*RUN, "-o", "hard.jsonl"],
        [*RUN, "-o", "folder.jsonl/../in.jsonl"],
        [*RUN, "-o", "o.jsonl", "--failures", "in.jsonl"],
        [*RUN, "-o", "o.jsonl", "--failures", "o.jsonl"],
        [*RUN, "-o", "o.jsonl", "--failures", "o.jsonl.typefold-part"],
        [*RUN, "-o", "o.jsonl", "--failures", "run.db", "--journal", "linked.db"],
        [*RUN, "-o", "o.jsonl", "--failures", "run.db-wal", "--journal", "linked.db"],
        [*RUN, "-o", "o.jsonl", "--failures", "run.db.lock", "--journal", "run.db"],
        [*RUN, "-o", "o.jsonl", "--failures", "hard.db"],
        [*RUN, "-o", "o.jsonl", "--failures", "tickets.py"],
        ["run", "tickets.py:classify", "-i", "in.jsonl", "-o", "o.jsonl", "--failures", "tickets.py"],
        ["run", "tickets:classify", "-i", "-", "-o", "-", "--failures", "-"],
        ["journal", "export", "run.db", "-o", "run.db"],
        ["journal", "export", "run.db", "-o", "linked.db"],
        ["journal", "export", "linked.db", "-o", "run.db"],
        ["journal", "export", "run.db", "-o", "hard.db"],
        ["journal", "export", "run.db", "-o", "run.db-shm"],
        ["journal", "export", "run.db", "-o", "run.db.lock"],
    ],
    ids=" ".join,
)
def test_no_command_writes_to_what_it_reads(folder: Path, command: Command, arguments: list[str]) -> None:
    before = state(folder)
    done = command(*arguments, stdin='{"text": "a"}\n')
    assert (done.exit_code, done.stderr.startswith("typefold: ")) == (2, True), done.output
    assert state(folder) == before
    with Journal(folder / "run.db", read_only=True) as journal:
        assert journal.count() == 2


def test_the_journal_that_a_module_keeps_is_not_written_to(folder: Path, command: Command) -> None:
    text = (folder / "tickets.py").read_text(encoding="utf-8").replace("answer))", 'answer), journal="own.db")')
    put(folder / "tickets.py", text)
    for name in ("own.db", "own.db-wal"):
        done = command(*RUN, "-o", "o.jsonl", "--failures", name)
        assert done.exit_code == 2 and "its journal and --failures are one file" in done.stderr, done.output


def test_an_input_that_standard_output_is_added_to_is_not_read_for_ever(folder: Path) -> None:
    with open(folder / "in.jsonl", "ab") as added:
        done = typefold(*RUN, stdout=added)
    assert (done.returncode, done.stderr) == (
        2,
        b"typefold: the command's own output and --input are one file; name another\n",
    )


def typefold(*arguments: str, stdout: Any = subprocess.PIPE, program: str = "") -> subprocess.CompletedProcess[bytes]:
    code = f"{program}\nfrom typefold.cli.app import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], stdout=stdout, stderr=subprocess.PIPE, timeout=60)


CLOSED = "import os, sys; os.close(0); os.close(2); sys.stdin = sys.stderr = None"


def test_no_file_takes_the_place_of_a_standard_stream_that_is_closed(folder: Path) -> None:
    put(folder / "in.jsonl", '{"text": "a"}\n{"text": "boom"}\n')
    done = typefold("run", "tickets:program", "-i", "in.jsonl", "-o", "-", program=CLOSED)
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["a"]  # and what is said went elsewhere
    assert [json.loads(line)["row"] for line in (folder / "in.failures.jsonl").read_bytes().splitlines()] == [1]


def test_a_standard_stream_that_is_closed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CommandError, match="standard input is closed; name a file"):
        open_source("-")
    with monkeypatch.context() as without:
        without.setattr(sys, "stdout", None)
        with pytest.raises(CommandError, match="standard output is closed; name a file"):
            own_output().__enter__()
        with pytest.raises(CommandError, match="standard output is closed; name a file"):
            open_output("-").write(b"x")


NOISY = """
import os
from tickets import *
print("of the module")

def noisy(text: str) -> Label:
    print("of a row")
    os.system("echo of a child")
    return classify(text)
"""


def test_standard_output_has_the_results_alone_whatever_prints(folder: Path, command: Command) -> None:
    put(folder / "typefold_noisy.py", NOISY)
    done = typefold(
        "run", "typefold_noisy.py:noisy", "-i", "in.jsonl", program="import os; os.environ['TYPEFOLD_PROGRESS'] = '0'"
    )
    [line] = done.stdout.splitlines()
    assert json.loads(line)["text"] == "a"
    assert done.stderr.splitlines()[:3] == [b"of the module", b"of a row", b"of a child"]


@pytest.fixture
def special(folder: Path) -> Iterator[dict[str, str]]:
    """Names of files that are none, by what they are; the device is a terminal of this test's own."""
    ours, device = os.openpty()
    (folder / "device.jsonl").symlink_to(os.ttyname(device))
    with socket.socket(socket.AF_UNIX) as there:
        there.bind("socket.jsonl")
        yield {name: f"{name.split()[-1].lower()}.jsonl" for name in ("a FIFO", "a folder", "a socket", "a device")}
    os.close(ours)
    os.close(device)


@pytest.mark.parametrize(
    "arguments",
    [
        [*RUN, "-o"],
        [*RUN, "-o", "o.jsonl", "--failures"],
        ["journal", "export", "run.db", "-o"],
    ],
    ids=["output", "failures", "export"],
)
def test_what_is_no_regular_file_is_left_alone(
    folder: Path, command: Command, special: dict[str, str], arguments: list[str]
) -> None:
    for what, name in special.items():
        before = (folder / name).stat()
        done = command(*arguments, name)
        said = f"typefold: {name} can't be written: it is {what}; name a file, or - for standard output\n"
        assert (done.exit_code, done.stderr) == (2, said)
        assert (folder / name).stat() == before


@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet"])
def test_what_was_there_stays_when_the_disk_is_full(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    def full(self: object, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    put(folder / "in.csv", "text\na\nb\n")
    put(folder / "out.parquet", "old\n")
    monkeypatch.setattr(output_module._Own, "write", full)
    before = state(folder)
    done = command("run", "tickets:classify", "-i", "in.csv", "-o", output)
    said = f"typefold: {output} can't be written: No space left on device. What was there before is unchanged\n"
    assert (done.exit_code, done.stderr) == (2, said)
    assert state(folder) == before


def test_a_killed_command_leaves_what_was_there_and_holds_nobody_up(folder: Path, command: Command) -> None:
    put(
        folder / "killed.py",
        "import os, signal, tickets\ndef f(text: str) -> str:\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    before = state(folder)
    assert typefold("run", "killed:f", "-i", "in.jsonl", "-o", "out.jsonl").returncode == -signal.SIGKILL
    left = {"out.jsonl.typefold-part", "out.failures.jsonl.typefold-part"}
    assert {name: held for name, held in state(folder).items() if name not in left} == before
    assert left <= set(state(folder))
    put(folder / "out.jsonl.typefold-part", "half a record and more than the next result" * 100)
    assert command(*RUN, "-o", "out.jsonl").exit_code == 0
    assert [json.loads(line)["text"] for line in (folder / "out.jsonl").read_bytes().splitlines()] == ["a"]
    assert not left & set(state(folder))


@pytest.mark.parametrize("held", ["out.jsonl", "to-out.jsonl", "./folder.jsonl/../out.jsonl"])
def test_a_file_that_a_command_writes_is_no_other_s(folder: Path, command: Command, held: str) -> None:
    (folder / "to-out.jsonl").symlink_to("out.jsonl")
    first = Output(held)
    first.write(b"first\n")
    said = "is being written by another command; wait until that has ended, or name another file\n"
    for arguments, named in (
        ([*RUN, "-o", "out.jsonl"], "out.jsonl"),
        ([*RUN, "-o", "to-out.jsonl", "--failures", "f"], "to-out.jsonl"),
        ([*RUN, "-o", "other.jsonl", "--failures", "out.jsonl"], "out.jsonl"),
        (["journal", "export", "run.db", "-o", "out.jsonl"], "out.jsonl"),
    ):
        done = command(*arguments)
        assert (done.exit_code, done.stderr) == (2, f"typefold: {named} {said}")
    first.finish()
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == "first\n"
    assert command(*RUN, "-o", "out.jsonl").exit_code == 0
    assert not [*folder.glob("*typefold-part")]


def test_a_process_that_was_forked_leaves_a_file_to_its_parent(folder: Path) -> None:
    whole = Output("out.jsonl")
    whole.write(b"one\n")
    child = os.fork()
    if not child:
        whole.discard()
        os._exit(not whole.file.closed)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(CommandError):
        Output("out.jsonl")
    whole.write(b"three\n")
    whole.finish()
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == "one\nthree\n"


def test_what_lies_in_the_way_of_an_unfinished_file_is_left_alone(folder: Path, command: Command) -> None:
    os.link(folder / "in.jsonl", folder / "o.jsonl.typefold-part")
    (folder / "p.jsonl.typefold-part").symlink_to("in.jsonl")
    for name in ("o.jsonl", "p.jsonl"):
        done = command("run", "tickets:classify", "-i", "-", "-o", name, stdin='{"text": "b"}\n')
        assert (done.exit_code, done.stderr.startswith(f"typefold: {name} can't be written: ")) == (2, True)
    assert (folder / "in.jsonl").read_text(encoding="utf-8") == '{"text": "a"}\n'


def test_links_stay_links_and_permissions_stay(folder: Path, command: Command) -> None:
    (folder / "to-out.jsonl").symlink_to("out.jsonl")
    os.chmod(folder / "out.jsonl", 0o640)
    put(folder / "in.jsonl", '{"text": "a"}\n{}\n')
    assert command(*RUN, "-o", "to-out.jsonl", "--failures", "f.jsonl").exit_code == 1
    assert (folder / "to-out.jsonl").is_symlink() and b"billing" in (folder / "out.jsonl").read_bytes()
    assert stat.S_IMODE((folder / "out.jsonl").stat().st_mode) == 0o640
    assert stat.S_IMODE((folder / "f.jsonl").stat().st_mode) == 0o600
    assert command("journal", "export", "run.db", "-o", "e.jsonl").exit_code == 0
    assert stat.S_IMODE((folder / "e.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("arguments", [RUN, ["journal", "export", "run.db"]], ids=["run", "export"])
def test_standard_output_that_is_full_ends_a_command_in_one_line(folder: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = typefold(*arguments, stdout=full)
    said = "typefold: standard output can't be written: No space left on device\n"
    assert (done.returncode, done.stderr.decode()) == (2, said)


# --- failures --------------------------------------------------------------------------------------------------------


def test_failures_of_an_earlier_run_go_when_a_job_has_ended_without_any(folder: Path, command: Command) -> None:
    done = command(*RUN, "-o", "out.jsonl")
    said = "typefold: 1 results in out.jsonl, none failed, so out.failures.jsonl of an earlier run was removed\n"
    assert (done.exit_code, done.stderr) == (0, said)
    assert not (folder / "out.failures.jsonl").exists()


def test_failures_of_an_earlier_run_stay_until_there_are_new_ones(folder: Path, command: Command) -> None:
    put(folder / "in.jsonl", '{"text": "a"}\n{"text": 5}\n{"text": "stop"}\n')
    program = (folder / "tickets.py").read_text(encoding="utf-8")
    put(
        folder / "tickets.py",
        program.replace('if "boom"', 'if text == "stop":\n        raise KeyboardInterrupt\n    if "boom"'),
    )
    done = command("run", "tickets:program", "-i", "in.jsonl", "-o", "out.jsonl")
    assert done.exit_code == 130
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == "old\n"
    assert (folder / "out.failures.jsonl").read_text(encoding="utf-8") == "old failures\n"
    part = folder / "out.failures.jsonl.typefold-part"
    assert f"typefold: what failed until then is in {part}\n" in done.stderr
    assert [json.loads(line)["row"] for line in part.read_bytes().splitlines()] == [1]
    done = command("run", "tickets:program", "-i", "in.jsonl", "-o", "out.jsonl", "--limit", "2")
    assert [json.loads(line)["row"] for line in (folder / "out.failures.jsonl").read_bytes().splitlines()] == [1]
    assert not part.exists()


def test_a_job_that_only_fails_is_ended(folder: Path, command: Command) -> None:
    put(folder / "in.jsonl", '{"text": "boom"}\n' * 5000)
    arguments = ["run", "tickets:program", "-i", "in.jsonl", "-o", "out.jsonl", "--max-failures"]
    done = command(*arguments, "7")
    assert done.exit_code == 2
    assert "typefold: 8 rows failed, more than --max-failures 7 allows; the job was ended\n" in done.stderr
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == "old\n"
    assert (folder / "out.failures.jsonl").read_text(encoding="utf-8") == "old failures\n"
    assert len((folder / "out.failures.jsonl.typefold-part").read_bytes().splitlines()) == 8
    assert command(*arguments, "5000").exit_code == 1


def test_standard_output_takes_failures_and_exports(folder: Path, command: Command) -> None:
    put(folder / "in.jsonl", '{"text": "a"}\n{}\n')
    done = command(*RUN, "-o", "out.jsonl", "--failures", "-")
    assert json.loads(done.stdout)["row"] == 1 and "with reasons in standard output" in done.stderr
    assert len(command("journal", "export", "run.db", "-o", "-").stdout.splitlines()) == 2
    assert not (folder / "-").exists()


# --- a function's own errors -----------------------------------------------------------------------------------------


def test_an_error_of_the_function_is_shown_with_its_place_and_its_row(folder: Path, command: Command) -> None:
    put(folder / "in.csv", 'text\nfine\n"boom\nboom"\nboom\x1b[2J\n')
    done = command("run", "tickets.py:program", "-i", "in.csv", "-o", "out.jsonl")
    first, second = [json.loads(line) for line in (folder / "out.failures.jsonl").read_bytes().splitlines()]
    assert (first["row"], first["line"], second["row"], second["line"]) == (1, 3, 2, 5)
    assert first["traceback"].startswith("Traceback (most recent call last):\n  File ")
    assert 'tickets.py", line ' in first["traceback"] and first["traceback"].endswith("KeyError: 'boom\\nboom'")
    assert "typefold" not in first["traceback"].replace(str(folder), "")
    assert done.stderr.startswith("typefold: row 1 (line 3) failed:\n" + first["traceback"])
    assert done.stderr.count("Traceback") == 1  # the second one comes from the same place
    assert "\x1b" not in done.stderr


def test_a_prompt_s_error_names_the_record_s_own_number(folder: Path, command: Command) -> None:
    put(folder / "in.jsonl", 'no\n{"text": "left out"}\n{"text": "\\ud800"}\n')
    done = command(*RUN, "-o", "out.jsonl", "--where", "text != 'left out'")
    assert done.exit_code == 1
    _, failed = [json.loads(line) for line in (folder / "out.failures.jsonl").read_bytes().splitlines()]
    assert (failed["row"], failed["line"], failed["error"]) == (2, 3, "BadInput")
    assert failed["message"].startswith("classify, row 2: ")
    assert "traceback" not in failed


# --- ends ------------------------------------------------------------------------------------------------------------

BROKEN = """
import typefold_loads
from typefold import configure

def make():
    typefold_loads.count += 1
    raise RuntimeError("CUDA out of memory")

configure(make)
from tickets import *
configure(make)
"""


@pytest.mark.parametrize("function", ["classify", "program", "awaited"])
def test_an_engine_that_can_t_be_loaded_ends_the_command_and_leaves_what_was_there(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    loads = ModuleType("typefold_loads")
    monkeypatch.setattr(loads, "count", 0, raising=False)
    monkeypatch.setitem(sys.modules, "typefold_loads", loads)
    put(folder / "typefold_broken.py", BROKEN)
    put(folder / "in.jsonl", '{"text": "a"}\n' * 300)
    before = state(folder)
    done = command("run", f"typefold_broken.py:{function}", "-i", "in.jsonl", "-o", "out.jsonl")
    sys.modules.pop("typefold_broken", None)
    assert (done.exit_code, loads.count) == (2, 1), done.output
    assert done.stderr.startswith("typefold: the engine of make can't be loaded: RuntimeError: CUDA out of memory")
    assert done.stderr.count("\n") == 1
    assert state(folder) == before


def test_a_journal_that_can_t_be_written_ends_the_command(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Journal, rows: object, **how: object) -> None:
        raise JournalError(self.path, "the disk is full")

    text = (folder / "tickets.py").read_text(encoding="utf-8").replace("answer))", 'answer), journal="own.db")')
    put(folder / "tickets.py", text)
    monkeypatch.setattr(Journal, "write", full)
    done = command("run", "tickets:program", "-i", "in.jsonl", "-o", "out.jsonl")
    assert (done.exit_code, "own.db: the disk is full" in done.stderr) == (2, True), done.output
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == "old\n"
    assert (folder / "out.failures.jsonl").read_text(encoding="utf-8") == "old failures\n"
