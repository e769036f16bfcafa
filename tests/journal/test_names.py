"""One file, one lock: by whatever name it comes, from whatever folder the program works in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from typefold import Journal, JournalError, Runtime, ask, prompt
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import JournalInUse

ELSEWHERE = """
import sys
from typefold import Journal, JournalError
for name in sys.argv[1:]:
    try:
        Journal(name).close()
        print("OPEN")
    except JournalError as error:
        print(type(error).__name__)
"""


@prompt(temperature=0)
def echo(text: str) -> str:
    return ask(text)


def _folder(real: Path) -> Path:
    other = real.parent.with_name("other")
    other.symlink_to(real.parent)
    return other / real.name


def _link(real: Path) -> Path:
    name = real.with_name("link.db")
    name.symlink_to(real.name)
    return name


def _link_of_link(real: Path) -> Path:
    name = real.with_name("again.db")
    name.symlink_to(_link(real))
    return name


def _winding(real: Path) -> Path:
    (real.parent / "sub").mkdir()
    return real.parent / "sub" / ".." / real.name


WAYS: dict[str, Callable[[Path], Path]] = {
    "a link": _link,
    "a link of a link": _link_of_link,
    "a linked folder": _folder,
    "a winding path": _winding,
}


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal's file, named from the working folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work" / "run.db"


def test_a_journal_is_locked_by_whatever_name_it_comes(real: Path) -> None:
    Journal(real).close()
    names = [way(real) for way in (_link_of_link, _folder, _winding)] + [real.with_name("link.db")]
    with Journal("run.db"):
        for name in names:
            with pytest.raises(JournalInUse, match=f"{name.name}: another part of this program is using it"):
                Journal(name)
        done = subprocess.run([sys.executable, "-c", ELSEWHERE, *names], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["JournalInUse"] * len(names)
    for name in names:
        with Journal(name), pytest.raises(JournalInUse):
            Journal("run.db")
    assert sorted(each.name for each in real.parent.iterdir()) == ["again.db", "link.db", "run.db", "sub"]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_by_one_name_is_read_by_the_other(real: Path, way: str) -> None:
    Journal(real).close()
    name = WAYS[way](real)
    with Runtime(ScriptedEngine(answers=lambda request: "once"), journal=name):
        echo("a")
        with Journal(real, read_only=True) as reading:
            assert reading.count() == 1
    with Runtime(ScriptedEngine(answers=lambda request: "twice"), journal=real):
        assert echo("a") == "once"


def test_a_link_to_a_file_that_is_not_there_yet_is_locked_as_that_file(real: Path) -> None:
    name = _link(real)
    with Journal(name), pytest.raises(JournalInUse):
        Journal(real)
    assert real.is_file()


def test_a_file_with_hard_links_is_not_written(real: Path) -> None:
    with Journal(real):
        os.link(real, real.with_name("hard.db"))
        with pytest.raises(JournalError, match=r"the file has 2 names \(hard links\).*copy it to a file of its own"):
            Journal("hard.db")
    with pytest.raises(JournalError, match="hard links"):
        Journal(real)
    with Journal(real, read_only=True) as reading:
        assert reading.count() == 0
    real.with_name("hard.db").unlink()
    Journal(real).close()
    assert [each.name for each in real.parent.iterdir()] == ["run.db"]


@pytest.mark.parametrize("when", ["before it is opened", "while it is open"])
def test_a_journal_stays_where_it_was_named_wherever_the_program_works(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "x"), journal="run.db") as runtime:
        if when == "while it is open":
            echo("a")
        monkeypatch.chdir(tmp_path)
        echo("b")
        assert runtime.resume_hint is not None and str(real) in runtime.resume_hint
        with pytest.raises(JournalInUse, match=f"{real}: another part"):
            Journal(Path("work", "run.db"))
        echo("c")
    assert [each.name for each in real.parent.iterdir()] == ["run.db"]
    with Journal(real, read_only=True) as journal:
        assert journal.count() == (3 if when == "while it is open" else 2)
    assert [each.name for each in tmp_path.iterdir()] == ["work"]
