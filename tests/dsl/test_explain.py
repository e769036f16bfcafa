"""`prompt.explain()` tells of the return type in the author's words, and loads nothing for it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_type_hints

import pytest
from pydantic import Field

from typefold import JsonFormat, Logged, Runtime, ask, prompt
from typefold.compiler import TokenBounds
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt
def judge(text: str, *, mood: Literal["grim", "funny"] = "grim") -> Logged[list[bool]]:
    return ask(f"Judge {text}, {mood}.")


@prompt
async def judge_later(text: str) -> bool:
    return ask(text)


def test_it_is_headed_by_the_signature_as_written() -> None:
    said = judge.explain()
    assert str(said).splitlines()[0] == (
        "judge(text: str, *, mood: Literal['grim', 'funny'] = 'grim') -> Logged[list[bool]]"
    )
    assert said.answer == "list[bool]" and said.unbounded == ("return.value: any number of items",)
    assert judge_later.explain().name == "judge_later(text: str) -> bool"


def test_annotations_that_python_has_read_are_named_too() -> None:
    def weigh(text: str, grams: Annotated[int, Field(gt=0)], when: date | None = None) -> bool:
        return ask(f"{text}, {grams}, {when}")

    weigh.__annotations__ = get_type_hints(weigh, include_extras=True)
    named = prompt(weigh).explain().name
    assert named == "weigh(text: str, grams: Annotated[int, gt=0], when: date | None = None) -> bool"


def test_it_holds_to_the_options_in_force() -> None:
    tight = judge.using(json_format=JsonFormat.TIGHT)
    assert '", "' in judge.explain().grammar and '", "' not in tight.explain().grammar
    runtime = Runtime(ScriptedEngine(), json_format=JsonFormat.TIGHT)
    assert judge.using(runtime=runtime).explain().grammar == tight.explain().grammar
    runtime.close()


def test_tokens_are_told_once_the_runtime_is_loaded_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    with Runtime(ScriptedEngine(answers=["true"])) as runtime:
        assert judge.explain().tokens is None
        assert runtime.max_num_seqs is None, "it loaded the engine"
        runtime.generate("Is it?", output_type=bool)
        assert judge.explain().tokens == TokenBounds(2, None)
        assert judge_later.explain().tokens == TokenBounds(4, 6)
