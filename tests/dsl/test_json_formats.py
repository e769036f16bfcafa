"""JSON formats from where users stand: the runtime's own, and what a journal makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from benchmarks.format_trials import compare
from typefold import JsonFormat, PromptUsageError, Runtime, ask, prompt
from typefold.runtime.engines.scripted import ScriptedEngine


class Point(BaseModel):
    x: int
    y: int = 0


@prompt(describe_format=False, temperature=0)
def place(text: str) -> Point:
    return ask(text)


def test_the_json_format_of_the_block_holds_for_prompts_that_name_none() -> None:
    with Runtime(ScriptedEngine(answers=["[1, 2]", '{"x": 3}', '{"x":4,"y":5}']), json_format="compact") as runtime:
        assert runtime.json_format is JsonFormat.COMPACT
        assert place("here") == Point(x=1, y=2)
        assert place.using(json_format="spaced")("here") == Point(x=3)
        assert runtime.generate("here", output_type=Point, json_format="tight") == Point(x=4, y=5)


def test_a_json_format_that_is_none_is_refused_when_the_runtime_is_made() -> None:
    wrong: Any = "short"
    with pytest.raises(PromptUsageError, match="json_format is one of 'spaced', 'tight', 'compact'"):
        Runtime(ScriptedEngine(), json_format=wrong)


def test_a_journal_keeps_the_answers_of_json_formats_apart(tmp_path: Path) -> None:
    for answers in (['{"x": 1}', "[2, null]"], []):  # the second time nothing is asked
        with Runtime(ScriptedEngine(answers=answers), journal=tmp_path / "run.db"):
            assert (place("here"), place.using(json_format="compact")("here")) == (Point(x=1), Point(x=2))


def test_json_formats_take_turns_in_coming_first_and_rows_keep_their_marks() -> None:
    asked: list[tuple[str, int]] = []

    def program(json_format: str) -> Any:
        def call(row: int) -> int:
            asked.append((json_format, row))
            if row == 4:
                raise KeyError(row)
            return row

        return call

    with Runtime(ScriptedEngine()) as runtime:
        one, other = compare(
            {name: program(name) for name in ("a", "b")}, range(5), lambda row, value: value < 3, runtime
        )
    assert [json_format for json_format, _ in asked] == ["a"] * 3 + ["b"] * 3 + ["b"] * 2 + ["a"] * 2
    assert one.marks == other.marks == {0: True, 1: True, 2: True, 3: False, 4: False}
    assert (one.failed, repr(one.problem)) == (1, "KeyError(4)")
