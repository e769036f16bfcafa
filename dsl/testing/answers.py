"""What a test says an answer is, made into what an engine gives: a typed value, a text as it stands, or an error.

A value is written as the prompt's own type writes it, and read back, so that a script can't say what no model could. What
a script has wrong is a `ScriptError`: the test's mistake, and never a row's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from typefold.compiler import DecodeError, OutputType
from typefold.compiler.errors import describe
from typefold.execution.call import Call, Thoughts
from typefold.response_types import Logged, Reasoned, Scored
from typefold.runtime import PromptError, Request
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import Answer, Cut

__all__ = ["Failing", "ScriptError", "Text", "encoded", "given", "truncated"]


class ScriptError(AssertionError):
    """What a test says of a prompt's answers can't be: a value that is none of its type, or no answer is left."""


@dataclass(frozen=True, slots=True)
class Text:
    """An answer as a model might write it, whatever its type says: for what happens when that can't be read.

    Attributes:
        text: What is written.
        cut: Whether the engine stops behind it for want of room.

    Example:
        >>> Text("neither keep nor drop")
        Text(text='neither keep nor drop', cut=False)
    """

    text: str
    cut: bool = False


def truncated(text: str = "") -> Text:
    """An answer that meets its limit behind this text: `Truncated`, or for plain text a value that is cut.

    Example:
        >>> truncated('{"name": "A')
        Text(text='{"name": "A', cut=True)
    """
    return Text(text, cut=True)


Failing: TypeAlias = Text | PromptError | EngineRefusal
"""What may stand for a value: a text as it stands, an error of the row, or the engine's refusal."""


def given(answer: object, request: Request) -> Answer | PromptError | None:
    """What the engine gives for an answer of a script; `None` where that says nothing of this request.

    Raises:
        ScriptError: It can't be an answer to it.
    """
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
            return None  # an answer says nothing of the thoughts before it
        case Text():
            return Cut(answer.text) if answer.cut else answer.text
        case _ if isinstance(source, Call):
            return encoded(answer, source.kind, source.function)
        case _:
            raise ScriptError(
                f"{request.function}: this request was made by no prompt, so there is no type for {answer!r}; answer it "
                f"with Text(...)"
            )


def encoded(value: object, kind: OutputType[Any], function: str) -> str:
    """A value as the model would write it; that inside of `Logged` and the like.

    Raises:
        ScriptError: It is no value of the type.
    """
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
