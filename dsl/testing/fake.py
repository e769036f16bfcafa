"""The fake engine: prompts get the answers of a script, and all calls can be asserted on.

A call without an answer in the script gets a random one that is valid under the prompt's type, the same for the same prompt
each time. Answers are chosen in the order of calls, before the engine sees them, so sharing a batch does not change them. No
model is loaded, and vLLM need not be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, Self

from typefold.compiler import Vocabulary
from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.prompts.spec import PromptSpec
from typefold.runtime import Outcome, PromptError, Request, Thinking
from typefold.runtime.engines.scripted import Answer, ScriptedEngine
from typefold.runtimes.runtime import Runtime
from typefold.testing.script import Script
from typefold.testing.sent import SentPrompt, asked_by, by_call, has_name, listed

P = ParamSpec("P")

_ROOM = 1 << 20  # tokens are bytes here, so a prompt may be longer than a model's context
_LONGEST = 1 << 10


class FakeEngine(Script):
    """Answers prompts in place of a model, and keeps the calls. `with FakeEngine() as fake:` makes it current.

    Token limits cut no answer, since tokens are a model's; `truncated(...)` stands for an answer that is cut.

    Args:
        seed: The seed of made-up answers.
        made_up: Whether calls without an answer get made-up ones, which is the default; else each is a `ScriptError`.
        max_model_len: The most bytes of a prompt and its answer together; by default 1 MiB.
        max_num_seqs: The number of requests that run at once.
        tokens_per_step: The number of bytes of an answer that come at once when it is streamed.
        exotic: The share (0 to 1) of made-up characters that are any that the type admits; the others are printable ASCII.
        thinking: The reasoning marks of a model, for `Reasoned`; by default it does not reason.

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
        super().__init__(made_up=made_up)
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

    def prompts_of(self, prompt: BasePrompt[..., Any] | str, /) -> list[SentPrompt]:
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

    def count(self, prompt: BasePrompt[..., Any] | str, /) -> int:
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
        self, prompt: BasePrompt[..., Any] | str, /, *, times: int | None = None, containing: str = ""
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

    def assert_called_with(self, prompt: BasePrompt[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> SentPrompt:
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

    def _plan(self, request: Request) -> Request | PromptError:
        """Return a request with its answer, chosen before the engine sees it, or the error in place of one."""
        with self._lock:
            self.requests.append(request)
            try:
                answer = self.chosen(request)
            except Exception as error:
                self.problems.append(error)
                raise
            return answer if isinstance(answer, PromptError) else replace(request, source=_Chosen(answer))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The source of a request for the engine: the answer to return, or `None` to make one up."""

    answer: Answer | None


class _Planned(ScriptedEngine):
    """A scripted engine whose answers are chosen before it receives a request."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
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
