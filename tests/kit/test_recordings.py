"""Recording and replaying, with an engine that answers otherwise each time: what comes from the file, and what does not."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from typefold import Journal
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtimes import runtime as runtime_module

pytest_plugins = ["pytester"]

PROGRAM = """
from typing import Literal
from typefold import ask, prompt

@prompt(temperature=0.8)
def number(word: str) -> int:
    return ask(f"Say a number for {word}.\\nAny will do.")

@prompt(temperature=0, describe_format=False)
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(f"Keep or drop? {text}")
"""

TESTS = """
import json
import pathlib
import pytest
from typefold import run
from program import judge, number

def both(word):
    return number(word), judge(word)

@pytest.mark.typefold_replay
def test_it():
    pathlib.Path("said.json").write_text(json.dumps([run(both, ["a", "b", "a"]), number("c"), number("c")]))
"""


class Dice(ScriptedEngine):
    """Answers numbers that never come again; choices always alike."""

    def __init__(self) -> None:
        numbers = itertools.count(random.randrange(10**6))

        def answer(request: Request) -> str:
            return "keep" if request.function == "judge" else str(next(numbers))

        super().__init__(answers=answer)


class Model:
    """What stands for a real model: a folder that has a name, and engines that are made of it."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engines: list[Dice] = []
        self.options: list[dict[str, Any]] = []
        self.folder = pytester.path / "models" / "small"
        self.folder.mkdir(parents=True)
        (self.folder / "config.json").write_text("{}", encoding="utf-8")
        monkeypatch.setenv("TYPEFOLD_MODEL", str(self.folder))
        monkeypatch.setattr(runtime_module, "engine_of", self._made)

    def _made(self, model: object, options: dict[str, Any], **rest: object) -> Dice:
        assert model == str(self.folder)
        self.engines.append(Dice())
        self.options.append(options)
        return self.engines[-1]

    @property
    def asked(self) -> int:
        """How many requests all engines had."""
        return sum(len(engine.requests) for engine in self.engines)


@pytest.fixture
def model(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Model:
    return Model(pytester, monkeypatch)


@pytest.fixture
def project(pytester: pytest.Pytester, model: Model) -> pytest.Pytester:
    pytester.makepyfile(program=PROGRAM, test_it=TESTS)
    return pytester


def forget(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on there is no model: neither its name nor its folder."""
    monkeypatch.delenv("TYPEFOLD_MODEL")
    model.folder.rename(model.folder.with_name("gone"))


def said(project: pytest.Pytester) -> str:
    return (project.path / "said.json").read_text(encoding="utf-8")


def test_what_was_recorded_is_replayed_with_no_model(
    project: pytest.Pytester, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = project.runpytest("--typefold-record")
    result.assert_outcomes(passed=1)
    file = project.path / "replay" / "test_it.test_it.db"
    result.stdout.fnmatch_lines([f"typefold: recorded {file} (7 answers)"])
    first, asked = said(project), model.asked
    assert (asked, len(model.engines)) == (7, 1)  # judge is greedy: its equal calls are one
    forget(model, monkeypatch)
    before = file.read_bytes()
    project.runpytest().assert_outcomes(passed=1)
    assert said(project) == first
    assert (model.asked, file.read_bytes()) == (asked, before)
    assert os.listdir(file.parent) == [file.name]  # neither a log nor a lock beside it


def test_replaying_needs_no_right_to_write(
    project: pytest.Pytester, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    folder = project.path / "replay"
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555)
    try:
        project.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)
    finally:
        folder.chmod(0o755)
    assert len(list(folder.iterdir())) == 1


def test_a_file_is_one_that_git_can_keep(project: pytest.Pytester) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    [file] = (project.path / "replay").iterdir()
    header = file.read_bytes()[:20]
    assert header[18:20] == b"\x01\x01"  # no write-ahead log
    with Journal(file, read_only=True) as journal:
        assert journal.damage() == []
        records = list(journal.records())
        assert [model.name for model in journal.models()] == ["small"]  # and not where it lies
    assert [record.function for record in records] == ["judge"] * 2 + ["number"] * 5
    assert {record.model for record in records} == {"small"}


def test_what_changed_nothing_leaves_the_file_as_it_is(
    project: pytest.Pytester, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(test_it=TESTS.replace("number(", "judge("))  # the same answers each time
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    [file] = (project.path / "replay").iterdir()
    before, asked = (file.read_bytes(), file.stat().st_mtime_ns), model.asked
    again = project.runpytest("--typefold-record")
    assert model.asked == 2 * asked
    again.stdout.no_fnmatch_line("typefold: recorded *")
    project.runpytest("--typefold-record=missing")
    assert model.asked == 2 * asked
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_recording_anew_asks_everything_and_forgets_what_is_no_longer_asked(
    project: pytest.Pytester, model: Model
) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    first = said(project)
    project.makepyfile(test_it=TESTS.replace('["a", "b", "a"]', '["a", "a"]'))
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    [file] = (project.path / "replay").iterdir()
    assert said(project) != first
    with Journal(file, read_only=True) as journal:
        assert journal.count() == 5


def test_what_is_missing_is_recorded_alone(project: pytest.Pytester, model: Model) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    engines = len(model.engines)
    [file] = (project.path / "replay").iterdir()
    with Journal(file, read_only=True) as journal:
        first = {record.text for record in journal.records()}
    project.runpytest("--typefold-record=missing").assert_outcomes(passed=1)
    assert len(model.engines) == engines  # nothing was missing, so no model was loaded
    project.makepyfile(test_it=TESTS.replace('["a", "b", "a"]', '["a", "b", "a", "d"]'))
    project.runpytest("--typefold-record=missing").assert_outcomes(passed=1)
    assert len(model.engines[-1].requests) == 2
    with Journal(file, read_only=True) as journal:
        assert first < {record.text for record in journal.records()}
    project.runpytest().assert_outcomes(passed=1)


def test_a_call_that_is_not_recorded_is_named_with_what_differs(project: pytest.Pytester) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    project.makepyfile(program=PROGRAM.replace("Say a number", "Tell me a number"))
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*NotRecorded: number, row 0: this call is not in the recording *replay/test_it.test_it.db.",
            "*The nearest recorded prompt differs in this:",
            "*-user: Say a number for ?.",
            "*+user: Tell me a number for a.",
            "*Any will do.",
            "*Record it: TYPEFOLD_MODEL=... pytest --typefold-record=missing test_it.py::test_it",
            "*What was asked:",
            "*number(word='a'), row 0",
        ],
        consecutive=False,
    )


def test_of_many_missing_calls_the_first_are_compared(project: pytest.Pytester) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    project.makepyfile(program=PROGRAM.replace("Say a", "Tell me a"), test_it=TESTS.replace('"a", "b"', '*"abcdefgh"'))
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    lines = result.outlines[
        : result.outlines.index(next(line for line in result.outlines if "short test summary" in line))
    ]
    assert sum("this call is not in the recording" in line for line in lines) > 5
    assert (
        sum("The nearest recorded prompt differs in this:" in line for line in lines) == 4
    )  # the first also as the cause


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("temperature=0.8", "temperature=0.9", "*other sampling parameters: {'temperature': 0.8}, and now *0.9}."),
        ("-> int", "-> int | None", "*+integer or null"),  # the model is told the shape
        ('"keep", "drop"', '"keep", "drop", "sell"', "*It has the same prompt, but for another type of the answer*"),
    ],
)
def test_what_else_may_differ_is_said(project: pytest.Pytester, old: str, new: str, told: str) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    project.makepyfile(program=PROGRAM.replace(old, new))
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([told])


def test_a_function_that_was_never_recorded_is_said_and_its_name_alone_changes_nothing(
    project: pytest.Pytester,
) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    project.makepyfile(program=PROGRAM.replace("judge", "weigh"), test_it=TESTS.replace("judge", "weigh"))
    project.runpytest().assert_outcomes(passed=1)
    project.makepyfile(program=PROGRAM.replace("judge", "weigh").replace("Keep or", "Hold or"))
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*It has no call of weigh, but of: judge, number."])


def test_a_test_that_catches_it_fails_at_its_end(project: pytest.Pytester) -> None:
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    project.makepyfile(
        test_it="""
        import pytest
        from typefold import run
        from program import number

        @pytest.mark.typefold_replay
        def test_it():
            assert len(run.safe(number, ["x"])) == 1
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["typefold_replay: the program caught this error, and the test passed:"])


def test_there_is_no_recording_yet(project: pytest.Pytester) -> None:
    result = project.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "typefold_replay: There is no recording *replay/test_it.test_it.db.",
            "Record it: TYPEFOLD_MODEL=... pytest --typefold-record=missing test_it.py::test_it",
        ]
    )


@pytest.mark.parametrize("ending", ["assert 0", "raise KeyboardInterrupt"])
@pytest.mark.parametrize("mode", ["all", "missing"])
def test_a_test_that_did_not_pass_leaves_its_recording_as_it_is(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, model: Model, ending: str, mode: str
) -> None:
    begun = TESTS.replace("def test_it():", f"def test_it():\n    number('new')\n    {ending}")
    assert begun != TESTS
    project.makepyfile(test_it=begun)
    project.runpytest("--typefold-record", no_reraise_ctrlc=True)
    assert not list(project.path.glob("replay/*"))
    project.makepyfile(test_it=TESTS)
    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    [file] = (project.path / "replay").iterdir()
    before = file.read_bytes()
    project.makepyfile(test_it=begun)
    again = project.runpytest(f"--typefold-record={mode}", no_reraise_ctrlc=True)
    again.stdout.no_fnmatch_line("typefold: recorded *")
    assert file.read_bytes() == before
    project.makepyfile(test_it=TESTS)
    forget(model, monkeypatch)
    project.runpytest().assert_outcomes(passed=1)


SHARED = """
import pytest
from typefold import current
from program import judge, number

@pytest.mark.typefold_replay("answers/shared.db", seed=3, max_model_len=100)
class TestShared:
    def test_one(self):
        assert current().seed == 3
        print("one", number("a"))

    def test_two(self, typefold_replay):
        assert typefold_replay is current()
        print("two", number("a"), number("b"))

    @pytest.mark.typefold_replay(seed=4)
    def test_three(self):
        print("three", number("a"))
"""


def printed(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.split(" ")[0].lstrip(".") in {"one", "two", "three"}]


def test_tests_share_a_file_and_its_model(project: pytest.Pytester, model: Model) -> None:
    project.makepyfile(test_it=SHARED)
    first = project.runpytest("--typefold-record", "-s")
    first.assert_outcomes(passed=3)
    assert len(model.engines) == 1
    assert model.options == [{"max_model_len": 100}]
    [file] = (project.path / "answers").iterdir()
    with Journal(file, read_only=True) as journal:
        assert journal.count() == 2  # two tests asked the same; the third has a file of its own
    project.runpytest("-s").assert_outcomes(passed=3)
    assert printed(project.runpytest("-s")) == printed(first)


def test_recording_one_test_anew_leaves_the_others_answers(project: pytest.Pytester, model: Model) -> None:
    project.makepyfile(test_it=SHARED)
    project.runpytest("--typefold-record").assert_outcomes(passed=3)
    project.runpytest("--typefold-record", "-k", "one").assert_outcomes(passed=1)
    project.runpytest().assert_outcomes(passed=3)


def test_another_model_begins_a_file_anew_or_is_refused(project: pytest.Pytester, model: Model) -> None:
    project.makepyfile(test_it=SHARED)
    project.runpytest("--typefold-record").assert_outcomes(passed=3)
    (model.folder / "config.json").write_text('{"other": 1}', encoding="utf-8")
    result = project.runpytest("--typefold-record=missing", "-k", "one")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["typefold_replay: *shared.db was recorded with small, and small is another model or *"]
    )
    project.runpytest("--typefold-record", "-k", "one").assert_outcomes(passed=1)
    project.runpytest("-k", "one").assert_outcomes(passed=1)
    project.runpytest("-k", "two").assert_outcomes(failed=1)  # its answers were those of the other model


def test_files_are_named_by_tests_and_the_settings_name_the_folder(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\ntypefold_replay_dir = kept")
    project.makepyfile(
        test_it="""
        import pytest
        from program import judge

        @pytest.mark.typefold_replay
        class TestNames:
            @pytest.mark.parametrize("text", ["plain", "a b", "a/b"])
            def test_it(self, text):
                judge(text)
        """
    )
    project.runpytest("--typefold-record").assert_outcomes(passed=3)
    names = sorted(path.name for path in (project.path / "kept").iterdir())
    assert names[-1] == "test_it.TestNames-test_it-plain.db"
    assert [name.startswith("test_it.TestNames-test_it-a-b-") for name in names[:2]] == [True, True]
    project.runpytest().assert_outcomes(passed=3)


def test_no_two_tests_share_a_file_unasked(project: pytest.Pytester) -> None:
    texts = ["1", "1-", "-1", "1--", "a-b", "a_b", "a.b", "a b", "a/b", "a::b", "[a]", "x" * 300, "x" * 299 + "y"]
    project.makepyfile(
        test_it=f"""
        import pytest
        from program import judge

        @pytest.mark.typefold_replay
        @pytest.mark.parametrize("text", {texts})
        def test_a(text):
            judge(text)

        @pytest.mark.typefold_replay
        class Test_b:
            def test_c(self):
                judge("c")
        """
    )
    project.runpytest("--typefold-record").assert_outcomes(passed=len(texts) + 1)
    names = {path.name for path in (project.path / "replay").iterdir()}
    assert len({name.lower() for name in names}) == len(texts) + 1
    assert {f"test_it.test_a-{text}.db" for text in ("1", "1-", "-1", "1--", "a-b", "a_b", "a.b")} <= names
    assert max(map(len, names)) < 150
    project.runpytest().assert_outcomes(passed=len(texts) + 1)


def test_a_file_that_is_no_recording_is_said(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=SHARED)
    (project.path / "answers").mkdir()
    (project.path / "answers" / "shared.db").write_text("What I did. " * 100, encoding="utf-8")
    result = project.runpytest("-k", "one")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["typefold_replay: the journal *shared.db: this is no journal but some other file*"])
    (project.path / "answers" / "shared.db").unlink()
    Journal(project.path / "answers" / "shared.db").close()
    project.runpytest("-k", "one").stdout.fnmatch_lines(
        ["typefold_replay: A recording has the answers of one model*none."]
    )


def test_a_journal_of_a_run_is_a_recording_too(project: pytest.Pytester, model: Model) -> None:
    project.makepyfile(test_it=SHARED)
    (project.path / "answers").mkdir()
    from typefold import Runtime, ask, prompt

    @prompt(temperature=0.8)
    def number(word: str) -> int:
        return ask(f"Say a number for {word}.\nAny will do.")

    with Runtime(str(model.folder), journal=project.path / "answers" / "shared.db", seed=3):
        number("a")
    project.runpytest("-k", "one").assert_outcomes(passed=1)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_git_shows_what_changed_in_a_recording(project: pytest.Pytester) -> None:
    def git(*arguments: str) -> str:
        program = f"'{sys.executable}' -c 'from typefold.cli.app import main; main()' journal export"
        settings = ["user.name=a", "user.email=a@example.org", f"diff.typefold.textconv={program}"]
        command = ["git", *itertools.chain.from_iterable(("-c", each) for each in settings), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=project.path).stdout

    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    (project.path / ".gitattributes").write_text("*.db diff=typefold\n", encoding="utf-8")
    git("init", "--quiet")
    git("add", "replay")
    project.makepyfile(test_it=TESTS.replace('["a", "b", "a"]', '["a", "b", "a", "d"]'))
    project.runpytest("--typefold-record=missing").assert_outcomes(passed=1)
    added = [line for line in git("diff").splitlines() if line.startswith("+{") and "for d." in line]
    assert len(added) == 1


def test_a_damaged_work_file_does_not_harm_the_recording(project: pytest.Pytester, tmp_path: Path) -> None:
    from typefold import JournalError
    from typefold.testing.cassette import settle

    project.runpytest("--typefold-record").assert_outcomes(passed=1)
    [file] = (project.path / "replay").iterdir()
    before = file.read_bytes()
    other = tmp_path / "other.db"
    sqlite3.connect(other).close()
    with pytest.raises(JournalError):
        settle(other, file)
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]
