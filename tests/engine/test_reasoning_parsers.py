"""The table of marks says what the reasoning parsers of the installed vLLM say."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

import pytest

from typefold.runtime.engines.vllm.thinking import MARKS, Marks

pytestmark = pytest.mark.engine

NO_FAMILY = {"hf"}  # takes the marks from a tokenizer's own configuration
BESIDE = ("<assistant>", "[TOOL_CALLS]", "Ġ</", "think", ">Ċ", ">ĊĊ", ">")  # tokens that some parsers look for


class Tokenizer:
    """Knows the control tokens of all families; every other character is a token."""

    init_kwargs: dict[str, Any] = {}  # noqa: RUF012  # as transformers has it
    all_special_tokens: tuple[str, ...] = ()

    def __init__(self) -> None:
        names = dict.fromkeys([*(token for marks in MARKS for token in sorted(marks.tokens)), *BESIDE])
        self.vocabulary = {name: 100 + index for index, name in enumerate(names)}

    @property
    def vocab(self) -> dict[str, int]:
        return self.vocabulary

    def get_vocab(self) -> dict[str, int]:
        return self.vocabulary

    def encode(self, text: str, **options: Any) -> list[int]:
        return [1000 + ord(each) for each in text]

    def decode(self, token_ids: list[int], **options: Any) -> str:
        return "".join(chr(each - 1000) for each in token_ids)

    def convert_tokens_to_ids(self, token: str) -> int | None:
        return self.vocabulary.get(token)


def difference(kind: Any, rows: list[Marks]) -> str | None:
    """Return the difference between a parser and the rows of the table that name it; `None` without one."""
    efforts = [
        {"reasoning_effort": each, "thinking": True, "enable_thinking": True} for each in ("high", "medium", "low")
    ]
    said: set[tuple[str, str]] = set()
    parsers: list[Any] = []
    for variables in efforts:
        with suppress(RuntimeError, KeyError, ValueError):  # it looks for tokens of one tokenizer
            parsers.append(kind(Tokenizer(), chat_template_kwargs=variables))
    for parser in parsers:
        with suppress(AttributeError):  # of a version that does not say
            said.add((parser.reasoning_start_str, parser.reasoning_end_str))
    said = {pair for pair in said if all(pair)}
    if said:
        ours = {(marks.start, marks.end) for marks in rows}
        fits = {pair for pair in said for start, end in ours if start.startswith(pair[0]) and end == pair[1]}
        return None if fits == said and len(said) == len(rows) else f"vLLM has {said}, the table {ours}"
    [marks] = rows
    for parser in parsers:
        with suppress(NotImplementedError):
            found = parser.extract_reasoning(f"{marks.start}why{marks.end}{marks.turn}{marks.answer}so", None)
            if tuple(str(part).strip() for part in found) == ("why", "so"):
                return None
    # It says nothing and splits no text: the marks stand in its code, or in that of the parser that does its work.
    from vllm.parser import harmony

    code = "\n".join(inspect.getsource(module) for module in (inspect.getmodule(kind), harmony) if module is not None)
    texts = [each.strip().encode("unicode_escape").decode() for each in (marks.start, marks.end, marks.answer)]
    missing = [each for each in texts if each.removesuffix("<|message|>") not in code]
    return f"vLLM's code does not have {missing}" if missing else None


def test_the_table_has_the_marks_of_vllms_own_parsers() -> None:
    manager = pytest.importorskip("vllm.reasoning").ReasoningParserManager
    names: list[str] = manager.list_registered()
    by_parser = {name: [marks for marks in MARKS if name in marks.parsers] for name in names}
    kinds: dict[str, Any] = {}
    for name in names:
        with suppress(ImportError):  # of a library that vLLM has no need of
            kinds[name] = manager.get_reasoning_parser(name)
    wrong: dict[str, str | None] = {
        name: difference(kind, by_parser[name]) if by_parser[name] else "the table has no row for it"
        for name, kind in kinds.items()
        if name not in NO_FAMILY
    }
    assert not {name: reason for name, reason in wrong.items() if reason}
    assert len(kinds) > 15
    shifted = Marks("<thought>", "</thought>", parsers=("qwen3",))
    assert "qwen3" not in names or difference(manager.get_reasoning_parser("qwen3"), [shifted]) is not None
