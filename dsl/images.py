"""Images for messages: from files, bytes and Pillow's images.

What is read here is whole: a file that Pillow can't decode is found while the message is made, so the error is that of its
own row and names the file. A path out of the data may name anything, so only regular files are opened, and of a file or
a picture no more is read than a limit allows. Pillow is imported when there is an image to read (extra `images`; vLLM brings it).
"""

from __future__ import annotations

import os
import stat
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from typefold.compiler import Image
from typefold.errors import PromptUsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

__all__ = ["ImageSource", "image", "is_image_source"]

ImageSource: TypeAlias = "Image | PillowImage | Path | bytes"
"""What can stand in a message as an image."""

LARGEST_FILE = 64 << 20
"""The most bytes that the file of an image may have."""

_PNG_MODES = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}  # modes that PNG keeps as they are


def image(source: ImageSource | str) -> Image:
    """An image for `user(...)`, which takes whatever this takes but the name of a file as text.

    Args:
        source: A `Path` or the name of a file, the bytes of one, or an image of Pillow's. A file's bytes are sent as they
            are; an image of Pillow's becomes a PNG.

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
    """Whether `image` takes it; a text is a text."""
    return isinstance(value, (Image, Path, bytes, bytearray, memoryview)) or _is_pillow_image(value)


def _is_pillow_image(value: Any) -> bool:
    """Told without an import: whoever has an image of Pillow's has Pillow."""
    return any(each.__module__ == "PIL.Image" and each.__name__ == "Image" for each in type(value).__mro__)


def _read(path: Path) -> bytes:
    """The bytes of a regular file of limited size. Never waits for a FIFO or a terminal, and opens no device."""
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
    """Whether a picture has more pixels than Pillow warns of, as its user has set it."""
    from PIL import Image as Pillow

    return Pillow.MAX_IMAGE_PIXELS is not None and picture.width * picture.height > Pillow.MAX_IMAGE_PIXELS


def _too_many(name: str) -> ValueError:
    from PIL import Image as Pillow

    return ValueError(
        f"{name}: more than the {Pillow.MAX_IMAGE_PIXELS:,} pixels that an image may have (PIL.Image.MAX_IMAGE_PIXELS); make "
        f"it smaller"
    )


def _checked(data: bytes, name: str) -> Image:
    """The bytes of a file, once Pillow has decoded all of them."""
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
    """An image of Pillow's as the same pixels in a file."""
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
