"""The form of a model's reasoning, as its chat template and vocabulary tell.

Some templates have a switch for reasoning. Reasoning models delimit it with a start and an end marker; the end marker is one token, and
a template may write the start marker into the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from typefold.runtime.engine import Thinking
from typefold.runtime.engines.vllm.chat_tokenizer import Render

_SWITCHES = ("enable_thinking", "thinking")
_MARKS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
_CODE = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def switches_of(template: object) -> tuple[str, ...]:
    """Return the variables of a chat template that switch reasoning on or off."""
    templates: list[object] = list(template.values()) if isinstance(template, dict) else [template]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # named templates
    code = " ".join(
        _QUOTED.sub("", part) for each in templates if isinstance(each, str) for part in _CODE.findall(each)
    )
    return tuple(name for name in _SWITCHES if re.search(rf"(?<![\w.]){name}\b", code))


def thinking_of(tokenizer: Any, render: Render | None, switches: Sequence[str]) -> Thinking | None:
    """Return the form of a model's reasoning; `None` if it has none that is known."""
    vocabulary: dict[str, int] = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    known = [(start, end) for start, end in _MARKS if end in vocabulary]
    if render is None or not known:
        return None
    [(start, end), *_] = known
    variables = {"add_generation_prompt": True, "continue_final_message": False, **dict.fromkeys(switches, True)}
    rendered = render([{"role": "user", "content": "?"}], variables)
    if not isinstance(rendered, str):
        return None
    begins = rendered.rstrip().endswith(start)
    if not (begins or switches):
        return None

    def encode(text: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(text, add_special_tokens=False))

    return Thinking(() if begins else encode(f"{start}\n"), vocabulary[end], encode(f"{end}\n\n"))
