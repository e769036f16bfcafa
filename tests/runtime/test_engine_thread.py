"""The engine's thread does no work that grows with an answer: calls are counted there, for answers of 50 and of 5,000 tokens."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import gc
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from typefold import Runtime, output_type
from typefold.compiler import TEXT, Constraint
from typefold.runtime import Completion, Request, Scheduler
from typefold.runtime.engine import Delta
from typefold.runtime.engines.scripted import Cut, ScriptedEngine
from typefold.runtime.scheduling.loop import Loop

SHORT, LONG = 50, 5_000


class Deep(BaseModel):
    note: str = ""
    inner: "Deep | None" = None


class Labelled(BaseModel):
    reason: str
    topic: Literal["sports", "politics"]


class Counted(ScriptedEngine):
    """An engine of which the calls in the scheduler's thread are counted, but for its own.

    Attributes:
        calls: The functions that were called, Python's and C's.
    """

    def __init__(self, answer: str, **options: Any) -> None:
        super().__init__(lambda asked: answer, max_model_len=100_000, tokens_per_step=100_000, **options)
        self.calls: list[str] = []

    def note(self, frame: FrameType, event: str, of: Any) -> None:
        waits = frame.f_globals.get("__name__") in (
            "threading",
            "queue",
        )  # as other threads have it, and not the answer
        if event in ("call", "c_call") and not waits:
            self.calls.append(of.__qualname__ if event == "c_call" else frame.f_code.co_qualname)

    def step(self) -> Sequence[Completion]:
        sys.setprofile(None)
        done = super().step()
        sys.setprofile(self.note)
        return done

    def deltas(self) -> Sequence[Delta]:
        sys.setprofile(None)
        new = super().deltas()
        sys.setprofile(self.note)
        return new


def text(length: int) -> str:
    return "quiet river " * (length // 12) + "." * (length % 12)


def nested(length: int) -> str:
    return '{"note": "a", "inner": ' * (length // 25)


CASES: dict[str, tuple[Constraint, Callable[[int], str]]] = {
    "free text": (TEXT, text),
    "free text that is cut": (TEXT, lambda length: Cut(text(length))),
    "an object that is whole": (output_type(Deep).constraint, lambda length: f'{{"note": "{text(length)}", "inner": null}}'),
    "an object that is cut": (output_type(Deep).constraint, lambda length: Cut(f'{{"note": "{text(length)}')),
    "an object that is cut deep inside": (output_type(Deep).constraint, lambda length: Cut(nested(length))),
    "a list that is cut": (output_type(list[int]).constraint, lambda length: Cut("[1" + ", 1" * (length // 3))),
    "a text or null that is cut": (output_type(str | None).constraint, lambda length: Cut(f'"{text(length)}')),
    "a label that is settled behind its reason": (
        output_type(Labelled).constraint,
        lambda length: Cut(f'{{"reason": "{text(length)}", "topic": "s'),
    ),
    "a pattern that is met": (
        output_type(Annotated[str, Field(pattern=r"^[a-z .]+$")]).constraint,
        text,
    ),
}  # fmt: skip


@contextmanager
def counting_steps() -> Generator[None]:
    """Count what is called within the steps of the engine's thread."""
    step = Loop._step

    def counted(loop: Loop) -> None:
        try:
            step(loop)
        finally:
            sys.setprofile(None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "_step", counted)
        yield


def calls_for(answer: str, constraint: Constraint) -> list[str]:
    """Answer some rows, and return the calls for that in the engine's thread but for those of the engine."""
    engine = Counted(answer)
    greedy = {"temperature": 0}
    gc.collect()
    gc.disable()  # a collection in that thread calls what others have asked it to
    try:
        with counting_steps():
            asked = Scheduler(engine)
            wait(
                asked.submit([Request(prompt=str(row), constraint=constraint, sampling=greedy) for row in range(5)]), 30
            )
            asked.close()
    finally:
        gc.enable()
    assert engine.calls
    return engine.calls


@pytest.mark.parametrize("case", CASES)
def test_calls_for_an_answer_do_not_grow_with_it(case: str) -> None:
    constraint, answer = CASES[case]
    few, many = (calls_for(answer(length), constraint) for length in (SHORT, LONG))
    assert few == many


def test_such_growth_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_complete(constraint: Constraint, text: str) -> bool:
        return not [char for char in text if char.isnumeric()]

    monkeypatch.setattr(Constraint, "is_complete", is_complete)
    constraint, answer = CASES["an object that is cut"]
    few, many = (calls_for(answer(length), constraint) for length in (SHORT, LONG))
    assert len(many) > 10 * len(few)


def test_answers_that_a_journal_keeps_are_handed_over_in_as_many_calls(tmp_path: Path) -> None:
    counts: list[int] = []
    for length in (SHORT, LONG):
        engine = Counted(text(length))
        with counting_steps(), Runtime(engine, journal=tmp_path / f"{length}.db") as runtime:
            runtime.generate([str(row) for row in range(5)], temperature=0)
        counts.append(len(engine.calls))
    assert counts[0] == counts[1] > 0
