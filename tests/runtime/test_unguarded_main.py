"""A script whose second engine would run it again is told so, before that happens. No vLLM is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

LOADS = """
from typefold.runtime.engines.vllm.process import UnguardedMain, check_main

def load(spawns=True):
    try:
        check_main(spawns=spawns)
        print("loads", flush=True)
    except UnguardedMain as error:
        print(error, flush=True)
"""
TOLD = 'put what the program does, but for imports and definitions, under `if __name__ == "__main__":`'


def said(program: str, folder: Path, *, name: str = "program.py", module: bool = False) -> list[str]:
    """The output of a program, run as a script or as a module."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(LOADS + program, encoding="utf-8")
    how = ["-m", name.split("/")[0].removesuffix(".py")] if module else [name]
    done = subprocess.run([sys.executable, *how], cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def test_a_script_without_a_guard_is_refused_an_engine_that_would_run_it_again(tmp_path: Path) -> None:
    [first, again] = said("load(spawns=False)\nload()\n", tmp_path)
    assert first == "loads" and again.endswith(TOLD)


@pytest.mark.parametrize("module", [False, True])
def test_a_script_with_a_guard_is_not(tmp_path: Path, module: bool) -> None:
    assert said('if __name__ == "__main__":\n    load()\n', tmp_path, module=module) == ["loads"]


def test_a_package_that_is_run_needs_none_since_its_main_module_is_not_run_again(tmp_path: Path) -> None:
    assert said("load()\n", tmp_path, name="package/__main__.py", module=True) == ["loads"]


def test_what_a_guard_does_not_guard_loads_nothing_in_a_process_that_is_started(tmp_path: Path) -> None:
    program = """
import multiprocessing
load(spawns=False)
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=print, args=("the child",))
    child.start()
    child.join()
"""
    first, second, child = said(program, tmp_path)
    assert first == "loads" and second.endswith(TOLD) and child == "the child"
