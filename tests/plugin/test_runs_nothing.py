"""Checking a program runs nothing of it, whatever it holds, by mypy's plugin and by `typefold check`."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from typefold.checks.check import check, python_files
from typefold.checks.libraries import own_imports

from .conftest import Project
from .hostile_sources import BESIDE, READ, RUN, source

ALL = [*RUN, *READ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every hostile source, in the working folder."""
    for name in ALL:
        (tmp_path / f"hostile_{name}.py").write_text(source(name), encoding="utf-8")
    (tmp_path / "beside.py").write_text(BESIDE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(folder: Path) -> list[str]:
    return sorted(path.name.removeprefix("ran_") for path in folder.glob("ran_*"))


def test_the_payloads_run_when_python_runs_them(folder: Path) -> None:
    program = f"""if True:
        import contextlib, os, runpy, sys
        for name in {list(RUN)}:
            sys.modules.pop("beside", None)
            with contextlib.suppress(BaseException):
                runpy.run_path(f"hostile_{{name}}.py", run_name=f"hostile_{{name}}")
            if os.path.exists("ran_beside"):
                os.rename("ran_beside", f"ran_{{name}}")
    """
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    assert ran(folder) == sorted(RUN)


def test_typefold_check_runs_nothing(folder: Path) -> None:
    checked = check(python_files([Path()]))
    assert (checked.files, checked.prompts) == (len(ALL) + 1, len(ALL))
    assert not [finding for finding in checked.findings if finding.code in ("internal", "syntax")]
    assert ran(folder) == []


def test_the_plugin_runs_nothing(project: Project, folder: Path) -> None:
    assert project.check(*(f"hostile_{name}.py" for name in ALL))
    assert ran(folder) == []


LIBRARIES = ("annotated_types", "attr", "attrs", "email_validator", "enum", "jinja2", "msgspec", "pydantic", "typing")


def test_the_command_imports_nothing_that_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "mail.py").write_text(source("mail"), encoding="utf-8")
    for name in LIBRARIES:
        for place in (tmp_path / f"{name}.py", tmp_path / "app" / f"{name}.py"):
            place.write_text(f"open({str(tmp_path / 'ran_')!r} + {name!r}, 'w')\n", encoding="utf-8")
    command = Path(sys.executable).parent / "typefold"
    done = subprocess.run([command, "check", "app/mail.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "nothing is wrong (1 prompt in 1 file)\n"), done.stdout
    assert ran(tmp_path) == []


def test_what_is_imported_while_checking_comes_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_alone.py").write_text("", encoding="utf-8")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "in_program.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), str(tmp_path / "program"), *sys.path])
    before = list(sys.path)
    with own_imports([str(tmp_path / "program")]):
        for name in ("beside_alone", "in_program"):
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(name)
    assert sys.path == before
    importlib.import_module("beside_alone")


def doubled(of: str, first: str) -> str:
    """Sixty lines, each of which is made of the one above twice."""
    return f"A0 = {first}\n" + "".join(f"A{n + 1} = {of.replace('A', f'A{n}')}\n" for n in range(60))


ENDLESS = [
    ("", "Annotated[int, Field(ge=10**10**10)]"),
    ("", "Annotated[str, Field(pattern='a' * 10**12)]"),
    ("", "Annotated[str, Field(pattern='%1000000000d' % 1)]"),
    ("", "Annotated[int, Field(ge=int(Decimal('1e999999999')))]"),
    ("", "Annotated[Decimal, Field(ge=Decimal('1e999999999'))]"),
    ("", "Annotated[int, Field(ge=int(Fraction('1e999999999')))]"),
    ("", "Annotated[int, Field(ge=len(bytes(10**12)))]"),
    ("", "Annotated[int, Field(ge=len(list(ip_network('::/0'))))]"),
    ("", "Annotated[int, Field(ge=len([x for x in range(10**12)]))]"),
    (doubled("A * A", "10"), "Annotated[int, Field(ge=A60)]"),
    (doubled("A + A", "'aaaa'"), "Annotated[str, Field(pattern=A60)]"),
    (doubled("(A, A)", "1"), "Literal[A60]"),
    (doubled("(A, A)", "1"), "Annotated[int, {A60: 1}]"),
    (doubled("[A, A]", "1"), "Annotated[int, str(A60)]"),
    (doubled("dict[A, A]", "int"), "A60"),
    (doubled("list[A] | tuple[A, A]", "int"), "A60"),
    ("".join(f"A{n + 1} = list[A{n}]\n" for n in range(3000)).replace("A0]", "int]"), "A3000"),
    ("", "Annotated[str, Field(pattern='((a{1000}){1000}){1000}')]"),
    ("", "conlist(int, min_length=10**9, max_length=10**15)"),
    ("", "Annotated[str, Field(min_length=10**9, max_length=10**15)]"),
]


@pytest.mark.parametrize(("before", "hint"), ENDLESS, ids=range(len(ENDLESS)))
def test_what_would_take_for_ever_is_not_worked_out(before: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(
        "from decimal import Decimal\nfrom fractions import Fraction\nfrom ipaddress import ip_network\n"
        "from typing import *\nfrom pydantic import Field, conlist\nfrom typefold import ask, prompt\n"
        f"{before}\n@prompt\ndef f(x: str) -> {hint}:\n    return ask(x)\n"
        "@prompt\ndef wrong(x: str) -> complex:\n    return ask(x)\n",
        encoding="utf-8",
    )
    checked = check([path])
    assert checked.prompts == 2
    assert checked.findings[-1].message.startswith("return: complex has no form in JSON")
    assert not [finding for finding in checked.findings if finding.code in ("internal", "syntax")]
