"""Several engines of one program, and forks of it, on real vLLM."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm")

pytestmark = pytest.mark.engine


def test_engines_of_one_program_are_closed_in_any_order_and_survive_a_forked_child(model: str) -> None:
    program = Path(__file__).with_name("several.py")
    done = subprocess.run([sys.executable, program, model], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    said = told["alone"]
    assert told["where"] == [True, False]
    assert told["child"] == 0, done.stderr[-4000:]
    assert told["beside"] == [said] * 2
    assert told["at once"] == [said] * 8
    assert told["the first closed"] == [said]
    assert told["both inside"] == [True, True]
    assert told["in turn"] == [said] * 8
    assert told["own afterwards"] == told["own"]
