"""Prompts as token ids, and what token bounds need of a vocabulary, for any tokenizer that vLLM loads.

Invariant: in the content of a message no added token of the tokenizer is recognised, special or not; those come from
the chat template alone. A prompt that is a `str` is already templated, so there they are recognised. Left out: markers
that are ordinary text in a template (`[INST]`), which nothing can tell from data here. vLLM is not imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from typefold.compiler import Message

__all__ = ["PromptTokenizer", "Render", "longest_token", "special_ids"]

Render = Callable[[list[dict[str, str]], dict[str, Any]], "str | list[int]"]

_NONCHARACTERS = [chr(point) for point in range(0xFDD0, 0xFDF0)]  # no text may hold them, so some are free as a mark


class PromptTokenizer:
    """Turns prompts into the token ids that `LLM.chat` and `LLM.generate` would send.

    Args:
        tokenizer: The engine's tokenizer.
        render: Puts messages into the chat template, given its variables, as text or as token ids; `None` where the
            model has no template: then contents are joined by blank lines.
    """

    def __init__(self, tokenizer: Any, render: Render | None) -> None:
        self._tokenizer = tokenizer
        self._render = render
        added: dict[str, int] = tokenizer.get_added_vocab() if hasattr(tokenizer, "get_added_vocab") else {}
        self._control = _any_of(added)

    def encode(self, prompt: Sequence[Message] | str, template_kwargs: Mapping[str, Any]) -> list[int]:
        """The token ids of a prompt.

        Args:
            prompt: Messages, or a `str` that is sent as it stands.
            template_kwargs: More variables for the chat template.

        Raises:
            ValueError: The prompt is no valid text, or the template or the tokenizer would not take it.
        """
        try:
            if isinstance(prompt, str):
                prompt.encode()  # a lone surrogate fails here, with its place; in the tokenizer it is a TypeError
                return list(self._tokenizer.encode(prompt))
            for message in prompt:
                message.content.encode()
            return self._messages(prompt, template_kwargs)
        except UnicodeEncodeError as error:
            raise ValueError(f"the prompt is not valid Unicode: {error}") from error
        except ValueError:
            raise
        except Exception as error:  # templates raise what they like
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def _messages(self, messages: Sequence[Message], template_kwargs: Mapping[str, Any]) -> list[int]:
        if not messages:
            raise ValueError("there are no messages")
        mark = next(char for char in _NONCHARACTERS if not any(char in message.content for message in messages))
        contents = [self._cut(message.content, mark) for message in messages]
        if self._render is None:
            return self._pieces("\n\n".join(contents).split(mark), add_special_tokens=True)
        # A last message of the assistant is the beginning of the answer: the model goes on from there.
        prefill = messages[-1].role == "assistant"
        variables = {**template_kwargs, "add_generation_prompt": not prefill, "continue_final_message": prefill}
        conversation = [
            {"role": message.role, "content": content} for message, content in zip(messages, contents, strict=True)
        ]
        rendered = self._render(conversation, variables)
        if not isinstance(rendered, str):
            return list(rendered)  # Mistral's own tokenizer: it encodes contents as data by itself
        return self._pieces(rendered.split(mark), add_special_tokens=False)  # a template writes its own

    def _cut(self, content: str, mark: str) -> str:
        """The content with a mark inside of each added token: where it is cut, none can be recognised."""
        if self._control is None:
            return content
        parts: list[str] = []
        start = 0
        while (match := self._control.search(content, start)) is not None:
            parts.append(content[start : match.start() + 1])
            start = match.start() + 1
        return mark.join([*parts, content[start:]])

    def _pieces(self, pieces: Iterable[str], *, add_special_tokens: bool) -> list[int]:
        first, *rest = pieces
        token_ids = list(self._tokenizer.encode(first, add_special_tokens=add_special_tokens))
        for piece in rest:
            token_ids += self._tokenizer.encode(piece, add_special_tokens=False)
        return token_ids


def longest_token(tokenizer: Any) -> int:
    """The most bytes that any one token can write; never too few.

    A piece of a vocabulary takes at least as many bytes in UTF-8 as the text that it stands for. In byte-level
    vocabularies, where each character of a piece stands for one byte, its characters are the exact number.
    """
    special = special_ids(tokenizer)
    added: dict[str, int] = tokenizer.get_added_vocab() if hasattr(tokenizer, "get_added_vocab") else {}
    pieces = [piece for piece, index in tokenizer.get_vocab().items() if index not in special]
    learned = [piece for piece in pieces if piece not in added]
    # Byte-level it is if nothing else is written, and a space and a line break have their names (and so are no pieces).
    byte_level = {"\u0120", "\u010a"}.issubset(learned) and all(map(_BYTE_LEVEL.issuperset, learned))
    sizes = map(len, learned) if byte_level else map(_utf8_bytes, learned)
    return max([1, *sizes, *(_utf8_bytes(piece) for piece in pieces if piece in added)])


def special_ids(tokenizer: Any) -> set[int]:
    """The tokens that write nothing."""
    special = set(getattr(tokenizer, "all_special_ids", ()))
    return special | {index for index, token in getattr(tokenizer, "added_tokens_decoder", {}).items() if token.special}


def _utf8_bytes(piece: str) -> int:
    return len(piece.encode(errors="surrogatepass"))


def _byte_level_alphabet() -> frozenset[str]:
    """The 256 characters that byte-level BPE (GPT-2's and all after it) writes bytes as."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return frozenset(map(chr, [*shown, *range(0x100, 0x100 + 256 - len(shown))]))


_BYTE_LEVEL = _byte_level_alphabet()


def _any_of(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for those added tokens that could be control; runs of blanks and single characters are only text."""
    control = [token for token in tokens if len(token) > 1 and token.strip(" \t\r\n\u2581")]
    return re.compile("|".join(map(re.escape, sorted(control, key=len, reverse=True)))) if control else None
