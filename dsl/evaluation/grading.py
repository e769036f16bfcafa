"""`evaluate`: a function over labelled rows, as one batch, and `compare`: two functions over the same rows.

All rows of all functions, and the calls of a metric that is a prompt, are in one batch. A failed row counts as wrong. Labels are
checked before the engine is asked: a missing one, one of another type, and a number of labels that is not that of the rows.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from returns.result import Failure, Result, Success
from typing_extensions import TypeVarTuple, Unpack

from typefold.compiler import OutputType
from typefold.compiler.contained import describe_exception
from typefold.compiler.guards import class_of
from typefold.errors import AT_ONCE, PromptUsageError
from typefold.evaluation.fields import is_equal
from typefold.evaluation.report import EvaluatedRow, MetricFailed, Report
from typefold.execution.executor import run_calls
from typefold.programs.run import run
from typefold.programs.voting import number_of
from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.prompts.prompt import Prompt
from typefold.response_types import Decisions, Logged, Reasoned, Scored
from typefold.runtime import BadInput
from typefold.signatures.parameters import is_async, name_of
from typefold.tables.columns import Unfit, rows_of, spread

A = TypeVar("A")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Wrapped: TypeAlias = Logged[T] | Reasoned[T] | Scored[T] | Decisions[T]
Metric: TypeAlias = Callable[[T, T], object]
"""A function of the expected value and the answer that returns a truth value, a number, or a `Scored` of them; `async def` too.

A prompt function is one: a judge.
"""

_NAMED = 5  # rows in a message


@dataclass(frozen=True, slots=True)
class Case(Generic[A, T]):
    """A labelled row.

    Attributes:
        input: The function's argument.
        expected: The right answer.
    """

    input: A
    expected: T


class Evaluate:
    """The class of `typefold.evaluate`: call it, or its form for functions of several arguments."""

    def __reduce__(self) -> str:
        return "evaluate"

    # fmt: off
    @overload
    def __call__(self, function: Callable[[A], Coroutine[Any, Any, Wrapped[T]]], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def __call__(self, function: Callable[[A], Wrapped[T]], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def __call__(self, function: Callable[[A], Coroutine[Any, Any, T]], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def __call__(self, function: Callable[[A], T], rows: Iterable[A], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def __call__(self, function: Callable[[A], Coroutine[Any, Any, Wrapped[T]]], cases: Iterable[Case[A, T]], /, *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def __call__(self, function: Callable[[A], Wrapped[T]], cases: Iterable[Case[A, T]], /, *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def __call__(self, function: Callable[[A], Coroutine[Any, Any, T]], cases: Iterable[Case[A, T]], /, *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def __call__(self, function: Callable[[A], T], cases: Iterable[Case[A, T]], /, *, metric: Metric[T] | None = None) -> Report[T]: ...
    # fmt: on
    def __call__(
        self,
        function: Callable[[Any], Any],
        rows: Iterable[Any],
        /,
        expected: Iterable[Any] | None = None,
        *,
        metric: Metric[Any] | None = None,
    ) -> Report[Any]:
        """Ask a function for labelled rows, and report how often it is right.

        Args:
            function: A prompt function, or any function of one argument that calls some; `async def` too.
            rows: Its arguments, one for each row; any iterable, or a column. Or `Case`s, which hold the labels too.
            expected: The right answers, in the order of the rows; for a function that returns `Scored[T]` and the like, `T`s.
            metric: A function `(expected, answer)` that returns whether the answer is right, or a score; a prompt function may
                be one. By default an answer is right if it equals the expected one. A row for which the metric raises
                counts as failed.

        Returns:
            The report, with every row.

        Raises:
            PromptUsageError: A label is missing or no value of the return type, or there are not as many as rows.
            EngineLoadError: The engine can't be loaded. Like `JournalError` and `NoRuntime` this is about no row.

        Example:
            >>> from typing import Literal
            >>> from typefold import Runtime, ask, prompt
            >>> from typefold.evaluation import evaluate
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def sort(mail: str) -> Literal["bill", "other"]:
            ...     return ask(f"Which kind is this? {mail}")
            >>> with Runtime(ScriptedEngine(answers=["bill", "other", "other"])):
            ...     report = evaluate(sort, ["You owe $5.", "Hello!", "Pay now."], ["bill", "other", "bill"])
            >>> report.accuracy
            0.67 [0.21, 0.94] of 3 rows
            >>> [row.input for row in report.mistakes]
            ['Pay now.']
        """
        jobs = labelled_jobs(function, rows, expected)
        return reported(function, graded(jobs, metric), metric)

    # fmt: off
    @overload
    def starmap(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, Wrapped[T]]], rows: Iterable[tuple[*Ts]], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def starmap(self, function: Callable[[Unpack[Ts]], Wrapped[T]], rows: Iterable[tuple[*Ts]], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def starmap(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], rows: Iterable[tuple[*Ts]], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def starmap(self, function: Callable[[Unpack[Ts]], T], rows: Iterable[tuple[*Ts]], /, expected: Iterable[T], *, metric: Metric[T] | None = None) -> Report[T]: ...
    # fmt: on
    def starmap(
        self,
        function: Callable[..., Any],
        rows: Iterable[Any],
        /,
        expected: Iterable[Any] | None = None,
        *,
        metric: Metric[Any] | None = None,
    ) -> Report[Any]:
        """Ask a function of several arguments for labelled rows; else as `evaluate`.

        Args:
            function: A prompt function, or any function that calls some; `async def` too.
            rows: Tuples of its arguments, in their order.
            expected: The right answers, in the order of the rows.
            metric: A function `(expected, answer)`; see `evaluate`.

        Returns:
            The report.

        Raises:
            PromptUsageError: The labels don't fit the rows or the function.

        Example:
            >>> from typefold.evaluation import evaluate
            >>> evaluate.starmap(pow, [(2, 3), (3, 2)], [8, 8]).accuracy
            0.50 [0.09, 0.91] of 2 rows
        """
        inputs, labels = _labelled(spread(_listed(rows)), expected, function)
        jobs = [
            Job(function, index, row, row, label) for index, (row, label) in enumerate(zip(inputs, labels, strict=True))
        ]
        return reported(function, graded(jobs, metric), metric)


evaluate = Evaluate()
"""Ask a function for labelled rows, and report how often it is right; see `Evaluate.__call__`."""


@dataclass(frozen=True, slots=True)
class Job:
    """A row of a function, with the right answer."""

    function: Callable[..., Any]
    index: int
    arguments: tuple[Any, ...] | Unfit
    input: Any
    expected: Any


def _listed(rows: Any) -> Any:
    """Return rows of which there is a number, as iterators have none."""
    return rows if hasattr(rows, "__len__") else list(rows)


def labelled_jobs(function: Callable[..., Any], rows: Iterable[Any], expected: Iterable[Any] | None) -> list[Job]:
    """Return the rows of a function of one argument, with their labels, checked."""
    inputs, labels = _labelled(rows_of(_listed(rows), function), expected, function)
    return [
        Job(function, index, cell if isinstance(cell, Unfit) else (cell,), cell, label)
        for index, (cell, label) in enumerate(zip(inputs, labels, strict=True))
    ]


def _labelled(
    rows: Iterable[Any], expected: Iterable[Any] | None, function: Callable[..., Any]
) -> tuple[list[Any], list[Any]]:
    """Return the inputs and their labels, checked."""
    name, inputs = name_of(function), list(rows)
    if expected is None:
        if bad := [row for row, case in enumerate(inputs) if not isinstance(case, Case)]:
            raise PromptUsageError(f"evaluate({name}): row {bad[0]} has no label; give expected=, or rows of Case")
        cases = cast("list[Case[Any, Any]]", inputs)
        inputs, labels = [case.input for case in cases], [case.expected for case in cases]
    else:
        labels = list(rows_of(_listed(expected), _takes_none))
    if len(inputs) != len(labels):
        raise PromptUsageError(f"evaluate({name}): there are {len(inputs):,} rows and {len(labels):,} labels")
    if not inputs:
        raise PromptUsageError(f"evaluate({name}): there are no rows")
    check_labels(labels, function)
    return inputs, labels


def _takes_none(label: object | None) -> None: ...


def check_labels(labels: Sequence[Any], function: Callable[..., Any]) -> None:
    """Refuse labels that are missing, or that the function can't return. Raises PromptUsageError."""
    kind = _kind_of(function)
    wrong: dict[int, str] = {}
    known: set[Any] = set()
    for row, label in enumerate(labels):
        try:
            if (type(label), label) in known:
                continue
            hashable = True
        except TypeError:
            hashable = False
        if isinstance(label, Unfit):
            wrong[row] = label.reason
        elif kind is not None:
            try:
                kind.decode(kind.encode(label))
            except ValueError as error:
                wrong[row] = "there is none" if label is None else f"{label!r:.80} is no answer of it: {error}"
        elif label is None or label != label:
            wrong[row] = "there is none"
        if hashable and row not in wrong:
            known.add((type(label), label))
    if wrong:
        shown = "; ".join(f"row {row}: {words}" for row, words in list(wrong.items())[:_NAMED])
        more = f"; and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        raise PromptUsageError(
            f"evaluate({name_of(function)}): {len(wrong):,} of {len(labels):,} labels don't fit: {shown}{more}. "
            f"Mend them, or leave these rows out"
        )


def _kind_of(function: object) -> OutputType[Any] | None:
    if not isinstance(function, BasePrompt):
        return None
    spec = spec_of(function)  # pyright: ignore[reportUnknownArgumentType]  # any prompt
    return spec.definition.return_type(spec.options.json_format).kind


def graded(jobs: Sequence[Job], metric: Metric[Any] | None) -> list[EvaluatedRow[Any]]:
    """Run all jobs as one batch, and return their rows."""
    functions: list[Any] = list({id(job.function): job.function for job in jobs}.values())
    only = functions[0] if len(functions) == 1 and not any(isinstance(job.arguments, Unfit) for job in jobs) else None
    if metric is None and isinstance(only, Prompt):
        results = _asked(only, jobs)
        return [_row(job, result) for job, result in zip(jobs, results, strict=True)]
    wants_loop = any(map(is_async, functions)) or (metric is not None and is_async(metric))
    program = partial(_answer_async if wants_loop else _answer, metric=metric)
    ended: list[Result[Any, Exception]] = run.safe(cast("Any", program), jobs, key=_key)
    return [
        _row(job, *result.unwrap()) if isinstance(result, Success) else _row(job, result)
        for job, result in zip(jobs, ended, strict=True)
    ]


def _asked(function: Any, jobs: Sequence[Job]) -> list[Result[Any, Exception]]:
    """Run the calls of one prompt, without a row of `run` around each."""
    spec = spec_of(function).as_safe()
    calls = spec.spread(job.arguments for job in jobs)
    return cast("list[Result[Any, Exception]]", run_calls(calls, len(jobs)))


def graded_answers(prompt: Any, jobs: Sequence[Job]) -> list[Any]:
    """Return the answers of a prompt as it gives them, as one batch; `None` for a row that failed."""
    results = iter(_asked(prompt, [job for job in jobs if not isinstance(job.arguments, Unfit)]))
    ended = [None if isinstance(job.arguments, Unfit) else next(results) for job in jobs]
    return [each.unwrap() if isinstance(each, Success) else None for each in ended]


def _key(job: Job) -> object:
    return name_of(job.function), job.input


def _answer(job: Job, metric: Metric[Any] | None) -> tuple[Result[Any, Exception], Result[Any, Exception] | None]:
    """Return the answer of a row and what the metric says of it."""
    if isinstance(job.arguments, Unfit):
        return Failure(BadInput(function=name_of(job.function), reason=job.arguments.reason)), None
    try:
        answer = job.function(*job.arguments)
    except AT_ONCE:
        raise
    except Exception as error:
        return Failure(error), None
    if metric is None:
        return Success(answer), None
    try:
        return Success(answer), Success(metric(job.expected, unwrapped(answer)))
    except AT_ONCE:
        raise
    except Exception as error:
        return Success(answer), Failure(error)


async def _answer_async(
    job: Job, metric: Metric[Any] | None
) -> tuple[Result[Any, Exception], Result[Any, Exception] | None]:
    if isinstance(job.arguments, Unfit):
        return Failure(BadInput(function=name_of(job.function), reason=job.arguments.reason)), None
    try:
        answer = await _awaited(job.function, *job.arguments)
    except AT_ONCE:
        raise
    except Exception as error:
        return Failure(error), None
    if metric is None:
        return Success(answer), None
    try:
        return Success(answer), Success(await _awaited(metric, job.expected, unwrapped(answer)))
    except AT_ONCE:
        raise
    except Exception as error:
        return Success(answer), Failure(error)


async def _awaited(function: Any, *arguments: Any) -> Any:
    if isinstance(function, BasePrompt):
        return await cast("Any", function).aio(*arguments)
    answer = function(*arguments)
    return await answer if inspect.isawaitable(answer) else answer


def unwrapped(answer: Any) -> Any:
    """Return the value inside of `Logged`, `Reasoned`, `Scored` and `Decisions`."""
    return answer.value if class_of(answer) in (Decisions, Logged, Reasoned, Scored) else answer


def _row(job: Job, answer: Result[Any, Exception], judged: Result[Any, Exception] | None = None) -> EvaluatedRow[Any]:
    if not isinstance(answer, Success):
        return EvaluatedRow(job.index, job.input, job.expected, None, answer.failure(), right=False, score=0.0)
    given = answer.unwrap()
    value = unwrapped(given)
    probabilities: Mapping[Any, float] | None = given.probabilities if class_of(given) is Scored else None
    right, score, error = is_equal(job.expected, value), 0.0, None
    if judged is None:
        score = float(right)
    else:
        try:
            right, score = _judgement(judged, right)
        except MetricFailed as failed:
            right, error = False, failed
    return EvaluatedRow(job.index, job.input, job.expected, value, error, right, score, probabilities)


def _judgement(judged: Result[Any, Exception], is_equal: bool) -> tuple[bool, float]:
    """Return whether the metric calls an answer right, and its score. Raises MetricFailed."""
    if not isinstance(judged, Success):
        error = judged.failure()
        raise MetricFailed(f"the metric raised {describe_exception(error)}") from error
    given = judged.unwrap()
    try:
        score = number_of(given)
    except TypeError as error:
        raise MetricFailed(f"the metric returned {given!r:.80}, which is neither a truth value nor a number") from error
    if not math.isfinite(score):
        raise MetricFailed(f"the metric returned {given!r:.80}")
    verdict = unwrapped(given)
    return (verdict, score) if isinstance(verdict, bool) else (is_equal, score)


def reported(
    function: Callable[..., Any], rows: Sequence[EvaluatedRow[Any]], metric: Metric[Any] | None
) -> Report[Any]:
    """Return the report of rows."""
    return Report(name_of(function), tuple(rows), "" if metric is None else name_of(metric))
