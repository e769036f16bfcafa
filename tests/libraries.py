"""Other libraries, installed in a place of their own by the first test or command that wants them."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["beside", "environment"]


def environment(folder: Path, needs: str) -> Path:
    """Return the interpreter of an environment of its own with a library, in the version that is asked for."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    _install(folder, [str(python), "-m", "pip", "install", "--only-binary", ":all:", needs], needs)
    return python


def beside(folder: Path, needs: str, *more: str) -> Path:
    """Return a folder for `PYTHONPATH` with a library alone, for which this environment has what else it needs but `more`."""
    pip = [sys.executable, "-m", "pip", "install", "--only-binary", ":all:", "--target", str(folder)]
    folder.mkdir(parents=True, exist_ok=True)
    if more:
        _install(folder, [*pip, "--upgrade", *more], " ".join(more))
    _install(folder, [*pip, "--upgrade", "--no-deps", needs], needs)
    return folder


def _install(folder: Path, command: list[str], needs: str) -> None:
    done = folder / "installed.txt"
    if done.exists() and needs in done.read_text(encoding="utf-8").splitlines():
        return
    subprocess.run([*command, "--quiet"], check=True, capture_output=True, text=True)
    with done.open("a", encoding="utf-8") as lines:
        lines.write(f"{needs}\n")
