"""A page's programs, run as a reader would: in order, in a folder, with the files that the page shows."""
# What a page registers is taken out again:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import linecache
import runpy
import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from typer.testing import CliRunner

from typefold import Runtime
from typefold.cli.app import app
from typefold.compiler import default_registry
from typefold.runtime import Engine
from typefold.testing import FakeEngine

from .blocks import ROOT, Block, blocks, shared

__all__ = ["made_with", "run_page"]

_ENGINE_OPTIONS = {"max_model_len", "max_num_seqs"}


def made_with(engine: Callable[..., Engine]) -> Callable[..., None]:
    """A `Runtime.__init__` under which a model that is named is the engine that this function makes."""
    made = Runtime.__init__

    def init(self: Runtime, model: Any = None, **options: Any) -> None:
        if model is None or isinstance(model, str):
            own = {name: options.pop(name) for name in list(options) if name in _ENGINE_OPTIONS}
            for name in set(options) - set(made.__kwdefaults__ or ()):
                del options[name]
            model = lambda: engine(**own)  # noqa: E731  # a factory, so that it may be built again
        made(self, model, **options)

    return init


def run_page(page: str) -> None:
    """Run the blocks of a page in the working folder, which is on the path for imports."""
    module = ModuleType("__main__")
    for block in shared(page):
        show(block)
    with as_main(module):
        for block in blocks(page):
            if block.title:
                show(block)
            if block.use != "run":
                continue
            if block.language == "python" and block.title:
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


def show(block: Block) -> None:
    """Write the file that a block is into the working folder."""
    assert block.title is not None
    Path(block.title).write_text(block.text, encoding="utf-8")
    sys.modules.pop(Path(block.title).stem, None)  # another test may have had one of that name


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
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code in (0, 1), f"{where}: typefold {shlex.join(words)} exits with {done.exit_code}\n{done.output}"


@contextmanager
def as_main(module: ModuleType) -> Generator[None]:
    """`module` in the place of the program's main module, and modules that it imports gone in the end."""
    before = set(sys.modules)
    hooks, factories = dict(default_registry._exact), [*default_registry._factories]
    main, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if (default_registry._exact, default_registry._factories) != (hooks, factories):  # a page may register its own
            default_registry._exact, default_registry._factories = hooks, factories
            default_registry._found.clear()
            default_registry._version += 1
        for name in set(sys.modules) - before:
            if (path := getattr(sys.modules[name], "__file__", None)) and Path(path).is_relative_to(Path.cwd()):
                del sys.modules[name]
