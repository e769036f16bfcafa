"""The search: candidates, their rollouts in rounds, and the choice between them.

Each round is one batch of all candidates that are left by further rows, so every candidate answers the same rows and differences are
paired. A candidate whose difference to the best one has an interval below zero is dropped. A row that gave examples compares too: a
candidate answers it without the examples that came of it, so none is scored on what it shows. Everything that is drawn is drawn from
the seed, so a search that runs again with a journal asks for the same rollouts and is answered from it.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

from typefold.compiler.contained import first_line
from typefold.errors import PromptUsageError
from typefold.evaluation.fields import is_equal
from typefold.evaluation.grading import Job, Metric, graded, unwrapped
from typefold.evaluation.intervals import Estimate, difference, mean_score
from typefold.evaluation.report import EvaluatedRow, MetricFailed
from typefold.evaluation.tables import text_of
from typefold.execution.call import Call
from typefold.execution.tracing import Observer, observed_by
from typefold.optimization.labelled_rows import LabelledRow
from typefold.optimization.optimized_prompts import scoped
from typefold.optimization.proposals import Mistake, Proposer, own_instructions, proposals
from typefold.prompts.base_prompt import spec_if_prompt
from typefold.prompts.definition import Definition, Instructions
from typefold.prompts.revision import Revision, Scope, StoredExample
from typefold.prompts.spec import PromptSpec
from typefold.signatures.parameters import is_async

logger = logging.getLogger(__name__)

Strategy: TypeAlias = Literal["halving", "random"]

LEAST = 8
"""Rows that a candidate answers at least before it is judged, where there are as many."""
_MARGIN = 1.25  # the tokens that a rollout may take, by their mean so far
_FEW_LABELS = 12  # different answers, up to which examples are drawn from each in turn


class OutOfTokens(Exception):
    """The budget of tokens is spent; a rollout was not begun."""


@dataclass
class Budget:
    """Rollouts and tokens that a search may take, and those that it has taken."""

    rows: int
    tokens: int | None = None
    spent: int = 0
    used: int = 0
    reserved: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def overdrawn(self) -> bool:
        return self.tokens is not None and self.used > self.tokens - self.reserved

    def add(self, tokens: int) -> None:
        with self._lock:  # calls in the background end in another thread
            self.used += tokens

    def reserve(self, kept: int) -> None:
        """Leave the tokens of a number of rollouts for later, as many as they have taken in the mean, and a quarter more."""
        self.reserved = math.ceil(_MARGIN * kept * self.used / max(1, self.spent))

    def rows_left(self, kept: int) -> int:
        """Return the number of rollouts that are left, by rows and by tokens, without those that are kept for later."""
        left = self.rows - self.spent
        if self.tokens is not None and self.spent:
            left = min(left, math.floor((self.tokens - self.used) / max(1.0, _MARGIN * self.used / self.spent)))
        return max(0, left - kept)


Key: TypeAlias = tuple[str, str]
"""A prompt by its name and by the content of its source: one that is defined anew in each row is the same one."""

_Given: TypeAlias = tuple[tuple[Any, ...], Mapping[str, Any]]
"""The arguments of a call, positional and by name."""


def key_of(definition: Definition) -> Key:
    """Return the key of a prompt."""
    return f"{definition.function.__module__}.{definition.name}", definition.content[0]


@dataclass
class Trace(Observer):
    """The calls that a rollout made, each with its arguments and its value; an observer of them."""

    budget: Budget
    calls: list[tuple[Definition, _Given, Any]] = field(default_factory=list[Any])

    def tokens(self, count: int) -> None:
        self.budget.add(count)

    def value(self, call: Call[Any], value: Any) -> None:
        if isinstance(call.definition, Definition):
            self.calls.append((call.definition, call.arguments, unwrapped(value)))


@dataclass
class PromptFound:
    """A prompt that the function calls, with examples for it out of the rows."""

    definition: Definition
    bound: int  # arguments that it has already: the instance of a method
    versions: dict[str, None] = field(default_factory=dict[str, None])
    labelled: dict[StoredExample | str, StoredExample] = field(default_factory=dict[Any, StoredExample])
    own: dict[StoredExample | str, StoredExample] = field(default_factory=dict[Any, StoredExample])
    sources: dict[str, set[object]] = field(default_factory=dict[str, set[object]])  # the rows that an example came of
    mistakes: list[Mistake] = field(default_factory=list[Mistake])
    calls: list[_Given] = field(default_factory=list[Any])

    def came_of(self, example: StoredExample, row: object) -> bool:
        return row in self.sources[repr(example.arguments)]

    @cached_property
    def instructions(self) -> str:
        return own_instructions(self.definition, self.calls[:SAMPLED])


SAMPLED = 16
"""Calls that are looked at for the instructions that they share."""


@dataclass(eq=False)
class Candidate:
    """Revisions of prompts; none are the function as it is. `spares` are examples that may take the place of others."""

    words: str
    revisions: Mapping[Key, Revision]
    spares: Mapping[Key, Sequence[StoredExample]] = field(default_factory=dict[Key, Any])
    scores: list[float] = field(default_factory=list[float])

    @property
    def mean(self) -> float:
        return math.fsum(self.scores) / len(self.scores) if self.scores else 0.0

    def is_worse_than(self, best: Candidate) -> bool:
        """Return whether it is worse than the best one by more than chance, on the rows that both answered."""
        return len(self.scores) >= LEAST and difference(best.scores, self.scores).high < 0


@dataclass(frozen=True)
class Round:
    """A round of a search.

    Attributes:
        number: Its number, from 1.
        rows: The rows that each candidate has answered by its end.
        scores: The candidates with their mean scores, the best first.
        kept: The number of candidates, from the first on, that go on.
        rollouts: The rollouts so far.
        tokens: The tokens so far.
    """

    number: int
    rows: int
    scores: tuple[tuple[str, Estimate], ...]
    kept: int
    rollouts: int
    tokens: int

    def __str__(self) -> str:
        (best, score), *_ = self.scores
        return (
            f"round {self.number}: {len(self.scores)} candidates by {self.rows:,} rows, {self.kept} kept; the best has {score} "
            f"({best}); {self.rollouts:,} rollouts, {self.tokens:,} tokens"
        )


class Search:
    """A search for better examples and instructions of a function's prompts."""

    def __init__(self, function: Callable[..., Any], metric: Metric[Any] | None, budget: Budget, seed: int) -> None:
        self.function = function
        self.budget = budget
        self.prompts: dict[Key, PromptFound] = {}
        self._seed = seed
        self._draw = random.Random(f"{seed} candidates")
        self._asynchronous = is_async(function) or (metric is not None and is_async(metric))
        self._scopes: dict[Candidate, Scope] = {}
        self._failed = ""
        self._metric = None if metric is None else self.watched(metric)
        self._spec = spec_if_prompt(function)
        if self._spec is not None:
            self._found(self._spec)

    def watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose tokens are counted."""
        asynchronous = self._asynchronous and spec_if_prompt(function) is not None
        return scoped(function, partial(observed_by, Trace(self.budget)), asynchronous=asynchronous)

    def rollouts(
        self, plan: Iterable[tuple[Candidate, LabelledRow]], traces: list[Trace] | None = None
    ) -> list[EvaluatedRow[Any]]:
        """Run candidates on rows as one batch."""
        jobs: list[Job] = []
        for number, (candidate, row) in enumerate(plan):
            trace = Trace(self.budget)
            if traces is not None:
                traces.append(trace)
            asynchronous = self._asynchronous and self._spec is not None
            function = scoped(self.function, partial(self._inside, candidate, trace), asynchronous=asynchronous)
            jobs.append(Job(partial(function, **row.keywords or {}), number, row.args, row.input, row.expected))
        self.budget.spent += len(jobs)
        return graded(jobs, self._metric) if jobs else []

    @contextmanager
    def _inside(self, candidate: Candidate, trace: Trace) -> Generator[None]:
        if self.budget.overdrawn:
            raise OutOfTokens
        if candidate not in self._scopes:
            self._scopes[candidate] = Scope(partial(self._revision, candidate))
        with observed_by(trace), self._scopes[candidate]():
            yield

    def _revision(self, candidate: Candidate, spec: PromptSpec) -> Revision | None:
        self._found(spec)
        return candidate.revisions.get(key_of(spec.definition))

    def _found(self, spec: PromptSpec) -> PromptFound:
        known = self.prompts.setdefault(key_of(spec.definition), PromptFound(spec.definition, len(spec.bound)))
        known.versions.setdefault(spec.version().digest)
        return known

    def learn(self, labelled: Sequence[LabelledRow], rows: Sequence[LabelledRow]) -> None:
        """Take examples out of rows: labels, for a prompt by itself; and right answers of `rows`, which are run as they are.

        Raises PromptUsageError where no candidate can come of it.
        """
        if self._spec is not None:
            [found] = self.prompts.values()
            for row in labelled:
                call = ((*self._spec.bound, *row.args), dict(row.keywords or {}))
                found.calls.append(call)
                self._keep(found, found.labelled, call, row.expected, row)
        if not rows:
            return
        traces: list[Trace] = []
        as_it_is = Candidate("as it is", {})
        first = len(rows) if self.budget.tokens is None else LEAST
        ended = self.rollouts([(as_it_is, row) for row in rows[:first]], traces)
        rows = rows[: first + self.budget.rows_left(0) // 8]
        ended += self.rollouts([(as_it_is, row) for row in rows[first:]], traces)
        if self.budget.overdrawn:
            raise PromptUsageError(
                f"optimize: token_budget={self.budget.tokens:,} is too small: {len(ended)} rows of the function as it is take more"
            )
        broken = [row.error for row in ended if isinstance(row.error, MetricFailed)]
        if len(broken) == len(ended):
            raise PromptUsageError(f"optimize: the metric failed for every row: {first_line(broken[0])}")
        errors = [row.error for row in ended if row.error is not None]
        if len(errors) == len(ended):
            self._failed = (
                f"all {len(ended)} rows failed, the first with {type(errors[0]).__name__}: {first_line(errors[0])}"
            )
        self._remember(rows, ended, traces)

    def _remember(
        self, run: Sequence[LabelledRow], ended: Sequence[EvaluatedRow[Any]], traces: Sequence[Trace]
    ) -> None:
        """Take examples and mistakes out of rows, each with the calls that it made.

        A prompt whose values are always the rows' answers, the last of a program, takes the rows' labels for examples too.
        """
        rows: list[tuple[EvaluatedRow[Any], list[tuple[str, PromptFound, _Given, Any]]]] = []
        gives_answers: dict[Key, bool] = {}
        for row, trace in zip(ended, traces, strict=True):
            made = [(self.prompts[key_of(definition)], call, value) for definition, call, value in trace.calls]
            # Calls that are in flight together end in any order, and nothing may depend on that.
            calls = [(_shown(found, call), found, call, value) for found, call, value in made]
            rows.append((row, sorted(calls, key=lambda each: (each[1].definition.name, each[0]))))
            for found, _, value in made if row.error is None else ():
                key = key_of(found.definition)
                gives_answers[key] = gives_answers.get(key, True) and is_equal(row.value, value)
        for source, (row, calls) in zip(run, rows, strict=True):
            for shown, found, call, value in calls:
                if self._spec is None:
                    found.calls.append(call)
                    if gives_answers.get(key_of(found.definition)):
                        self._keep(found, found.labelled, call, row.expected, source)
                if row.right:
                    self._keep(found, found.own, call, value, source)
                elif not isinstance(row.error, MetricFailed):
                    found.mistakes.append(Mistake(shown, text_of(value), text_of(row.expected)))
        # Nor on the order in which prompts were found.
        self.prompts = dict(sorted(self.prompts.items()))

    def _keep(
        self,
        found: PromptFound,
        kept: dict[Any, StoredExample],
        call: _Given,
        value: Any,
        row: LabelledRow,
    ) -> None:
        try:
            arguments = found.definition.bind(*call)
        except TypeError:  # the row's own failure
            return
        stored = StoredExample.of(found.definition, arguments, value, found.bound)
        if stored is not None:
            kept.setdefault(repr(stored.arguments), stored)
            found.sources.setdefault(repr(stored.arguments), set()).add(row.key)

    def propose(self, proposer: Proposer, count: int) -> list[tuple[Key, str]]:
        """Return instructions for prompts in turn, made of mistakes by a proposer."""
        asked = [(key, each) for key, each in self.prompts.items() if each.mistakes]
        if not asked:
            return []
        self.budget.spent += count
        rows = [
            (each.definition, each.instructions, each.mistakes)
            for _, each in (asked[number % len(asked)] for number in range(count))
        ]
        texts = proposals(proposer, rows, self._seed, self.watched)
        if not any(texts):
            self._failed = (
                self._failed or f"all {count} proposals of instructions failed or are empty; the log has more"
            )
        made = {(asked[number % len(asked)][0], text): None for number, text in enumerate(texts) if text}
        return [(key, text) for key, text in made if text != self.prompts[key].instructions]

    def lacking(self) -> str:
        """Return in words the reason that there is no candidate."""
        if self._failed:
            return self._failed
        if not self.prompts:
            return "no prompt was called"
        if not self.budget.spent:
            return "no row can be written as JSON, which examples are kept in"
        return "no call of a row that came out right can be an example, and there are no instructions; give instructions=4, say"

    def candidates(self, count: int, most: int, texts: Sequence[tuple[Key, str]]) -> list[Candidate]:
        """Return the function as it is, each of the instructions by itself, and as many others as there are to be, drawn.

        Sizes take turns, and so do even shares of answers and those of the rows: few candidates are as unlike as many.
        """
        made: dict[object, Candidate] = {(): Candidate("as it is", {})}
        for number, text in enumerate(texts[: count - 1], 1):
            self._add(made, f"instructions {number}", {}, text)
        have_examples = any(each.labelled or each.own for each in self.prompts.values())
        if not have_examples or most < 1:
            return list(made.values())
        sizes = sorted({min(most, 2**power) for power in range(most.bit_length() + 1)})
        for number in range(8 * count):  # fewer come of few examples
            if len(made) >= count:
                break
            turn, place = divmod(number, len(sizes))
            size, even = sizes[-1 - place], (turn + place) % 2 == 0
            orders = {key: self._ordered(each, even) for key, each in self.prompts.items() if each.labelled or each.own}
            chosen = {key: tuple(self._draw.sample(each[:size], len(each[:size]))) for key, each in orders.items()}
            spares = {key: each[size:] for key, each in orders.items()}
            words = f"{max(map(len, chosen.values()))} examples"
            which = self._draw.randrange(len(texts) + 1)
            if which:
                self._add(made, f"instructions {which}, {words}", chosen, texts[which - 1], spares)
            else:
                self._add(made, words, chosen, None, spares)
        return list(made.values())

    def _add(
        self,
        made: dict[object, Candidate],
        words: str,
        examples: Mapping[Key, tuple[StoredExample, ...]],
        text: tuple[Key, str] | None,
        spares: Mapping[Key, Sequence[StoredExample]] | None = None,
    ) -> None:
        revisions: dict[Key, Revision] = {}
        for key, each in self.prompts.items():
            mine = text is not None and text[0] == key
            instructions = Instructions(each.instructions, text[1]) if text is not None and mine else None
            if key in examples or instructions is not None:
                revisions[key] = Revision(each.definition.name, examples.get(key), instructions)
        made.setdefault(repr(revisions), Candidate(words, revisions, spares or {}))

    def revisions(self, candidate: Candidate) -> tuple[Revision, ...]:
        """Return the revisions of a candidate, made for all versions of its prompts that were called."""
        found = candidate.revisions.items()
        return tuple(replace(each, made_for=tuple(sorted(self.prompts[key].versions))) for key, each in found)

    def _ordered(self, found: PromptFound, even: bool) -> list[StoredExample]:
        """Draw the order in which a prompt's examples are taken: where few answers are to have even shares, of each in turn."""
        pools = [each for each in (found.labelled, found.own) if each]
        pool = list(self._draw.choice(pools).values())
        self._draw.shuffle(pool)
        by_answer: dict[str, list[StoredExample]] = {}
        for each in pool:
            by_answer.setdefault(each.answer, []).append(each)
        if not even or len(by_answer) > _FEW_LABELS:
            return pool
        turns = range(max(map(len, by_answer.values())))
        return [group[turn] for turn in turns for group in by_answer.values() if turn < len(group)]

    def _apart(self, candidate: Candidate, row: object) -> Candidate:
        """Return a candidate without the examples that came of a row, each replaced by a spare one of the same answer, if any."""
        changed: dict[Key, Revision] = {}
        for key, revision in candidate.revisions.items():
            found, examples = self.prompts[key], revision.examples or ()
            if not any(found.came_of(each, row) for each in examples):
                continue
            spares = [each for each in candidate.spares.get(key, ()) if not found.came_of(each, row)]
            kept: list[StoredExample] = []
            for each in examples:
                if found.came_of(each, row):
                    place = next((place for place, spare in enumerate(spares) if spare.answer == each.answer), None)
                    kept += () if place is None else (spares.pop(place),)
                else:
                    kept.append(each)
            changed[key] = replace(revision, examples=tuple(kept))
        return Candidate(candidate.words, {**candidate.revisions, **changed}) if changed else candidate

    def rounds(
        self,
        candidates: Sequence[Candidate],
        rows: Sequence[LabelledRow],
        strategy: Strategy,
        kept: int,
        on_round: Callable[[Round], object] | None,
    ) -> tuple[Candidate, list[Round]]:
        """Run the rounds, and return the best change, or the function as it is where all are worse by more than chance.

        `kept` rollouts are left for later.
        """
        rounds: list[Round] = []
        alive, best = list(candidates), candidates[0]
        planned = max(1, math.ceil(math.log2(len(alive)))) if strategy == "halving" else 3
        answered = 0
        if self.budget.tokens is not None:  # one row of each tells what a rollout takes with its examples
            answered += self._answer(alive, rows[:1], kept)
            alive = alive[: max(2, self.budget.rows_left(kept) // LEAST)]
        for number in range(planned):
            most = self.budget.rows_left(kept)
            wanted = max(most // (planned - number) // len(alive), 0 if number else LEAST)
            further = rows[answered : answered + min(wanted, most // len(alive))]
            if not further or len(alive) == 1 or not self._answer(alive, further, kept):
                break
            answered += len(further)
            # Of equals a change: the function as it is, is asked for the rows of validation in any case.
            alive.sort(key=lambda each: (-each.mean, not each.revisions))
            scores = tuple((each.words, mean_score(each.scores)) for each in alive)
            left = [each for each in alive if not each.is_worse_than(alive[0])]
            best = next((each for each in left if each.revisions), left[0])
            alive = left[: math.ceil(len(alive) / 2)] if strategy == "halving" else left
            made = Round(number + 1, answered, scores, len(alive), self.budget.spent, self.budget.used)
            logger.info("%s", made)
            rounds.append(made)
            if on_round is not None:
                on_round(made)
        return best, rounds

    def _answer(self, candidates: Sequence[Candidate], rows: Sequence[LabelledRow], kept: int) -> int:
        """Run candidates on rows and return the number of rows; 0 where the tokens were spent on the way, so none counts."""
        self.budget.reserve(kept)
        ended = self.rollouts((self._apart(candidate, row.key), row) for candidate in candidates for row in rows)
        if self.budget.overdrawn:  # which rollouts were left out depends on the time, and nothing else may
            logger.warning("the budget of tokens was spent within a round, which is not counted")
            return 0
        for place, candidate in enumerate(candidates):
            candidate.scores += [row.score for row in ended[place * len(rows) : (place + 1) * len(rows)]]
        return len(rows)


def _shown(found: PromptFound, call: _Given) -> str:
    arguments = list(found.definition.bind(*call).items())[found.bound :]
    return ", ".join(f"{name}={text_of(each)}" for name, each in arguments)
