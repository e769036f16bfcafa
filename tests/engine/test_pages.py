"""Pages whose point is what a real engine does with them, run on one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pages.running import made_with, run_page
from typefold import Runtime
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = pytest.mark.engine


@pytest.mark.usefixtures("capsys")
@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/guides/labels.md"])
def test_a_page_runs_on_a_real_model(
    page: str, engine: VllmEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(**options: Any) -> VllmEngine:
        return engine

    monkeypatch.setattr(engine, "close", lambda: None)
    monkeypatch.setenv("TYPEFOLD_MODEL", "any")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(Runtime, "__init__", made_with(same))
    run_page(page)
