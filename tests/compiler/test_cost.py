"""The cost of compiling, counted in calls of functions and not by a clock: some thousands are some milliseconds."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from benchmarks.grammar import forget
from benchmarks.grammar_models import order
from typefold.compiler import output_type


def calls_of(hint: Any) -> int:
    """The calls between a type and its text, the compiler's caches empty."""
    count = 0

    def note(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    forget()
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        assert output_type(hint).constraint.spec
    finally:
        sys.setprofile(before)
    return count


def test_an_object_of_twenty_fields_takes_no_more_calls_than_it_did() -> None:
    counts = [calls_of(order().hint) for _ in range(3)]
    assert max(counts[1:]) < 30_000, counts
