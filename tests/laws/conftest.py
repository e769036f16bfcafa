"""Matchers of real engines over a small vocabulary, by which the laws are checked; the counts are printed at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from .matchers import Guidance, Vocabulary, XGrammar, small_vocabulary

_COUNTS = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary(small_vocabulary())


@pytest.fixture(scope="session")
def xgrammar(vocabulary: Vocabulary) -> XGrammar:
    return XGrammar(vocabulary)


@pytest.fixture(scope="session")
def guidance(vocabulary: Vocabulary) -> Guidance:
    return Guidance(vocabulary)


@pytest.fixture(scope="session")
def proved(request: pytest.FixtureRequest) -> Counter[str]:
    return request.config.stash.setdefault(_COUNTS, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None] | None:
    counts = config.stash.get(_COUNTS, None)
    if counts:
        told = ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))
        terminalreporter.write_line(f"laws: {told}")
    return None
