"""pytest with the plugin: fixtures, markers, options, and what it costs those who do not use it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PROGRAM = """
from typing import Literal
from typefold import ask, prompt

@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(f"Keep or drop? {text}")

@prompt
def tell(topic: str) -> str:
    return ask(f"Tell of {topic}.")
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(program=PROGRAM)
    return pytester


def test_pytest_finds_it_and_it_loads_nothing() -> None:
    [point] = [each for each in entry_points(group="pytest11") if each.name == "typefold"]
    program = (
        f"import sys, {point.value}; print(sorted({{'typefold', 'pydantic', 'vllm', 'torch'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_run_that_does_not_use_it_never_imports_typefold(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\ndef test_it(): assert 'typefold' not in sys.modules")
    pytester.runpytest_subprocess("-p", "no:pytest-mypy-plugins").assert_outcomes(passed=1)


def test_fixtures_markers_and_options_explain_themselves(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--help").stdout.fnmatch_lines(["*--typefold-record=*"])
    pytester.runpytest("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.typefold_engine(*", "@pytest.mark.typefold_replay(*"]
    )
    pytester.runpytest("--fixtures").stdout.fnmatch_lines(["typefold_engine*", "typefold_replay*"])


def test_the_engine_is_current_in_its_test_alone(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import threading
        import pytest
        from typefold import NoRuntime, Runtime, current
        from program import judge

        def test_one(typefold_engine):
            typefold_engine.answer(judge, "keep")
            assert current() is typefold_engine.runtime
            found = []
            thread = threading.Thread(target=lambda: found.append(judge("in a thread")))
            thread.start()
            thread.join()
            assert found == ["keep"]

        def test_two(typefold_engine):
            assert typefold_engine.prompts == []

        def test_three(monkeypatch):
            monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
            with pytest.raises(NoRuntime):
                judge("a")
        """
    )
    project.runpytest().assert_outcomes(passed=3)


def test_seeds_come_from_the_settings_and_from_the_nearest_marker(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\ntypefold_seed = 3")
    project.makepyfile(
        """
        import pytest
        from typefold.testing import FakeEngine
        from program import tell

        def told(seed):
            with FakeEngine(seed=seed):
                return tell("rain")

        def test_settings(typefold_engine):
            assert tell("rain") == told(3)

        @pytest.mark.typefold_engine(seed=4)
        class TestMarked:
            def test_class(self):
                assert tell("rain") == told(4) != told(3)

            @pytest.mark.typefold_engine(seed=5)
            def test_nearest(self, typefold_engine):
                assert tell("rain") == told(5)

        @pytest.mark.parametrize("marked", [False, pytest.param(True, marks=pytest.mark.typefold_engine)])
        def test_a_row_of_a_test(marked, request):
            assert ("typefold_engine" in request.fixturenames) == marked
        """
    )
    project.runpytest().assert_outcomes(passed=5)


def test_a_mistake_that_the_program_caught_fails_the_test_at_its_end(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import contextlib
        import pytest
        from program import judge

        @pytest.mark.typefold_engine(made_up=False)
        def test_caught():
            with contextlib.suppress(Exception):
                judge("good")

        @pytest.mark.typefold_engine(made_up=False)
        def test_raised():
            judge("good")
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "typefold_engine: the program caught this error, and the test passed:",
            "judge: the script has no answer to this call, and made_up is off.",
            "*system: Answer keep or drop.",
            "*user: Keep or drop? good",
        ]
    )


def test_methods_of_unittest_and_async_tests_are_marked_too(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import unittest
        import pytest
        from typefold import current
        from typefold.testing import FakeEngine
        from program import judge

        class TestOld(unittest.TestCase):
            @pytest.mark.typefold_engine
            def test_it(self):
                self.assertIn(judge("a"), ("keep", "drop"))

        @pytest.mark.anyio
        async def test_awaited(typefold_engine):
            typefold_engine.answer(judge, "drop")
            assert await judge.aio("a") == "drop"

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """
    )
    project.runpytest().assert_outcomes(passed=2)


def test_an_option_that_does_not_exist_is_said(project: pytest.Pytester) -> None:
    project.makepyfile("import pytest\n@pytest.mark.typefold_engine(seeds=4)\ndef test_it(): pass")
    project.runpytest().stdout.fnmatch_lines(["*unexpected keyword argument 'seeds'*"])


@pytest.mark.parametrize(
    ("arguments", "model", "said"),
    [
        (["--typefold-record"], None, "--typefold-record asks a model: set TYPEFOLD_MODEL to its name or path"),
        (["--typefold-record", "test_it.py"], "m", "--typefold-record=test_it.py: write --typefold-record=missing or"),
        (["-n2", "--typefold-record"], "m", "it records in one process: leave out -n"),
    ],
)
def test_what_can_t_be_recorded_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str], model: str | None, said: str
) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    if model is not None:
        monkeypatch.setenv("TYPEFOLD_MODEL", model)
    pytester.makepyfile(test_it="def test_it(): pass")
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{said}*"])


def test_the_modules_are_where_the_plugin_says() -> None:
    import _typefold_pytest

    assert Path(str(_typefold_pytest.__file__)).name == "__init__.py"
    assert set(_typefold_pytest.__all__) == {"typefold_engine", "typefold_replay"}
