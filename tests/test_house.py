"""The house keeps its shape: what is shipped, what starts light, and which room may look into which."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]
ROOMS: dict[str, str] = SETUPTOOLS["package-dir"]


def packages() -> Iterator[str]:
    """Every package of the tree under its import name."""
    for package, room in ROOMS.items():
        for init in sorted((ROOT / room).rglob("__init__.py")):
            yield ".".join([package, *init.parent.relative_to(ROOT / room).parts])


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the tree under its import name."""
    for package, room in ROOMS.items():
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT / room).with_suffix("").parts
            yield ".".join([package, *(part for part in parts if part != "__init__")]), path


def imports(module: str, path: Path) -> Iterator[str]:
    """The full name of each module that a file imports anywhere in it, for type checkers only too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            origin = (
                [*base[: len(base) - node.level + 1], *([node.module] if node.module else [])] if node.level else []
            )
            name = ".".join(origin) or node.module or ""
            yield from (f"{name}.{alias.name}" for alias in node.names)


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_every_package_is_shipped() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(packages())


def test_every_folder_of_modules_is_a_package() -> None:
    bare = {
        path.parent.relative_to(ROOT).as_posix()
        for room in ROOMS.values()
        for path in (ROOT / room).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert not bare


def test_types_are_shipped() -> None:
    assert "py.typed" in SETUPTOOLS["package-data"]["typefold"]
    assert (ROOT / ROOMS["typefold"] / "py.typed").exists()


def test_version_is_said_once() -> None:
    import typefold

    assert typefold.__version__ == PROJECT["project"]["version"]


def test_compiler_looks_into_no_other_room() -> None:
    wrong = [
        (module, name)
        for module, path in modules()
        if is_in(module, "typefold.compiler")
        for name in imports(module, path)
        if is_in(name, "vllm") or (is_in(name, "typefold") and not is_in(name, "typefold.compiler"))
    ]
    assert not wrong


def test_runtime_does_not_look_at_what_users_write() -> None:
    wrong = [
        (module, name)
        for module, path in modules()
        if is_in(module, "typefold.runtime")
        for name in imports(module, path)
        if is_in(name, "typefold") and not (is_in(name, "typefold.runtime") or is_in(name, "typefold.compiler"))
    ]
    assert not wrong


def test_vllm_is_imported_in_its_own_folder() -> None:
    importers = {module for module, path in modules() for name in imports(module, path) if is_in(name, "vllm")}
    assert importers and all(is_in(module, "typefold.runtime.engines.vllm") for module in importers)


def test_ray_is_imported_in_its_own_folder() -> None:
    importers = {module for module, path in modules() for name in imports(module, path) if is_in(name, "ray")}
    assert importers and all(is_in(module, "typefold.ray") for module in importers)


def test_nothing_looks_into_the_command_line() -> None:
    importers = {module for module, path in modules() for name in imports(module, path) if is_in(name, "typefold.cli")}
    own = {"typefold.cli.app", "typefold.cli.journal_command"}
    assert importers and all(module in own or is_in(module, "typefold.cli") for module in importers)


def test_real_engines_of_the_tests_compute_in_float32() -> None:
    """Their answers may then be compared: in bfloat16 they depend on the batch and on the processor."""
    wrong: list[str] = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if "typefold.runtime.engines.vllm.engine.load" in imports("tests", path):
            calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
            wrong += [f"{path.name}:{node.lineno}" for node in calls if is_load_of_other_numbers(node)]
    assert not wrong


def is_load_of_other_numbers(node: ast.Call) -> bool:
    if not (isinstance(node.func, ast.Name) and node.func.id == "load"):
        return False
    given = {keyword.arg: keyword.value for keyword in node.keywords}.get("dtype")
    return not (isinstance(given, ast.Constant) and given.value == "float32")


@pytest.mark.parametrize(
    "module", ["typefold", "typefold.cli.app", "typefold.testing", "typefold.compiler", "typefold.runtime"]
)
def test_starts_light(module: str) -> None:
    program = (
        f"import sys; from {module} import *; print(sorted({{'vllm', 'torch', 'transformers'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_checkers_are_pinned_to_one_version() -> None:
    pinned = {need.partition("==")[0] for need in PROJECT["project"]["optional-dependencies"]["dev"] if "==" in need}
    assert pinned >= {"basedpyright", "mypy", "pyrefly", "pyright", "ruff", "ty"}


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = PROJECT["project"]
    needed = [
        *project["dependencies"],
        *(need for extra in project["optional-dependencies"].values() for need in extra),
    ]
    names = {re.split(r"[^\w.-]", need)[0] for need in needed}
    assert not sorted(name for name in names if f"`{name}`" not in reasons)


# --- layers, sizes and prose ---------------------------------------------------------------------------------------------

LAYERS: dict[str, list[str]] = PROJECT["tool"]["typefold"]["house"]["layers"]
OF_THE_PACKAGE = ("typefold.compiler", "typefold.runtime", "typefold")
LINE_BUDGET = 49_678
"""Lines of `dsl`, `compiler` and `runtime`, all counted. A feature that needs more raises it in its own commit."""
RELATIVES_PER_100_WORDS = 0.6
SAME_NAMES = {"__init__", "errors", "engine"}
"""Names of modules that may stand in several folders."""

SHIPPED = {module: path for module, path in modules() if is_in(module, "typefold")}
INSIDE = {module: path for module, path in SHIPPED.items() if path.name != "__init__.py"}


def edges() -> dict[str, set[str]]:
    """Which modules each module imports, anywhere in it; what a package's `__init__` hands on counts as the package."""
    found: dict[str, set[str]] = {}
    for module, path in SHIPPED.items():
        names = imports(module, path)
        found[module] = {name if name in SHIPPED else name.rpartition(".")[0] for name in names} & SHIPPED.keys() - {
            module
        }
    return found


def place(module: str) -> tuple[int, int]:
    """Height of a module: its room, and its layer in there."""
    room = next(room for room in OF_THE_PACKAGE if is_in(module, room))
    return OF_THE_PACKAGE.index(room), LAYERS[room].index(module.removeprefix(f"{room}.").split(".")[0])


def test_every_module_has_its_layer() -> None:
    for room in OF_THE_PACKAGE:
        folder = ROOT / ROOMS[room]
        there = {
            path.name.removesuffix(".py")
            for path in folder.iterdir()
            if path.suffix == ".py" or list(path.glob("*.py"))
        }
        assert sorted(LAYERS[room]) == sorted(there - {"__init__"}), room


def test_imports_run_downward() -> None:
    """Lazy imports and those for type checkers too. The `__init__` of a package hands on what stands in it."""
    wrong = [
        f"{module} -> {other}"
        for module, others in edges().items()
        if module in INSIDE
        for other in others
        if (is_in(module, other) if other not in INSIDE else place(other) > place(module))
    ]
    assert not wrong


def test_no_modules_import_each_other() -> None:
    left = {module: others & INSIDE.keys() for module, others in edges().items() if module in INSIDE}
    while ends := [module for module, others in left.items() if not others & left.keys()]:
        for module in ends:
            del left[module]
    importers = {module for module in left if any(module in others for others in left.values())}
    assert not sorted(importers)


def test_names_of_modules_are_unique() -> None:
    times = Counter(path.stem for path in SHIPPED.values())
    assert not {name for name, count in times.items() if count > 1} - SAME_NAMES


def test_root_of_the_package_holds_what_everything_stands_on() -> None:
    assert sorted(path.stem for path in (ROOT / "dsl").glob("*.py")) == [
        "__init__", "errors", "exports", "messages", "options", "response_types",
    ]  # fmt: skip


def test_folders_hold_no_more_modules_than_one_keeps_in_mind() -> None:
    held = Counter(path.parent for path in INSIDE.values())
    assert not {str(folder) for folder, count in held.items() if count > (20 if folder.name == "types" else 15)}


def test_modules_are_neither_crumbs_nor_books() -> None:
    sizes = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in INSIDE.values()}
    assert not {name: size for name, size in sizes.items() if not 40 <= size <= 600}


def test_package_stays_within_its_lines() -> None:
    assert sum(path.read_text(encoding="utf-8").count("\n") for path in SHIPPED.values()) <= LINE_BUDGET


FIRST_WORDS = re.compile(r"(?:\A|(?<=[.!?:]\s)|(?<=\n\n))\s*(?:What|Whatever|Who|Whom|Whose|Whoever|How|Those)\b")
RELATIVES = re.compile(r"\b(?:who|whom|whose|what|whatever|whoever|wherever)\b", re.IGNORECASE)


def docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring of the package, with where it is."""
    for path in SHIPPED.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if text := ast.get_docstring(node):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", text


def test_sentences_of_docstrings_begin_with_a_noun_or_a_verb() -> None:
    assert not [where for where, text in docstrings() if FIRST_WORDS.search(text)]


def test_docstrings_are_plain() -> None:
    texts = [text for _, text in docstrings()]
    words, relatives = sum(len(text.split()) for text in texts), sum(len(RELATIVES.findall(text)) for text in texts)
    assert 100 * relatives <= RELATIVES_PER_100_WORDS * words, f"{100 * relatives / words:.2f} of 100 words"


def documented_names(text: str) -> set[str]:
    """The names under `Args:` and `Attributes:`, and those in backticks in the text."""
    sections = re.findall(r"^(?:Args|Attributes):\n((?:    .*\n|\n)*)", inspect.cleandoc(text) + "\n", re.MULTILINE)
    names = re.findall(r"^    ([\w*, ]+?)(?: \(.*\))?:", "".join(sections), re.MULTILINE)
    return {name.strip().lstrip("*") for line in names for name in line.split(",")} | set(re.findall(r"`(\w+)`", text))


def public_functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Functions that users call, and methods of classes that they hold."""
    for package in (
        "typefold",
        "typefold.compiler",
        "typefold.runtime",
        "typefold.runtime.journal",
        "typefold.testing",
    ):
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield f"{package}.{name}", value
            elif inspect.isclass(value):
                for method, member in vars(value).items():
                    function = getattr(member, "__func__", member)
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{package}.{name}.{method}", function


def test_public_docstrings_tell_of_every_argument() -> None:
    wrong: dict[str, list[str]] = {}
    for name, function in public_functions():
        parameters = [
            each for each in inspect.signature(function).parameters if each not in ("self", "cls", "args", "kwargs")
        ]
        missing = [each for each in parameters if each not in documented_names(function.__doc__ or "")]
        if missing:
            wrong[name] = missing
    assert not wrong
