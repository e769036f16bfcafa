"""Messages to a chat model: text, images, and the text form of values.

A message holds its text in one piece, with the positions of images in it, so that code for texts can ignore them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from pydantic_core import PydanticSerializationError, to_jsonable_python

from typefold.compiler.json_format import JsonFormat

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    """An image file that was found readable. Decoding it needs Pillow, which `typefold.messages` uses.

    Attributes:
        data: The bytes of the file.
        format: Its format: `png`, `jpeg`, ...
        width: Pixels from left to right.
        height: Pixels from top to bottom.

    Example:
        >>> Image(b"...", "png", 640, 480)
        [image 640x480 png]
    """

    data: bytes
    format: str
    width: int
    height: int

    def __repr__(self) -> str:
        return f"[image {self.width}x{self.height} {self.format}]"

    @property
    def digest(self) -> str:
        """A digest of the bytes."""
        return hashlib.blake2b(self.data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """One turn of a conversation.

    Args:
        role: The speaker: `system`, `user` or `assistant`.
        content: The text, without images.
        images: The images in order, each with its position: the number of characters of `content` before it.

    Example:
        >>> Message("user", "A cat?")
        Message(role='user', content='A cat?')
    """

    role: Role
    content: str
    images: tuple[tuple[int, Image], ...] = ()

    def __repr__(self) -> str:
        content = ", ".join(map(repr, self.parts)) if self.images else repr(self.content)
        return f"Message(role={self.role!r}, content={f'({content})' if self.images else content})"

    @classmethod
    def of(cls, role: Role, parts: Iterable[str | Image]) -> Message:
        """Make a message of texts and images.

        Args:
            role: The speaker.
            parts: Texts and images, in order.

        Returns:
            The message.

        Example:
            >>> Message.of("user", ["Is this ", Image(b"...", "png", 64, 48), " a cat?"])
            Message(role='user', content=('Is this ', [image 64x48 png], ' a cat?'))
        """
        content, images = "", list[tuple[int, Image]]()
        for part in parts:
            if isinstance(part, Image):
                images.append((len(content), part))
            else:
                content += part
        return cls(role, content, tuple(images))

    @property
    def parts(self) -> tuple[str | Image, ...]:
        """The texts and images in order, without empty texts."""
        parts: list[str | Image] = []
        begin = 0
        for end, image in self.images:
            parts += [self.content[begin:end], image]
            begin = end
        return tuple(part for part in (*parts, self.content[begin:]) if part != "")

    @property
    def shown(self) -> str:
        """The text for people, with `[image 640x480 png]` for an image.

        Example:
            >>> Message.of("user", [Image(b"...", "png", 64, 48), "A cat?"]).shown
            '[image 64x48 png]A cat?'
        """
        return "".join(map(str, self.parts)) if self.images else self.content

    @property
    def image_digests(self) -> tuple[str, ...]:
        """The position and the digest of each image, which tell messages of equal text apart."""
        return tuple(f"{at} {image.digest}" for at, image in self.images)


def text_of(value: object) -> str:
    """A value as text for a model: text unchanged, an enum member as its value, a structure as JSON.

    Raises ValueError for a value that contains itself, is nested too deeply, or has a number that JSON can't write.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    try:
        data = to_jsonable_python(value, by_alias=True)
    except PydanticSerializationError:  # of a class without a JSON form, which has its own `str`
        return str(value)
    return data if isinstance(data, str) else JsonFormat.SPACED.dump(data, finite=True)  # a date, a Decimal: no quotes
