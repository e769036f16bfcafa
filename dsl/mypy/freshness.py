"""Dependencies that mypy does not see, for its cache and for its daemon.

mypy looks at a module again when the interface of one that it depends on changes. Two things escape it. A template or a
return type reaches into classes some modules away, so such modules are named as dependencies. And limits
(`Field(ge=0)`) are no part of an interface to mypy, so a module that may declare some gets one more name in its symbol
table, with a digest of its declarations as type; the daemon compares symbol tables too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from mypy.nodes import GDEF, MypyFile, SymbolTableNode, TypeInfo, Var
from mypy.server.trigger import make_trigger
from mypy.types import Instance, LiteralType

INSTALLED = re.compile(r"[/\\](?:site-packages|dist-packages|typeshed)[/\\]")
"""Paths of installed files: they change with their version, and all is checked anew then."""

_MARK = "__typefold_declarations__"
_DECLARES = re.compile(rb"Annotated|pydantic|dataclass|msgspec|attrs?\b|Enum|TypedDict|NamedTuple|hook")
_FUNCTION = re.compile(r"(\s*)(?:async\s+)?def\s")


def digest_of_package() -> str:
    """Return a digest that differs when typefold's code does: the plugin is made of much of it.

    Reading all files would cost a tenth of a run that finds nothing changed.
    """
    installed = INSTALLED.search(__file__)
    made = hashlib.blake2b(version("typefold").encode(), digest_size=8)
    for folder, _, names in sorted(os.walk(Path(__file__).parent.parent)):
        for name in sorted(names):
            if name.endswith(".py"):
                found = os.stat(os.path.join(folder, name))
                made.update(f"{name} {found.st_size} {0 if installed else found.st_mtime_ns}\n".encode())
    return made.hexdigest()


def is_of_program(tree: MypyFile) -> bool:
    """Whether a module is the program's own: no stub, not installed and not typefold's."""
    return not (tree.is_stub or tree.fullname.partition(".")[0] == "typefold" or INSTALLED.search(tree.path))


def mark(tree: MypyFile, modules: dict[str, MypyFile]) -> None:
    """Put a digest of a module's declarations where mypy compares interfaces."""
    if not is_of_program(tree):
        return
    digest = _digest(tree.path)
    builtins = modules.get("builtins")
    text = builtins.names.get("str") if builtins is not None else None
    if digest is None or text is None or not isinstance(text.node, TypeInfo):
        return
    var = Var(_MARK, LiteralType(digest, Instance(text.node, [])))
    var._fullname = f"{tree.fullname}.{_MARK}"  # pyright: ignore[reportPrivateUsage]  # as mypy's own plugins do
    var.is_ready = True
    tree.names[_MARK] = SymbolTableNode(GDEF, var, module_public=False)


class Dependencies:
    """The dependencies of each module with prompts."""

    def __init__(self) -> None:
        self._modules: dict[str, set[str]] = {}

    def add(self, tree: MypyFile, modules: Iterable[str], triggers: Iterable[str] = ()) -> None:
        """Note the modules that a module's findings depend on and, for the daemon, the names in them."""
        found = {module for module in modules if module != tree.fullname}
        self._modules.setdefault(tree.fullname, set()).update(found)
        marks = (make_trigger(f"{module}.{_MARK}") for module in found)
        for trigger in (*triggers, *marks):
            tree.plugin_deps.setdefault(trigger, set()).add(tree.fullname)

    def of(self, tree: MypyFile) -> set[str]:
        return self._modules.get(tree.fullname, set())


def _digest(path: str) -> str | None:
    """A digest of a file without its functions' bodies, or `None` if it declares nothing that mypy does not see."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return None
    if _DECLARES.search(content) is None:
        return None
    text = "\n".join(_declarations(content.decode(errors="replace")))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _declarations(text: str) -> Iterator[str]:
    """The lines outside the bodies of functions, by their indentation."""
    body: int | None = None
    for line in text.splitlines():
        content = line.lstrip()
        if not content or content.startswith("#"):
            continue
        indent = len(line) - len(content)
        if body is not None and (indent > body or content[0] in ")]}"):
            continue
        found = _FUNCTION.match(line)
        body = len(found[1]) if found else None
        yield line
