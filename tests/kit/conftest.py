"""Fixtures of tests of the kit: runs of pytest inside of this one, without the plugins that they don't need."""

from __future__ import annotations

import pytest

import typefold.testing.cassette  # noqa: F401  # pyright: ignore[reportUnusedImport]  # once, and not in each run inside


@pytest.fixture(autouse=True)
def quick_runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis's plugin imports Hypothesis in each run, which takes longer than all the rest."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it clears the variable
        monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:pytest-mypy-plugins")
