"""The type checkers of the typed page, each run once over all of its files, and their reports in one form.

Each looks into the environment that runs this. Errors and warnings count, notes don't.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["CHECKERS", "Checker", "Report", "read_mypy", "read_pyright", "reports"]


@dataclass(frozen=True, order=True)
class Report:
    """One error of a checker's, its line counted from 1."""

    file: str
    line: int
    code: str
    message: str


@dataclass(frozen=True)
class Checker:
    """A type checker.

    Attributes:
        name: Its name in the table.
        package: The distribution whose version is told.
        arguments: Its command line, without the interpreter; `{cache}` and `{python}` are filled in.
        read: Reports from what it prints.
        sees_types: Whether it checks types.
        sees_strings: Whether it has typefold's own checks, of prompts.
    """

    name: str
    package: str
    arguments: tuple[str, ...]
    read: Callable[[str], Iterator[Report]]
    sees_types: bool = True
    sees_strings: bool = False

    @property
    def version(self) -> str:
        return version(self.package)

    def looks_at(self, *, in_strings: bool) -> bool:
        """Return whether it can see mistakes inside strings, or those outside of them."""
        return self.sees_strings if in_strings else self.sees_types

    def run(self, folder: Path, cache: Path) -> list[Report]:
        """Return its reports about the files of a folder."""
        program, *rest = (each.format(cache=cache / self.name, python=sys.executable) for each in self.arguments)
        command = [str(Path(sys.executable).parent / program), *rest]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        assert done.returncode in (0, 1), f"{self.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return sorted(self.read(done.stdout))


def read_mypy(said: str) -> Iterator[Report]:
    for line in said.splitlines():
        each = json.loads(line)
        if each["severity"] == "error":
            yield Report(each["file"], each["line"], each["code"] or "", each["message"])


def read_pyright(said: str) -> Iterator[Report]:
    for each in json.loads(said)["generalDiagnostics"]:
        if each["severity"] in ("error", "warning"):
            line = each["range"]["start"]["line"] + 1
            yield Report(Path(each["file"]).name, line, each.get("rule", ""), each["message"])


def _ty(said: str) -> Iterator[Report]:
    for each in json.loads(said):
        if each["severity"] != "info":
            place = each["location"]
            message = each["description"].removeprefix(f"{each['check_name']}: ")
            yield Report(place["path"], place["positions"]["begin"]["line"], each["check_name"], message)


def _pyrefly(said: str) -> Iterator[Report]:
    for each in json.loads(said)["errors"]:
        if each["severity"] in ("error", "warn"):
            yield Report(each["path"], each["line"], each["name"], each["description"])


def _typefold(said: str) -> Iterator[Report]:
    for each in json.loads(said)["findings"]:
        if each["severity"] == "error":
            yield Report(re.sub(r"^\./", "", each["path"]), each["line"], each["code"], each["message"])


_MYPY = ("mypy", "--cache-dir", "{cache}", "--python-executable", "{python}", "--output", "json")
_PYRIGHT = ("--pythonpath", "{python}", "--outputjson")
_TYPEFOLD = ("typefold", "check", ".", "--format", "json")

CHECKERS = (
    Checker("mypy, with the plugin", "mypy", (*_MYPY, "."), read_mypy, sees_strings=True),
    Checker("mypy", "mypy", (*_MYPY, "--config-file", "without_plugin.toml", "."), read_mypy),
    Checker("pyright", "pyright", ("pyright", *_PYRIGHT), read_pyright),
    Checker("basedpyright", "basedpyright", ("basedpyright", *_PYRIGHT), read_pyright),
    Checker("ty", "ty", ("ty", "check", "--python", "{python}", "--output-format", "gitlab"), _ty),
    Checker(
        "pyrefly",
        "pyrefly",
        ("pyrefly", "check", "--python-interpreter-path", "{python}", "--output-format", "json"),
        _pyrefly,
    ),
    Checker("typefold check", "typefold", _TYPEFOLD, _typefold, sees_types=False, sees_strings=True),
)


def reports(folder: Path, cache: Path) -> Mapping[str, list[Report]]:
    """Run all checkers, two beside each other, and return the reports of each by its name."""
    with ThreadPoolExecutor(2) as pool:
        running: dict[str, Any] = {each.name: pool.submit(each.run, folder, cache) for each in CHECKERS}
        return {name: future.result() for name, future in running.items()}
