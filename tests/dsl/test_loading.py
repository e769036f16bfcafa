"""The models that a runtime takes, and those that it refuses before anything is loaded."""

import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from typefold import NoRuntime, PromptUsageError, Reasoned, Runtime, ask, configure, prompt
from typefold.execution.open_runtimes import opened
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtimes import model_source


@prompt
def number(text: str) -> int:
    return ask(text)


def seven() -> ScriptedEngine:
    return ScriptedEngine(lambda request: "7")


def test_a_class_makes_the_engine_as_a_function_does() -> None:
    with Runtime(ScriptedEngine, restarts=1) as runtime:
        assert isinstance(number("x"), int)
        assert isinstance(runtime.engine, ScriptedEngine)


def test_a_function_makes_the_engine_when_it_is_first_needed() -> None:
    made: list[ScriptedEngine] = []

    def make() -> ScriptedEngine:
        made.append(seven())
        return made[-1]

    with Runtime(make) as runtime:
        assert not made
        assert "make: not loaded yet" in repr(runtime)
        assert number("x") == number("y") == 7
        assert runtime.engine is made[0]
    assert len(made) == 1
    assert made[0].closed


def test_configure_takes_a_function_too() -> None:
    with configure(seven, restarts=1):
        assert number("x") == 7


def test_an_engine_that_is_made_already_can_t_be_built_again() -> None:
    with pytest.raises(
        TypeError, match=r"restarts=2 needs a way to build the engine again, and this ScriptedEngine was "
    ):
        Runtime(ScriptedEngine(), restarts=2)

    class LLM:
        llm_engine = None

    with pytest.raises(
        TypeError, match=r"this LLM was made already; .* Runtime\(lambda: LLM\(\.\.\.\), restarts=\.\.\.\)"
    ):
        Runtime(LLM(), restarts=1)
    Runtime("a/model", restarts=1).close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restarts": -1}, "restarts is how often the engine may be built again, an int from 0, not -1"),
        ({"restarts": True}, "an int from 0, not True"),
        ({"restarts": "2"}, "an int from 0, not '2'"),
        ({"watchdog": 0}, "watchdog is a number of seconds above 0, or None, not 0"),
        ({"watchdog": "1"}, "or None, not '1'"),
    ],
)
def test_what_can_t_be_kept_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Runtime("a/model", **options)


def test_options_of_vllm_are_for_models_that_are_named() -> None:
    with pytest.raises(PromptUsageError, match="the function makes the LLM, so max_model_len can't be set"):
        Runtime(seven, max_model_len=5)
    with pytest.raises(PromptUsageError, match="the LLM is made already, so max_model_len can't be set"):
        Runtime(seven(), max_model_len=5)
    with pytest.raises(
        PromptUsageError, match="control_tokens='escape' is for vLLM's chat templates, and ScriptedEngine has"
    ):
        Runtime(seven(), control_tokens="escape")


@pytest.mark.parametrize("known", [frozenset({"max_model_len", "tokenizer"}), None], ids=["vllm", "no vllm"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("seeds", "there is no option 'seeds'; did you mean 'seed'?"),
        ("journl", "there is no option 'journl'; did you mean 'journal'?"),
        ("replica", "there is no option 'replica'; did you mean 'replicas'?"),
        ("temperature", "temperature is an option of @prompt, .using and generate, not of the runtime"),
    ],
)
def test_an_option_of_the_runtimes_own_that_is_misspelt_is_said(
    name: str, said: str, known: frozenset[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_source, "engine_options", lambda: known)
    options: Any = {name: 3}
    for given in ("a/model", seven, seven()):
        for make in (Runtime, configure):
            with pytest.raises(PromptUsageError) as caught:
                make(given, **options)
            assert said in str(caught.value)


def test_an_option_that_vllm_does_not_have_is_said_when_the_runtime_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(opened)
    monkeypatch.setattr(model_source, "engine_options", lambda: frozenset({"max_model_len", "tokenizer"}))
    with pytest.raises(PromptUsageError, match=r"no option 'max_model_length'; did you mean 'max_model_len'\?"):
        Runtime("a/model", max_model_length=1024)
    with pytest.raises(PromptUsageError, match="there is no option 'zzzz'; it has its own, and those"):
        Runtime("a/model", zzzz=1)
    Runtime("a/model", max_model_len=1024, tokenizer="b/model").close()
    monkeypatch.setattr(model_source, "engine_options", lambda: None)
    Runtime("a/model", max_model_length=1024).close()  # nobody knows
    assert opened == before  # what can't be made is not open


def test_a_model_that_is_not_there_is_said_when_the_runtime_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    for missing in ("/data/models/qwen", "./missing", "~/missing", "", Path("org/model")):
        with pytest.raises(PromptUsageError, match=r"Runtime: there is no folder|Runtime: the model's name is empty"):
            Runtime(missing)
    with pytest.raises(PromptUsageError, match=r"the folder .* has no config\.json"):
        Runtime("~/model")
    monkeypatch.setenv("TYPEFOLD_MODEL", "./missing")
    with pytest.raises(PromptUsageError, match=r"TYPEFOLD_MODEL: there is no folder '\./missing'"):
        Runtime()
    (tmp_path / "model" / "config.json").write_text("{}")
    for given in ("~/model", tmp_path / "model", str(tmp_path / "model")):
        with Runtime(given) as runtime:
            assert runtime.name == str(tmp_path / "model")
    monkeypatch.setenv("TYPEFOLD_MODEL", "")
    with pytest.raises(NoRuntime):
        Runtime()


CHECKED: dict[str, tuple[str, list[Any]]] = {
    **dict.fromkeys(("deduplicate", "early_stop", "ignore_journal"), ("True or False, not ", ["no", 1, None])),
    "journal": ("the path of a file, or a Journal, not ", [3, "", b"run.db", True]),
    "control_tokens": ("'keep', 'refuse' or 'escape', not ", ["x", None, []]),
    "json_format": ("one of 'spaced', 'tight', 'compact' or a typefold.JsonFormat, not ", ["tigt", 3, []]),
    "describe_format": ("True, False, own words (a text", ["", 3, []]),
    "seed": ("an int, not ", ["1", 1.5, True]),
    "replicas": ("a number of engines, an int from 1, not ", ["2", 0, True, 1.0, None]),
    "restarts": ("how often the engine may be built again, an int from 0, not ", [-1, "1", None]),
    "watchdog": ("a number of seconds above 0, or None, not ", [0, float("nan"), float("inf"), "1"]),
    "model": ("a name or a path, a vllm.LLM, an engine, or a function that makes one of these, not ", [5, ["a"], {}]),
}


@pytest.mark.parametrize(
    ("name", "value", "said"), [(name, value, said) for name, (said, values) in CHECKED.items() for value in values]
)
def test_each_option_of_a_runtime_is_checked_when_it_is_made(name: str, value: Any, said: str) -> None:
    options: Any = {"model": "a/model", name: value}
    with pytest.raises(PromptUsageError) as caught:
        Runtime(**options)
    assert f"{name} is {said}" in str(caught.value)


def test_every_option_of_a_runtime_is_among_those() -> None:
    assert CHECKED.keys() == inspect.signature(Runtime).parameters.keys() - {"engine_options"}


@prompt(timeout=500)
def hurried(number: int) -> str:
    return ask(f"{number}")


@prompt(timeout=500)
def considered(number: int) -> Reasoned[str]:
    return ask(f"{number}")


ASKED: dict[str, Callable[[], object]] = {
    "a call": lambda: hurried(1),
    ".map": lambda: hurried.map([1])[0],
    ".submit": lambda: hurried.submit(1).result(),
    ".stream": lambda: hurried.stream(1).result(),
    "a call of two requests": lambda: considered(1).value,
}


@pytest.mark.parametrize("journaled", [False, True])
@pytest.mark.parametrize("way", ASKED)
def test_the_time_in_which_an_engine_is_loaded_is_not_the_call_s(
    way: str, journaled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, monotonic = [0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + later[0])

    def load() -> ScriptedEngine:
        later[0] += 1000  # seconds
        return ScriptedEngine(answers=lambda request: "yes")

    with Runtime(load, journal=tmp_path / "run.db" if journaled else None):
        assert ASKED[way]() == "yes"


def test_another_engine_is_given_as_a_function_and_no_option() -> None:
    with pytest.raises(PromptUsageError, match=r"give another engine as Runtime\(lambda: \.\.\.\)"):
        Runtime("org/model", engine="echo")
