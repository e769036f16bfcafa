"""Changes are looked at again, with mypy's cache and by its daemon, however many modules away they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mypy import api
from mypy.dmypy_server import Server
from mypy.main import process_options
from mypy.nodes import MypyFile

from tests.apart import apart
from typefold.mypy import hooks

from .conftest import Error, Project, errors

INNER = """
    from typing import Annotated
    from pydantic import BaseModel, Field

    class Inner(BaseModel):
        {field}

        def helper(self) -> int:
            return {number}
    """
MODELS = """
    from pydantic import BaseModel
    from inner import Inner

    class Outer(BaseModel):
        inner: Inner
        items: list[Inner]
    """
APP = '''
    from models import Outer
    from typefold import ask, prompt

    @prompt
    def returns(text: str) -> Outer:
        return ask(text)

    @prompt
    def shows(outer: Outer) -> str:
        """{{ outer.inner.size }} {% for item in outer.items %}{{ item.size }}{% endfor %}"""
        return ask()
    '''

GOOD = "size: Annotated[int, Field(ge=0, le=9)]"
STEPS: list[tuple[str, list[str]]] = [
    (GOOD, []),
    (
        "size: Annotated[int, Field(ge=9, le=0)]",
        ["return.inner.size: int has bounds that no number meets (from 9 to 0)"],
    ),
    (GOOD, []),
    (
        "size: complex",
        ["return.inner.size: complex has no form in JSON; use tuple[float, float] or a model with two fields"],
    ),
    ("size: int = Field(ge=3)", []),
    ("size: int = Field(ge=3, le=1)", ["return.inner.size: int has bounds that no number meets (from 3 to 1)"]),
    (
        "length: int",
        [
            "the template reads outer.inner.size, but Inner has no 'size'",
            "the template reads item.size, but Inner has no 'size'",
        ],
    ),
    (GOOD, []),
]


def edit_and_rerun(project: Project, check: Callable[[], list[Error]], steps: int = len(STEPS)) -> None:
    project.write("models.py", MODELS)
    project.write("app.py", APP)
    for number, (field, expected) in enumerate(STEPS[:steps]):
        project.write("inner.py", INNER.format(field=field, number=number))
        found = check()
        assert [error.message for error in found if error.file == "app.py"] == expected, field
        found = check()  # once more, with nothing to do
        assert [error.message for error in found if error.file == "app.py"] == expected, field


def test_an_edit_two_modules_away_makes_errors_appear_and_go(project: Project) -> None:
    edit_and_rerun(project, lambda: project.check("app.py"))


def test_the_daemon_sees_an_edit_two_modules_away(project: Project) -> None:
    apart(edit_and_ask_the_daemon, project)


def edit_and_ask_the_daemon(project: Project) -> None:
    arguments = ["--config-file", "pyproject.toml", "--cache-dir", str(project.cache)]
    _, options = process_options(arguments, require_targets=False, server_options=True)
    server = Server(options, str(project.folder / "status"))

    def check() -> list[Error]:
        found: dict[str, Any] = server.cmd_check(["app.py"], export_types=False, is_tty=False, terminal_width=200)
        return list(errors(found["out"]))

    edit_and_rerun(project, check)


def test_workers_find_the_same(project: Project, tmp_path: Path) -> None:
    project.cache = tmp_path / "cache"  # several processes write it, and what other programs left in it is not theirs
    edit_and_rerun(project, lambda: project.check("app.py", options=("-n", "2")), steps=3)


def test_an_edit_of_a_body_makes_no_other_module_stale(project: Project) -> None:
    project.write("models.py", MODELS)
    project.write("app.py", APP)
    project.write("inner.py", INNER.format(field="size: int", number=1))
    project.check("app.py")  # the cache may know the module with any field, from an earlier run of the tests
    for field, number, again in ((GOOD, 1, True), (GOOD, 2, False), ("size: Annotated[int, Field(ge=1)]", 2, True)):
        project.write("inner.py", INNER.format(field=field, number=number))
        assert ("app" in apart(looked_at, project.arguments("app.py"))) == again


def looked_at(arguments: list[str]) -> list[str]:
    """The modules that a run of mypy takes for stale."""
    checked: list[str] = []
    mark = hooks.TypefoldPlugin.get_additional_indirect_deps

    def recorded(plugin: hooks.TypefoldPlugin, file: MypyFile) -> set[str]:
        checked.append(file.fullname)
        return mark(plugin, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hooks.TypefoldPlugin, "get_additional_indirect_deps", recorded)
        api.run(arguments)
    return checked


def test_a_type_given_to_a_runtime_is_looked_at_again_too(project: Project) -> None:
    project.write("models.py", MODELS)
    project.write(
        "app.py",
        """
        from models import Outer
        from typefold import Runtime

        def ask_for(runtime: Runtime) -> Outer:
            return runtime.generate("x", output_type=Outer)
        """,
    )
    bad = ["output_type.inner.size: int has bounds that no number meets (from 9 to 0)"]
    steps: list[tuple[str, list[str]]] = [(GOOD, []), (GOOD.replace("0, le=9", "9, le=0"), bad), (GOOD, [])]
    for number, (field, expected) in enumerate(steps):
        project.write("inner.py", INNER.format(field=field, number=number))
        assert [error.message for error in project.check("app.py") if error.file == "app.py"] == expected
