"""Fixtures, markers and options of typefold for pytest; docs/testing.md shows how to use them.

pytest imports the plugins of all installed packages at its start, also for tests that do not use them. So this is a package
beside `typefold`, which takes a third of a second to import, and imports it when a fixture is used. The fixtures' objects
are in `typefold.testing`.
"""

from __future__ import annotations

import os
import re
import shlex
import zlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from typefold import Runtime
    from typefold.testing import FakeEngine
    from typefold.testing.cassette import Recordings

__all__ = ["typefold_engine", "typefold_replay"]

_MODES = ("none", "missing", "all")
_LONGEST = 120  # bytes of a test's name in the name of a file: file systems take 255 in all
_TELLING = re.compile(r"(?:[A-Z]\w*::)*[a-z_]\w*(?:\[[\w.-]+\])?")
"""Tests whose file's name tells them apart from all others: dashes come after classes and once after the function."""
_passed = pytest.StashKey[bool]()
_recordings = pytest.StashKey["Recordings"]()

_MARKERS = (
    "typefold_engine(seed=0, made_up=True, ...): use the fixture typefold_engine, with these options of "
    "typefold.testing.FakeEngine",
    "typefold_replay(path, seed=..., ...): answer prompts from a recording beside the test file (by default one of the "
    "test's own in the folder replay), made by a runtime with these options",
)


@pytest.fixture
def typefold_engine(request: pytest.FixtureRequest) -> Iterator[FakeEngine]:
    """A fake engine that is current in the test: set the answers of prompts, and assert on their calls.

    See `typefold.testing.FakeEngine`. Calls without an answer get made-up ones that are valid under the prompt's type.
    """
    from typefold.testing import FakeEngine

    options: dict[str, Any] = {"seed": int(request.config.getini("typefold_seed")), **_options(request)}
    fake = FakeEngine(**options)
    with fake.runtime:  # its own block would also raise the error of a test that failed already
        yield fake
    _report_problems(request, fake.problems)


@pytest.fixture
def typefold_replay(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """A runtime that is current in the test and answers from a recording; with --typefold-record it makes that."""
    from typefold.runtime.journal import JournalError
    from typefold.testing import NotRecorded

    recordings = _session(request)
    marker = request.node.get_closest_marker("typefold_replay")
    named: str | None = marker.args[0] if marker is not None and marker.args else None
    path = request.path.parent / named if named else _path_of(request)
    remedy = f"Record it: TYPEFOLD_MODEL=... pytest --typefold-record=missing {shlex.quote(request.node.nodeid)}"
    answering = recordings.runtime(
        path, _options(request), shared=named is not None, remedy=remedy, passed=lambda: _has_passed(request)
    )
    try:
        runtime = answering.__enter__()
    except (NotRecorded, JournalError) as error:
        reason = str(error)
    else:
        try:
            yield runtime
        finally:
            answering.__exit__(None, None, None)
        _report_problems(request, runtime.missing)
        return
    pytest.fail(f"typefold_replay: {reason}", pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    parser.getgroup("typefold").addoption(
        "--typefold-record",
        nargs="?",
        const="all",
        default="none",
        metavar="missing|all",
        help="ask the model that TYPEFOLD_MODEL names, and record its answers for the tests of typefold_replay: all anew, "
        "or those that are missing",
    )
    parser.addini("typefold_seed", "the seed of the answers that typefold_engine makes up", default="0")
    parser.addini("typefold_replay_dir", "the folder of recordings, beside the file of the tests", default="replay")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and refuse impossible recordings."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    mode = config.getoption("typefold_record")
    if mode not in _MODES:
        raise pytest.UsageError(
            f"--typefold-record={mode}: write --typefold-record=missing or --typefold-record=all; the short form "
            f"--typefold-record goes behind the paths of tests"
        )
    if mode == "none":
        return
    if not os.environ.get("TYPEFOLD_MODEL"):
        raise pytest.UsageError("--typefold-record asks a model: set TYPEFOLD_MODEL to its name or path")
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("--typefold-record loads one model, so it records in one process: leave out -n")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Request the fixtures that markers name, before any other fixture."""
    for item in items:
        for name in ("typefold_engine", "typefold_replay"):
            used: list[str] | None = getattr(item, "fixturenames", None)
            if used is not None and name not in used and item.get_closest_marker(name) is not None:
                item.fixturenames = [name, *used]  # type: ignore[attr-defined]  # a new list: rows of a test share theirs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a test passed: errors that it caught fail it all the same."""
    report = yield
    if report.when == "call":
        item.stash[_passed] = report.passed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the recordings that were written."""
    recordings = config.stash.get(_recordings, None)
    for path, count in ({} if recordings is None else recordings.written).items():
        terminalreporter.write_line(f"typefold: recorded {path} ({count} answers)")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the runtimes of the recorded model."""
    if (recordings := config.stash.get(_recordings, None)) is not None:
        recordings.close()


def _session(request: pytest.FixtureRequest) -> Recordings:
    """Return the recordings of this run of tests."""
    config = request.config
    if _recordings not in config.stash:
        from typefold.testing.cassette import Recordings

        factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        mode: Any = config.getoption("typefold_record")
        config.stash[_recordings] = Recordings(mode, factory.mktemp("typefold"), os.environ.get("TYPEFOLD_MODEL"))
    return config.stash[_recordings]


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options in the markers of a fixture; the nearest marker wins."""
    assert request.fixturename is not None
    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(request.fixturename))):
        options.update(marker.kwargs)
    return options


def _path_of(request: pytest.FixtureRequest) -> Path:
    """Return the file of a test's own recording."""
    test: str = request.node.nodeid.partition("::")[2]
    name = re.sub(r"[^\w.-]+", "-", test.removesuffix("]"))
    cut = name.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
    if cut != name or not _TELLING.fullmatch(test):  # other tests may come to the same name
        name = f"{cut.strip('-')}-{zlib.crc32(test.encode('utf-8', 'surrogatepass')):08x}"
    folder: str = request.config.getini("typefold_replay_dir")
    return request.path.parent / folder / f"{request.path.stem}.{name}.db"


def _has_passed(request: pytest.FixtureRequest) -> bool:
    """Return whether the test is over and passed; an interrupted one did not."""
    passed: bool = request.node.stash.get(_passed, False)
    return passed


def _report_problems(request: pytest.FixtureRequest, problems: Iterable[Exception]) -> None:
    """Fail a test that passed because the program caught an error of its answers."""
    first = next(iter(problems), None)
    if first is not None and _has_passed(request):
        pytest.fail(
            f"{request.fixturename}: the program caught this error, and the test passed:\n{first}", pytrace=False
        )
