"""The plugin judges types as the compiler does: the same refusals, in the same words.

The plugin hands the compiler types that it made again from their declarations, so what is compared here is whether they
are the same types. The catalogue goes through mypy; the types of the compiler's own tests go without it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_origin

import pytest
from typing_extensions import TypeAliasType

from typefold.checks.evaluator.verdict import Evaluator, Judgement, has_opaque, judged, one_line
from typefold.checks.libraries import library_object
from typefold.checks.scopes import Names
from typefold.checks.source import Source, Where
from typefold.compiler import UnsupportedType, default_registry, output_type

from ..catalogue import _MODULES, REFUSED, SECTIONS, refused  # pyright: ignore[reportPrivateUsage]
from .conftest import Project

pytestmark = pytest.mark.filterwarnings("ignore:.*ReadOnly")  # pydantic's, which does not hinder a change

ROOT = Path(__file__).parent.parent.parent
TESTS = sorted((ROOT / "tests" / "compiler").glob("test_*.py"))

SAID_BY_MYPY = {"Json", "ImportString", "Secret"}
"""Generic types without their arguments, of which mypy says by itself that it wants them."""


NOT_SEEN = {"Lost", "Case", "Shape", "Form", "Outline", "Needs", "Sized"}
"""Classes of which the checker knows too little: foreign ones, abstract ones, and those with an `__init__` of their own."""


class FoundOnDisk(Names):
    """Names without mypy: modules of this project are where their names say."""

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[str, Source | None] = {}

    def source(self, module: str) -> Source | None:
        if module not in self._sources:
            self._sources[module] = Source.read(str(ROOT / f"{module.replace('.', '/')}.py"))
        return self._sources[module]


def compiled(hint: Any) -> str:
    try:
        output_type(hint)
    except UnsupportedType as error:
        return one_line(str(error))
    return ""


def shared(hint: Any) -> str:
    """The note on texts that members of its unions share."""
    return "; ".join(output_type(hint).shared_texts)


def types_in(module: ModuleType, source: Source) -> Iterator[tuple[str, ast.expr, Any]]:
    """Every expression of a module that means a type there, once."""
    seen: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)):
            text = ast.unparse(node)
            if text in seen or "'" in text.replace("Literal['", "").replace("r'", ""):
                continue  # a name in quotation marks means nothing outside of an annotation
            seen.add(text)
            hint = None
            with contextlib.suppress(Exception):
                hint = eval(text, vars(module))
            if isinstance(hint, (type, TypeVar, TypeAliasType)) or get_origin(hint) is not None:
                yield text, node, hint


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_types_of_the_compilers_tests_are_judged_alike(path: Path) -> None:
    name = f"tests.compiler.{path.stem}"
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's
        names = FoundOnDisk()
        evaluator, source = Evaluator(names), names.source(name)
        assert source is not None
        for text, node, hint in types_in(importlib.import_module(name), source):
            made = evaluator.hint(node, Where(name))
            if has_opaque(made) or text in NOT_SEEN:
                continue
            found: Judgement = judged(made)
            said = compiled(hint) if "says how an answer is given" not in compiled(hint) else found.refused
            assert (found.refused or "") == (said or ""), text


def test_the_catalogue_is_judged_alike_by_mypy(project: Project) -> None:
    expected: dict[tuple[str, str], str] = {}
    for module, entries in catalogue():
        name = f"catalogue_{module.__name__.rpartition('.')[2]}.py"
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        for number, (annotation, hint) in enumerate(entries):
            text += f"\n\n@_prompt\ndef _{number}() -> {annotation}:\n    return _ask('x')\n"
            if annotation not in SAID_BY_MYPY:
                expected[name, annotation] = compiled(hint) or one_line(shared(hint))
        head, _, rest = text.partition('"""\n\n')
        project.write(name, f'{head}"""\n\nfrom typefold import ask as _ask, prompt as _prompt\n{rest}')
    found: dict[tuple[str, str], str] = {}
    lines = {name: (project.folder / name).read_text(encoding="utf-8").splitlines() for name, _ in expected}
    for error in project.check(*lines):
        if error.code.startswith("prompt"):
            annotation = lines[error.file][error.line - 1].partition(" -> ")[2].removesuffix(":")
            found[error.file, annotation] = error.message
    assert {key: text for key, text in found.items() if key in expected} == {
        key: text for key, text in expected.items() if text
    }


def catalogue() -> Iterator[tuple[ModuleType, list[tuple[str, Any]]]]:
    for module, section in zip(_MODULES, SECTIONS, strict=True):
        yield module, [(entry.source, entry.hint) for entry in section.entries]
    yield refused, [*REFUSED.always, *REFUSED.here]


UNNAMED = {"NoneType", "module", "function"}
"""Classes with a hook that no annotation names: `None` is written for the first, and the others are refused."""

OPAQUE_ON_PURPOSE = {
    "Crate": "the program registers a hook for it",
}


def test_each_type_with_a_hook_is_known_to_the_checker() -> None:
    kinds = default_registry._exact  # pyright: ignore[reportPrivateUsage]
    named: dict[Any, str] = {kind: getattr(kind, "__qualname__", kind.__name__) for kind in kinds}
    found = {kind: library_object(kind.__module__, name) for kind, name in named.items()}
    unknown = {named[kind] for kind, known in found.items() if known is None or known.value is not kind}
    assert unknown == UNNAMED, "a module with output types belongs into _MODULES in typefold.checks.libraries"


@pytest.mark.parametrize("module", _MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_type_of_the_catalogue_is_known_to_the_checker(module: ModuleType) -> None:
    """The catalogue has an entry for each hook, for those by predicate too."""
    evaluator = Evaluator(FoundOnDisk())
    for annotation, _ in dict(catalogue())[module]:
        made = evaluator.hint(ast.parse(annotation, mode="eval").body, Where(module.__name__))
        assert has_opaque(made) == (annotation in OPAQUE_ON_PURPOSE), annotation
