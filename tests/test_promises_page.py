"""Every test that `docs/promises.md` names is there, and is of the engine that its column says; those of `docs/upgrading.md` too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "promises.md"
ROW = re.compile(r"^\| (?P<promise>[^|]+) \|(?P<scripted>[^|]*)\|(?P<vllm>[^|]*)\|$", re.MULTILINE)


def names(folders: tuple[str, ...]) -> set[str]:
    """The tests in folders."""
    files = [path for folder in folders for path in (TESTS / folder).rglob("test_*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    return {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_is_kept_by_tests_that_are_there() -> None:
    scripted, real = names(("dsl", "runtime", "scale", "optimization")), names(("engine",))
    rows = [
        row
        for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))
        if not row["promise"].startswith(("---", "promise"))
    ]
    assert len(rows) > 25
    for row in rows:
        on_scripted, on_vllm = (re.findall(r"`(test_\w+)`", row[column]) for column in ("scripted", "vllm"))
        assert on_scripted or on_vllm, row["promise"]
        assert scripted >= {*on_scripted}, {*on_scripted} - scripted
        assert real >= {*on_vllm}, {*on_vllm} - real


def test_all_that_is_said_of_upgrades_is_shown_by_tests_that_are_there() -> None:
    page = PAGE.with_name("upgrading.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| file"))]
    assert len(rows) > 15
    for row in rows:
        named = {*re.findall(r"`(test_\w+)`", row)}
        assert named and named <= names((".",)), row
    assert {*re.findall(r"`(test_\w+)`", page)} <= names((".",))
