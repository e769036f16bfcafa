"""A call: its prompt and its type, and the exchange with the model in which an answer becomes a value.

An `OpenCall` says a request, hears its outcome, and ends in a value or a `PromptError`. It waits for nothing: `executor`,
`background` and `streaming` wait, for many at a time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from returns.result import Failure, Result, Success

from typefold.compiler import TEXT, DecodeError, JsonFormat, Message, OutputType
from typefold.compiler.contained import describe_exception, is_fatal
from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.decisions.distributions import fill
from typefold.decisions.scored_codec import MOST_CHOICES, relative
from typefold.errors import AT_ONCE, BatchError, PromptUsageError
from typefold.execution.ends import end_batches
from typefold.execution.greenlets import end_if_cancelled
from typefold.execution.retries import Attempt
from typefold.execution.seeding import Batch, Path, identity_here, path_of, seed_at
from typefold.execution.tracing import observer
from typefold.messages import RawPrompt
from typefold.options import Options, Submitter
from typefold.runtime import BadInput, Cancelled, FinishReason, Invalid, Outcome, PromptError, Request, TimedOut
from typefold.runtime.engine import EngineFacts, Thinking
from typefold.runtime.journal import JournalError
from typefold.tables.columns import indexed

T = TypeVar("T")
V = TypeVar("V")

Exchange: TypeAlias = Generator[Request, Outcome, T]
"""Requests and their outcomes, until there is a value; a failed request is thrown in as its `PromptError`."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call, ready to be sent."""

    function: str
    messages: tuple[Message, ...] | RawPrompt  # complete, with examples and the description of the format
    kind: OutputType[Any]
    options: Options
    strategy: Strategy
    runtime: Submitter
    sample: tuple[int | None, int] | None = None  # of several: the row's index in the batch, and the number
    definition: Any = None  # the prompt function, whose class is in a higher layer
    arguments: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
    version: str | None = None
    then: Then | None = None  # makes a further call of the result, or another result


Then: TypeAlias = Callable[[Result[Any, PromptError]], "Call[Any] | Result[Any, PromptError]"]


@dataclass(frozen=True, slots=True)
class ReasoningSource:
    """The source of a request for the reasoning before a call's answer; `shown` where that is part of the value."""

    call: Call[Any]
    shown: bool


@dataclass(frozen=True)
class Strategy:
    """The way in which an answer is asked for; this is the plain one, and `strategies` has others."""

    is_drawn: ClassVar[bool] = True  # whether two equal calls may be answered differently
    is_reasoned: ClassVar[bool] = False  # whether reasoning is part of the value

    hint: Any
    path: str = "return"  # of the type, in errors

    def ask(self, call: OpenCall[Any], attempt: Attempt) -> Exchange[Any]:
        request, _ = yield from think(call, attempt)
        outcome = yield request
        return (yield from call.conclude(request, outcome, attempt))

    def json_format(self, given: JsonFormat | None) -> JsonFormat | None:
        """Return the format of its JSON, where that is not the one that was asked for."""
        return given

    def reasoning(self, options: Options, facts: EngineFacts | None) -> str:
        """Return in words how a model reasons before it answers; nothing where it does not, or where that is unknown."""
        thinking = None if facts is None else facts.thinking
        limit = f"at most {options.max_reasoning_tokens:,} tokens"
        if thinking is None:
            if not (self.is_reasoned and options.max_reasoning_tokens):
                return ""
            return f"{limit}, {'' if facts else 'between marks of its own where the model has some, else '}asked for in words"
        if not thinks(options, thinking, asked=self.is_reasoned):
            return f"{limit}, asked for in words" if self.is_reasoned and options.max_reasoning_tokens else "none"
        why = (
            "opened by the chat template"
            if thinking.always
            else "as " + ("switched on" if thinking.switches else "asked")
        )
        return f"{limit} between {thinking.marks[0]} and {thinking.marks[1]}, {why}"

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        """Refuse, when a function is decorated, a type that can't be asked for in this way."""

    def choices(self, kind: OutputType[Any]) -> Mapping[str, Sequence[str]]:
        """Return the texts of the choices whose probabilities are part of the value, by path."""
        if (language := kind.constraint.language) is None:
            return {}
        parts = {relative(kind, path): replace(language, root=kind.parts[path]) for path in kind.scored}
        return {path: enumerate_texts(part, MOST_CHOICES) or () for path, part in parts.items()}

    def check_options(self, options: Options, *, where: str) -> None:
        """Refuse options that mean nothing here."""

    def check_prompt(
        self, messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options, *, where: str
    ) -> None:
        """Refuse a complete prompt that can't be asked in this way."""
        if options.retries and isinstance(messages, RawPrompt):
            raise PromptUsageError(
                f"{where}: retries={options.retries} tells the model in a further turn what is wrong with its answer, "
                f"and a raw(...) prompt has no turns; leave retries out, or ask with messages"
            )


class OpenCall(Generic[T]):
    """A call under way, and the calls that follow on it."""

    __slots__ = (
        "__weakref__",
        "_asked",
        "_deadline",
        "_exchange",
        "_observer",
        "_path",
        "_place",
        "_planned",
        "_row",
        "_seed",
        "call",
        "future",
    )

    def __init__(self, call: Call[T], row: int | None, path: Path, place: bytes) -> None:
        self.future: Future[Outcome] | None = None  # of the request that is waited for
        self._planned: list[Request] = []  # to be sent with the next one
        self._asked: dict[int, tuple[Request, Future[Outcome]]] = {}  # sent, and not yet waited for; by identity
        self._row = row
        self._place = place  # the identity of the row in a journal
        self._observer = observer.get()
        self._open(call, path)

    def _open(self, call: Call[T], path: Path) -> None:
        self.call = call
        self._path = path
        self._seed = seed_at(call.runtime, call.function, path)  # where the options set none
        self._deadline: float | None = None
        self._exchange = self._run()

    def start(self) -> Request | Result[T, PromptError]:
        """Return the first request, or the result where there is nothing to ask. The call's time begins to run."""
        if (timeout := self.call.options.timeout) is not None:
            _ = self.call.runtime.facts  # the time in which the engine is loaded is not the call's
            self._deadline = time.monotonic() + timeout
        return self._step(partial(next, self._exchange))

    def resume(self, future: Future[Outcome]) -> Request | Result[T, PromptError]:
        """Return the next request, or the result. Raises JournalError, which ends the batches around."""
        try:
            outcome = future.result()
        except JournalError as error:
            end_batches(error)
            raise
        except CancelledError:
            return self._step(partial(self._exchange.throw, Cancelled()))
        except PromptError as error:
            if self._observer is not None:
                self._observer.tokens(error.tokens)
            return self._step(partial(self._exchange.throw, error))
        if self._observer is not None:
            self._observer.tokens(outcome.prompt_tokens + outcome.output_tokens)
        return self._step(partial(self._exchange.send, outcome))

    def due(self, request: Request) -> list[Request]:
        """Return what must be sent before this request can be waited for: mostly the request."""
        if not self._planned:
            return [] if id(request) in self._asked else [request]
        due, self._planned = self._planned, []
        return due

    def sent(self, request: Request, future: Future[Outcome]) -> None:
        self._asked[id(request)] = request, future

    def waited(self, request: Request) -> Future[Outcome]:
        """Return the future of a request that was sent and is now waited for."""
        _, self.future = self._asked.pop(id(request))
        return self.future

    def resume_far(self, future: Future[Outcome]) -> Request | Result[T, PromptError]:
        """Return the next request that has no outcome yet, or the result; as `resume` does."""
        step = self.resume(future)
        while isinstance(step, Request) and (asked := self._asked.get(id(step))) is not None and asked[1].done():
            step = self.resume(self.waited(step))
        return step

    def submit(self, request: Request) -> Future[Outcome]:
        if due := self.due(request):
            for each, future in zip(due, self.call.runtime.submit(due), strict=True):
                self.sent(each, future)
        return self.waited(request)

    def together(self, exchanges: Sequence[Exchange[V]]) -> Exchange[list[V]]:
        """Hold exchanges side by side, and return their values. The first error ends them all.

        Their first requests are sent together, and a further one as soon as the outcome before it is heard.
        """
        values: dict[int, V] = {}
        waiting: deque[tuple[int, Request]] = deque()

        def step(number: int, take: Callable[[], Request]) -> None:
            try:
                request = take()
            except StopIteration as end:
                values[number] = end.value
            else:
                self._planned.append(request)
                waiting.append((number, request))

        try:
            for number, exchange in enumerate(exchanges):
                step(number, partial(next, exchange))
            while waiting:
                number, request = waiting.popleft()
                outcome = yield request
                step(number, partial(exchanges[number].send, outcome))
        finally:
            self._drop()
        return [values[number] for number in range(len(exchanges))]

    def withdraw(self) -> None:
        if self.future is not None:
            self.future.cancel()
        self._drop()

    def _drop(self) -> None:
        self._planned.clear()
        while self._asked:
            _, (_, future) = self._asked.popitem()
            future.cancel()

    def close(self) -> None:
        self._exchange.close()

    def request(self, attempt: Attempt) -> Request:
        call, messages = self.call, attempt.messages
        options = call.options
        return Request(
            prompt=str(messages) if isinstance(messages, RawPrompt) else messages,
            constraint=call.kind.constraint,
            sampling_params=options.sampling_params,
            sampling=attempt.sampling(options, self._seed),
            options=options.engine,
            chat_template_kwargs=options.chat_template_kwargs,
            deadline=self._deadline,
            function=call.function,
            row=self._row,
            attempt=attempt.number,
            whole=options.truncation == "error",
            place=self._place,
            source=call,
            version=call.version,
        )

    def conclude(self, request: Request, outcome: Outcome, attempt: Attempt) -> Exchange[Any]:
        """Return the value of an answer, with the probabilities of choices in it. Raises Invalid where it fails a post-check."""
        value, kind = self.read(outcome.text, attempt), self.call.kind
        if kind.scored:
            given, most = self.call.options.calibrated, self.call.runtime.facts.max_logprobs
            yield from fill(value, kind, outcome.text, request, max_logprobs=most, calibration=given)
        return value

    def read(self, text: str, attempt: Attempt) -> Any:
        """Return the value of a text. Raises Invalid where it fails a post-check."""
        try:
            return self.call.kind.decode(text)
        except DecodeError as error:
            raise Invalid(
                function=self.call.function,
                row=self._row,
                prompt=attempt.messages,
                text=text,
                check=error.check,
                detail=error.detail,
                errors=tuple(error.errors),
            ) from error.__cause__

    def _run(self) -> Exchange[T]:
        call, attempt = self.call, Attempt(self.call.messages)
        while True:
            try:
                value: T = yield from call.strategy.ask(self, attempt)
            except Cancelled as error:  # by a holder of the future, which knew nothing of the call
                raise error.at(function=call.function, row=self._row) from error.__cause__
            except TimedOut as error:
                raise error.at(timeout=call.options.timeout or error.timeout) from error.__cause__
            except PromptError as error:
                attempt = attempt.after(error, call.options)
            else:
                return value

    def _step(self, step: Callable[[], Request]) -> Request | Result[T, PromptError]:
        ended: Result[Any, PromptError]
        try:
            return step()
        except StopIteration as end:
            if self._observer is not None:
                self._observer.value(self.call, end.value)
            ended = Success(end.value)
        except PromptError as error:
            ended = Failure(error)
        following = ended if self.call.then is None else self.call.then(ended)
        if not isinstance(following, Call):
            return following
        self._open(following, (*self._path, "then"))
        return self.start()


def thinks(options: Options, thinking: Thinking, *, asked: bool) -> bool:
    """Return whether a reasoning model thinks between its marks before an answer; `asked` says whether the caller wants it to."""
    switched = thinking.switched(options.chat_template_kwargs)
    return options.max_reasoning_tokens > 0 and bool(thinking.always or switched or (asked and switched is None))


def think(
    call: OpenCall[Any], attempt: Attempt, *, shown: bool = False, **sampling: Any
) -> Exchange[tuple[Request, Outcome | None]]:
    """Return the request for the answer, after the reasoning before it: of a model that can't but think, or is made to.

    These are two requests, of which the second continues the first, so the prefix cache holds all but the last tokens. The first
    is free text, stopped at the end marker or at `max_reasoning_tokens`; behind the marker the answer is held to its type.
    `shown` says that the reasoning is part of the value, so that a model with a switch is made to think.
    """
    request, options, messages = call.request(attempt), call.call.options, attempt.messages
    begun = isinstance(messages, RawPrompt) or messages[-1].role == "assistant"
    if begun or not options.max_reasoning_tokens:
        return request, None
    thinking = call.call.runtime.facts.thinking
    if thinking is None or not thinks(options, thinking, asked=shown):
        return request, None
    request = replace(request, thinking=True)
    if thinking.end is not None:
        ends: dict[str, Any] = {"stop_token_ids": [thinking.end]}
    else:
        ends = {"stop": [thinking.marks[1]], "include_stop_str_in_output": True}
    asked = free_text(request, call.call, shown=shown, begun=thinking.opening, **ends, **sampling)
    try:
        reasoning = yield asked
    except PromptError as error:
        raise (error if shown else error.at(text="")) from error.__cause__
    written, closing = reasoning.token_ids, thinking.closing
    if thinking.end is None and reasoning.text.endswith(thinking.marks[1]):
        reasoning, closing = replace(reasoning, text=reasoning.text.removesuffix(thinking.marks[1])), thinking.answer
    elif reasoning.finish_reason is FinishReason.STOP:
        written = written[:-1]  # the marker, or the token that ends a text; at the limit there is neither
    return replace(request, begun=(*thinking.opening, *written, *closing)), reasoning


def free_text(
    request: Request, call: Call[Any], *, shown: bool, begun: tuple[int, ...] = (), **sampling: Any
) -> Request:
    """Return the request for the reasoning: without a constraint, and without what was meant for the answer."""
    own: Mapping[str, Any] = {
        **request.sampling,
        "max_tokens": call.options.max_reasoning_tokens,
        "min_tokens": 0,
        "stop": [],
        "stop_token_ids": [],
        "ignore_eos": False,
        "logprobs": None,
        **sampling,
    }
    return replace(
        request,
        constraint=TEXT,
        begun=begun,
        sampling=own,
        whole=False,
        before=request.constraint,
        source=ReasoningSource(call, shown),
    )


def open_call(call: Call[T], row: int | None, batch: Batch | None = None) -> OpenCall[T]:
    """Open a call at the place of the program where it is made."""
    end_if_cancelled()
    runtime, sample = call.runtime, None
    several = call.then is not None  # of these another may have seeds, or a journal
    if call.sample is not None:
        row, sample = call.sample
    path = path_of(runtime, call.function, batch, row, sample) if several or runtime.seed is not None else ()
    return OpenCall(call, row, path, identity_here(batch) if several or runtime.journaled else b"")


def failed_call(error: BaseException, function: str, row: int | None) -> PromptError:
    """Return the `BadInput` for an exception that a call's arguments raised; one that is about no row is raised again."""
    if isinstance(error, BadInput):
        return error.at(function=function, row=row)
    if isinstance(error, AT_ONCE) or is_fatal(error):
        raise error
    failed = BadInput(function=function, row=row, reason=describe_exception(error))
    failed.__cause__ = error
    return failed


def values(results: Sequence[Result[T, Exception]]) -> list[T]:
    """Return the values of a batch. Raises BatchError, with every result, where a row failed."""
    good: list[T] = [result.unwrap() for result in results if isinstance(result, Success)]
    if len(good) < len(results):
        raise BatchError(results)
    return indexed(good, results)
