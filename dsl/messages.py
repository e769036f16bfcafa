"""Messages: `ask`, the turns that it takes, and images in them.

`ask` makes messages and nothing else; type checkers see its result as of the function's own return type. Images are read whole, so
that the error of a file that Pillow can't decode is that of its own row. A path out of the data may name anything, so only regular
files are opened. Pillow is imported when there is an image to read (extra `images`; vLLM brings it).
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, get_args, runtime_checkable

from typing_extensions import TypeIs

from typefold.compiler import Image, Message
from typefold.compiler.guards import is_list, is_list_or_tuple, is_mapping
from typefold.compiler.message import Role, text_of
from typefold.compiler.templates.template import PromptTemplate
from typefold.errors import PromptUsageError


class Picture(Protocol):
    """An image of Pillow's, for type checkers: by its parts, since Pillow may not be installed."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def mode(self) -> str: ...

    def getbands(self) -> tuple[str, ...]: ...


ImageSource: TypeAlias = Image | Picture | Path | bytes
"""An image of a message."""

LARGEST_FILE = 64 << 20
"""The most bytes that the file of an image may have."""

_PNG_MODES = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}  # modes that PNG keeps as they are


def image(source: ImageSource | str) -> Image:
    """Read an image, for `user(...)`. That takes the same but for the name of a file as text.

    Args:
        source: A `Path` or the name of a file, the bytes of one, or an image of Pillow's. A file's bytes are sent as they
            are; an image of Pillow's becomes a PNG.

    Returns:
        The image, to be part of a message.

    Raises:
        OSError: There is no such file, or it can't be read.
        ValueError: It is no image that Pillow can decode, no regular file, larger than 64 MiB or has more pixels
            than `PIL.Image.MAX_IMAGE_PIXELS`.
        PromptUsageError: Pillow is not installed, or this is none of these.

    Example:
        >>> from PIL import Image
        >>> image(Image.new("RGB", (64, 48), "red"))
        [image 64x48 png]
    """
    if isinstance(source, (str, Path)):
        return _checked(_read(Path(source)), str(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        if memoryview(source).nbytes > LARGEST_FILE:
            raise _too_large("bytes")
        return _checked(bytes(source), "bytes")
    if not isinstance(source, Image) and _is_pillow_image(source):
        return _as_png(source)
    if not is_image_source(source):
        raise PromptUsageError(f"an image is a Path, bytes or an image of Pillow's, not {type(source).__name__}")
    return source  # type: ignore[return-value]  # one of ours


def is_image_source(value: object) -> bool:
    """Return whether a value is an image for `image`. A text is none, though it may name a file."""
    return isinstance(value, (Image, Path, bytes, bytearray, memoryview)) or _is_pillow_image(value)


def _is_pillow_image(value: Any) -> bool:
    """Return whether a value is an image of Pillow's, without an import."""
    return any(each.__module__ == "PIL.Image" and each.__name__ == "Image" for each in type(value).__mro__)


def _read(path: Path) -> bytes:
    """Return the bytes of a regular file of limited size. Never waits for a FIFO or a terminal, and opens no device."""
    _check_file(path, os.stat(path))
    # Another file may stand there by now: so it is opened without waiting, and looked at again.
    opened = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    )
    with open(opened, "rb") as file:
        _check_file(path, os.fstat(opened))
        try:
            data = file.read(LARGEST_FILE + 1) or b""  # it may be growing; None is that nothing is there yet
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error  # with its name
    if len(data) > LARGEST_FILE:
        raise _too_large(str(path))
    return data


_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _check_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise ValueError(f"{path}: an image is read from a regular file, and this is {kind}")
    if found.st_size > LARGEST_FILE:
        raise _too_large(str(path))


def _too_large(name: str) -> ValueError:
    return ValueError(
        f"{name}: larger than the {LARGEST_FILE >> 20} MiB that an image may have; make it smaller, or open it with Pillow "
        f"and give the picture"
    )


def _has_too_many(picture: Any) -> bool:
    from PIL import Image as Pillow

    return Pillow.MAX_IMAGE_PIXELS is not None and picture.width * picture.height > Pillow.MAX_IMAGE_PIXELS


def _too_many(name: str) -> ValueError:
    from PIL import Image as Pillow

    return ValueError(
        f"{name}: more than the {Pillow.MAX_IMAGE_PIXELS:,} pixels that an image may have (PIL.Image.MAX_IMAGE_PIXELS); make "
        f"it smaller"
    )


def _checked(data: bytes, name: str) -> Image:
    """Return the bytes of a file as an image, once Pillow has decoded all of them."""
    try:
        from PIL import Image as Pillow
        from PIL import UnidentifiedImageError
    except ImportError:
        raise PromptUsageError("reading images needs Pillow: pip install 'typefold[images]'") from None
    try:
        with Pillow.open(BytesIO(data)) as opened:
            if _has_too_many(opened):
                raise Pillow.DecompressionBombError
            opened.load()
            return Image(data, str(opened.format).lower(), opened.width, opened.height)
    except Pillow.DecompressionBombError as error:
        raise _too_many(name) from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{name}: not an image that can be read (no format that Pillow knows)") from error
    except Exception as error:  # decoders raise what they like
        raise ValueError(f"{name}: not an image that can be read ({type(error).__name__}: {error})") from error


def _as_png(picture: Any) -> Image:
    from PIL import ImageOps

    if _has_too_many(picture):
        raise _too_many("a picture")
    try:
        upright = ImageOps.exif_transpose(picture)  # a PNG would not say how it is turned
        # 32 bits a pixel are those of a file with 16, as older versions of Pillow read it.
        mode = None if upright.mode in _PNG_MODES else "I;16" if upright.mode == "I" else "RGB"
        kept = upright if mode is None else upright.convert(mode)
        held = BytesIO()
        kept.save(held, "PNG", compress_level=1)  # several times quicker, for some more bytes
    except Exception as error:  # if it came from a file, it is read only now
        raise ValueError(
            f"not an image that can be sent: {picture.width}x{picture.height}, mode {picture.mode} "
            f"({type(error).__name__}: {error})"
        ) from error
    return Image(held.getvalue(), "png", kept.width, kept.height)


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
Turn: TypeAlias = Message | Mapping[str, object]
"""A message: one of typefold's, or a dictionary of `role` and `content` as chat APIs have them."""
Part: TypeAlias = Text | Turn | Sequence[Turn]


def is_missing(value: object) -> bool:
    """Return whether a value stands for a missing one: `None`, NaN, and NaT and NA of pandas and numpy."""
    if value is None:
        return True
    kind = type(value).__name__
    if kind in ("NAType", "NaTType"):
        return True
    return (
        isinstance(value, float) or kind in ("datetime64", "timedelta64", "float32", "float16")
    ) and value != value  # true of NaN alone


def system(content: Text) -> Message:
    """Make a system message: standing instructions.

    Args:
        content: The text, or a t-string.

    Returns:
        The message.

    Raises:
        ValueError: The content is a missing value (`None`, NaN). In a prompt function this fails the row, as `BadInput`.

    Example:
        >>> system("Answer in French.")
        Message(role='system', content='Answer in French.')
    """
    return Message("system", _text(content))


def user(*content: Text | ImageSource) -> Message:
    """Make a user message: the question.

    Args:
        content: Text; or texts and images in the order in which they are shown, with nothing put between them. An image
            is a `Path`, the bytes of a file, an image of Pillow's, or an `image(...)`.

    Returns:
        The message.

    Raises:
        OSError: A file can't be read.
        ValueError: A file or bytes are no image, or the content is a missing value. In a prompt function this fails the row,
            as `BadInput`.

    Example:
        >>> user("Say hello.")
        Message(role='user', content='Say hello.')
    """
    if len(content) == 1 and isinstance(content[0], str):
        return Message("user", _text(content[0]))
    return Message.of("user", [image(part) if is_image_source(part) else _text(part) for part in content])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the guard is for values of Pillow's, which is not imported


def assistant(content: Text) -> Message:
    """Make an assistant message: an earlier answer or, as the last part of `ask`, the beginning of this one.

    Args:
        content: The text, or a t-string.

    Returns:
        The message.

    Raises:
        ValueError: The content is a missing value (`None`, NaN). In a prompt function this fails the row, as `BadInput`.

    Example:
        >>> assistant("Bonjour")
        Message(role='assistant', content='Bonjour')
    """
    return Message("assistant", _text(content))


def raw(prompt: str) -> RawPrompt:
    """Make a prompt that is sent as it stands, with no chat template around it.

    Args:
        prompt: The text in the model's own format.

    Returns:
        The prompt, to be the one part of `ask`.

    Example:
        >>> from typefold import ask, prompt, raw
        >>> @prompt
        ... def complete(text: str) -> str:
        ...     return ask(raw(text))
        >>> complete.render("Once upon a time")
        'Once upon a time'
    """
    return RawPrompt(prompt)


def ask(*parts: Part) -> T:  # type: ignore[type-var]  # the caller's return type decides T; see docs/design.md  # pyright: ignore[reportInvalidTypeVarUse]
    """Ask the model. The body of a prompt function returns the result.

    Args:
        parts: Texts (each a user message), messages, lists of messages, or one `raw(...)`. A message may be a dictionary
            of `role` and `content`. With none, the function's docstring is the message, as a Jinja2 template over the
            parameters.

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
        if self.template is None:
            raise PromptUsageError(
                f"{self.name}: ask() without arguments takes the docstring as the message, and there is none; "
                f"write a docstring, or ask(f'...')"
            )
        return (Message("user", self.template.render(self.arguments)),)


@dataclass(frozen=True, eq=False)
class Asked:
    """The result of `ask` at run time: the messages, and the frame of the body that made them."""

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
        if is_turn(part):
            made.append(message_of(part))
        elif isinstance(part, (str, TemplateString)):
            made.append(user(part))
        elif is_list_or_tuple(part) and all(map(is_turn, part)):
            made.extend(map(message_of, part))
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
    if not isinstance(content, TemplateString):
        _refuse_missing(content)
        put = _meant(content) or "; put values in with f'{value}', and images as a Path, bytes or an image of Pillow's"
        raise PromptUsageError(f"a message is text, not {type(content).__name__}{put}")


def _refuse_missing(part: object) -> None:
    """Refuse a missing value: it is an error of the row, and not of the program."""
    if is_missing(part):
        raise ValueError(f"a message is {part}, a missing value; fill or drop such rows")


def _meant(part: object) -> str:
    return "; an image goes into a message: user(image, 'What is on it?')" if is_image_source(part) else ""


def is_turn(part: object) -> TypeIs[Turn]:
    """Return whether a value stands for a message: one of typefold's, or a dictionary."""
    return isinstance(part, Message) or is_mapping(part)


def message_of(turn: Turn) -> Message:
    """Return the message that a dictionary of `role` and `content` is, as chat APIs and vLLM's `LLM.chat` have them.

    Content is a text, or a list of texts and images in base64. Anything more, such as the calls of tools, is refused: without
    it the model would be shown another conversation.
    """
    if isinstance(turn, Message):
        return turn
    role: Any = turn.get("role")
    if role not in get_args(Role) or "content" not in turn:
        raise PromptUsageError(
            f"a message that is a dictionary has a role (system, user or assistant) and a content, unlike {dict(turn)!r:.80}"
        )
    if lost := [name for name, value in turn.items() if name not in ("role", "content") and value]:
        raise PromptUsageError(f"a message has a role and a content; what its {lost[0]} says is to be put into text")
    content: Any = turn["content"]
    if not is_list(content):
        return Message(role, _text(content))
    parts: list[str | Image] = []
    for each in map(_content_part, content):
        # Texts that follow each other stand on lines of their own, as in vLLM.
        parts += ["\n", each] if parts and isinstance(each, str) and isinstance(parts[-1], str) else [each]
    return Message.of(role, parts)


def _content_part(part: object) -> str | Image:
    found: Any = part if is_mapping(part) else {"type": "text", "text": part}
    if found.get("type") == "text":
        return _text(found.get("text"))
    address = found.get("image_url")
    address = str(address.get("url")) if is_mapping(address) else str(address)
    head, _, data = address.partition(";base64,")
    if not head.startswith("data:image/") or not data:
        raise PromptUsageError(
            f"a message's content is texts and images in base64 (data:image/png;base64,...), not {found!r:.80}; "
            "give a file as user(Path('name.png'), 'What is it?')"
        )
    try:
        return image(base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise ValueError(f"an image in a message's content is no base64: {error}") from error


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
