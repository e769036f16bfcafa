"""`evaluate`: a function over labelled rows, as one batch.

All rows of all functions, and the calls of a metric that is a prompt, are in one batch. A failed row counts as wrong. Labels are
checked before the engine is asked: a missing one, one of another type, and a number of labels that is not that of the rows.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import tee
from typing import Any, Generic, TypeAlias, TypeVar, cast, get_args, get_origin, overload

from pydantic import TypeAdapter, ValidationError
from returns.result import Failure, Result, Success
from typing_extensions import TypeVarTuple, Unpack

from typefold.compiler import OutputType
from typefold.compiler.contained import describe_exception, first_line
from typefold.compiler.guards import class_of, signature_of
from typefold.errors import AT_ONCE, PromptUsageError
from typefold.evaluation.fields import is_equal
from typefold.evaluation.report import WRAPPERS, EvaluatedRow, MetricFailed, Report
from typefold.evaluation.report import unwrapped as unwrapped
from typefold.execution.call import Call
from typefold.execution.executor import as_answered, in_order, run_call, run_call_async, run_calls
from typefold.execution.seeding import Batch
from typefold.messages import is_missing
from typefold.programs.run import as_ended, bound_of, run
from typefold.programs.voting import number_of
from typefold.prompts.base_prompt import BasePrompt, spec_if_prompt, spec_of
from typefold.response_types import Decisions, Logged, Reasoned, Scored
from typefold.runtime import BadInput, PromptError
from typefold.signatures.parameters import hints_of, is_async, name_of, unfit_value, words_of
from typefold.tables.columns import Unfit, refuse_no_rows, rows_of, spread
from typefold.tables.named_rows import NamedRows, named_rows

A = TypeVar("A")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Wrapped: TypeAlias = Reasoned[Scored[T]] | Reasoned[Decisions[T]] | Logged[T] | Reasoned[T] | Scored[T] | Decisions[T]
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

    Example:
        >>> from typefold import Case, evaluate
        >>> evaluate(str.upper, [Case("a", "A"), Case("b", "b")]).accuracy
        0.50 [0.09, 0.91] of 2 rows
    """

    input: A
    expected: T


class Evaluate:
    """The class of `typefold.evaluate`: call it, or one of its other forms."""

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
            PromptUsageError: A label is missing or no value of the return type, there are not as many as rows, no row fits the
                function, or the metric can't be one.
            EngineLoadError: The engine can't be loaded. Like `JournalError` and `NoRuntime` this is about no row.

        Example:
            >>> from typing import Literal
            >>> from typefold import Runtime, ask, evaluate, prompt
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
        return reported(function, graded(labelled_jobs(function, rows, expected), metric), metric)

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
        expected: Iterable[Any],
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
            >>> from typefold import evaluate
            >>> evaluate.starmap(pow, [(2, 3), (3, 2)], [8, 8]).accuracy
            0.50 [0.09, 0.91] of 2 rows
        """
        check_function(function, "evaluate")
        return reported(function, graded(checked_jobs(function, [*spread(rows)], expected), metric), metric)

    # fmt: off
    @overload
    def map_rows(self, function: Callable[..., Coroutine[Any, Any, Wrapped[T]]], rows: NamedRows, /, expected: str, *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def map_rows(self, function: Callable[..., Wrapped[T]], rows: NamedRows, /, expected: str, *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def map_rows(self, function: Callable[..., Coroutine[Any, Any, T]], rows: NamedRows, /, expected: str, *, metric: Metric[T] | None = None) -> Report[T]: ...
    @overload
    def map_rows(self, function: Callable[..., T], rows: NamedRows, /, expected: str, *, metric: Metric[T] | None = None) -> Report[T]: ...
    # fmt: on
    def map_rows(
        self,
        function: Callable[..., Any],
        rows: NamedRows,
        /,
        expected: str,
        *,
        metric: Metric[Any] | None = None,
    ) -> Report[Any]:
        """Ask a function for rows whose columns go to the parameters of their names, and one of which is the label.

        Args:
            function: A prompt function, or any function that calls some; `async def` too.
            rows: Mappings, or a table with named columns.
            expected: The column of the right answers, read as the function's return type.
            metric: A function `(expected, answer)`; see `evaluate`.

        Returns:
            The report.

        Raises:
            PromptUsageError: The labels don't fit the function, or no row does.

        Example:
            >>> from typefold import evaluate
            >>> def is_dear(price: float) -> bool:
            ...     return price > 10
            >>> evaluate.map_rows(is_dear, [{"price": 5, "dear": False}, {"price": 12, "dear": False}], "dear").accuracy
            0.50 [0.09, 0.91] of 2 rows
        """
        check_function(function, "evaluate")
        name = name_of(function)
        if not isinstance(cast("object", expected), str):
            raise PromptUsageError(f"evaluate({name}): expected is the name of a column, not {expected!r:.80}")
        every = list(named_rows(_any_columns, name, rows))
        records = [row for row in every if not isinstance(row, Unfit)]
        if records and not any(expected in row for row in records):
            raise PromptUsageError(f"evaluate({name}): no row has {expected}; the first has {', '.join(records[0])}")
        cells = [row if isinstance(row, Unfit) else row.pop(expected, None) for row in every]
        skipped, namespace = bound_of(function)
        taken = iter(named_rows(function, name, records, skipped=skipped, namespace=namespace) if records else ())
        given = [row if isinstance(row, Unfit) else next(taken) for row in every]
        jobs = checked_jobs(function, given, read_labels(function, cells))
        return reported(function, graded(jobs, metric), metric)


evaluate = Evaluate()
"""Ask a function for labelled rows, and report how often it is right; see `Evaluate.__call__`."""


def _any_columns(**columns: Any) -> None: ...
def _any_label(label: object | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """A row of a function, with the right answer."""

    function: Callable[..., Any]
    index: int
    arguments: tuple[Any, ...] | Unfit
    input: Any
    expected: Any
    keywords: Mapping[str, Any] = field(default_factory=dict[str, Any])


def labelled_jobs(function: Callable[..., Any], rows: Iterable[Any], expected: Iterable[Any] | None) -> list[Job]:
    """Return the rows of a function of one argument, or `Case`s of it, with their labels, checked."""
    check_function(function, "evaluate")
    cells = list(rows_of(listed(rows), function))
    if expected is not None and any(isinstance(cell, Case) for cell in cells):
        raise PromptUsageError(f"evaluate({name_of(function)}): a Case holds its label, so leave expected= out")
    if expected is None:
        cases = cast("list[Case[Any, Any]]", cells)
        if bad := [row for row, case in enumerate(cells) if not isinstance(case, Case)]:
            raise PromptUsageError(
                f"evaluate({name_of(function)}): row {bad[0]} has no label; give expected=, or rows of Case"
            )
        cells, expected = [case.input for case in cases], [case.expected for case in cases]
    return checked_jobs(
        function, [cell if isinstance(cell, Unfit) else (cell,) for cell in cells], expected, inputs=cells
    )


def check_function(function: Callable[..., Any], verb: str) -> None:
    """Refuse what is no function to call for rows, and one that gives no answers. Raises PromptUsageError."""
    if not callable(cast("object", function)):
        raise PromptUsageError(f"{verb}: the first argument is the function to call for each row, not {function!r:.80}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PromptUsageError(f"{verb}: {name_of(function)} yields, so that a call runs none of it; return the answer")
    if (spec := spec_if_prompt(function)) is not None and spec.safe:
        raise PromptUsageError(f"{verb}: leave .safe out: a row of {spec.name} that fails counts as wrong")


def checked_jobs(
    function: Callable[..., Any],
    rows: Sequence[tuple[Any, ...] | Mapping[str, Any] | Unfit],
    expected: Iterable[Any],
    *,
    inputs: Sequence[Any] | None = None,
    where: Callable[[int], str] = "row {}".format,
) -> list[Job]:
    """Return rows of arguments, in order or by name, with labels. Raises PromptUsageError where those don't fit, or no row does."""
    name, labels = name_of(function), list(rows_of(listed(expected), _any_label))
    if len(rows) != len(labels):
        raise PromptUsageError(f"evaluate({name}): there are {len(rows):,} rows and {len(labels):,} labels")
    if not labels:
        raise PromptUsageError(f"evaluate({name}): there are no rows")
    check_labels(labels, function, where)
    misfits = (_unfit_row(function, each) for each in rows)
    first = next(misfits)
    if first is not None and all(each is not None for each in misfits):
        raise PromptUsageError(f"evaluate({name}): no row fits it; the first: {first}")
    return [
        Job(function, index, (), given, label, row)
        if isinstance(row, Mapping)
        else Job(function, index, row, given, label)
        for index, (row, given, label) in enumerate(zip(rows, inputs or rows, labels, strict=True))
    ]


def _unfit_row(function: Callable[..., Any], row: tuple[Any, ...] | Mapping[str, Any] | Unfit) -> str | None:
    """Return in words the reason that a row can't be the arguments of a function."""
    if isinstance(row, Unfit):
        return row.reason
    args, keywords = ((), row) if isinstance(row, Mapping) else (row, dict[str, Any]())
    spec = spec_if_prompt(function)
    try:
        if spec is not None:
            spec.bind(args, keywords)
        else:
            signature_of(function).bind(*args, **keywords)
    except ValueError:  # of a builtin, which says nothing
        return None
    except TypeError as error:
        return str(error)
    return None


def listed(rows: Iterable[Any]) -> Any:
    """Return rows of which there is a number, as iterators have none. Raises PromptUsageError for what are no rows."""
    refuse_no_rows(rows, "map")
    return rows if hasattr(rows, "__len__") else list(rows)


def check_labels(
    labels: Sequence[Any], function: Callable[..., Any], where: Callable[[int], str] = "row {}".format
) -> None:
    """Refuse labels that are missing, or that the function can't return. Raises PromptUsageError."""
    kind, hint = _return_type(function)
    wrong: dict[int, str] = {}
    known: set[Any] = set()
    for row, label in enumerate(labels):
        key: Any = (class_of(label), label)
        try:
            if key in known:
                continue
        except Exception:  # it has no hash
            key = None
        if (reason := _misfit(label, kind, hint)) is not None:
            wrong[row] = reason
        elif key is not None:
            known.add(key)
    if wrong:
        shown = "; ".join(f"{where(row)}: {words}" for row, words in list(wrong.items())[:_NAMED])
        more = f"; and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
        raise PromptUsageError(
            f"evaluate({name_of(function)}): {len(wrong):,} of {len(labels):,} labels don't fit: {shown}{more}. "
            f"Mend them, or leave these rows out"
        )


def _misfit(label: Any, kind: OutputType[Any] | None, hint: Any) -> str | None:
    if isinstance(label, Unfit):
        return label.reason
    if kind is not None:
        try:
            kind.decode(kind.encode(label))
        except Exception as error:  # of a validator
            return "there is none" if label is None else f"{label!r:.80} is no answer of it: {first_line(error)}"
        return None
    if is_missing(label) and hint is Any:
        return "there is none"
    return unfit_value("the label", hint, label)


def _return_type(function: object) -> tuple[OutputType[Any] | None, Any]:
    """Return the compiled return type of a prompt, and the annotation of any function, without `Scored` and the like."""
    if (spec := spec_if_prompt(function)) is not None:
        kind = spec.definition.return_type(spec.options.json_format).kind
        return kind, kind.hint
    try:
        hint = hints_of(cast("Any", function), {})("return")
    except Exception:  # of a builtin, or one that names what is not defined
        return None, Any
    while get_origin(hint) in WRAPPERS:
        [hint] = get_args(hint)
    return None, hint


def read_labels(function: Callable[..., Any], cells: Iterable[Any], *, texts: bool = False) -> list[Any]:
    """Return cells of a column as a function's return type, each that can't be read as `Unfit`; `texts` are CSV's."""
    from typefold.programs.record_function import read_value

    _, hint = _return_type(function)
    try:
        adapter = None if hint is Any else TypeAdapter[Any](hint)
    except Exception:  # pydantic knows no such type: labels are values of it
        adapter = None
    labels: list[Any] = []
    for cell in cells:
        if isinstance(cell, Unfit) or is_missing(cell) or (texts and cell == ""):
            labels.append(cell if isinstance(cell, Unfit) else None)
            continue
        try:
            labels.append(cell if adapter is None else read_value(adapter, cell, as_text=texts))
        except ValidationError as error:
            labels.append(Unfit(f"{cell!r:.80} can't be read: {words_of(error)}"))
    return labels


def graded(jobs: Sequence[Job], metric: Metric[Any] | None) -> list[EvaluatedRow[Any]]:
    """Run all jobs as one batch, and return their rows."""
    check_metric(metric)
    functions = list({id(job.function): job.function for job in jobs}.values())
    specs = {id(each): spec for each in functions if (spec := spec_if_prompt(each)) is not None}
    waits = any(is_async(each) for each in (*functions, metric) if each is not None and spec_if_prompt(each) is None)
    if specs and len(functions) == 1 and not waits and not is_async(functions[0]):
        return _judged(functions[0], jobs, metric)
    batches = {key: Batch(spec.name) for key, spec in specs.items()}
    answer = partial(_answer, metric=metric, batches=batches, waits=waits)
    program: Callable[[Job], Any] = answer if waits else lambda job: _at_once(answer(job))
    ended: list[Result[Any, Exception]] = run.safe(program, jobs, key=_key)
    return [
        _row(job, *result.unwrap()) if isinstance(result, Success) else _row(job, result, None)
        for job, result in zip(jobs, ended, strict=True)
    ]


def _judged(prompt: Callable[..., Any], jobs: Sequence[Job], metric: Metric[Any] | None) -> list[EvaluatedRow[Any]]:
    """Run the calls of one prompt, without a row of `run` around each, and the metric on each answer once that is there."""
    calls, total = _calls(prompt, jobs), len(jobs)
    if metric is None:
        return [_row(job, answer, None) for job, answer in zip(jobs, run_calls(calls, total), strict=True)]
    answers: dict[int, Result[Any, Exception]] = {}

    def judge(place: int) -> Result[Any, Exception] | None:
        if not isinstance(answer := answers[place], Success):
            return None
        return _at_once(_tried(metric, (jobs[place].expected, unwrapped(answer.unwrap())), {}, waits=False))

    def key(place: int) -> object:
        return _key(jobs[place])

    with closing(as_answered(calls)) as answered:
        indices, places = tee(place for place, answers[place] in answered)
        ended = in_order(as_ended(judge, ((place,) for place in places), key=key, indices=indices), total)
    verdicts = (each.unwrap() if isinstance(each, Success) else each for each in ended)
    return [_row(job, answers[place], verdict) for place, (job, verdict) in enumerate(zip(jobs, verdicts, strict=True))]


def _calls(prompt: Callable[..., Any], jobs: Sequence[Job]) -> Iterator[Call[Any] | PromptError]:
    return spec_of(cast("BasePrompt[Any]", prompt)).of_rows(dict(job.keywords) or job.arguments for job in jobs)


def graded_answers(prompt: Callable[..., Any], jobs: Sequence[Job]) -> list[Any]:
    """Return the answers of a prompt as it gives them, as one batch; `None` for a row that failed."""
    answers = run_calls(_calls(prompt, jobs), len(jobs))
    return [each.unwrap() if isinstance(each, Success) else None for each in answers]


def reported(
    function: Callable[..., Any], rows: Sequence[EvaluatedRow[Any]], metric: Metric[Any] | None
) -> Report[Any]:
    """Return the report of rows."""
    return Report(name_of(function), tuple(rows), "" if metric is None else name_of(metric))


def refuse_uncallable(verb: str, name: str, given: Callable[..., Any] | None, takes: Sequence[str]) -> None:
    """Refuse an option that is no function of these arguments; `None` is none at all. Raises PromptUsageError."""
    if given is None:
        return
    if not callable(cast("object", given)):
        raise PromptUsageError(f"{verb}: {name} is a function of {' and '.join(takes)}, not {type(given).__name__}")
    try:
        signature_of(given).bind(*takes)
    except ValueError:  # of a builtin, which says nothing
        pass
    except TypeError as error:
        raise PromptUsageError(
            f"{verb}: the {name} {name_of(given)} can't be called with {' and '.join(takes)}: {error}"
        ) from None


def check_metric(metric: Callable[..., Any] | None) -> None:
    """Refuse what can't be a metric. Raises PromptUsageError."""
    if metric is None:
        return
    refuse_uncallable("evaluate", "metric", metric, ["the expected value", "the answer"])
    kind, _ = _return_type(metric)
    if kind is not None and kind.json_schema.get("type") in ("string", "object", "array", "null"):
        raise PromptUsageError(
            f"evaluate: the metric {name_of(metric)} returns neither a truth value nor a number; let it return bool, int or the like"
        )


def _key(job: Job) -> object:
    return name_of(job.function), job.input


async def _answer(
    job: Job, metric: Metric[Any] | None, batches: Mapping[int, Batch], waits: bool
) -> tuple[Result[Any, Exception], Result[Any, Exception] | None]:
    """Return the answer of a row, and what the metric says of it."""
    if isinstance(job.arguments, Unfit):
        return Failure(BadInput(function=name_of(job.function), row=job.index, reason=job.arguments.reason)), None
    # In a batch of its own a prompt's calls are those of `.map` to a journal, whatever the metric is.
    batch = batches.get(id(job.function))
    answer = await _tried(job.function, job.arguments, job.keywords, waits, job.index, batch)
    if metric is None or not isinstance(answer, Success):
        return answer, None
    return answer, await _tried(metric, (job.expected, unwrapped(answer.unwrap())), {}, waits)


async def _tried(
    function: object,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    waits: bool,
    row: int | None = None,
    batch: Batch | None = None,
) -> Result[Any, Exception]:
    try:
        if (spec := spec_if_prompt(function)) is not None:
            call = spec.calls().attempt(args, kwargs, row)
            return Success(await run_call_async(call, row, batch) if waits else run_call(call, row, batch))
        value = cast("Any", function)(*args, **kwargs)
        return Success(await value if inspect.isawaitable(value) else value)
    except AT_ONCE:
        raise
    except Exception as error:
        return Failure(error)


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing but what parks the row."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        value: T = ended.value
        return value
    coroutine.close()
    raise PromptUsageError("evaluate: a function or metric returned something to be awaited; write it as `async def`")


def _row(job: Job, answer: Result[Any, Exception], judged: Result[Any, Exception] | None) -> EvaluatedRow[Any]:
    """Return a row that has ended."""
    row: EvaluatedRow[Any] = EvaluatedRow(job.index, job.input, job.expected, None, None, right=False, score=0.0)
    if not isinstance(answer, Success):
        return replace(row, error=answer.failure())
    row = replace(row, answer=answer.unwrap())
    right = is_equal(job.expected, row.value)
    if judged is None:
        return replace(row, right=right, score=float(right))
    try:
        right, score = _judgement(judged, right)
    except MetricFailed as failed:
        return replace(row, error=failed)
    return replace(row, right=right, score=score)


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
