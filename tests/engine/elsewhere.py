"""Facts from an engine in a process of its own: a program beside this file is run and prints them as a line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

OWN_PROCESS = pytest.mark.xdist_group("engines in processes of their own")
"""For tests that do without the session's engine: they may run beside those that use it."""

_MARK = "FACTS "  # vLLM prints lines of its own


def facts_of(program: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a program of this folder and give what it says behind the mark."""
    command = [sys.executable, str(Path(__file__).with_name(program)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    facts: dict[str, Any] = json.loads(line.removeprefix(_MARK))
    return facts
