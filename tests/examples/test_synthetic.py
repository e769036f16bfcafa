"""The program that writes Parquet: killed in its middle, it goes on, and writes what it would have written."""

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from examples import synthetic
from typefold import Runtime
from typefold.runtime.engines.scripted import ScriptedEngine

ROOT = Path(__file__).parent.parent.parent
ROWS = 30
KILLED = """
import os, signal, sys
from pathlib import Path
from examples import synthetic
from typefold import Runtime
from typefold.runtime.engines.scripted import ScriptedEngine

asked = []

def refuse(request):
    asked.append(request)
    if len(asked) == 40:  # some rows have been written and read by then, others not
        os.kill(os.getpid(), signal.SIGKILL)

with Runtime(ScriptedEngine(seed=1, refuse=refuse, max_num_seqs=4, tokens_per_step=64), seed=5, journal=sys.argv[1]):
    synthetic.main(rows=int(sys.argv[3]), output=Path(sys.argv[2]))
"""


def records(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = import_module("pyarrow.parquet").read_table(path).to_pylist()
    return found


def test_killed_it_goes_on_where_it_was(tmp_path: Path, printed: Callable[[], str]) -> None:
    pytest.importorskip("pyarrow")
    journal, output, whole = tmp_path / "reviews.db", tmp_path / "reviews.parquet", tmp_path / "whole.parquet"
    command = [sys.executable, "-c", KILLED, str(journal), str(output), str(ROWS)]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert died.returncode == -9, died.stderr
    assert not output.exists()

    def run(journal: Path, output: Path) -> int:
        engine = ScriptedEngine(seed=1)
        with Runtime(engine, seed=5, journal=journal):
            synthetic.main(rows=ROWS, output=output)
        return len(engine.requests)

    asked = run(journal, output)
    replayed = 2 * ROWS - asked
    assert 20 <= replayed < 40
    said = printed()
    assert f"{ROWS} of {ROWS} rows; {replayed} answers from the journal" in said
    assert run(journal, output) == 0  # nothing is asked twice
    assert run(tmp_path / "other.db", whole) == 2 * ROWS
    assert records(output) == records(whole)
    assert [record["stars"] for record in records(whole)] == [wish.stars for wish in synthetic.wishes(ROWS, seed=3)]
    assert set(records(whole)[0]) == set(synthetic.Review.model_fields)
