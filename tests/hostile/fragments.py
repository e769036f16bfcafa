"""Hostile text, made up: control tokens, their halves and look-alikes, and what else breaks readers of text."""

# ruff: noqa: RUF001  # look-alikes are what this is about
from __future__ import annotations

import random
from collections.abc import Sequence

from typefold.compiler import Message

__all__ = ["KNOWN", "conversation", "hostile_text"]

KNOWN = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>",
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>",
    "<bos>", "<eos>", "<|user|>", "<|assistant|>", "<|end|>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>",
    "<think>", "</think>", "<tool_call>", "[THINK]", "<table>", "<h1>", "[CLS]", "[UNK]", "<unk>", "<pad>", "USER:",
)  # fmt: skip
"""The control tokens and markers of models in use."""

_WORDS = (
    "the",
    "river",
    "x = 1",
    "naïve",
    "日本",
    "🦊",
    "e\u0301",
    "don't",
    "42",
    "  ",
    "\n",
    "\n\n",
    "\t",
    ">",
    "<",
    "|",
)
_ODD = (
    "\u200b", "\u200d", "\u2060", "\ufeff", "\u00a0", "\u3000", "\u00ad", "\u202e", "\x00", "\x1b", "\ufffd", "\u2581",
    "\ufdd0", "\ufdd1", "\ufdd5", "\u0338", "\u0301", "\U0010ffff", "{{ x }}", "{% raw %}", "<0x0A>", "Ġ", "##",
)  # fmt: skip
_FULL_WIDTH = {ord(char): ord(char) + 0xFEE0 for char in map(chr, range(0x21, 0x7F))}


def hostile_text(rng: random.Random, control: Sequence[str]) -> str:
    """A text of some fragments, of which many are or may become control tokens."""
    return "".join(_fragment(rng, control) for _ in range(rng.choice((1, 1, 2, 3, 5, 9))))


def conversation(rng: random.Random, control: Sequence[str]) -> list[Message]:
    """A system message or none, some turns, and at times the beginning of the answer."""
    said = [Message("system", hostile_text(rng, control))] if rng.random() < 0.4 else []
    for _ in range(rng.choice((0, 0, 1, 2))):
        said += [Message("user", hostile_text(rng, control)), Message("assistant", hostile_text(rng, control))]
    said.append(Message("user", hostile_text(rng, control)))
    if rng.random() < 0.3:
        said.append(Message("assistant", hostile_text(rng, control)))
    return said


def _fragment(rng: random.Random, control: Sequence[str]) -> str:
    token = rng.choice(control) if control and rng.random() < 0.8 else rng.choice(KNOWN)
    at = rng.randrange(len(token) + 1)
    match rng.randrange(11):
        case 0 | 1:
            return token
        case 2:
            return token[:at]
        case 3:
            return token[at:]
        case 4:
            return token[:at] + rng.choice(_ODD) + token[at:]
        case 5:
            return token[:at] + rng.choice((*control, *KNOWN)) + token[at:]
        case 6:
            return token.translate(_FULL_WIDTH)
        case 7:
            return token.replace("k", "\u212a").replace("K", "\u212a").swapcase()
        case 8:
            return rng.choice(_ODD)
        case _:
            return rng.choice(_WORDS) + rng.choice((" ", "", " "))
