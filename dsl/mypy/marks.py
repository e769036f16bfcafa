"""Digests of declarations, put where mypy compares the interfaces of modules.

mypy looks at a module again when the interface of one that it depends on changes. Limits (`Field(ge=0)`) are no part of an
interface to mypy, so a module that may declare some gets one more name in its symbol table, with a digest of its
declarations as type; the daemon compares symbol tables too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from mypy.nodes import GDEF, MypyFile, SymbolTableNode, TypeInfo, Var
from mypy.types import Instance, LiteralType

MARK = "__typefold_declarations__"
_DECLARES = re.compile(rb"Annotated|pydantic|dataclass|msgspec|attrs?\b|Enum|TypedDict|NamedTuple|hook")
_FUNCTION = re.compile(r"(\s*)(?:async\s+)?def\s")


def mark(tree: MypyFile, modules: dict[str, MypyFile]) -> None:
    """Put a digest of a module's declarations where mypy compares interfaces."""
    digest = _digest(tree.path)
    builtins = modules.get("builtins")
    text = builtins.names.get("str") if builtins is not None else None
    if digest is None or text is None or not isinstance(text.node, TypeInfo):
        return
    var = Var(MARK, LiteralType(digest, Instance(text.node, [])))
    var._fullname = f"{tree.fullname}.{MARK}"  # pyright: ignore[reportPrivateUsage]  # as mypy's own plugins do
    var.is_ready = True
    tree.names[MARK] = SymbolTableNode(GDEF, var, module_public=False)


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
