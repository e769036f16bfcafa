"""Findings about foreign models, printed at the end."""

from __future__ import annotations

from collections import Counter

import pytest

_COUNTS = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def foreign(request: pytest.FixtureRequest) -> Counter[str]:
    return request.config.stash.setdefault(_COUNTS, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(_COUNTS, None)
    for name, number in sorted((counts or {}).items(), key=lambda item: (item[0].partition(":")[0], -item[1])):
        terminalreporter.write_line(f"foreign models: {number:,} {name}")
