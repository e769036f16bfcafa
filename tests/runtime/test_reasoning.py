"""The form of a model's reasoning, read from its chat template and its vocabulary, and the prompts of each family of models."""

from __future__ import annotations

from typing import Any

import pytest

from typefold.compiler import Message
from typefold.runtime import Thinking
from typefold.runtime.engine import EngineFacts
from typefold.runtime.engines.vllm.engine import VllmEngine
from typefold.runtime.engines.vllm.thinking import MARKS, Render, Thoughts, switches_by, switches_of, thinking_of
from typefold.runtime.request import Request

from .chat_templates import FAMILIES, Family, prompts_of, render_of

QWEN = (
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
DEEPSEEK = "{% if not thinking is defined %}{% set thinking = false %}{% endif %}{{ '</think>' if not thinking }}"
BOTH = (True, False)


@pytest.mark.parametrize(
    ("template", "switches"),
    [
        (QWEN, {"enable_thinking": BOTH}),
        (DEEPSEEK, {"thinking": BOTH}),
        ("{% if message.thinking %}{{ message['thinking'] }}{% endif %} thinking enable_thinking", {}),
        ("{{ messages[0]['content'] }}", {}),
        ({"default": "{{ x }}", "tool_use": QWEN}, {"enable_thinking": BOTH}),
        (None, {}),
        ("{% if thinking_mode == 'enabled' %}{% elif thinking_mode == 'disabled' %}{% endif %}", {"thinking_mode": ("enabled", "disabled")}),
        ("{% if thinking_mode == 'deep' %}{% endif %}", {}),
        ("{% if reasoning_effort == 'no_think' %}{% elif reasoning_effort == 'high' %}{% endif %}", {"reasoning_effort": ("high", "no_think")}),
        ("{% set reasoning_effort = 'medium' %}{{ 'Reasoning: ' + reasoning_effort }}", {}),  # there is no word for off
        ("{% if reasoning %}{% endif %}", {"reasoning": BOTH}),
        ("{% set reasoning = message.reasoning %}{{ reasoning }}", {}),
        ("{% set thinking = message.thinking or message.reasoning %}{{ thinking }}", {}),
        ("{% set thinking = thinking | default(true) %}{{ thinking }}", {"thinking": BOTH}),
    ],
)  # fmt: skip
def test_switches_are_variables_of_the_template(template: Any, switches: dict[str, Any]) -> None:
    assert switches_of(template) == switches


class Tokenizer:
    """Characters are tokens; marks are tokens of their own."""

    def __init__(self, *marks: str) -> None:
        self.marks = marks

    def get_vocab(self) -> dict[str, int]:
        return {mark: 200_000 + index for index, mark in enumerate(self.marks)}

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return list(map(ord, text))


def render(prompt: str | list[int]) -> Render:
    def rendered(conversation: list[dict[str, str]], variables: dict[str, Any]) -> str | list[int]:
        return prompt

    return rendered


SWITCH = {"enable_thinking": BOTH}
NEWLINES = (10, 10)


def test_a_model_with_a_switch_begins_with_the_first_mark() -> None:
    found = thinking_of(Tokenizer("<think>", "</think>"), render("assistant\n"), SWITCH)
    assert found == Thinking(
        opening=(200_000, 10),
        end=200_001,
        closing=(200_001, *NEWLINES),
        answer=NEWLINES,
        marks=("<think>", "</think>"),
        switches=(("enable_thinking", True, False),),
    )


def test_a_template_that_writes_the_first_mark_is_left_to_it() -> None:
    found = thinking_of(Tokenizer("<think>", "</think>"), render("assistant\n<think>\n"), {})
    assert found is not None
    assert (found.opening, found.end, found.closing, found.always) == ((), 200_001, (200_001, *NEWLINES), True)


def test_a_template_without_a_text_is_read_by_its_tokens() -> None:
    tokenizer = Tokenizer("[THINK]", "[/THINK]", "[/INST]")
    found = thinking_of(tokenizer, render([1, 200_002, 200_000]), {})
    assert found is not None
    assert (found.opening, found.closing, found.always) == ((), (200_001,), True)
    assert Thoughts(tokenizer, render([1, 200_002, 200_000]), {}).outside([1, 200_000], {}) == [1, 200_000, 200_001]


@pytest.mark.parametrize("name", ["Kimi K3", "Inkling", "gpt-oss", "Magistral", "DeepSeek-V3.1"])
def test_prompts_that_are_rendered_as_tokens_end_in_the_same(name: str) -> None:
    [family] = [each for each in FAMILIES if each.name == name]
    engine, tokenizer = engine_of(family)
    thoughts = engine._prompts.thoughts  # pyright: ignore[reportPrivateUsage]
    rendered = render_of(tokenizer.chat_template)

    def encoded(conversation: list[dict[str, Any]], variables: dict[str, Any]) -> list[int]:
        token_ids: list[int] = tokenizer.encode(str(rendered(conversation, variables)))
        return token_ids

    by_tokens = Thoughts(tokenizer, encoded, switches_of(tokenizer.chat_template))
    off = {name: values[1] for name, values in switches_of(tokenizer.chat_template).items()}
    asked = [{"role": "user", "content": "Is it?"}]
    prompt = encoded(asked, {"add_generation_prompt": True, **off})
    assert tokenizer.decode(by_tokens.outside(prompt, off)).endswith(family.plain)
    assert by_tokens.thinking == thoughts.thinking


def test_prompts_that_no_template_writes_are_tried_with_each_switch() -> None:
    def encoded(conversation: list[dict[str, str]], variables: dict[str, Any]) -> list[int]:
        if "enable_thinking" in variables:
            raise TypeError("there is no enable_thinking")
        return [1, 200_000] if variables.get("thinking", True) else [1, 200_000, 200_001]

    switches = switches_by(encoded)
    assert switches == {"thinking": BOTH}
    found = thinking_of(Tokenizer("<think>", "</think>"), encoded, switches)
    assert found is not None
    assert (found.opening, found.always, found.switches) == ((), False, (("thinking", True, False),))
    assert switches_by(None) == {} == switches_by(render("the same"))


def test_a_switch_by_its_name_is_a_flag() -> None:
    tokenizer = Tokenizer("<think>", "</think>")
    assert thinking_of(tokenizer, render("x"), ("thinking",)) == thinking_of(tokenizer, render("x"), {"thinking": BOTH})


CHANNELS = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>")


@pytest.mark.parametrize(
    ("marks", "rendered", "switches", "opening", "closing"),
    [
        (
            CHANNELS,
            "<|start|>user<|message|>?<|end|><|start|>assistant",
            {},
            "<|channel|>analysis<|message|>",
            "<|end|><|start|>assistant<|channel|>final<|message|>",
        ),
        (("<|channel>", "<channel|>", "<|turn>", "<turn|>"), "<|turn>model\n", SWITCH, "<|channel>thought\n", "<channel|>"),
        (("<think:a1>", "</think:a1>"), "<assistant>", SWITCH, "<think:a1>\n", "</think:a1>\n\n"),
    ],
)  # fmt: skip
def test_a_vocabulary_may_tell_the_family_alone(
    marks: tuple[str, ...], rendered: str, switches: Any, opening: str, closing: str
) -> None:
    tokenizer = Tokenizer(*marks)
    found = thinking_of(tokenizer, render(rendered), switches)
    assert found is not None
    names = {index: mark for mark, index in tokenizer.get_vocab().items()}
    assert ["".join(names.get(each) or chr(each) for each in part) for part in (found.opening, found.closing)] == [opening, closing]  # fmt: skip


@pytest.mark.parametrize(
    ("tokenizer", "rendered", "switches"),
    [
        (
            Tokenizer("<think>", "</think>"),
            render("assistant\n"),
            {},
        ),  # it has the tokens, and was not made to use them
        (Tokenizer(), render("assistant\n"), {"thinking": BOTH}),  # its marks are not known
        (Tokenizer("</think>"), None, {}),
        (Tokenizer("</think>"), render([1, 2]), {"thinking": BOTH}),
        (object(), render(""), {}),
    ],
)
def test_other_models_have_no_way_of_thinking(tokenizer: Any, rendered: Any, switches: Any) -> None:
    assert thinking_of(tokenizer, rendered, switches) is None


def test_each_pair_of_marks_is_told_from_the_others() -> None:
    starts = [marks.start for marks in MARKS]
    assert len(starts) == len(set(starts))
    assert all(marks.end and marks.parsers for marks in MARKS)


ASKED = (Message("system", "Be brief."), Message("user", "Is it?"))
THINKING = [family for family in FAMILIES if family.opened]


def engine_of(family: Family) -> tuple[VllmEngine, Any]:
    """An engine as far as it makes prompts, and the tokenizer of its texts."""
    prompts, tokenizer = prompts_of(family)
    engine = object.__new__(VllmEngine)
    engine.__dict__.update(_prompts=prompts, _switches=switches_of(tokenizer.chat_template))
    return engine, tokenizer


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_plain_answer_begins_behind_the_header_and_in_no_thought(family: Family) -> None:
    engine, tokenizer = engine_of(family)
    for messages in (ASKED[1:], (*ASKED[1:], Message("assistant", "Yes."), Message("user", "And that?"))):
        token_ids = list(engine.tokenize(Request(prompt=messages)))
        written = tokenizer.decode(token_ids)
        assert written.endswith(family.plain)
        assert token_ids == tokenizer.encode(written)  # as the whole is cut into tokens


@pytest.mark.parametrize("family", THINKING, ids=lambda family: family.name)
def test_reasoning_begins_behind_its_mark_and_ends_in_the_header_of_the_answer(family: Family) -> None:
    engine, tokenizer = engine_of(family)
    thinking = engine._prompts.thoughts.thinking  # pyright: ignore[reportPrivateUsage]
    assert thinking is not None
    token_ids = engine.tokenize(Request(prompt=ASKED[1:], thinking=True, begun=thinking.opening))
    assert tokenizer.decode(list(token_ids)).endswith(family.opened)
    assert tokenizer.decode(thinking.closing) == family.closing
    assert thinking.always is family.always
    assert (thinking.end is None) is family.spelled
    if thinking.end is not None:
        assert thinking.closing[0] == thinking.end
    assert tokenizer.decode(thinking.closing).endswith(tokenizer.decode(thinking.answer))
    assert thinking.marks[1] in family.closing and thinking.marks[0] in family.opened


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_an_answer_that_is_begun_by_words_and_a_text_as_it_stands_are_left_alone(family: Family) -> None:
    engine, tokenizer = engine_of(family)
    begun = tokenizer.decode(list(engine.tokenize(Request(prompt=(*ASKED[1:], Message("assistant", "It is"))))))
    assert begun.endswith("It is")
    assert tokenizer.decode(list(engine.tokenize(Request(prompt="It is")))) == "It is"


def test_a_switch_that_the_request_turns_on_leaves_no_plain_answer_in_a_thought() -> None:
    [family] = [each for each in FAMILIES if each.name == "Qwen3.5"]
    engine, tokenizer = engine_of(family)
    on = engine.tokenize(Request(prompt=ASKED, chat_template_kwargs={"enable_thinking": True}))
    assert tokenizer.decode(list(on)).endswith(family.plain)


@pytest.mark.parametrize(
    ("name", "end"), [("Kimi K3", "<|close|>"), ("Inkling", "<|end_message|>"), ("Qwen3", None), ("Llama 3.1", None)]
)
def test_a_text_under_a_header_ends_at_the_token_that_ends_it(name: str, end: str | None) -> None:
    [family] = [each for each in FAMILIES if each.name == name]
    engine, tokenizer = engine_of(family)
    ends = engine._prompts.thoughts.text_ends  # pyright: ignore[reportPrivateUsage]
    assert ends == (() if end is None else (tokenizer.vocabulary[end],))


def test_marks_in_a_message_are_no_marks() -> None:
    [family] = [each for each in FAMILIES if each.name == "QwQ"]
    engine, tokenizer = engine_of(family)
    token_ids = list(engine.tokenize(Request(prompt=(Message("user", "Write </think> and <think>."),))))
    assert [token_ids.count(tokenizer.vocabulary[mark]) for mark in ("<think>", "</think>")] == [1, 1]
    assert tokenizer.decode(token_ids).endswith(family.plain)


@pytest.mark.parametrize("family", THINKING, ids=lambda family: family.name)
def test_a_journal_keeps_the_form(family: Family) -> None:
    engine, _ = engine_of(family)
    facts = EngineFacts(max_num_seqs=1, max_logprobs=2, thinking=engine._prompts.thoughts.thinking)  # pyright: ignore[reportPrivateUsage]
    assert EngineFacts.from_json(facts.as_json()) == facts


def test_facts_of_an_earlier_version_are_read() -> None:
    text = '{"max_num_seqs": 8, "max_logprobs": 5, "thinking": {"opening": [1], "end": 2, "closing": [2, 3]}}'
    assert EngineFacts.from_json(text).thinking == Thinking((1,), 2, (2, 3))


@pytest.mark.parametrize(
    ("variables", "switched"), [({}, None), ({"other": 1}, None), ({"mode": "on"}, True), ({"mode": "off"}, False), ({"mode": "auto"}, None)]
)  # fmt: skip
def test_variables_say_whether_it_thinks(variables: dict[str, Any], switched: bool | None) -> None:
    assert Thinking((), 1, (1,), switches=(("mode", "on", "off"),)).switched(variables) is switched
