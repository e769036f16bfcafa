"""Messages: what a chat model is shown.

Most are text alone. Images stand between characters of it, so that what works on texts need not know of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from typefold.compiler.image import Image

__all__ = ["Message", "Role"]

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks: `system`, `user` or `assistant`.
        content: What is said, as plain text.
        images: Images, each with the number of characters of the text that stand before it, in order.
    """

    role: Role
    content: str
    images: tuple[tuple[int, Image], ...] = ()

    def __repr__(self) -> str:
        content = ", ".join(map(repr, self.parts)) if self.images else repr(self.content)
        return f"Message(role={self.role!r}, content={f'({content})' if self.images else content})"

    @classmethod
    def of(cls, role: Role, parts: Iterable[str | Image]) -> Message:
        """A message of texts and images, one behind the other.

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
        """Texts and images in order; no text of them is empty."""
        parts: list[str | Image] = []
        begin = 0
        for end, image in self.images:
            parts += [self.content[begin:end], image]
            begin = end
        return tuple(part for part in (*parts, self.content[begin:]) if part != "")

    @property
    def shown(self) -> str:
        """The text, to be read: with `[image 640x480 png]` where an image stands.

        Example:
            >>> Message.of("user", [Image(b"...", "png", 64, 48), "A cat?"]).shown
            '[image 64x48 png]A cat?'
        """
        return "".join(map(str, self.parts)) if self.images else self.content

    @property
    def image_digests(self) -> tuple[str, ...]:
        """The images by where they stand and their digests, which is what tells messages of equal text apart."""
        return tuple(f"{at} {image.digest}" for at, image in self.images)
