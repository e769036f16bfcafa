"""Images for messages: from files, bytes and Pillow's images.

What is read here is whole: a file that Pillow can't decode is found while the message is made, so the error is that of its
own row and names the file. Pillow is imported when there is an image to read (extra `images`; vLLM brings it).
"""

from __future__ import annotations

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

_PNG_MODES = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}  # modes that PNG keeps as they are


def image(source: ImageSource | str) -> Image:
    """An image for `user(...)`, which takes whatever this takes but the name of a file as text.

    Args:
        source: A `Path` or the name of a file, the bytes of one, or an image of Pillow's. A file's bytes are sent as they
            are; an image of Pillow's becomes a PNG.

    Raises:
        OSError: There is no such file, or it can't be read.
        ValueError: It is no image that Pillow can decode.
        PromptUsageError: Pillow is not installed, or this is none of these.

    Example:
        >>> from PIL import Image
        >>> image(Image.new("RGB", (64, 48), "red"))
        [image 64x48 png]
    """
    if isinstance(source, (str, Path)):
        return _checked(Path(source).read_bytes(), str(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
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


def _checked(data: bytes, name: str) -> Image:
    """The bytes of a file, once Pillow has decoded all of them."""
    try:
        from PIL import Image as Pillow
        from PIL import UnidentifiedImageError
    except ImportError:
        raise PromptUsageError("reading images needs Pillow: pip install 'typefold[images]'") from None
    try:
        with Pillow.open(BytesIO(data)) as opened:
            opened.load()
            return Image(data, str(opened.format).lower(), opened.width, opened.height)
    except UnidentifiedImageError as error:
        raise ValueError(f"{name}: not an image that can be read (no format that Pillow knows)") from error
    except Exception as error:  # decoders raise what they like
        raise ValueError(f"{name}: not an image that can be read ({type(error).__name__}: {error})") from error


def _as_png(picture: Any) -> Image:
    """An image of Pillow's as the same pixels in a file."""
    from PIL import ImageOps

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
