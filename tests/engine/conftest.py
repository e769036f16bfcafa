"""One real engine for all tests of this folder, with a model whose answers no batch and no machine changes (`exact.py`).

So whole texts may be compared here. Of the demo model they may not: its numbers are bfloat16, and what they round to depends
on the batch and the processor. What is asked of it (in processes of its own) is compared in float32 and within a tolerance.
`TYPEFOLD_MODEL` names another model for all of this, in float32 too.
"""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from typefold import Runtime
from typefold.runtime import Request
from typefold.runtime.engines.vllm.engine import VllmEngine, load

from .exact import exact_model
from .together import Together

MAX_MODEL_LEN = 1024


@pytest.fixture(scope="session")
def model() -> str:
    """The model's path: TYPEFOLD_MODEL, or the demo model."""
    if path := os.environ.get("TYPEFOLD_MODEL"):
        return path
    from typefold import demo_model

    return str(demo_model())


@pytest.fixture(scope="session")
def exact(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the exact model, or TYPEFOLD_MODEL."""
    if path := os.environ.get("TYPEFOLD_MODEL"):
        return path
    from typefold import demo_model

    return str(exact_model(demo_model(), tmp_path_factory.mktemp("models") / "exact"))


@pytest.fixture(scope="session")
def session_engine(exact: str) -> Iterator[VllmEngine]:
    pytest.importorskip("vllm")
    engine = load(exact, max_model_len=MAX_MODEL_LEN, max_num_seqs=64, dtype="float32", kv_cache_memory_bytes=1 << 28)
    yield engine
    engine.close()
    engine.close()  # closing twice is part of the protocol


@pytest.fixture
def engine(session_engine: VllmEngine) -> Iterator[VllmEngine]:
    """The engine, with nothing in it before and after each test."""
    assert not session_engine.has_unfinished
    yield session_engine
    session_engine.abort(list(session_engine._keys))
    assert not session_engine.has_unfinished


@pytest.fixture
def runtime(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime on the session's engine, which it leaves open; equal calls are answered each for itself."""
    monkeypatch.setattr(engine, "close", lambda: None)
    with Runtime(engine, deduplicate=False) as runtime:
        yield runtime


@pytest.fixture
def together(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Together]:
    """Has the engine step only while so many rows have a request in it; `last` says which of a row's ends it."""

    def hold(rows: int, last: Callable[[Request], bool] = lambda request: True) -> Together:
        if engine.info.device != "cpu":
            pytest.skip("vLLM makes its batches in a process of its own")
        # Else a request is in no batch before a thread beside has made its grammar.
        grammars = engine._engine.engine_core.engine_core.structured_output_manager
        monkeypatch.setattr(grammars, "_use_async_grammar_compilation", False)
        held = Together(engine, rows, last)
        monkeypatch.setattr(engine, "add", held.add)
        monkeypatch.setattr(engine, "step", held.step)
        return held

    return hold
