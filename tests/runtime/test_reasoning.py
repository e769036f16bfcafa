"""The form of a model's reasoning, read from its chat template and its vocabulary."""

from __future__ import annotations

from typing import Any

import pytest

from typefold.runtime import Thinking
from typefold.runtime.engines.vllm.chat_tokenizer import Render, switches_of, thinking_of

QWEN = (
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
DEEPSEEK = "{% if not thinking is defined %}{% set thinking = false %}{% endif %}{{ '</think>' if not thinking }}"


@pytest.mark.parametrize(
    ("template", "switches"),
    [
        (QWEN, ("enable_thinking",)),
        (DEEPSEEK, ("thinking",)),
        ("{% if message.thinking %}{{ message['thinking'] }}{% endif %} thinking enable_thinking", ()),
        ("{{ messages[0]['content'] }}", ()),
        ({"default": "{{ x }}", "tool_use": QWEN}, ("enable_thinking",)),
        (None, ()),
    ],
)
def test_switches_are_variables_of_the_template(template: Any, switches: tuple[str, ...]) -> None:
    assert switches_of(template) == switches


class Tokenizer:
    """Characters are tokens; marks are tokens of their own."""

    def __init__(self, *marks: str) -> None:
        self.marks = marks

    def get_vocab(self) -> dict[str, int]:
        return {mark: 1000 + index for index, mark in enumerate(self.marks)}

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        for mark, index in self.get_vocab().items():
            if text.startswith(mark):
                return [index, *map(ord, text.removeprefix(mark))]
        return list(map(ord, text))


def render(prompt: str | list[int]) -> Render:
    def rendered(conversation: list[dict[str, str]], variables: dict[str, Any]) -> str | list[int]:
        return prompt

    return rendered


NEWLINES = (10, 10)


def test_a_model_with_a_switch_begins_with_the_first_mark() -> None:
    found = thinking_of(Tokenizer("<think>", "</think>"), render("assistant\n"), ("enable_thinking",))
    assert found == Thinking(opening=(1000, 10), end=1001, closing=(1001, *NEWLINES))


def test_a_template_that_writes_the_first_mark_is_left_to_it() -> None:
    found = thinking_of(Tokenizer("[THINK]", "[/THINK]"), render("assistant\n[THINK]\n"), ())
    assert found == Thinking(opening=(), end=1001, closing=(1001, *NEWLINES))


@pytest.mark.parametrize(
    ("tokenizer", "rendered", "switches"),
    [
        (
            Tokenizer("<think>", "</think>"),
            render("assistant\n"),
            (),
        ),  # it has the tokens, and was not made to use them
        (Tokenizer(), render("assistant\n"), ("thinking",)),  # its marks are not known
        (Tokenizer("</think>"), None, ()),
        (Tokenizer("</think>"), render([1, 2]), ("thinking",)),
        (object(), render(""), ()),
    ],
)
def test_other_models_have_no_way_of_thinking(tokenizer: Any, rendered: Any, switches: tuple[str, ...]) -> None:
    assert thinking_of(tokenizer, rendered, switches) is None
