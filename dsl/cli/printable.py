"""Texts that a terminal shows and does not obey."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""A text with escapes for characters that a terminal would obey, or that turn the direction of writing.

    Example:
        >>> print(printable("a\x1b[2Jb"))
        a\x1b[2Jb
    """
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )
