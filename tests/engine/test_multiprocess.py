"""The engine in a process of its own gives what the engine in this process gives, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from typefold import Runtime

from . import other_process

pytestmark = pytest.mark.engine

PROGRAM = Path(other_process.__file__)


def alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # a system without /proc
        return not Path("/proc/self").exists()


def test_an_engine_in_another_process_answers_alike_and_leaves_neither_requests_nor_processes(
    runtime: Runtime, exact: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with (tmp_path / "errors").open("w+") as errors:
        program = subprocess.Popen(
            [sys.executable, str(PROGRAM), exact],
            env=os.environ | {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        request.addfinalizer(program.kill)
        assert program.stdout is not None
        expected = other_process.alone()  # meanwhile, here
        line = program.stdout.readline()
        errors.seek(0)
        assert line, errors.read()[-4000:]
    said = json.loads(line)

    assert said["alone"] == expected
    assert said["after"] == expected[:1]
    assert said["scenes"] == [other_process.scene(setting) for setting in other_process.SETTINGS]
    assert set(said["scenes"]) <= {"keep", "drop"}
    assert said["graph"] == list(other_process.graph())
    assert said["together"], "four rows were not in the engine at once"
    assert said["given up"] == [True] * 4
    assert said["processes"] and not any(map(alive, said["processes"])), "closed, and its process is still there"
    program.communicate("\n", timeout=60)
    assert program.returncode == 0
