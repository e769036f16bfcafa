"""Deterministic automata of a lexer's terminals, and the places where its longest match may be a wrong one.

A lexer that takes the longest match reads a wrong terminal where one could end and another one goes on with a byte that may
also begin what follows the first. Whether that can happen is asked of two terminals at a time: their automata run side
by side, state by state, so the work grows with the number of pairs of states that one text leads to, and not with the
product of all terminals. Repetitions are widened to stars, so that the states are few: that may find too many places, and
never too few. Literals, of which an object has many, are one automaton together.

Left out: which terminals the parser expects at the same place; each is taken to meet each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from typefold.compiler.grammar.nodes import CharClass, Choice, Expr, Lit, Ref, Repeat, Seq

Ranges = tuple[tuple[int, int], ...]
Cut = tuple[int, int]
"""A place in a terminal: the index of a part of its sequence, and how many characters of a literal there are read."""

MAX_PAIRS = 100_000  # of states; a grammar that needs more is too much to check


class TooManyStates(Exception):
    """The terminals have too many states to be checked."""


@dataclass(slots=True)
class _Node:
    """A state of a nondeterministic automaton: it reads a character of `ranges`, or leads to `next` without reading."""

    ranges: Ranges
    next: list[int]
    cut: Cut
    owner: str


@dataclass(slots=True)
class _State:
    """A state of a deterministic automaton: the terminals that may end here, and the nodes that read on."""

    ends: frozenset[str]
    nodes: tuple[int, ...]
    edges: list[tuple[Ranges, int]] | None = None


@dataclass
class Automaton:
    """The terminals of one automaton; its deterministic states are made when they are reached."""

    flat: Mapping[str, Expr]
    nodes: list[_Node] = field(default_factory=list[_Node])
    rules: dict[tuple[str, int, int], int] = field(default_factory=dict[tuple[str, int, int], int])
    starts: list[int] = field(default_factory=list[int])
    states: list[_State] = field(default_factory=list[_State])
    numbers: dict[tuple[frozenset[str], tuple[int, ...]], int] = field(
        default_factory=dict[tuple[frozenset[str], tuple[int, ...]], int]
    )

    def add(self, name: str, expr: Expr) -> None:
        """Add a terminal under a name, before the first state is asked for."""
        node = self._node((), [], (0, 0), name)
        parts = expr.parts if isinstance(expr, Seq) else (expr,)
        for index in reversed(range(len(parts))):
            node = self._build(parts[index], node, index, name, is_part=True)
        self.starts.append(node)

    def start(self) -> int:
        """The first state."""
        return self._state(self.starts)

    def edges(self, number: int) -> list[tuple[Ranges, int]]:
        """The characters that a state reads, by the state that they lead to."""
        state = self.states[number]
        if state.edges is None:
            state.edges = [(ranges, self._state(targets)) for ranges, targets in self._moves(state.nodes)]
        return state.edges

    def _node(self, ranges: Ranges, following: list[int], cut: Cut, owner: str) -> int:
        self.nodes.append(_Node(ranges, following, cut, owner))
        return len(self.nodes) - 1

    def _build(self, expr: Expr, end: int, at: int, owner: str, *, is_part: bool = False) -> int:
        """The node with which an expression begins, if `end` follows it."""
        match expr:
            case Lit(text):
                for offset in reversed(range(len(text))):
                    point = ord(text[offset])
                    end = self._node(((point, point),), [end], (at, offset if is_part else 0), owner)
                return end
            case CharClass(ranges):
                return self._node(ranges, [end], (at, 0), owner)
            case Seq(parts):
                for part in reversed(parts):
                    end = self._build(part, end, at, owner)
                return end
            case Choice(options):
                return self._node((), [self._build(option, end, at, owner) for option in options], (at, 0), owner)
            case Repeat(item, least, most):
                if most == 1:
                    return self._node((), [self._build(item, end, at, owner), end], (at, 0), owner)
                loop = self._node((), [end], (at, 0), owner)
                body = self._build(item, loop, at, owner)
                self.nodes[loop].next.append(body)
                return body if least else loop
            case Ref(name):  # one copy for each successor
                key = name, end, at
                if key not in self.rules:
                    self.rules[key] = self._build(self.flat[name], end, at, owner)
                return self.rules[key]

    def _state(self, targets: Iterable[int]) -> int:
        """The number of the state with these nodes, once all that read nothing are followed."""
        ends: set[str] = set()
        reading: set[int] = set()
        seen = set(targets)
        pending = list(seen)
        while pending:
            index = pending.pop()
            node = self.nodes[index]
            if node.ranges:
                reading.add(index)
            elif not node.next:
                ends.add(node.owner)
            else:
                fresh = [other for other in node.next if other not in seen]
                seen.update(fresh)
                pending += fresh
        key = frozenset(ends), tuple(sorted(reading))
        if key not in self.numbers:
            self.numbers[key] = len(self.states)
            self.states.append(_State(*key))
        return self.numbers[key]

    def _moves(self, nodes: tuple[int, ...]) -> Iterator[tuple[Ranges, set[int]]]:
        """Disjoint characters with the nodes to which each leads; characters that lead to the same ones are together."""
        starts: dict[int, list[int]] = {}
        stops: dict[int, list[int]] = {}
        for index in nodes:
            for low, high in self.nodes[index].ranges:
                starts.setdefault(low, []).append(index)
                stops.setdefault(high + 1, []).append(index)
        active: set[int] = set()
        by_target: dict[frozenset[int], list[tuple[int, int]]] = {}
        edges = sorted(starts.keys() | stops.keys())
        for low, after in pairwise(edges):
            active.difference_update(stops.get(low, ()))
            active.update(starts.get(low, ()))
            if active:
                by_target.setdefault(frozenset(active), []).append((low, after - 1))
        for group, ranges in by_target.items():
            yield tuple(ranges), {target for index in group for target in self.nodes[index].next}


def clashes(
    terminals: Mapping[str, Expr],
    flat: Mapping[str, Expr],
    follows: Callable[[str, Ranges], bool],
    machines: dict[Expr, Automaton],
) -> dict[str, set[Cut]]:
    """The terminals that may be read on where another one, or the same, should have ended, and at which places.

    `follows` says whether one of these characters begins like something that may follow the named terminal. `machines` has
    the automata that are known from before; it grows. Raises TooManyStates where there is too much to look at.
    """
    known = _machines(terminals, flat, machines)
    found: dict[str, set[Cut]] = {}
    count = 0
    for first, (one, names) in enumerate(known):
        for other, labels in known[first:]:
            seen = set[tuple[int, int]]()
            pending = [(one.start(), other.start())]
            while pending:
                left, right = pending.pop()
                if seen:
                    longer = {*_longer(one, left, names, other, right, follows, labels)}
                    if one is not other:
                        longer |= {*_longer(other, right, labels, one, left, follows, names)}
                    for name, cut in longer:
                        found.setdefault(name, set()).add(cut)
                    if longer:
                        continue
                for ranges, target in one.edges(left):
                    for others, goal in other.edges(right):
                        if (target, goal) not in seen and _overlap(ranges, others):
                            seen.add((target, goal))
                            pending.append((target, goal))
                count += 1
                if count > MAX_PAIRS:
                    raise TooManyStates
    return found


def _machines(
    terminals: Mapping[str, Expr], flat: Mapping[str, Expr], machines: dict[Expr, Automaton]
) -> list[tuple[Automaton, dict[str, str]]]:
    """The automata with the names of their terminals: one for all literals, which goes by their texts, and the others."""
    literals, texts = Automaton(flat), dict[str, str]()
    made: list[tuple[Automaton, dict[str, str]]] = []
    for name, expr in terminals.items():
        if isinstance(expr, Lit):
            literals.add(expr.text, expr)
            texts[expr.text] = name
            continue
        if expr not in machines:
            machines[expr] = Automaton(flat)
            machines[expr].add("", expr)
        made.append((machines[expr], {"": name}))
    return [*([(literals, texts)] if texts else []), *made]


def _longer(
    one: Automaton,
    left: int,
    names: Mapping[str, str],
    other: Automaton,
    right: int,
    follows: Callable[[str, Ranges], bool],
    labels: Mapping[str, str],
) -> Iterator[tuple[str, Cut]]:
    """The terminals of the second automaton that read on where one of the first ends, by what may follow that one."""
    for owner in one.states[left].ends:
        for node in map(other.nodes.__getitem__, other.states[right].nodes):
            if follows(names[owner], node.ranges):
                yield labels[node.owner], node.cut


def _overlap(some: Ranges, others: Ranges) -> bool:
    if len(some) == 1 == len(others):
        return some[0][0] <= others[0][1] and others[0][0] <= some[0][1]
    i = j = 0
    while i < len(some) and j < len(others):
        if some[i][1] < others[j][0]:
            i += 1
        elif others[j][1] < some[i][0]:
            j += 1
        else:
            return True
    return False
