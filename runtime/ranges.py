"""The values that an option may have: in words, for the error, and as a test, which takes a value of any class."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FLAG", "Range", "number", "one_of", "or_none", "whole"]


@dataclass(frozen=True, slots=True)
class Range:
    """The values that an option may have.

    Attributes:
        words: The range, to follow on "is".
        admits: Whether a value, of whatever class, is in it.
    """

    words: str
    admits: Callable[[object], bool]

    def refusal(self, name: str, value: object) -> str | None:
        """Return why an option of a name can't have a value; `None` if it can.

        Example:
            >>> FLAG.refusal("ignore_journal", 1)
            'ignore_journal is True or False, not 1'
        """
        return None if self.admits(value) else f"{name} is {self.words}, not {value!r:.80}"


def number(admits: Callable[[float], bool]) -> Callable[[object], bool]:
    """Admit the numbers that pass a test; a bool is none."""
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and admits(value)


def whole(least: float = -math.inf) -> Callable[[object], bool]:
    """Admit whole numbers from `least` on; a bool is none."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def one_of(*names: str) -> Range:
    """Admit some names."""
    *most, last = map(repr, names)
    return Range(f"{', '.join(most)} or {last}", lambda value: isinstance(value, str) and value in names)


def or_none(admits: Callable[[object], bool]) -> Callable[[object], bool]:
    """Admit `None` too."""
    return lambda value: value is None or admits(value)


FLAG = Range("True or False", lambda value: isinstance(value, bool))
