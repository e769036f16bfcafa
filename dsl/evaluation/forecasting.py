"""`forecast`: the cost of a function over many rows, from a sample of them.

A seeded choice of rows, spread over the whole, is run as the whole would be, with the same seeds and the same places in a journal. So a
run with the same journal does not pay for these rows again. The prompts of a prompt function are all rendered and counted where that
takes about a minute at most; so the rows that do not fit into the model's context are known by their indices. Without a sample nothing
is asked and no engine is loaded: answers are bounded by their types.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count, islice, pairwise
from typing import Any, TypeVar, cast

from pydantic_core import to_json
from returns.result import Result, Success
from typing_extensions import TypedDict, TypeVarTuple, Unpack

from typefold.compiler.contained import describe_exception, first_line
from typefold.compiler.guards import is_sequence
from typefold.errors import AT_ONCE, EngineLoadError, NoRuntime, PromptUsageError
from typefold.evaluation.cost import CallForecast, Forecast, Misfit, exact
from typefold.evaluation.intervals import Estimate
from typefold.evaluation.observed import Observed, Watcher, answers, calls_of, summed, total
from typefold.evaluation.speed import speed_of
from typefold.execution.call import Call, OpenCall, Strategy
from typefold.execution.executor import as_answered
from typefold.execution.progress import Progress
from typefold.execution.seeding import rehearsing
from typefold.execution.strategies import LoggedStrategy
from typefold.execution.tracing import observed_by
from typefold.options import Submitter
from typefold.programs.run import as_ended, bound_of, by_name, fit
from typefold.prompts.base_prompt import spec_if_prompt
from typefold.runtime import BadInput, PromptError, PromptTooLong, Refused, Request
from typefold.runtime.engine import EngineFacts
from typefold.runtime.scheduling.preparation import Size, TokenCounter
from typefold.runtimes.current import current
from typefold.runtimes.runtime import Runtime
from typefold.signatures.parameters import name_of
from typefold.tables.columns import Unfit, rows_of, spread
from typefold.tables.named_rows import NamedRows, named_rows

A = TypeVar("A")
Ts = TypeVarTuple("Ts")

_SAMPLE = 64  # rows at least
_SHARE = 100  # of which one is in the sample
_COUNTED = 10_000_000  # tokens of prompts: about a minute
_CHUNK = 256  # requests that are counted together
_ONE_REQUEST = (Strategy, LoggedStrategy)  # a call, of a model that does not think before it
_NO_FIT = (BadInput, PromptTooLong, Refused)


class ForecastOptions(TypedDict, total=False, closed=True):
    """The options of `forecast` and its other forms; `forecast` describes them."""

    sample: int | None
    seed: int
    max_tokens: Sequence[int]


class Forecasting:
    """The class of `typefold.forecast`: call it, or one of its other forms."""

    def __reduce__(self) -> str:
        return "forecast"

    def __call__(
        self, function: Callable[[A], object], rows: Iterable[A], /, **options: Unpack[ForecastOptions]
    ) -> Forecast:
        """Ask a function for a sample of rows, and forecast the cost of all of them.

        The sample's answers are in the runtime's journal, if it keeps one, where a run finds them: `.map` those of a prompt,
        `run` those of any other function. The speed is measured where the sample keeps the engine full, else it is a lower
        bound.

        Args:
            function: A prompt function, or any function of one argument that calls some; `async def` too.
            rows: Its arguments, one for each row; a list, or a column. An iterator, which can be read once, is refused.
            **options: `sample` is the number of rows to ask: by default one of a hundred, and 64 at least; with 0 none is asked,
                no engine is loaded, and a prompt function's tokens are counted by the tokenizer alone. `seed` chooses the
                rows, 0 by default. `max_tokens` are limits to forecast the answers for; by default
                some that the sample suggests.

        Returns:
            The forecast.

        Raises:
            PromptUsageError: There are no rows, or they can be read only once; or an option is out of range.
            EngineLoadError: The engine, or the tokenizer, can't be loaded. Like `JournalError` and `NoRuntime` this is about
                no row.

        Example:
            >>> from typefold import Runtime, ask, forecast, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt(max_tokens=20, describe_format=False)
            ... def name(thing: str) -> str:
            ...     return ask(f"Name {thing}.")
            >>> with Runtime(ScriptedEngine(answers=lambda request: "Rex")):
            ...     found = forecast(name, ["a dog", "a cat", "a fox"])
            >>> float(found.prompt_tokens), float(found.output_tokens)
            (93.0, 12.0)
        """
        skipped, _ = bound_of(function)
        cells = rows_of(_lasting(rows, function), function, skipped)
        return forecast_of(_work(function, [cell if isinstance(cell, Unfit) else (cell,) for cell in cells]), options)

    def starmap(
        self,
        function: Callable[[Unpack[Ts]], object],
        rows: Iterable[tuple[*Ts]],
        /,
        **options: Unpack[ForecastOptions],
    ) -> Forecast:
        """Forecast a function of several arguments; else as `forecast`.

        Args:
            function: A prompt function, or any function that calls some; `async def` too.
            rows: Tuples of its arguments, in their order.
            **options: The options of `forecast`.

        Returns:
            The forecast.

        Example:
            >>> from typefold import forecast
            >>> forecast.starmap(pow, [(2, 3), (3, 2)]).calls
            ()
        """
        return forecast_of(_work(function, list(spread(_lasting(rows, function)))), options)

    def map_rows(
        self, function: Callable[..., object], rows: NamedRows, /, **options: Unpack[ForecastOptions]
    ) -> Forecast:
        """Forecast a function for rows whose columns go to the parameters of their names; else as `forecast`.

        Args:
            function: A prompt function, or any function that calls some; `async def` too.
            rows: Mappings, or a table with named columns; see `Prompt.map_rows`.
            **options: The options of `forecast`.

        Returns:
            The forecast.

        Example:
            >>> from typefold import forecast
            >>> def label(text: str, stars: int = 3) -> str:
            ...     return f"{text}: {'*' * stars}"
            >>> float(forecast.map_rows(label, [{"text": "good"}, {"text": "fine"}]).output_bytes)
            24.0
        """
        skipped, namespace = bound_of(function)
        named = named_rows(function, name_of(function), _lasting(rows, function), skipped=skipped, namespace=namespace)
        return forecast_of(_work(function, list(named)), options)


forecast = Forecasting()
"""Ask a function for a sample of rows, and forecast the cost of all of them; see `Forecasting.__call__`."""


def _lasting(rows: Any, function: Callable[..., object]) -> Any:
    """Return rows; refuse those that can be read only once."""
    if hasattr(rows, "__next__"):
        raise PromptUsageError(
            f"forecast({name_of(function)}): rows of a {type(rows).__name__} can be read only once, and none would be left to "
            f"run; give a list"
        )
    return rows


@dataclass(frozen=True)
class Work:
    """The rows of a function, and the way in which a run asks for them."""

    name: str
    rows: int
    ended: Callable[[Sequence[int]], Generator[tuple[int, Result[Any, Exception]]]]
    calls: Callable[[Iterable[int]], Iterator[Call[Any] | PromptError]] | None = None  # of a prompt function
    written: Callable[[int, Any], int] = lambda index, value: len(to_json(value, fallback=repr)) + 1  # bytes of a line
    runtime: Submitter | None = None


def _work(function: Callable[..., Any], rows: list[Any]) -> Work:
    if (spec := spec_if_prompt(function)) is not None:

        def calls(indices: Iterable[int]) -> Iterator[Call[Any] | PromptError]:
            return spec.of_rows(rows[index] for index in indices)

        def answered(indices: Sequence[int]) -> Generator[tuple[int, Result[Any, Exception]]]:
            yield from as_answered(calls(indices), indices)

        return Work(spec.name, len(rows), answered, calls, runtime=spec.options.runtime)
    program = by_name(function) if any(isinstance(row, dict) for row in rows) else function

    def ended(indices: Sequence[int]) -> Generator[tuple[int, Result[Any, Exception]]]:
        return as_ended(program, fit(function, (rows[index] for index in indices)), indices=indices)

    return Work(name_of(function), len(rows), ended)


def chosen(rows: int, sample: int, seed: int) -> list[int]:
    """Return the numbers of a sample's rows: one, drawn by the seed, of each of as many equal parts of all."""
    rng = random.Random(seed)
    edges = [rows * part // sample for part in range(sample + 1)] if sample else []
    return [rng.randrange(low, high) for low, high in pairwise(edges)]


def forecast_of(work: Work, options: ForecastOptions) -> Forecast:
    """Ask for a sample of the rows, count what can be counted, and return the forecast."""
    where = f"forecast({work.name})"
    sample, limits = options.get("sample"), options.get("max_tokens", ())
    if unknown := options.keys() - ForecastOptions.__annotations__.keys():
        raise TypeError(f"{where}: there is no option {', '.join(sorted(unknown))}")
    if type(options.get("seed", 0)) is not int:
        raise PromptUsageError(f"{where}: seed is a whole number, not {options.get('seed')!r}")
    if not is_sequence(limits):
        raise PromptUsageError(f"{where}: max_tokens is a list of limits, not {limits!r:.80}")
    if not work.rows:
        raise PromptUsageError(f"{where}: there are no rows")
    if sample is not None and (type(sample) is not int or sample < 0):
        raise PromptUsageError(f"{where}: sample is a number of rows, from 0, not {sample!r}")
    if any(type(limit) is not int or limit < 1 for limit in limits):
        raise PromptUsageError(f"{where}: max_tokens is a list of limits of at least 1, not {limits!r:.80}")
    if sample == 0 and work.calls is None:
        raise PromptUsageError(
            f"{where}: the calls of a program are known by running it; give a prompt function, or a sample"
        )
    size = max(_SAMPLE, math.ceil(work.rows / _SHARE)) if sample is None else sample
    indices = chosen(work.rows, min(size, work.rows), options.get("seed", 0))
    runtime = _runtime(work)
    requests, results = _asked(work, indices, runtime) if indices else ([], {})
    counted: _Count | None = None
    if work.calls is not None and len(indices) < work.rows:
        tokens = sum(each.prompt_tokens for each in requests) / max(1, len(indices)) * work.rows
        if tokens <= _COUNTED:
            counted = _counted(work, _counter(cast("Runtime", runtime), load=bool(indices)))
    return _summed(work, indices, requests, results, counted, runtime, limits)


def _runtime(work: Work) -> Submitter | None:
    if work.runtime is not None:
        return work.runtime
    try:
        return current()
    except NoRuntime:
        if work.calls is not None:
            raise
        return None  # a program's prompts may have their own


def _asked(
    work: Work, indices: Sequence[int], runtime: Submitter | None
) -> tuple[list[Observed], dict[int, Result[Any, Exception]]]:
    """Run the rows of a sample, and return the requests that they sent, and their results."""
    results: dict[int, Result[Any, Exception]] = {}
    with rehearsing(runtime) as place, Progress(len(indices)) as progress:
        watcher = Watcher(place)
        with observed_by(watcher), closing(work.ended(indices)) as ended:
            for index, result in ended:
                results[index] = result
                progress.row(failed=not isinstance(result, Success))
    return watcher.requests, results


def _counter(runtime: Runtime, *, load: bool) -> TokenCounter:
    try:
        return runtime.token_counter(load=load)
    except AT_ONCE:
        raise
    except Exception as error:  # of a tokenizer's library
        raise EngineLoadError(runtime.name, describe_exception(error)) from error


class _Counted(Submitter):
    """Stands for a runtime whose engine is not loaded."""

    seed = json_format = describe_format = None
    journaled = False

    def __init__(self, facts: EngineFacts) -> None:
        self._facts = facts

    @property
    def facts(self) -> EngineFacts:
        return self._facts

    def submit(self, requests: Sequence[Request]) -> Any:
        raise NotImplementedError("nothing is asked of a tokenizer")


@dataclass
class _Count:
    """The tokens of the first requests of all rows: of their prompts, and of their answers at least and at most."""

    rows: int
    prompt_tokens: int = 0
    least: int = 0
    most: float = 0
    is_all: bool = True  # whether a call has no further request
    misfits: list[Misfit] = field(default_factory=list[Misfit])

    def add(self, index: int, found: Size | PromptError) -> None:
        if isinstance(found, PromptError):
            self.misfits.append(_misfit(index, found))
            return
        self.prompt_tokens += found.prompt_tokens
        self.least += found.least
        self.most += found.most

    def with_sample(
        self, name: str, calls: Sequence[CallForecast], requests: Sequence[Observed], indices: Sequence[int]
    ) -> CallForecast:
        """Return the calls of a prompt function with what was counted of them."""
        prompts, value = exact(self.prompt_tokens, self.rows), math.nan if self.least < self.most else self.least
        bounds = Estimate(value, self.least, self.most, self.rows)
        if not calls:
            each = exact(1 - len(self.misfits) / self.rows, self.rows)
            if not self.is_all:
                each, prompts, bounds = (
                    Estimate(some, some.low, math.inf, self.rows) for some in (each, prompts, bounds)
                )
            return CallForecast(name, each, prompts, bounds, Estimate.share(0, 0))
        first = {each.row: each for each in reversed(requests)}
        further = [each for each in requests if each is not first[each.row]]  # of reasoning, or a retry
        if further:
            more = summed(further, indices, self.rows, lambda each: each.prompt_tokens)
            prompts = Estimate(prompts + more, prompts + more.low, prompts + more.high, more.rows)
            return replace(calls[0], prompt_tokens=prompts)
        output = calls[0].output_tokens
        output = Estimate(output, max(output.low, bounds.low), min(output.high, bounds.high), output.rows)
        return replace(calls[0], prompt_tokens=prompts, output_tokens=output)


def _misfit(index: int, error: Exception) -> Misfit:
    reason = error.reason.partition("\n")[0] if isinstance(error, BadInput) else first_line(error)
    place = f"{error.where}: " if isinstance(error, PromptError) else ""
    return Misfit(index, type(error).__name__, reason.removeprefix(place))


def _counted(work: Work, counter: TokenCounter) -> _Count:
    """Count the first request of each row."""
    assert work.calls is not None
    found, runtime, numbers = _Count(work.rows), _Counted(counter.info), count()
    calls = work.calls(range(work.rows))
    with Progress(work.rows) as progress:
        while chunk := list(islice(calls, _CHUNK)):
            steps = [_first(call, runtime) for call in chunk]
            sizes = iter(counter.measure([step for step in steps if isinstance(step, Request)]))
            for call, step, index in zip(chunk, steps, numbers, strict=False):
                size = next(sizes) if isinstance(step, Request) else None
                if isinstance(call, Call) and isinstance(step, Request):
                    several = call.kind.scored or call.then is not None or step.before is not None
                    found.is_all &= type(call.strategy) in _ONE_REQUEST and not several
                error = step if isinstance(step, PromptError) else size and size.error
                found.add(index, error or size or BadInput(function=work.name, reason="it asks nothing"))
                progress.row(failed=error is not None)
    return found


def _first(call: Call[Any] | PromptError, runtime: Submitter) -> Request | PromptError:
    """Return the first request of a call, or the error of one that asks nothing."""
    step = call if isinstance(call, PromptError) else OpenCall(replace(call, runtime=runtime), None, (), b"").start()
    return step if isinstance(step, Request | PromptError) else step.failure()


def _summed(
    work: Work,
    indices: Sequence[int],
    requests: Sequence[Observed],
    results: Mapping[int, Result[Any, Exception]],
    counted: _Count | None,
    runtime: Submitter | None,
    limits: Sequence[int],
) -> Forecast:
    rows = work.rows
    errors = {index: results[index].failure() for index in indices if not isinstance(results[index], Success)}
    misfits = [_misfit(index, error) for index, error in errors.items() if isinstance(error, _NO_FIT)]
    misfits, checked = (misfits, len(indices)) if counted is None else (counted.misfits, rows)
    unfit = {each.row for each in misfits}
    failures: dict[str, Estimate] = {}
    for name, found in Counter(each.error for each in misfits).most_common():
        failures[name] = exact(found / rows, rows) if checked == rows else Estimate.share(found, checked)
    others = Counter(type(error).__name__ for index, error in errors.items() if index not in unfit)
    failures |= {name: Estimate.share(found, len(indices)) for name, found in others.most_common()}
    calls = calls_of(requests, indices, rows, limits)
    if counted is not None:
        calls = (counted.with_sample(work.name, calls, requests, indices),)
    if len(calls) == 1:
        prompts, output = calls[0].prompt_tokens, calls[0].output_tokens
    else:  # of several functions the rows add up, as their calls depend on each other
        prompts = summed(requests, indices, rows, lambda each: each.prompt_tokens)
        output = answers(requests, indices, rows)
    spans = [each.span for each in requests if each.span is not None]
    engines = Counter(each.runtime for each in requests if each.span is not None)
    busiest = max(engines, key=engines.__getitem__, default=runtime)
    width = busiest.facts.max_num_seqs if engines and busiest is not None else 0
    # By a journal, which takes no time.
    known = {each.row for each in requests if each.is_answered and each.span is None}
    fresh = [index for index in indices if index not in known]
    speed = speed_of(spans, width=width, costs_of=fresh)
    written = [
        work.written(index, result.unwrap()) if isinstance(result := results[index], Success) else 0
        for index in indices
    ]
    return Forecast(
        function=work.name,
        rows=rows,
        asked=tuple(indices),
        model=str(getattr(busiest, "name", "")),
        calls=calls,
        prompt_tokens=prompts,
        output_tokens=output,
        rows_per_second=None if speed is None else speed.per_second,
        seconds=None if speed is None else speed.seconds(rows, len(fresh)),
        is_full_width=speed is not None and speed.is_full,
        needed=0 if speed is None else speed.needed,
        journal_bytes=summed(requests, indices, rows, lambda each: each.journal_bytes),
        output_bytes=total(written, rows),
        misfits=tuple(misfits),
        checked=checked,
        failures=failures,
    )
