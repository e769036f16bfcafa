"""Parts of a page of the documentation that are made apart from the rest of it, between two comments."""

from __future__ import annotations

import re

__all__ = ["section_of", "with_section", "with_sections_of"]

_SECTION = re.compile(r"<!-- begin: (?P<name>[\w ]+) -->\n\n(?P<text>.*?)\n?<!-- end: (?P=name) -->\n", re.DOTALL)


def section_of(page: str, name: str) -> str | None:
    """Return the text of a section; `None` where the page has no such section."""
    return next((found["text"] for found in _SECTION.finditer(page) if found["name"] == name), None)


def with_section(page: str, name: str, text: str) -> str:
    """Return the page with another text in one section.

    Raises:
        ValueError: The page has no such section.
    """
    if section_of(page, name) is None:
        raise ValueError(f"the page has no section {name!r}")

    def written(found: re.Match[str]) -> str:
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        return f"{begin}\n\n{text}\n{end}\n" if found["name"] == name else found[0]

    return _SECTION.sub(written, page)


def with_sections_of(page: str, other: str) -> str:
    """Return the page with the texts of another's sections, where that has them."""
    for found in _SECTION.finditer(other):
        if section_of(page, found["name"]) is not None:
            page = with_section(page, found["name"], found["text"])
    return page
