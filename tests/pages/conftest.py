"""Where pages run: a folder of their own, with the scripted engine where a page names a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from typefold import Runtime
from typefold.runtime.engines.scripted import ScriptedEngine

from .running import made_with


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, on the path for imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("TYPEFOLD_MODEL", "the/page")
    return tmp_path


@pytest.fixture
def no_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a program names a model, it gets the scripted engine."""

    def scripted(**options: Any) -> ScriptedEngine:
        return ScriptedEngine(seed=2, **options)

    monkeypatch.setattr(Runtime, "__init__", made_with(scripted))
