"""Comments that silence a finding: those of mypy, so that one comment serves both.

`# type: ignore` silences all on its line, `# type: ignore[prompt-unused]` one check. On the line of the `def` it holds for
what is said of the function as a whole, its signature and its docstring.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from typefold.checks.findings import Finding
from typefold.checks.source import Source

__all__ = ["is_silenced"]

_IGNORE = re.compile(r"#\s*type:\s*ignore\s*(?:\[(?P<codes>[^\]]*)\])?")


def is_silenced(finding: Finding, source: Source, lines: Iterable[int]) -> bool:
    """Whether a comment on the finding's line, or on one of these, silences it."""
    return any(_silences(source.lines[line - 1], finding.code) for line in (finding.start.line, *lines))


def _silences(line: str, code: str) -> bool:
    found = _IGNORE.search(line)
    if found is None:
        return False
    return found["codes"] is None or code in re.split(r"[\s,]+", found["codes"].strip())
