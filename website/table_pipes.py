r"""Pipes in the code of tables: GitHub wants them as `\|` there, and Python-Markdown would show the backslash."""

# Python-Markdown has no types:
# pyright: reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false
from __future__ import annotations

import re
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor


class TablePipes(Postprocessor):  # type: ignore[misc]  # Python-Markdown has no types
    """Takes the backslash from code in cells."""

    def run(self, text: str) -> str:
        """Called with each page."""
        return re.sub(r"(?s)<td.*?</td>", lambda cell: re.sub(r"(?s)<code.*?</code>", _plain, cell[0]), text)


class TablePipesExtension(Extension):  # type: ignore[misc]  # Python-Markdown has no types
    """The extension that `zensical.toml` names."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Called once. Code is in the page's text from priority 30 on."""
        md.postprocessors.register(TablePipes(md), "table-pipes", 1)


def _plain(code: re.Match[str]) -> str:
    return code[0].replace("\\|", "|")


def makeExtension(**options: Any) -> TablePipesExtension:
    """Return the extension."""
    return TablePipesExtension(**options)
