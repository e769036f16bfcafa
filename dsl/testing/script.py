"""The script of a fake engine: answers by prompt function, by arguments, by a part of a prompt, or by a function.

Rules that were added last are asked first. An answer is a typed value, a text as it stands, or an error. A value is written
as the prompt's own type writes it and read back, so that a script holds only answers that a model could give; anything
else is a `ScriptError`, which is the test's mistake and no row's. An answer is chosen once for each attempt of a call, so the
reasoning before it and the steps of `Scored` belong to the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast, overload

from typefold.compiler import DecodeError, OutputType
from typefold.compiler.errors import describe
from typefold.execution.call import Call, Thoughts
from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.prompts.spec import PromptSpec
from typefold.response_types import Logged, Reasoned, Scored
from typefold.runtime import PromptError, Request
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import Answer, Cut
from typefold.testing.sent import SentPrompt, asked_by, by_call, caller, has_name

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class ScriptError(AssertionError):
    """A script has an answer that can't be one: a value of another type, or no answer is left."""


@dataclass(frozen=True, slots=True)
class Text:
    """An answer as a model might write it, under any type: for tests of answers that can't be read.

    Attributes:
        text: The text of the answer.
        cut: Whether the engine stops behind it at its token limit; by default the answer ends there by itself.

    Example:
        >>> Text("neither keep nor drop")
        Text(text='neither keep nor drop', cut=False)
    """

    text: str
    cut: bool = False


def truncated(text: str = "") -> Text:
    """Make an answer that meets its token limit: `Truncated`, or for plain text the value so far.

    Args:
        text: The text up to the limit; by default nothing.

    Returns:
        An answer for `FakeEngine.answer` and the like.

    Example:
        >>> truncated('{"name": "A')
        Text(text='{"name": "A', cut=True)
    """
    return Text(text, cut=True)


Failing: TypeAlias = Text | PromptError | EngineRefusal
"""Stands for a value: a text as it stands, an error of the row, or the engine's refusal."""


class Script:
    """Answers for prompts. Calls without one are left to the engine (`made_up`), or each of them is a `ScriptError`."""

    def __init__(self, *, made_up: bool = True) -> None:
        self._made_up = made_up
        # A test of a request, and its answer; `NotImplemented` where there is none for this one.
        self._rules: list[tuple[Callable[[Request], bool], Callable[[Request], object]]] = []
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
                _encoded(each, spec.definition.return_type(spec.options.json_format).kind, spec.name)
        self._add(lambda request: asked_by(request, spec), _in_turn(spec.name, answers))

    def answer_by(self, prompt: BasePrompt[P, R], function: Callable[P, object], /) -> None:
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

    def answers(self, script: Mapping[BasePrompt[..., Any] | str, object] | Callable[[SentPrompt], object], /) -> None:
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

    def chosen(self, request: Request) -> Answer | PromptError | None:
        """Return the answer to a request or the error in place of one; `None` where it is to be made up.

        Every request must be kept for as long as the script is used, since calls are told apart by their address.
        """
        call = caller(request)
        known = (id(call), request.attempt)  # reasoning, and the steps of Scored, are of one answer
        if call is not None and known in self._taken:
            return _answer(self._taken[known][0], request)
        for fits, answer_to in self._rules:
            if fits(request) and (answer := answer_to(request)) is not NotImplemented:
                self._taken[known] = (answer,)
                return _answer(answer, request)
        if not self._made_up:
            raise ScriptError(
                f"{request.function}: the script has no answer to this call, and made_up is off.\n"
                f"{by_call([request])[0]}"
            )
        return None


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


def _answer(answer: object, request: Request) -> Answer | PromptError | None:
    """Return the engine's answer for one of a script; `None` where that says nothing of this request."""
    source = request.source
    match answer:
        case PromptError():
            return answer.at(function=request.function, row=request.row, prompt=request.prompt)
        case EngineRefusal():
            return answer
        case Exception():
            raise ScriptError(
                f"{request.function}: an answer can't be {answer!r}; give a PromptError, or an EngineRefusal"
            )
        case Reasoned() if isinstance(source, Thoughts):
            return answer.reasoning
        case _ if isinstance(source, Thoughts):
            return None  # an answer says nothing of the reasoning before it
        case Text():
            return Cut(answer.text) if answer.cut else answer.text
        case _ if isinstance(source, Call):
            return _encoded(answer, source.kind, source.function)
        case _:
            raise ScriptError(
                f"{request.function}: this request was made by no prompt, so there is no type for {answer!r}; answer it "
                f"with Text(...)"
            )


def _encoded(value: object, kind: OutputType[Any], function: str) -> str:
    """Return a value, or that inside of `Logged` and the like, as the model would write it."""
    if isinstance(value, Logged | Reasoned | Scored):
        value = cast("Logged[object]", value).value
    try:
        text = kind.encode(value)
        read = kind.decode(text)
    except DecodeError as error:
        reason = f"it fails a check ({error.check}): {error.detail}"
    except ValueError as error:
        reason = str(error)
    except Exception:  # a hook took it for what it is not
        reason = f"it is of type {type(value).__name__}"
    else:
        if read == value or (type(read) is type(value) and type(value).__eq__ is object.__eq__):
            return text
        reason = f"it would be written {text} and read as {read!r}"
    raise ScriptError(
        f"{function}: {value!r:.200} is no value of {describe(kind.hint)}: {reason}. For a text as it stands write "
        f"Text(...)"
    )
