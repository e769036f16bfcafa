"""The house keeps its shape: what is shipped, what starts light, and which room may look into which."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
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
    program = f"import sys, {module}; print(sorted({{'vllm', 'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = PROJECT["project"]
    needed = [
        *project["dependencies"],
        *(need for extra in project["optional-dependencies"].values() for need in extra),
    ]
    names = {need.split(">")[0].split("=")[0].split("[")[0].strip() for need in needed}
    assert not sorted(name for name in names if f"`{name}`" not in reasons)
