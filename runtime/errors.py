"""The errors of a row, a closed tree below `PromptError`.

Each error keeps its facts as fields, states in one sentence the place, the cause and the remedy, and survives pickle. A failing row
never takes another row with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Self

from typefold.compiler import Message


@dataclass(eq=False, kw_only=True)
class PromptError(Exception):
    """A row that gave no value; the base class of all errors of a row.

    Attributes:
        function: The prompt function that was called (`generate` for a runtime's own method).
        row: The index of the row in its batch, or `None` for a single call.
        prompt: The messages as they were to be sent, or the raw prompt; empty where rendering failed.
        text: The text that the model had written so far.
        tokens: The tokens of the prompt and of that text, where the engine has told them.
    """

    function: str = "generate"
    row: int | None = None
    prompt: tuple[Message, ...] | str = ()
    text: str = ""
    tokens: int = field(default=0, repr=False)

    @property
    def where(self) -> str:
        """The function and the row, for the beginning of a message."""
        return self.function if self.row is None else f"{self.function}, row {self.row}"

    def __str__(self) -> str:
        return f"{self.where}: no value"

    def at(self, **facts: Any) -> Self:
        """Return the same error with the fields in `facts` replaced; its cause and traceback are kept."""
        copy = replace(self, **facts)
        copy.__cause__ = self.__cause__
        return copy.with_traceback(self.__traceback__)

    def __reduce__(self) -> tuple[Callable[..., PromptError], tuple[()]]:
        return partial(type(self), **{field.name: getattr(self, field.name) for field in fields(self)}), ()


@dataclass(eq=False, kw_only=True)
class BadInput(PromptError):
    """The arguments could not be made into a prompt: the body, the template or the tokenizer failed on them.

    Attributes:
        reason: The cause, in the words of the failing part.
    """

    reason: str

    def __str__(self) -> str:
        return f"{self.where}: the arguments could not be made into a prompt: {self.reason}"


@dataclass(eq=False, kw_only=True)
class InputFailed(PromptError):
    """A deferred input of this call failed, so the call was never made.

    Where failures follow from one another, the first is named by all of them.

    Attributes:
        input: The name of the input that failed.
        cause: Its error.
    """

    input: str
    cause: Exception

    def __str__(self) -> str:
        cause = self.cause
        detail = str(cause) if isinstance(cause, PromptError) else f"{type(cause).__name__}: {cause}"
        return f"{self.where}: not run, since its input {self.input} failed: {detail}"


@dataclass(eq=False, kw_only=True)
class PromptTooLong(PromptError):
    """The prompt fills the model's context, or leaves less room than the type needs.

    Attributes:
        prompt_tokens: Tokens of the prompt; of its beginning, where it is so long that it was not read to its end.
        max_model_len: The context length of the engine, prompt and answer together.
        needed: The least number of tokens that an answer takes.
    """

    prompt_tokens: int
    max_model_len: int
    needed: int = 1

    def __str__(self) -> str:
        return (
            f"{self.where}: the prompt has {self.prompt_tokens} tokens and an answer needs at least {self.needed}, but "
            f"the engine's max_model_len is {self.max_model_len}; shorten the prompt or raise max_model_len."
        )


@dataclass(eq=False, kw_only=True)
class Truncated(PromptError):
    """The answer met the token limit (finish reason `length`) inside a value, or was bound to.

    Attributes:
        max_tokens: The limit in force.
        needed: A number of tokens that is always enough for the type, the least number where the limit was lower than
            that, or `None` for a type without a bound.
        room: The tokens that the context leaves for an answer; `None` where that is unknown.
    """

    max_tokens: int
    needed: int | None = None
    room: int | None = None

    def __str__(self) -> str:
        todo = (
            f"pass max_tokens={self.needed} or more"
            if self.needed is not None and self.needed > self.max_tokens
            else "raise max_tokens, or bound the type's strings and lists (max_length)"
        )
        return f"{self.where}: cut off inside a value at max_tokens={self.max_tokens}; {todo}."


@dataclass(eq=False, kw_only=True)
class Refused(PromptError):
    """The engine would not take the request: its constraint, or one of its parameters.

    Attributes:
        reason: The engine's own words.
    """

    reason: str

    def __str__(self) -> str:
        return f"{self.where}: the engine refused the request: {self.reason}"


@dataclass(eq=False, kw_only=True)
class Invalid(PromptError):
    """The answer has the form of its type, but failed a check that decoding can't enforce.

    Attributes:
        check: The entry of `explain().post_checks` that failed, such as `return.age: multiple_of=3`.
        detail: The reason.
        errors: pydantic's list of errors where pydantic made the check, else empty.
        attempts: The number of answers that the model gave for this row; more than one with `retries=`.
    """

    check: str
    detail: str
    errors: tuple[dict[str, Any], ...] = ()
    attempts: int = 1

    def __str__(self) -> str:
        tried = f", the last of {self.attempts}," if self.attempts > 1 else ""
        return (
            f"{self.where}: the answer{tried} failed a check ({self.check}): {self.detail}; "
            f"the text was {self.text!r:.200}"
        )


@dataclass(eq=False, kw_only=True)
class EngineFailed(PromptError):
    """The engine died, hung or raised, while this row was in its hands or waited for it.

    Attributes:
        reason: The cause, mostly in the engine's own words.
        todo: The remedy, where one is known.
    """

    reason: str
    todo: str = ""

    def __str__(self) -> str:
        todo = f"; {self.todo}" if self.todo else ""
        return f"{self.where}: the engine failed: {self.reason}{todo}; rows that had finished are kept."


@dataclass(eq=False, kw_only=True)
class TimedOut(PromptError):
    """The call's own `timeout` passed before its answer was there.

    Attributes:
        timeout: The limit, in seconds.
    """

    timeout: float

    def __str__(self) -> str:
        return f"{self.where}: no answer within timeout={self.timeout:g} s; raise it, or lower max_tokens."


@dataclass(eq=False, kw_only=True)
class Cancelled(PromptError):
    """The call was withdrawn: by its caller, by Ctrl-C, or because the runtime was closed."""

    def __str__(self) -> str:
        return f"{self.where}: cancelled before it was answered."
