"""What the body of a prompt function says: `ask` and the turns it takes.

`ask` makes messages and nothing else. It works only while a prompt function's body runs, and what it gives back is for
that body to return; type checkers see it as the function's own return type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from typing_extensions import TypeIs

from typefold.compiler import Message
from typefold.compiler.message import text_of
from typefold.compiler.templates.template import PromptTemplate
from typefold.errors import PromptUsageError
from typefold.images import ImageSource, image, is_image_source

__all__ = ["Message", "RawPrompt", "ask", "assistant", "is_missing", "raw", "system", "user"]

T = TypeVar("T")


class RawPrompt(str):
    """A prompt that already is in the model's own format; it is sent as it stands, with no chat template."""


@runtime_checkable
class TemplateString(Protocol):
    """A t-string (PEP 750; `string.templatelib.Template`, Python 3.14)."""

    @property
    def strings(self) -> tuple[str, ...]: ...

    @property
    def interpolations(self) -> tuple[Any, ...]: ...


Text: TypeAlias = str | TemplateString
Part: TypeAlias = Text | Message | Sequence[Message]


def is_missing(value: object) -> bool:
    """Tell whether a value stands for a missing one: `None`, NaN, and NaT and NA of pandas and numpy.

    Example:
        >>> is_missing(None), is_missing(float("nan")), is_missing(0.0), is_missing("")
        (True, True, False, False)
    """
    if value is None:
        return True
    kind = type(value).__name__
    if kind in ("NAType", "NaTType"):
        return True
    return (
        isinstance(value, float) or kind in ("datetime64", "timedelta64", "float32", "float16")
    ) and value != value  # true of NaN alone


def system(content: Text) -> Message:
    """A system message: standing instructions.

    Example:
        >>> system("Answer in French.")
        Message(role='system', content='Answer in French.')
    """
    return Message("system", _text(content))


def user(*content: Text | ImageSource) -> Message:
    """A user message: what is asked.

    Args:
        content: Text; or texts and images in the order in which they are shown, with nothing put between them. An image
            is a `Path`, the bytes of a file, an image of Pillow's, or an `image(...)`.

    Raises:
        OSError: A file can't be read.
        ValueError: A file or bytes are no image. In a prompt function this fails the row, as `BadInput`.

    Example:
        >>> user("Say hello.")
        Message(role='user', content='Say hello.')
    """
    if len(content) == 1 and isinstance(content[0], str):
        return Message("user", _text(content[0]))
    return Message.of("user", [image(part) if is_image_source(part) else _text(part) for part in content])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the guard is for values of Pillow's, which is not imported


def assistant(content: Text) -> Message:
    """An assistant message: an earlier answer or, as the last part of `ask`, the beginning of this one."""
    return Message("assistant", _text(content))


def raw(prompt: str) -> RawPrompt:
    """A prompt that is sent as it stands, with no chat template around it."""
    return RawPrompt(prompt)


def ask(*parts: Part) -> T:  # type: ignore[type-var]  # the caller's return type decides T; see docs/design.md  # pyright: ignore[reportInvalidTypeVarUse]
    """Ask the model; the value is what the prompt function returns.

    Args:
        parts: Texts (each a user message), messages, lists of messages, or one `raw(...)`. With none, the function's
            docstring is the message, as a Jinja2 template over the parameters.

    Returns:
        For type checkers, a value of the function's return type. At run time, a token that the body must return.

    Raises:
        PromptUsageError: Called outside the body of a prompt function, or with parts that make no prompt.
        ValueError: A part is a missing value (`None`, NaN), which fails its row, as `BadInput`.

    Example:
        >>> from typefold import ask, prompt
        >>> @prompt
        ... def capital(country: str) -> str:
        ...     return ask(f"What is the capital of {country}?")
        >>> capital.render("France")
        (Message(role='user', content='What is the capital of France?'),)
    """
    frame = current_frame.get()
    if frame is None:
        raise PromptUsageError(
            "ask() was called outside the body of a prompt function; write\n"
            "    @prompt\n    def name(argument: str) -> SomeType:\n        return ask(f'... {argument} ...')"
        )
    asked = Asked(frame, _messages(parts) if parts else frame.from_docstring())
    return asked  # type: ignore[return-value]  # the runtime value stands in for one of type T


@dataclass(frozen=True, eq=False)
class Frame:
    """A prompt function's body while it runs."""

    name: str
    arguments: Mapping[str, Any]
    template: PromptTemplate | None

    def from_docstring(self) -> tuple[Message, ...]:
        """The one message of a body without parts."""
        if self.template is None:
            raise PromptUsageError(
                f"{self.name}: ask() without arguments takes the docstring as the message, and there is none; "
                f"write a docstring, or ask(f'...')"
            )
        return (Message("user", self.template.render(self.arguments)),)


@dataclass(frozen=True, eq=False)
class Asked:
    """What `ask` gives at run time: the messages, and whose body made them."""

    frame: Frame
    messages: tuple[Message, ...] | RawPrompt


current_frame: ContextVar[Frame | None] = ContextVar("typefold_frame", default=None)


def _messages(parts: Iterable[Part]) -> tuple[Message, ...] | RawPrompt:
    parts = list(parts)
    raws = [part for part in parts if isinstance(part, RawPrompt)]
    if raws:
        if len(parts) > 1:
            raise PromptUsageError("raw(...) is a whole prompt: it can't be mixed with other parts of ask()")
        return raws[0]
    made: list[Message] = []
    for part in parts:
        _refuse_missing(part)
        if isinstance(part, Message):
            made.append(part)
        elif isinstance(part, (str, TemplateString)):
            made.append(user(part))
        elif _is_history(part):
            made.extend(part)
        else:
            raise PromptUsageError(
                f"ask() takes text, messages (system, user, assistant) or a list of messages, not "
                f"{type(part).__name__}{_meant(part)}"
            )
    if not made:
        raise PromptUsageError("ask() was given an empty list of messages")
    return tuple(made)


_CONVERSIONS: Mapping[str, Callable[[object], str]] = {"r": repr, "s": str, "a": ascii}


def _require_template(content: object) -> None:
    """Untyped code may hand in anything."""
    if not isinstance(content, TemplateString):
        _refuse_missing(content)
        put = _meant(content) or "; put values in with f'{value}', and images as a Path, bytes or an image of Pillow's"
        raise PromptUsageError(f"a message is text, not {type(content).__name__}{put}")


def _refuse_missing(part: object) -> None:
    """One row may lack what others have: that is its error, and not the program's."""
    if is_missing(part):
        raise ValueError(f"a message is {part}, a missing value; fill or drop such rows")


def _meant(part: object) -> str:
    return "; an image goes into a message: user(image, 'What is on it?')" if is_image_source(part) else ""


def _is_history(part: object) -> TypeIs[Sequence[Message]]:
    return isinstance(part, (list, tuple)) and all(isinstance(item, Message) for item in cast("list[object]", part))


def _text(content: Text) -> str:
    if isinstance(content, str):
        return str(content)
    _require_template(content)
    texts = [content.strings[0]]
    for interpolation, following in zip(content.interpolations, content.strings[1:], strict=True):
        value = interpolation.value
        if interpolation.conversion:
            value = _CONVERSIONS[interpolation.conversion](value)
        texts += [format(value, interpolation.format_spec) if interpolation.format_spec else text_of(value), following]
    return "".join(texts)
