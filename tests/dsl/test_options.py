"""Options are checked where they are written: each by its name, with the values that it may have."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from typefold import PromptUsageError, Runtime, ask, example, prompt
from typefold.checks.check import check
from typefold.options import CallOptions, Options
from typefold.runtime.engines.scripted import ScriptedEngine

NAN = float("nan")


@prompt
def tell(topic: str) -> str:
    return ask(f"Tell me about {topic}.")


@prompt
def judge(topic: str) -> Literal["keep", "drop"]:
    return ask(f"Keep or drop {topic}?")


WORDS: dict[str, tuple[str, list[Any]]] = {
    "temperature": ("a number from 0 (greedy) to 2", [-1, 2.5, NAN, True, "1", None]),
    "top_p": ("a number above 0 and up to 1", [2, 0, -0.1, NAN, "0.5"]),
    "top_k": ("an int of at least 1, or 0 for all tokens", [-2, 1.5, True, "5"]),
    "min_p": ("a number from 0 to 1", [-0.1, 1.1]),
    "max_tokens": ("an int of at least 1, or None for no limit", [0, -5, True, 1.5, "16"]),
    "min_tokens": ("an int of at least 0", [-1, 1.5, None]),
    "seed": ("an int of 64 bits, or None", ["5", 1.0, True, 2**63]),
    "presence_penalty": ("a number from -2 to 2", [-3, 2.1]),
    "frequency_penalty": ("a number from -2 to 2", [3]),
    "repetition_penalty": ("a finite number above 0", [0, -1, float("inf"), 10**400]),
    "stop": ("a text or a list of texts, none of them empty", [3, [3], [""], "", ("a",), {"a"}]),
    "stop_token_ids": ("a list of token ids, ints of at least 0", [3, [-1], ["a"], "12", [[1]]]),
    "bad_words": ("a list of texts, none of them empty", ["word", [""], [1]]),
    "logit_bias": ("a dict from token ids to numbers", [[1], {"1": 1.0}, {1: "x"}, {1: NAN}]),
    "ignore_eos": ("True or False", [1, "no", None]),
    "logprobs": ("an int of at least 0, -1 for all tokens, or None", [-2, 1.5, "3"]),
    "timeout": ("a number of seconds above 0, or None for no limit", [-1, 0, NAN, float("inf"), "3", True, []]),
    "describe_format": (
        "True, False, own words (a text, or a template with {{ format }}) or a function that makes them of an OutputType",
        [1, None, "", " \n", b"JSON", ["JSON"], {"format": "JSON"}],
    ),
    "truncation": ("'value' or 'error'", ["no", None, [], {}]),
    "retries": ("a number of further attempts", [-1, 1.5, True, "2", None]),
    "retry_truncated": ("True or False", [1, "yes"]),
    "max_reasoning_tokens": ("a number of tokens", [-1, 2.0, True, None]),
    "max_failures": ("how many rows may fail, an int from 0", [-1, 1.5, True, "2"]),
    "chat_template_kwargs": ("a dict of variables by name", [[], "x", {1: 2}, None]),
    "priority": ("an int", [1.5, "high", True, [1]]),
    "lora_request": ("an adapter, as in Adapter('name', 'path') or vLLM's LoRARequest", ["name"]),
    "runtime": ("a Runtime, or None for the current one", ["org/model", ScriptedEngine()]),
    "sampling_params": ("a vllm.SamplingParams", [{"temperature": 1}, "greedy", 3]),
}
WRONG = [(name, value, words) for name, (words, values) in WORDS.items() for value in values]


@pytest.mark.parametrize(("name", "value", "words"), WRONG, ids=[f"{name}={value!r:.20}" for name, value, _ in WRONG])
def test_a_wrong_value_is_refused_by_name_with_the_values_that_there_are(name: str, value: object, words: str) -> None:
    options: Any = {name: value}
    said = f"{name} is {words}, not "

    def decorated() -> object:
        @prompt(**options)
        def told(topic: str) -> str:
            return ask(topic)

        return told

    with Runtime(ScriptedEngine()) as runtime:
        generate: Any = runtime.generate
        for make in (decorated, lambda: tell.using(**options), lambda: generate("x", **options)):
            with pytest.raises(PromptUsageError) as caught:
                make()
            assert said in str(caught.value)


def test_each_option_has_a_check() -> None:
    class Nothing:
        __hash__ = None  # type: ignore[assignment]

    for name in CallOptions.__annotations__.keys() - {"sampling_params"}:  # any object may be like one
        with pytest.raises(PromptUsageError, match=f"f: {name} is"):
            Options().with_({name: Nothing()}, where="f")


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 2, "top_p": 1, "top_k": -1, "min_p": 1, "seed": -1, "logprobs": 0},
        {"max_tokens": None, "seed": None, "stop": None, "stop_token_ids": None, "bad_words": None, "logit_bias": None},
        {"stop": ["a"], "stop_token_ids": (1, 2), "logit_bias": {5: -100}, "ignore_eos": False},
        {
            "timeout": None,
            "runtime": None,
            "json_format": None,
            "sampling_params": None,
            "lora_request": None,
            "priority": None,
        },
        {"timeout": 1, "retries": 0, "chat_template_kwargs": {}},
    ],
)
def test_values_at_the_edges_are_taken(options: Any) -> None:
    with Runtime(ScriptedEngine(answers=lambda _: "A tale.")):
        assert tell.using(**options)("x") == "A tale."


@pytest.mark.parametrize(
    "wrong", [5, None, "an example", ["one"], [("x", "y")], {"topic": "x"}, example("A tale.", topic="x")]
)
def test_examples_are_worked_calls(wrong: Any) -> None:
    said = r"examples is a list of worked calls, as in \[example\(value, name=\.\.\.\)\], not "
    with pytest.raises(PromptUsageError, match=said):
        prompt(examples=wrong)
    with pytest.raises(PromptUsageError, match=said):
        tell.with_examples(*[wrong] if not isinstance(wrong, list) else wrong, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is wrong here


def test_a_priority_of_none_is_none_at_all() -> None:
    assert "priority" not in Options().with_({"priority": 3}, where="f").with_({"priority": None}, where="f").engine


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"tempreature": 1}, "there is no option 'tempreature'; did you mean 'temperature'?"),
        ({"retry": 1}, "there is no option 'retry'; did you mean 'retries'?"),
        ({"zzz": 1}, "there is no option 'zzz'; other fields of vllm.SamplingParams go in sampling_params="),
        ({"n": 2}, "the option n can't be set: one call gives one value"),
    ],
)
def test_names_that_do_not_exist_are_refused_wherever_options_go(named: Any, said: str) -> None:
    def told(topic: str) -> str:
        return ask(topic)

    with Runtime(ScriptedEngine()) as runtime:
        generate: Any = runtime.generate
        for make in (lambda: prompt(**named)(told), lambda: tell.using(**named), lambda: generate("x", **named)):
            with pytest.raises(PromptUsageError) as caught:
                make()
            assert said in str(caught.value)


@pytest.mark.parametrize("name", ["stop", "stop_token_ids", "ignore_eos"])
def test_a_given_object_may_not_end_a_typed_answer_early_either(name: str) -> None:
    params = SimpleNamespace(**{name: {"stop": ["\n"], "stop_token_ids": [5], "ignore_eos": True}[name]})
    with pytest.raises(PromptUsageError, match=f"judge: {name} would end an answer inside a value"):
        judge.using(sampling_params=params)
    tell.using(sampling_params=params)  # free text may end where it likes


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (SimpleNamespace(temperature=-1), "in the given sampling_params, temperature is a number from 0"),
        (SimpleNamespace(n=3), "in the given sampling_params, n can't be set: one call gives one value"),
        (SimpleNamespace(structured_outputs=object()), "structured_outputs can't be set: the return type"),
        (SimpleNamespace(detokenize=False), "detokenize can't be set"),
    ],
)
def test_a_given_object_is_judged_as_single_options_are(params: object, said: str) -> None:
    with Runtime(ScriptedEngine()) as runtime:
        for make in (
            lambda: tell.using(sampling_params=params),
            lambda: runtime.generate(["a", "b"], sampling_params=[None, params]),
        ):
            with pytest.raises(PromptUsageError) as caught:
                make()
            assert said in str(caught.value)


def test_a_least_that_is_more_than_the_most_is_refused() -> None:
    with pytest.raises(PromptUsageError, match="tell: min_tokens=9 is more than max_tokens=4"):
        tell.using(min_tokens=9, max_tokens=4)
    with pytest.raises(PromptUsageError, match="tell: min_tokens=9 is more than max_tokens=4"):
        tell.using(sampling_params=SimpleNamespace(max_tokens=4)).using(min_tokens=9)
    with pytest.raises(PromptUsageError, match="tell: min_tokens=20 is more than max_tokens=16"):
        tell.using(sampling_params=SimpleNamespace(max_tokens=16), min_tokens=20)
    judge.using(sampling_params=SimpleNamespace(max_tokens=16), min_tokens=20)  # for which 16 counts as not set


def test_text_is_cut_where_a_given_object_says_sixteen_and_other_types_are_whole() -> None:
    given = SimpleNamespace(max_tokens=16)
    long = "a text of more than sixteen bytes"
    with Runtime(
        ScriptedEngine(answers=lambda request: long if request.constraint.kind == "text" else "[" + "1, " * 30 + "1]")
    ):
        assert tell.using(sampling_params=given)("x") == long[:16]

        @prompt(sampling_params=given)
        def count(topic: str) -> list[int]:
            return ask(topic)

        assert count("x") == [1] * 31


def test_typefold_check_says_the_same_of_options_that_the_source_tells(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        dedent("""
            from typefold import ask, prompt

            @prompt(temperature=-1, top_p=0.5, stop=["a", ""])
            def f(text: str) -> str:
                return ask(text)

            @prompt(min_tokens=9, max_tokens=4)
            def g(text: str) -> str:
                return ask(text)

            @prompt(timeout="3", priority=1.5, retry=2)
            def h(text: str) -> str:
                return ask(text)
        """),
        encoding="utf-8",
    )
    findings = check([tmp_path / "app.py"]).findings
    assert {each.code for each in findings} == {"prompt-option"}
    assert [(each.line, each.message) for each in findings] == [
        (4, "temperature is a number from 0 (greedy) to 2, not -1"),
        (4, "stop is a text or a list of texts, none of them empty, not ['a', '']"),
        (8, "min_tokens=9 is more than max_tokens=4"),
        (12, "timeout is a number of seconds above 0, or None for no limit, not '3'"),
        (12, "priority is an int, not 1.5"),
        (12, "there is no option 'retry'; did you mean 'retries'?"),
    ]
