"""What a runtime's model may be, and what is refused before anything is loaded."""

from typing import Any

import pytest

from typefold import Runtime, ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt
def number(text: str) -> int:
    return ask(text)


def seven() -> ScriptedEngine:
    return ScriptedEngine(lambda request: "7")


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
    with (
        Runtime(seven, max_model_len=5) as runtime,
        pytest.raises(TypeError, match="the function makes the LLM, so max_"),
    ):
        _ = runtime.engine
    with (
        Runtime(seven(), max_model_len=5) as runtime,
        pytest.raises(TypeError, match="the LLM is made already, so max_"),
    ):
        _ = runtime.engine
