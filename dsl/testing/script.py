"""What a test said of answers: by prompt function, by its arguments, by what a prompt holds, or by a function.

What was said last goes first. An answer is settled once for each attempt of a call, so the thoughts before it and the steps
of `Scored` belong to the same one. Left out: engines and runtimes, which take from here what they give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, ParamSpec, TypeVar, overload

from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.prompts.spec import PromptSpec
from typefold.response_types import Logged, Reasoned, Scored
from typefold.runtime import PromptError, Request
from typefold.runtime.engines.scripted import Answer
from typefold.testing.answers import Failing, ScriptError, encoded, given
from typefold.testing.sent import SentPrompt, asked_by, by_call, caller, has_name

__all__ = ["Script"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a test said of some requests; `NotImplemented` where it has nothing to say of this one."""

    fits: Callable[[Request], bool]
    answer: Callable[[Request], object]


class Script:
    """What prompts are to be answered.

    Args:
        made_up: Whether a call of which nothing was said is none of the script's concern; else it is a `ScriptError`.
    """

    def __init__(self, *, made_up: bool = True) -> None:
        self._made_up = made_up
        self._rules: list[_Rule] = []
        self._taken: dict[tuple[int, int], tuple[object]] = {}
        self._lock = RLock()

    @overload
    def answer(self, prompt: BasePrompt[..., R], /, *answers: R | Failing) -> None: ...
    @overload
    def answer(self, prompt: BasePrompt[..., Logged[T]], /, *answers: T | Failing) -> None: ...
    @overload
    def answer(self, prompt: BasePrompt[..., Reasoned[T]], /, *answers: T | Reasoned[T] | Failing) -> None: ...
    @overload
    def answer(self, prompt: BasePrompt[..., Scored[T]], /, *answers: T | Failing) -> None: ...
    def answer(self, prompt: BasePrompt[..., Any], /, *answers: object) -> None:
        """Say what a prompt function gets from now on.

        Args:
            prompt: The prompt function; with other options (`using`) it is the same one.
            *answers: One, for every call; or several, for one call after the other, each retry being one more. Each is a
                value of the return type (inside of `Logged` and the like), a `Text`, a `PromptError`, or an
                `EngineRefusal`.

        Raises:
            ScriptError: A value is none of the type.
        """
        spec = spec_of(prompt)
        if not answers:
            raise ScriptError(f"answer({spec.name}) says no answer; give one, or several")
        for each in answers:
            if not isinstance(each, Failing):
                encoded(each, spec.definition.output_type(spec.options.json_format), spec.name)
        self._say(lambda request: asked_by(request, spec), _in_turn(spec.name, answers))

    def answer_by(self, prompt: BasePrompt[P, R], function: Callable[P, object], /) -> None:
        """Let a function answer a prompt function, from the arguments of each call.

        Args:
            prompt: The prompt function.
            function: Takes what the prompt function takes, defaults filled in, and gives what `answer` takes, or
                `NotImplemented` where it has nothing to say.

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

        self._say(lambda request: asked_by(request, spec), answered)

    def answer_to(self, content: str, /, *answers: object) -> None:
        """Say what every prompt gets that holds a text, whoever asks.

        Args:
            content: A part of what any of its messages says.
            *answers: As for `answer`.
        """
        if not answers:
            raise ScriptError(f"answer_to({content!r}) says no answer; give one, or several")
        self._say(lambda request: content in by_call([request])[0], _in_turn(repr(content), answers))

    def answers(self, script: Mapping[BasePrompt[..., Any] | str, object] | Callable[[SentPrompt], object], /) -> None:
        """Say many answers at once.

        Args:
            script: A mapping from prompt functions, or their names, to an answer for every call, as `answer` takes it; or
                a function that gives one for a call, or `NotImplemented` where it knows none.
        """
        if callable(script):
            decide = script
            self._say(lambda _: True, lambda request: decide(by_call([request])[0]))
            return
        for named, each in script.items():
            if isinstance(named, str):
                self._say(has_name(named), _in_turn(named, [each]))
            else:
                self.answer(named, each)

    def _say(self, fits: Callable[[Request], bool], answer: Callable[[Request], object]) -> None:
        with self._lock:
            self._rules.insert(0, _Rule(fits, answer))

    def settled(self, request: Request) -> Answer | PromptError | None:
        """The answer to a request, or the error in place of one; `None` where it is to be made up.

        Every request must be kept for as long as this is asked, since calls are told apart by where they lie.

        Raises:
            ScriptError: Something is wrong with what was said.
        """
        call = caller(request)
        known = (id(call), request.attempt)  # thoughts, and the steps of Scored, are of one answer
        if call is not None and known in self._taken:
            return given(self._taken[known][0], request)
        for rule in self._rules:
            if rule.fits(request) and (said := rule.answer(request)) is not NotImplemented:
                self._taken[known] = (said,)
                return given(said, request)
        if not self._made_up:
            raise ScriptError(
                f"{request.function}: the script says no answer to this call, and made_up is off.\n"
                f"{by_call([request])[0]}"
            )
        return None


def _in_turn(name: str, answers: Sequence[object]) -> Callable[[Request], object]:
    """One answer for every call, or several for one call after the other."""
    if len(answers) == 1:
        return lambda request: answers[0]
    left = iter(answers)

    def next_one(request: Request) -> object:
        for answer in left:
            return answer
        raise ScriptError(f"{name}: all of its {len(answers)} answers are taken, and it is asked once more")

    return next_one
