"""Matcher for languages: membership of a text, the characters that may come next, and a text that two languages share.

A state is a set of stacks of nodes still to be matched, the innermost first. It advances by one character, as in Thompson's
simulation of an automaton, with a stack for recursion. Stacks that begin alike are kept as one that forks below, so that an
ambiguous type inside itself has a few stacks at each level and not twice as many. Tests compare the engines' matchers with
it, and the scripted engine uses it; it is not built for speed.

Invariant: each stack in a state begins with a node that consumes a character, or is empty (the text may end here). Left
recursion would never end. The compiler's hooks write none, and `advance` refuses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias, assert_never
from weakref import WeakKeyDictionary, ref

from typefold.compiler.grammar.nodes import CharClass, Choice, Expr, Language, Lit, Ref, Repeat, Seq, char_class


class Pair(tuple[Expr, "Stack"]):
    """A node and the stack below it. It keeps its hash, since the hash of a deep stack is needed often."""

    _hash: int

    def __new__(cls, node: Expr, rest: Stack) -> Pair:
        made = super().__new__(cls, (node, rest))
        made._hash = hash((node, rest))
        return made

    def __hash__(self) -> int:
        return self._hash


class Fork(frozenset["Pair | None"]):
    """Several stacks below a node that all of them share, no two of which begin alike. Equal ones are one object."""

    known: ClassVar[WeakKeyDictionary[Fork, ref[Fork]]] = WeakKeyDictionary()


Stack: TypeAlias = Pair | Fork | None


@dataclass(frozen=True, slots=True)
class Matcher:
    """The state after the beginning of a text: the set of ways to continue."""

    language: Language = field(hash=False)  # the same in all states that are compared
    stacks: frozenset[Pair]
    complete: bool

    @classmethod
    def start(cls, language: Language) -> Matcher:
        return _state(language, [Pair(language.root, None)])

    @property
    def dead(self) -> bool:
        return not self.stacks and not self.complete

    @property
    def next_chars(self) -> CharClass:
        return char_class(*(pair for node, _ in self.stacks for pair in first_chars(node).ranges))

    def advance(self, text: str) -> Matcher:
        """The state after `text`; a dead one where the text does not match."""
        state = self
        for char in text:
            after: list[Stack] = []
            for node, rest in state.stacks:
                match node:
                    case Lit(literal) if literal[0] == char:
                        after.append(Pair(Lit(literal[1:]), rest) if len(literal) > 1 else rest)
                    case CharClass() if char in node:
                        after.append(rest)
                    case _:
                        pass
            state = _state(self.language, after)
            if state.dead:
                break
        return state


class Walk:
    """Walks texts through one language and keeps the states: texts that were walked alike cost a lookup a character, not a step.

    A step takes 10 us and more. A bounded number of states is kept; beyond that it begins anew. Any thread may walk.
    """

    def __init__(self, language: Language, most: int = 20_000) -> None:
        self._begin = Matcher.start(language)
        self._most = most
        self._start = _Place(self._begin)
        self._known: dict[Matcher, _Place] = {}
        self._kept = 0

    def after(self, text: str) -> Matcher:
        place = self._start
        for char in text:
            try:
                place = place.following[char]
            except KeyError:
                place = self._step(place, char)
            if place.is_dead:
                break
        return place.state

    def _step(self, place: _Place, char: str) -> _Place:
        if self._kept >= self._most:
            self._start, self._known, self._kept = _Place(self._begin), {}, 0
        self._kept += 1
        state = place.state.advance(char)
        place.following[char] = found = self._known.setdefault(state, _Place(state))
        return found


class _Place:
    """A state, and those that follow it."""

    __slots__ = ("following", "is_dead", "state")

    def __init__(self, state: Matcher) -> None:
        self.state = state
        self.is_dead = state.dead
        self.following: dict[str, _Place] = {}


def first_chars(node: Expr) -> CharClass:
    """The characters that the first node of a stack reads next."""
    if isinstance(node, CharClass):
        return node
    assert isinstance(node, Lit)
    return char_class(node.text[0])


def recognises(language: Language, text: str) -> bool:
    """Whether `text` is in the language."""
    return Matcher.start(language).advance(text).complete


def _state(language: Language, stacks: list[Stack]) -> Matcher:
    """Expand each stack until it begins with a character; a stack met twice is expanded once."""
    ready: set[Pair] = set()
    seen: set[Stack] = set()
    complete = False
    pending = list(stacks)
    while pending:
        stack = pending.pop()
        if stack in seen:
            continue
        seen.add(stack)
        if stack is None:
            complete = True
            continue
        if isinstance(stack, Fork):
            pending += stack
            continue
        node, rest = stack
        match node:
            case Lit(text):
                if text:
                    ready.add(stack)
                else:
                    pending.append(rest)
            case CharClass():
                ready.add(stack)
            case Seq(parts):
                for part in reversed(parts):
                    rest = Pair(part, rest)
                pending.append(rest)
            case Choice(options):
                pending += [Pair(option, rest) for option in options]
            case Repeat(item, least, most):
                if least == 0:
                    pending.append(rest)
                if most != 0:
                    again = Repeat(item, max(least - 1, 0), None if most is None else most - 1)
                    pending.append(Pair(item, Pair(again, rest) if again.most != 0 else rest))
            case Ref(name):
                pending.append(Pair(language.rules[name], rest))
            case _:
                assert_never(node)
        if len(seen) > 100_000:
            raise RecursionError("the language is left-recursive, or far too ambiguous to be followed")
    return Matcher(language, frozenset(_merged(ready)), complete)


def _merged(stacks: Collection[Pair]) -> Collection[Pair]:
    """The same stacks, those that begin with the same node as one."""
    if len(stacks) == 1:
        return stacks
    below: dict[Expr, list[Stack]] = {}
    for node, rest in stacks:
        below.setdefault(node, []).append(rest)
    if len(below) == len(stacks):
        return stacks
    return [Pair(node, rests[0] if len(rests) == 1 else _fork(rests)) for node, rests in below.items()]


def _fork(stacks: list[Stack]) -> Stack:
    parts = {part for stack in stacks for part in (stack if isinstance(stack, Fork) else (stack,))}
    merged: list[Pair | None] = [*_merged([part for part in parts if part is not None])]
    if None in parts:
        merged.append(None)
    if len(merged) == 1:
        return merged[0]
    fork = Fork(merged)
    known = Fork.known.setdefault(fork, ref(fork))()
    return fork if known is None else known


class Undecided(Exception):
    """The search reached its limit before it found a text or ran out of pairs."""


@dataclass
class Search:
    """A search for texts that two expressions share."""

    rules: Mapping[str, Expr]  # that the expressions refer to
    left: int = (
        4_000  # pairs of states to be visited yet, by all its searches; some hundred suffice where none is shared
    )

    def shared_text(self, one: Expr, other: Expr) -> str | None:
        """The shortest text that both expressions admit, or `None` if there is none. Raises Undecided when none are left.

        The search goes breadth first through pairs of states. Without recursion the pairs are finite, so the answer is exact.
        """
        first, second = (Matcher.start(Language(expr, self.rules)) for expr in (one, other))
        pending: deque[tuple[Matcher, Matcher, str]] = deque([(first, second, "")])
        seen = {(first.stacks, second.stacks)}
        if first.complete and second.complete:
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
                    self.left -= 1
                    seen.add(pair)
                    pending.append((after_left, after_right, text + char))
                if self.left < 0:
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
