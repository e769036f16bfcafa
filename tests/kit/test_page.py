"""docs/testing.md: its programs run as they stand, as tests of pytest's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parent.parent.parent / "docs" / "testing.md"


def test_the_tests_of_the_page_pass(pytester: pytest.Pytester) -> None:
    program, decided, recorded = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    pytester.makepyfile(story=program, test_decided=decided, test_recorded=recorded)
    pytester.runpytest("test_decided.py").assert_outcomes(passed=5)
    pytester.runpytest("test_recorded.py").assert_outcomes(errors=2)
