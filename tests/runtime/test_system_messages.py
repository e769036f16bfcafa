"""System messages for models whose chat template knows none: their text goes before the first user message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.chat_templates import MarkTokenizer, render_of, trl
from typefold.compiler import Image, Message
from typefold.runtime.engines.vllm.chat_tokenizer import PromptTokenizer

REFUSES = """{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}<start_of_turn>{{ message.role }}
{{ message.content }}<end_of_turn>
{% endfor %}"""  # as Gemma's and Gemma 2's do
LEAVES_OUT = """{% for message in messages if message.role != 'system' %}<start_of_turn>{{ message.role }}
{{ message.content }}<end_of_turn>
{% endfor %}"""
WRITES = """{% for message in messages %}<start_of_turn>{{ message.role }}
{{ message.content }}<end_of_turn>
{% endfor %}"""


def sent(template: str, *messages: Message) -> str:
    tokenizer = MarkTokenizer(template, ("<start_of_turn>", "<end_of_turn>"))
    return tokenizer.decode(PromptTokenizer(tokenizer, render_of(template)).encode(messages, {}))


SYSTEM, ASKED, SAID = Message("system", "Be brief."), Message("user", "Who?"), Message("assistant", "I.")


@pytest.mark.parametrize("template", [REFUSES, LEAVES_OUT])
def test_a_template_without_system_messages_has_their_text_before_the_first_question(template: str) -> None:
    joined = Message("user", "Be brief.\n\nWho?")
    assert sent(template, SYSTEM, ASKED) == sent(template, joined)
    assert sent(template, SYSTEM, ASKED, SAID, ASKED) == sent(template, joined, SAID, ASKED)
    both = Message("system", "Be kind.")
    assert sent(template, SYSTEM, both, ASKED) == sent(template, Message("user", "Be brief.\n\nBe kind.\n\nWho?"))
    assert sent(template, SYSTEM) == sent(template, Message("user", "Be brief."))


def test_gemmas_own_template_is_met_so() -> None:
    assert sent(trl("gemma"), SYSTEM, ASKED) == sent(trl("gemma"), Message("user", "Be brief.\n\nWho?"))


def test_a_template_that_writes_them_is_left_alone() -> None:
    assert "system\nBe brief.<end_of_turn>" in sent(WRITES, SYSTEM, ASKED)


def test_a_prompt_without_them_is_left_alone() -> None:
    assert sent(REFUSES, ASKED) == "<start_of_turn>user\nWho?<end_of_turn>\n"


def test_images_of_the_first_question_keep_their_places() -> None:
    picture = Image(b"...", "png", 2, 2)

    def render(conversation: list[dict[str, Any]], variables: dict[str, Any]) -> str:
        if conversation[0]["role"] == "system":
            raise ValueError("no system message here")
        parts: Any = conversation[0]["content"]
        return parts if isinstance(parts, str) else "".join(part.get("text", "<image>") for part in parts)

    tokenizer = MarkTokenizer(REFUSES, ("<image>",))
    asked = Message.of("user", ["Is ", picture, " red?"])
    prompts = PromptTokenizer(tokenizer, render)
    assert tokenizer.decode(prompts.encode([SYSTEM, asked], {}, [object()])) == "Be brief.\n\nIs <image> red?"
