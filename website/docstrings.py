"""Docstrings as the reference shows them: an `Example:` is a section of code, as `Examples:` is to griffe.

The house writes `Example:` (Google style has both), which griffe takes for a box of text. mkdocstrings loads this file; see
`zensical.toml`.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Renames the sections, before docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, loader: Any, **kwargs: Any) -> None:
        """Called once for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
