"""Intersection of two languages: a search for the shortest text that both admit.

The search goes breadth first through pairs of the matcher's states. Without recursion the pairs are finite, so the answer is
exact; with recursion the search may not end, and gives up at a limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from typefold.compiler.grammar.matcher import Matcher
from typefold.compiler.grammar.nodes import CharClass, Expr, Language, Lit

__all__ = ["Undecided", "shared_text"]

LIMIT = 4_000  # pairs of states; some hundred suffice where two members of a union share no text


class Undecided(Exception):
    """The search reached its limit before it found a text or ran out of pairs."""


def shared_text(one: Expr, other: Expr, rules: Mapping[str, Expr]) -> str | None:
    """A text that both expressions admit, or `None` if there is none.

    Raises:
        Undecided: More than `LIMIT` pairs were looked at.
    """
    first = Language(one, rules)
    second = Language(other, rules)
    pending: deque[tuple[Matcher, Matcher, str]] = deque([(Matcher.start(first), Matcher.start(second), "")])
    seen = {(pending[0][0].stacks, pending[0][1].stacks)}
    if pending[0][0].complete and pending[0][1].complete:
        return ""
    while pending:
        left, right, text = pending.popleft()
        for char in _steps(left, right):
            after_left, after_right = left.advance(char), right.advance(char)
            if after_left.dead or after_right.dead:
                continue
            if after_left.complete and after_right.complete:
                return text + char
            pair = (after_left.stacks, after_right.stacks)
            if pair not in seen:
                seen.add(pair)
                pending.append((after_left, after_right, text + char))
            if len(seen) > LIMIT:
                raise Undecided
    return None


def _steps(left: Matcher, right: Matcher) -> list[str]:
    """One character for each way in which both can continue; those that lead to different states are among them."""
    marks: set[str] = set()
    classes: list[CharClass] = []
    for matcher in (left, right):
        for node, _ in matcher.stacks:
            if isinstance(node, Lit):
                marks.add(node.text[0])
            elif isinstance(node, CharClass):
                classes.append(node)
    both = left.next_chars & right.next_chars
    regions = [both - CharClass(tuple((ord(mark), ord(mark)) for mark in sorted(marks)))] if len(both) else []
    for item in dict.fromkeys(classes):
        regions = [part for region in regions for part in (region & item, region - item) if len(part)]
    chars = [mark for mark in marks if mark in both] + [region.nth(0) for region in regions if len(region)]
    return sorted(chars)  # so that the search always finds the same text
