"""Running mypy with the plugin, in a process of its own: a program in a folder goes in, errors come out.

The cache is kept between runs of the tests, so that libraries are checked once; mypy itself sees what has changed.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from mypy import api

from tests.apart import apart

_ERROR = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<kind>error|note): (?P<message>.*?)(?:  \[(?P<code>[\w, -]+)\])?$"
)

# The cases in test_messages.yml run the mypy that is on the path.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

CONFIG = """\
[tool.mypy]
strict = true
plugins = [{plugins}]
show_column_numbers = true
show_error_end = false
error_summary = false
pretty = false
python_version = "3.11"
"""


@dataclass(frozen=True)
class Error:
    """One error of mypy's, its column counted from 1."""

    file: str
    line: int
    column: int
    code: str
    message: str


class Project:
    """A folder with a program.

    Args:
        folder: Where it is.
        cache: Where mypy keeps what it knows.
        plugins: The plugins to use.
    """

    def __init__(self, folder: Path, cache: Path, plugins: tuple[str, ...] = ("typefold.mypy",)) -> None:
        self.folder = folder
        self.cache = cache
        listed = ", ".join(f'"{plugin}"' for plugin in plugins)
        (folder / "pyproject.toml").write_text(CONFIG.format(plugins=listed))

    def write(self, name: str, text: str) -> str:
        """Write a module, and give its text."""
        made = dedent(text).lstrip("\n")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, encoding="utf-8")
        # mypy takes a file for unchanged that has the size and the second of one in its cache, whoever wrote that.
        second = secrets.randbelow(2**31)
        os.utime(path, (second, second))
        return made

    def arguments(self, *names: str, options: tuple[str, ...] = ()) -> list[str]:
        """mypy's command line."""
        return ["--config-file", "pyproject.toml", "--cache-dir", str(self.cache), *options, *names]

    def check(self, *names: str, options: tuple[str, ...] = ()) -> list[Error]:
        """mypy's errors over modules."""
        out, err, status = apart(api.run, self.arguments(*names, options=options))
        assert status in (0, 1) and not err, out + err
        return list(errors(out))


def errors(out: str) -> Iterator[Error]:
    """mypy's errors in what it printed, and the plugin's notes; mypy's own are left out."""
    for line in out.splitlines():
        found = _ERROR.match(line)
        assert found is not None, line
        if found["kind"] == "error" or (found["code"] or "").startswith("prompt-"):
            yield Error(found["file"], int(found["line"]), int(found["column"]), found["code"] or "", found["message"])


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plugin's own mistakes show."""
    monkeypatch.setenv("TYPEFOLD_MYPY_RAISE", "1")


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder for a program, checked with typefold's plugin alone."""
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, request.config.cache.mkdir("mypy"))


@pytest.fixture
def project_with(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Project]:
    """The same, with other plugins."""

    def make(*plugins: str) -> Project:
        monkeypatch.chdir(tmp_path)
        cache = request.config.cache.mkdir("_".join(["mypy", *plugins]).replace(".", "_"))
        return Project(tmp_path, cache, plugins)

    return make
