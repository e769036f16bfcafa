"""The fake engine: prompts get the answers of a script, and all calls can be asserted on.

A call without an answer in the script gets a random one that is valid under the prompt's type, the same for the same prompt
each time. Answers are chosen in the order of calls, before the engine sees them, so sharing a batch does not change them. No
model is loaded, and vLLM need not be installed.

Rules that were added last are asked first. A value is written as the prompt's own type writes it and read back, so that a
script holds only answers that a model could give; anything else is a `ScriptError`, which is the test's mistake and no row's.
An answer is chosen once for each attempt of a call, so the reasoning before it and the steps of `Scored` belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

from typefold.compiler import Vocabulary
from typefold.prompts.base_prompt import AnsweredBy, AnsweredByExactly, BasePrompt, spec_of
from typefold.prompts.spec import PromptSpec
from typefold.response_types import Decisions, Logged, Reasoned, Scored
from typefold.runtime import Outcome, PromptError, Request, Thinking
from typefold.runtime.engines.scripted import Answer, ScriptedEngine
from typefold.runtimes.runtime import Runtime
from typefold.testing.answers import Failing, ScriptError, chances_of, encoded, engine_answer
from typefold.testing.sent import SentPrompt, asked_by, by_call, caller, has_name, listed

_ROOM = 1 << 20  # tokens are bytes here, so a prompt may be longer than a model's context
_LONGEST = 1 << 10

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class FakeEngine:
    """Answers prompts in place of a model, and keeps the calls. `with FakeEngine() as fake:` makes it current.

    Token limits cut no answer, since tokens are a model's; `truncated(...)` stands for an answer that is cut.

    Args:
        seed: The seed of made-up answers.
        made_up: Whether calls without an answer get made-up ones, which is the default; else each is a `ScriptError`.
        max_model_len: The most bytes of a prompt and its answer together; by default 1 MiB.
        max_num_seqs: The number of requests that run at once.
        tokens_per_step: The number of bytes of an answer that come at once when it is streamed.
        exotic: The share (0 to 1) of made-up characters that are any that the type admits; the others are printable ASCII.
        thinking: The form in which a model reasons; by default it does not. With `always`, it reasons before plain answers too.

    Attributes:
        runtime: The runtime, for programs that take one.
        requests: Every request, in the order in which they were made.
        problems: The errors of the script, which were raised to the callers of prompts too. The first is raised again at the
            end of the block if nothing else is; a test about such an error empties the list.

    Example:
        >>> from typing import Literal
        >>> from typefold import ask, prompt
        >>> @prompt
        ... def judge(text: str) -> Literal["keep", "drop"]:
        ...     return ask(f"Keep or drop? {text}")
        >>> with FakeEngine() as fake:
        ...     fake.answer(judge, "keep", "drop")
        ...     judge.map(["good", "bad"])
        ['keep', 'drop']
        >>> [sent.arguments["text"] for sent in fake.prompts_of(judge)]
        ['good', 'bad']
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        made_up: bool = True,
        max_model_len: int = _ROOM,
        max_num_seqs: int = 256,
        tokens_per_step: int = 16,
        exotic: float = 0.0,
        thinking: Thinking | None = None,
    ) -> None:
        self._made_up = made_up
        # A test of a request, and its answer; `NotImplemented` where there is none for this one.
        self._rules: list[tuple[Callable[[Request], bool], Callable[[Request], object]]] = []
        self._taken: dict[tuple[int, int], tuple[object]] = {}
        self._lock = RLock()
        self.requests: list[Request] = []
        self.problems: list[Exception] = []
        self._engine = _Planned(
            seed=seed,
            max_model_len=max_model_len,
            max_num_seqs=max_num_seqs,
            tokens_per_step=tokens_per_step,
            exotic=exotic,
            thinking=thinking,
            vocabulary=Vocabulary(longest=_LONGEST),  # limits are for a model's tokens, and none is met here
        )
        self.runtime: Runtime = _FakeRuntime(self._engine, self._plan)

    def __repr__(self) -> str:
        return f"<FakeEngine: {len(self.prompts)} prompts, {len(self.requests)} requests>"

    def __enter__(self) -> Self:
        self.runtime.__enter__()
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.runtime.__exit__(kind, *error)
        if kind is None and self.problems:  # the program caught it
            raise self.problems[0]

    @property
    def prompts(self) -> list[SentPrompt]:
        """Every call, in the order in which they were made."""
        return by_call(list(self.requests))

    def prompts_of(self, prompt: BasePrompt[Any] | str, /) -> list[SentPrompt]:
        """Return the calls of one prompt function, or of all functions of a name.

        Args:
            prompt: The prompt function, or a name.

        Returns:
            The calls, in the order in which they were made.
        """
        if isinstance(prompt, str):
            return by_call(filter(has_name(prompt), list(self.requests)))
        spec: PromptSpec = spec_of(prompt)
        return by_call(request for request in list(self.requests) if asked_by(request, spec))

    def count(self, prompt: BasePrompt[Any] | str, /) -> int:
        """Return the number of calls of a prompt function.

        Args:
            prompt: The prompt function, or a name.

        Returns:
            The number of calls; retries do not count.

        Example:
            >>> from typefold import ask, prompt
            >>> from typefold.testing import FakeEngine
            >>> @prompt
            ... def length(word: str) -> int:
            ...     return ask(f"How many letters has {word}?")
            >>> with FakeEngine() as fake:
            ...     _ = length.map(["one", "three"])
            >>> fake.count(length)
            2
        """
        return len(self.prompts_of(prompt))

    def assert_called(
        self, prompt: BasePrompt[Any] | str, /, *, times: int | None = None, containing: str = ""
    ) -> list[SentPrompt]:
        """Assert that a prompt function was called.

        Args:
            prompt: The prompt function, or a name.
            times: The number of calls; by default at least one.
            containing: A text that a call's prompt must contain to count; by default all calls count.

        Returns:
            The calls.

        Raises:
            AssertionError: It was not called so; the message lists the calls that were sent.

        Example:
            >>> from typefold import ask, prompt
            >>> from typefold.testing import FakeEngine
            >>> @prompt
            ... def length(word: str) -> int:
            ...     return ask(f"How many letters has {word}?")
            >>> with FakeEngine() as fake:
            ...     _ = length.map(["one", "three"])
            >>> [sent] = fake.assert_called(length, times=1, containing="three")
            >>> sent.arguments
            {'word': 'three'}
        """
        found = [each for each in self.prompts_of(prompt) if containing in each]
        if (len(found) != times) if times is not None else not found:
            about = f" with a prompt that contains {containing!r}" if containing else ""
            wanted = "" if times is None else f", not {times}"
            name = prompt if isinstance(prompt, str) else spec_of(prompt).name
            count = f"{len(found)} time{'' if len(found) == 1 else 's'}"
            raise AssertionError(f"{name} was called {count}{about}{wanted}. {listed(self.prompts)}")
        return found

    def assert_called_with(
        self, prompt: BasePrompt[Callable[P, object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> SentPrompt:
        """Assert that a prompt function was called with these arguments.

        Args:
            prompt: The prompt function.
            *args: Its positional arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The last such call.

        Raises:
            AssertionError: It was not; the message lists the calls that were sent.

        Example:
            >>> from typefold import ask, prompt
            >>> from typefold.testing import FakeEngine
            >>> @prompt
            ... def length(word: str) -> int:
            ...     return ask(f"How many letters has {word}?")
            >>> with FakeEngine() as fake:
            ...     _ = length.map(["one", "three"])
            >>> fake.assert_called_with(length, "one").row
            0
        """
        spec: PromptSpec = spec_of(prompt)
        arguments = spec.definition.bind((*spec.bound, *args), kwargs)
        found = [each for each in self.prompts_of(prompt) if each.arguments == arguments]
        if not found:
            shown = ", ".join(f"{name}={value!r:.60}" for name, value in arguments.items())
            raise AssertionError(f"{spec.name} was not called with ({shown}). {listed(self.prompts)}")
        return found[-1]

    # fmt: off
    @overload
    def answer(self, prompt: AnsweredBy[..., R], /, *answers: R | Failing) -> None: ...
    @overload
    def answer(self, prompt: AnsweredBy[..., Decisions[T]], /, *answers: T | Failing) -> None: ...
    @overload
    def answer(self, prompt: AnsweredBy[..., Logged[T]], /, *answers: T | Failing) -> None: ...
    @overload
    def answer(self, prompt: AnsweredBy[..., Reasoned[T]], /, *answers: T | Reasoned[T] | Failing) -> None: ...
    @overload
    def answer(self, prompt: AnsweredBy[..., Scored[T]], /, *answers: T | Failing) -> None: ...
    @overload
    def answer(self, prompt: AnsweredByExactly[..., R], /, *answers: R | Failing) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer(self, prompt: AnsweredByExactly[..., Decisions[T]], /, *answers: T | Failing) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer(self, prompt: AnsweredByExactly[..., Logged[T]], /, *answers: T | Failing) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer(self, prompt: AnsweredByExactly[..., Reasoned[T]], /, *answers: T | Reasoned[T] | Failing) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer(self, prompt: AnsweredByExactly[..., Scored[T]], /, *answers: T | Failing) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    # fmt: on
    def answer(self, prompt: Any, /, *answers: object) -> None:
        """Set the answers of a prompt function from now on.

        Args:
            prompt: The prompt function; with other options (`using`) it is the same one.
            *answers: One answer for every call; or several, one for each call in turn, each retry being one more. Each is a
                value of the return type (for `Logged` and the like, of the type inside), a `Text`, a `PromptError`, or an
                `EngineRefusal`.

        Raises:
            ScriptError: No answer is given, or a value is not of the type.

        Example:
            >>> from typefold import ask, prompt
            >>> from typefold.testing import FakeEngine
            >>> @prompt
            ... def length(word: str) -> int:
            ...     return ask(f"How many letters has {word}?")
            >>> with FakeEngine() as fake:
            ...     fake.answer(length, 3, 5)
            ...     length("one"), length("three")
            (3, 5)
        """
        spec = spec_of(prompt)
        if not answers:
            raise ScriptError(f"answer({spec.name}): no answer is given; give one, or several")
        for each in answers:
            if not isinstance(each, Failing):
                encoded(each, spec.definition.return_type(spec.options.json_format).kind, spec.name)
        self._add(lambda request: asked_by(request, spec), _in_turn(spec.name, answers))

    # fmt: off
    @overload
    def answer_by(self, prompt: AnsweredBy[P, R], function: Callable[P, R | Failing], /) -> None: ...
    @overload
    def answer_by(self, prompt: AnsweredBy[P, Decisions[T]], function: Callable[P, T | Failing], /) -> None: ...
    @overload
    def answer_by(self, prompt: AnsweredBy[P, Logged[T]], function: Callable[P, T | Failing], /) -> None: ...
    @overload
    def answer_by(self, prompt: AnsweredBy[P, Reasoned[T]], function: Callable[P, T | Reasoned[T] | Failing], /) -> None: ...
    @overload
    def answer_by(self, prompt: AnsweredBy[P, Scored[T]], function: Callable[P, T | Failing], /) -> None: ...
    @overload
    def answer_by(self, prompt: AnsweredByExactly[P, R], function: Callable[P, R | Failing], /) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer_by(self, prompt: AnsweredByExactly[P, Decisions[T]], function: Callable[P, T | Failing], /) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer_by(self, prompt: AnsweredByExactly[P, Logged[T]], function: Callable[P, T | Failing], /) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer_by(self, prompt: AnsweredByExactly[P, Reasoned[T]], function: Callable[P, T | Reasoned[T] | Failing], /) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def answer_by(self, prompt: AnsweredByExactly[P, Scored[T]], function: Callable[P, T | Failing], /) -> None: ...  # pyright: ignore[reportOverlappingOverload]
    # fmt: on
    def answer_by(self, prompt: Any, function: Callable[..., object], /) -> None:
        """Let a function answer a prompt function, from the arguments of each call.

        Args:
            prompt: The prompt function.
            function: Takes the arguments of the prompt function, defaults filled in. It returns an answer as `answer` takes
                it, or `NotImplemented` where it has none.

        Example:
            >>> from typefold import ask, prompt
            >>> from typefold.testing import FakeEngine
            >>> @prompt
            ... def length(word: str) -> int:
            ...     return ask(f"How many letters has {word}?")
            >>> with FakeEngine() as fake:
            ...     fake.answer_by(length, lambda word: len(word))
            ...     length.map(["one", "three"])
            [3, 5]
        """
        spec: PromptSpec = spec_of(prompt)

        def answered(request: Request) -> object:
            call = caller(request)
            assert call is not None
            bound = spec.definition.signature.bind(*call.arguments[0], **call.arguments[1])
            bound.apply_defaults()
            called: Callable[..., object] = function
            return called(*bound.args[len(spec.bound) :], **bound.kwargs)

        self._add(lambda request: asked_by(request, spec), answered)

    def answer_to(self, content: str, /, *answers: object) -> None:
        """Set the answers of all prompts that contain a text, by any function.

        Args:
            content: A part of the text of any message.
            *answers: As for `answer`.

        Raises:
            ScriptError: No answer is given.

        Example:
            >>> from typefold import ask, prompt
            >>> from typefold.testing import FakeEngine
            >>> @prompt
            ... def length(word: str) -> int:
            ...     return ask(f"How many letters has {word}?")
            >>> with FakeEngine() as fake:
            ...     fake.answer_to("has three", 5)
            ...     length("three")
            5
        """
        if not answers:
            raise ScriptError(f"answer_to({content!r}): no answer is given; give one, or several")
        self._add(lambda request: content in by_call([request])[0], _in_turn(repr(content), answers))

    def answers(self, script: Mapping[BasePrompt[Any] | str, object] | Callable[[SentPrompt], object], /) -> None:
        """Set the answers of several prompt functions at once.

        Args:
            script: A mapping from prompt functions, or their names, to an answer for every call, as `answer` takes it; or
                a function from a `SentPrompt` to an answer, or to `NotImplemented` where it has none.

        Raises:
            ScriptError: A value is not of the prompt function's type.

        Example:
            >>> from typefold import ask, prompt
            >>> from typefold.testing import FakeEngine
            >>> @prompt
            ... def length(word: str) -> int:
            ...     return ask(f"How many letters has {word}?")
            >>> with FakeEngine() as fake:
            ...     fake.answers({length: 4})
            ...     length("four")
            4
        """
        if callable(script):
            function = script
            self._add(lambda _: True, lambda request: function(by_call([request])[0]))
            return
        for named, each in script.items():
            if isinstance(named, str):
                self._add(has_name(named), _in_turn(named, [each]))
            else:
                self.answer(named, each)

    def _add(self, fits: Callable[[Request], bool], answer: Callable[[Request], object]) -> None:
        with self._lock:
            self._rules.insert(0, (fits, answer))

    def _chosen(self, request: Request) -> Answer | PromptError | None:
        """Return the answer to a request or the error in place of one; `None` where it is to be made up.

        Every request must be kept for as long as the script is used, since calls are told apart by their address.
        """
        call = caller(request)
        known = (id(call), request.attempt)  # reasoning, and the steps of Scored, are of one answer
        if call is not None and known in self._taken:
            return engine_answer(self._taken[known][0], request)
        for fits, answer_to in self._rules:
            if fits(request) and (answer := answer_to(request)) is not NotImplemented:
                self._taken[known] = (answer,)
                return engine_answer(answer, request)
        if not self._made_up:
            raise ScriptError(
                f"{request.function}: the script has no answer to this call, and made_up is off.\n"
                f"{by_call([request])[0]}"
            )
        return None

    def _plan(self, request: Request) -> Request | PromptError:
        """Return a request with its answer, chosen before the engine sees it, or the error in place of one."""
        with self._lock:
            self.requests.append(request)
            try:
                answer = self._chosen(request)
            except Exception as error:
                self.problems.append(error)
                raise
            if isinstance(answer, PromptError):
                return answer
            call = caller(request)
            given = self._taken.get((id(call), request.attempt), (None,))[0]
            return replace(
                request, source=_Chosen(answer, None if call is None else chances_of(given, request.source, call))
            )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The source of a request for the engine: the answer to return, or `None` to make one up."""

    answer: Answer | None
    chances: Mapping[str, float] | None = None  # of choices, where the script has more than one


class _Planned(ScriptedEngine):
    """A scripted engine whose answers are chosen before it receives a request."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, chances=lambda request: cast("_Chosen", request.source).chances)
        self._answer = self._planned

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, self.info.max_model_len)

    def _planned(self, request: Request) -> Answer:
        assert isinstance(request.source, _Chosen)
        answer = request.source.answer
        return self._make_up(request) if answer is None else answer


class _FakeRuntime(Runtime):
    """A runtime that chooses every answer where the call is made, so that errors of the script are raised there."""

    def __init__(self, engine: _Planned, plan: Callable[[Request], Request | PromptError]) -> None:
        super().__init__(engine, deduplicate=False, early_stop=False)  # each call has an answer, as it stands
        self._plan = plan

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        planned = [self._plan(request) for request in requests]
        sent = iter(super().submit([each for each in planned if isinstance(each, Request)]))
        return [next(sent) if isinstance(each, Request) else _failed(each) for each in planned]


def _failed(error: PromptError) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_running_or_notify_cancel()
    future.set_exception(error)
    return future


def _in_turn(name: str, answers: Sequence[object]) -> Callable[[Request], object]:
    """Return one answer for every call, or several for one call after the other."""
    if len(answers) == 1:
        return lambda request: answers[0]
    left = iter(answers)

    def next_one(request: Request) -> object:
        for answer in left:
            return answer
        raise ScriptError(f"{name}: all of its {len(answers)} answers are used up, and it is called once more")

    return next_one
