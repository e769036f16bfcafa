"""`optimize`: a function with better examples and instructions, found on labelled rows and evaluated on others.

Rows for training give examples and compare candidates, and none is answered with an example of its own. Rows that mistakes came
from compare nothing, since no instructions can be scored without those. Rows for validation are asked at the end, of the function as
it was and with the best change, and of no other candidate: so the difference has an honest interval.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args

from typing_extensions import TypedDict, Unpack

from typefold.errors import PromptUsageError
from typefold.evaluation.compare import Comparison
from typefold.evaluation.grading import Case, Metric, check_metric, refuse_uncallable, reported
from typefold.evaluation.tables import Shown, Table, figures_as_json, text_of
from typefold.optimization.labelled_rows import LabelledRow, labelled_rows, parted, refuse_overlap
from typefold.optimization.optimized_prompts import OptimizedPrompts, optimized
from typefold.optimization.proposals import Proposer, default_proposer
from typefold.optimization.search import LEAST, Budget, Candidate, OutOfTokens, Round, Search, Strategy
from typefold.prompts.base_prompt import spec_if_prompt
from typefold.runtimes.current import find_current
from typefold.signatures.parameters import name_of

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class Optimization(Shown, Generic[F]):
    """The outcome of a search. Made by `optimize`.

    Attributes:
        function: The function with the best examples and instructions, of its own type; as it was, where those did no better on
            the rows for validation. The gain may be chance where `improved` is false.
        prompts: These examples and instructions, as data.
        validation: The function before and with the best change, on rows that the search did not see.
        rounds: The rounds of the search.
        rollouts: The number of times that the function was run for a row, and instructions were proposed.
        tokens: The tokens of all prompts and answers, those from a journal too.
    """

    function: F
    prompts: OptimizedPrompts
    validation: Comparison[Any] = field(repr=False)
    rounds: tuple[Round, ...] = field(repr=False)
    rollouts: int
    tokens: int

    @property
    def improved(self) -> bool:
        """Whether the difference on the rows for validation has an interval above zero."""
        return self.validation.difference.low > 0

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the examples and instructions, and their evaluation, to a file for `optimized`.

        Args:
            path: The file; an earlier one is replaced.
        """
        self.prompts.save(path)

    def tables(self) -> Iterator[Table]:
        """Yield the tables that `str()`, rich and notebooks show."""
        yield Table(
            f"rounds: {self.rollouts:,} rollouts, {self.tokens:,} tokens",
            ("", "candidates", "kept", "rows each", "the best", "score"),
            [
                (
                    str(each.number),
                    str(len(each.scores)),
                    str(each.kept),
                    f"{each.rows:,}",
                    each.scores[0][0],
                    str(each.scores[0][1]),
                )
                for each in self.rounds
            ],
        )
        changed = [
            (
                each.prompt,
                "as they were" if each.examples is None else f"{len(each.examples)}",
                "as they were" if each.instructions is None else text_of(each.instructions.text),
            )
            for each in self.prompts.prompts
        ]
        title = "found: nothing better; `after` is the best change"
        if changed:
            title = "found" if self.improved else "found, but the gain may be chance: its interval has zero in it"
        yield Table(title, ("prompt", "examples", "instructions"), changed)
        yield from self.validation.tables()


class OptimizeOptions(TypedDict, total=False, closed=True):
    """The options of `optimize`.

    Attributes:
        validation: Labelled rows to judge the outcome by, which the search does not see. By default a third of `train`, drawn by
            the seed.
        budget: The most rollouts: runs of the function for a row, those for validation and proposals among them; 1,000 by default.
        token_budget: The most tokens of prompts and answers, beside `budget`; no limit by default. Rounds are planned by the tokens
            that rollouts have taken so far. Once they are spent all the same, no rollout is begun; those under way end.
        strategy: `"halving"` (the default) keeps the better half of the candidates after each round, `"random"` all that are not
            worse by more than chance.
        candidates: The number of candidates at most, 16 by default; fewer where the budget is too small for so many and a second
            round.
        max_examples: The most examples of a prompt; 8 by default, 0 for none.
        instructions: The number of instructions to be proposed, from mistakes; none by default.
        proposer: The function that proposes them: `(signature, instructions, mistakes)` to a text; by default a prompt of its own.
            A prompt may be one, such as one of a larger model by `runtime=`.
        seed: The seed of all draws; 0 by default.
        on_round: Called after each round, to show the progress.
    """

    validation: Iterable[Case[Any, Any]] | None
    budget: int
    token_budget: int | None
    strategy: Strategy
    candidates: int
    max_examples: int
    instructions: int
    proposer: Proposer | None
    seed: int
    on_round: Callable[[Round], object] | None


class Optimize:
    """The class of `typefold.optimize`: call it, or its form for functions of several arguments."""

    def __reduce__(self) -> str:
        return "optimize"

    def __call__(
        self,
        function: F,
        train: Iterable[Case[Any, Any]],
        /,
        metric: Metric[Any] | None = None,
        **options: Unpack[OptimizeOptions],
    ) -> Optimization[F]:
        """Search for examples and instructions with which a function is right more often.

        Candidates are the function as it is and drawn sets of examples, with instructions that a model proposes if asked to.
        All of a round are run as one batch, and the poor ones are left out of the next. With `Runtime(journal=...)` a search
        that was killed goes on when the same program runs again, and ends as it would have.

        Args:
            function: A prompt function, or any function of one argument that calls some; `async def` too.
            train: Labelled rows to learn from. Examples are labelled rows themselves, and, of the prompts inside of a program,
                the calls of rows that came out right.
            metric: A function `(expected, answer)` that returns whether the answer is right, or a score; see `evaluate`.
            **options: Rows for validation, the budget, and the strategy; see `OptimizeOptions`.

        Returns:
            The function of its own type, the changes as data, and their evaluation.

        Raises:
            PromptUsageError: Rows for validation are among those for training, a label is missing or of another type, the budget
                is too small, or there is nothing to change.

        Example:
            >>> from typing import Literal
            >>> from typefold import Case, Runtime, ask, optimize, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def sort(mail: str) -> Literal["bill", "other"]:
            ...     return ask(f"Which kind is this? {mail}")
            >>> cases = [Case(f"Mail {number}", "bill" if number % 2 else "other") for number in range(60)]
            >>> def answer(request):  # a model that is right once it has seen both kinds
            ...     shown = {message.content for message in request.prompt if message.role == "assistant"}
            ...     return "bill" if shown != {"bill", "other"} or request.prompt[-1].content[-1] in "13579" else "other"
            >>> with Runtime(ScriptedEngine(answers=answer)):
            ...     found = optimize(sort, cases, budget=200)
            >>> found.improved, found.validation.after.accuracy
            (True, 1.00 [0.84, 1.00] of 20 rows)
        """
        return _of_cases(function, train, metric, options, spread=False)

    def starmap(
        self,
        function: F,
        train: Iterable[Case[Any, Any]],
        /,
        metric: Metric[Any] | None = None,
        **options: Unpack[OptimizeOptions],
    ) -> Optimization[F]:
        """Search for a function of several arguments; else as `optimize`.

        Args:
            function: A prompt function, or any function that calls some; `async def` too.
            train: Labelled rows, whose inputs are tuples of its arguments.
            metric: A function `(expected, answer)`; see `evaluate`.
            **options: Rows for validation, the budget, and the strategy; see `OptimizeOptions`.

        Returns:
            The function of its own type, the changes as data, and their evaluation.

        Raises:
            PromptUsageError: See `optimize`.
        """
        return _of_cases(function, train, metric, options, spread=True)


optimize = Optimize()
"""Search for examples and instructions with which a function is right more often; see `Optimize.__call__`."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of a search, checked."""

    validation: Iterable[Case[Any, Any]] | None = None
    budget: int = 1000
    token_budget: int | None = None
    strategy: Strategy = "halving"
    candidates: int = 16
    max_examples: int = 8
    instructions: int = 0
    proposer: Proposer | None = None
    seed: int = 0
    on_round: Callable[[Round], object] | None = None

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            raise PromptUsageError(f"optimize: strategy is 'halving' or 'random', not {self.strategy!r}")
        if type(self.seed) is not int:
            raise PromptUsageError(f"optimize: seed is a whole number, not {self.seed!r}")
        refuse_uncallable("optimize", "proposer", self.proposer, ["a signature", "instructions", "mistakes"])
        refuse_uncallable("optimize", "on_round", self.on_round, ["a round"])
        least = {"budget": 1, "token_budget": 1, "candidates": 2, "max_examples": 0, "instructions": 0}
        for name, low in least.items():
            value = getattr(self, name)
            unlimited = name == "token_budget" and value is None
            if not unlimited and (type(value) is not int or value < low):
                raise PromptUsageError(f"optimize: {name} is a number of at least {low}, not {value!r}")
        if not self.max_examples and not self.instructions:
            raise PromptUsageError("optimize: with max_examples=0 and instructions=0 there is nothing to change")


def _of_cases(
    function: F, train: Iterable[Any], metric: Metric[Any] | None, options: OptimizeOptions, *, spread: bool
) -> Optimization[F]:
    settings = Settings(**options)
    rows = labelled_rows(function, train, name="train", spread=spread)
    held = settings.validation
    apart = None if held is None else labelled_rows(function, held, name="validation", spread=spread)
    return optimize_rows(function, rows, apart, metric, settings)


def optimize_rows(
    function: F,
    train: Sequence[LabelledRow],
    validation: Sequence[LabelledRow] | None,
    metric: Metric[Any] | None,
    settings: Settings,
) -> Optimization[F]:
    """Search, with rows that are checked each by itself."""
    check_metric(metric)
    where = f"optimize({name_of(function)})"
    draw = random.Random(f"{settings.seed} rows")
    if validation is None:
        validation, train = parted(train, 1 / 3, draw)
    else:
        refuse_overlap(train, validation, where=where)
    shown, rest = parted(train, 1 / 2, draw)
    if not rest or not validation:
        raise PromptUsageError(
            f"{where}: these are too few different rows; give more, {4 * LEAST} at the very least of use"
        )
    observes = (
        spec_if_prompt(function) is None
        or settings.instructions
        or metric is not None
        or settings.token_budget is not None
    )
    observed = min(len(shown), max(LEAST, settings.budget // 8)) if observes else 0
    kept = 2 * len(validation)
    compared = [*rest, *shown[observed:], *(() if settings.instructions else shown[:observed])]
    needed = observed + settings.instructions + kept + 2 * min(LEAST, len(compared))
    if settings.budget < needed:
        raise PromptUsageError(
            f"{where}: budget={settings.budget:,} is too small: 2 x {len(validation):,} rollouts are for the rows of validation, and "
            f"with two candidates alone the search takes {needed - kept:,} more; give {needed:,} or more, or fewer rows"
        )
    budget = Budget(settings.budget, settings.token_budget)
    search = Search(function, metric, budget, settings.seed)
    search.learn(train, shown[:observed])
    count = settings.instructions
    texts = search.propose(settings.proposer or default_proposer(), count) if count else []
    # A quarter is left for a second round, of the better ones.
    count = max(2, (settings.budget - budget.spent - kept) * 3 // 4 // min(LEAST, len(compared)))
    candidates = search.candidates(min(settings.candidates, count), settings.max_examples, texts)
    if len(candidates) == 1:
        raise PromptUsageError(f"{where}: no candidate came of the rows: {search.lacking()}")
    best, rounds = search.rounds(candidates, compared, settings.strategy, kept, settings.on_round)
    return _concluded(function, search, candidates[0], best, validation, metric, rounds)


def _concluded(
    function: F,
    search: Search,
    before: Candidate,
    best: Candidate,
    validation: Sequence[LabelledRow],
    metric: Metric[Any] | None,
    rounds: Sequence[Round],
) -> Optimization[F]:
    """Ask the function before and after for the rows for validation."""
    budget, both = search.budget, [before] if best is before else [before, best]
    rows = validation[: max(1, budget.rows_left(0) // len(both))]
    budget.reserve(0)
    ended = search.rollouts((candidate, row) for candidate in both for row in rows)
    pairs = [
        pair
        for pair in zip(ended[: len(rows)], ended[-len(rows) :], strict=True)
        if not any(isinstance(each.error, OutOfTokens) for each in pair)
    ]
    if not pairs:
        raise PromptUsageError(
            f"optimize({name_of(function)}): token_budget={budget.tokens:,} is too small: it was spent before the validation"
        )
    old, new = ([each[place] for each in pairs] for place in (0, 1))
    comparison = Comparison(reported(function, old, metric), reported(function, new, metric))
    revisions = search.revisions(best) if comparison.difference > 0 else ()
    runtime = find_current()
    model = "" if runtime is None else runtime.name
    figures = {
        "metric": comparison.after.metric,
        "before": comparison.before.score,
        "after": comparison.after.score,
        "difference": comparison.difference,
    }
    evaluation = json.loads(figures_as_json(figures))
    shown = os.path.basename(os.path.normpath(model)) if os.path.isdir(model) else model  # no path of this machine
    prompts = OptimizedPrompts(name_of(function), revisions, evaluation, shown)
    changed = optimized(function, prompts) if revisions else function
    return Optimization(changed, prompts, comparison, tuple(rounds), budget.spent, budget.used)
