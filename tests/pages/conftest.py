"""A page's programs, run: in a folder of their own, with the scripted engine where a page names a model."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import linecache
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from typefold import Runtime, cli
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.testing import FakeEngine

from .blocks import ROOT, blocks

RunPage = Callable[[str], None]


@pytest.fixture
def no_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a program names a model, it gets the scripted engine."""
    made = Runtime.__init__
    engine: set[str] = {"max_model_len", "max_num_seqs"}

    def init(self: Runtime, model: Any = None, **options: Any) -> None:
        if model is None or isinstance(model, str):
            own = {name: options.pop(name) for name in list(options) if name in engine}
            for name in set(options) - set(made.__kwdefaults__ or ()):
                del options[name]
            model = lambda: ScriptedEngine(seed=2, **own)  # noqa: E731  # a factory, so that it may be built again
        made(self, model, **options)

    monkeypatch.setattr(Runtime, "__init__", init)


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPage:
    """Runs a page's programs, in order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("TYPEFOLD_MODEL", "the/page")

    def run(page: str) -> None:
        module = ModuleType("__main__")
        with as_main(module):
            for block in blocks(page):
                if block.title:
                    Path(block.title).write_text(block.text, encoding="utf-8")
                if block.use != "run":
                    continue
                if block.language == "python" and block.title:
                    sys.modules.pop(Path(block.title).stem, None)
                    names = runpy.run_path(block.title, run_name="__main__")
                    for test in [value for name, value in names.items() if name.startswith("test_")]:
                        with FakeEngine() as fake:
                            test(fake)
                elif block.language == "python":
                    source = str(ROOT / page)
                    linecache.checkcache(source)
                    exec(compile("\n" * (block.line - 1) + block.text, source, "exec"), module.__dict__)
                elif block.language == "sh":
                    for command in commands(block.text):
                        call(command, f"{page}:{block.line}")

    return run


def commands(text: str) -> Iterator[list[str]]:
    """The calls of `typefold` in a shell block."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] == "typefold":
            yield words[1:]


def call(words: list[str], where: str) -> None:
    """One call of the command line. A comment `# exit status 1` in the page is for readers; 0 and 1 are both fine."""
    if ">" in words:
        words = words[: words.index(">")]
    done = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert done.exit_code in (0, 1), f"{where}: typefold {shlex.join(words)} exits with {done.exit_code}\n{done.output}"


@contextmanager
def as_main(module: ModuleType) -> Iterator[None]:
    """`module` in the place of the program's main module, and modules that it imports gone in the end."""
    before = set(sys.modules)
    main, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in set(sys.modules) - before:
            if (path := getattr(sys.modules[name], "__file__", None)) and Path(path).is_relative_to(Path.cwd()):
                del sys.modules[name]
