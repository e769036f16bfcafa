"""Faults of a real engine: it raises, its process is killed, Ctrl-C reaches its group, and the whole program is killed.

What the engine's process is needed for is one program, `dying_engine.py`, since loading it takes half a minute.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from returns.result import Success

from typefold import EngineFailed, Runtime, ask, prompt
from typefold.runtime.engine import Completion
from typefold.runtime.engines.vllm.engine import VllmEngine

from .elsewhere import OWN_PROCESS

pytestmark = pytest.mark.engine


@prompt(max_tokens=8, temperature=0)
def tell(number: int) -> str:
    return ask(f"Tell me about the number {number}.")


def failing(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Have a step of vLLM's raise."""
    step, steps = engine.step, 0

    def fail() -> Sequence[Completion]:
        nonlocal steps
        steps += 1
        if steps == at:
            raise RuntimeError("CUDA error: out of memory")
        return step()

    monkeypatch.setattr(engine, "step", fail)


def test_an_exception_in_a_step_fails_the_rows_in_flight_and_keeps_the_finished(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "close", lambda: None)
    failing(engine, monkeypatch, at=6)
    with Runtime(engine, deduplicate=False) as runtime:
        short, *others = runtime_ends(runtime)
    assert isinstance(short, Success)
    for each in others:
        assert isinstance(each.failure(), EngineFailed)
        assert "CUDA error: out of memory; lower max_num_seqs" in str(each.failure())


def test_rows_in_flight_are_asked_again_of_a_new_engine(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's engine stands for both, so that none is loaded for this."""
    monkeypatch.setattr(engine, "close", lambda: engine.abort(list(engine._keys)))  # pyright: ignore[reportPrivateUsage]
    with Runtime(engine, deduplicate=False) as runtime:
        undisturbed = runtime_ends(runtime)
    failing(engine, monkeypatch, at=6)
    with Runtime(lambda: engine, deduplicate=False, restarts=1) as runtime:
        assert runtime_ends(runtime) == undisturbed
        assert runtime.stats.restarts == 1


def runtime_ends(runtime: Runtime) -> list[Any]:
    """One row that is done before the others."""
    short = tell.using(runtime=runtime, max_tokens=2).submit(0)
    results = tell.using(runtime=runtime).safe.map(range(1, 5))
    return [Success(short.result()), *results]


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux whether a process is there")
@OWN_PROCESS
def test_an_engine_s_process_survives_ctrl_c_is_missed_when_killed_and_never_stays_behind(exact: str) -> None:
    program = Path(__file__).with_name("dying_engine.py")
    done = subprocess.run(
        [sys.executable, str(program), exact],
        env=os.environ | {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"},
        capture_output=True,
        text=True,
        timeout=850,
        start_new_session=True,  # a process group of its own, which Ctrl-C is sent to
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-4000:]
    said = {each["what"]: each for each in map(json.loads, done.stdout.splitlines())}

    assert said["Ctrl-C"]["same"], "the engine's process ended at Ctrl-C"
    assert len(said["Ctrl-C"]["after"]) == 2
    assert "typefold: stopped by Ctrl-C with 0 of 12 rows done" in done.stderr

    assert len(said["killed"]["ends"]) == 12
    for end in said["killed"]["ends"] + said["killed"]["after"]:
        assert "its process (EngineCore) was killed by SIGKILL" in end
        assert "Runtime(..., restarts=2) builds the engine again" in end

    assert said["restarted"]["ends"] == ["value"] * 12
    assert said["restarted"]["restarts"] == 1
    for _ in range(300):
        if gone(said["restarted"]["core"]):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the engine's process outlived the program")
