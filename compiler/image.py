"""Images in messages: the bytes of an image file, with what it takes to name and to tell them apart.

Invariant: the bytes are those of a whole image that could be read when this was made, so that two are equal if they look
the same file. Left out: reading and decoding, which need Pillow (`typefold.images`, and the engine's room).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["Image"]


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    """An image, as a file holds it.

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
        """What tells its bytes from others."""
        return hashlib.blake2b(self.data, digest_size=16).hexdigest()
