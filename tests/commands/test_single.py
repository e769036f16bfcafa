"""`typefold render`, `explain`, `try` and `doctor`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest

from tests.commands.conftest import Command
from typefold.cli.start import demo, doctor
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtimes import runtime as runtime_module


def test_render_prints_the_messages(command: Command) -> None:
    done = command("render", "tickets:classify", "--set", "text=[bold]Late[/bold]")
    assert done.exit_code == 0
    assert "user ─" in done.stdout
    assert "Label [bold]Late[/bold] (3 stars)." in done.stdout


def test_explain_prints_what_becomes_of_the_type(command: Command) -> None:
    done = command("explain", "tickets:classify")
    assert done.exit_code == 0
    assert "classify(text: str, stars: int = 3) -> Label" in done.stdout
    assert "urgency" in done.stdout


def test_try_streams_the_text_and_prints_the_value(command: Command) -> None:
    done = command("try", "tickets:classify", "--set", "text=Late")
    assert done.exit_code == 0
    assert done.stderr == '{"kind": "billing", "urgency": 2}\n'
    assert done.stdout == "Label(kind='billing', urgency=2)\n"


def test_try_calls_plain_and_async_functions(command: Command) -> None:
    assert command("try", "tickets:plain", "--set", "number=4").stdout == "[4, 8]\n"
    assert command("try", "tickets:awaited", "--set", "text=a").stdout == "Label(kind='billing', urgency=2)\n"


def test_what_is_missing_is_said(command: Command) -> None:
    done = command("try", "tickets:classify")
    assert (done.exit_code, done.stderr) == (2, "typefold: tickets:classify needs text: --set text=...\n")
    done = command("explain", "tickets:plain")
    assert done.exit_code == 2
    assert "is a plain function, no prompt" in done.stderr


def test_doctor_says_what_is_installed(command: Command) -> None:
    done = command("doctor", "--no-ask")
    assert done.exit_code == (0 if find_spec("vllm") is not None else 1)
    assert "typefold" in done.stdout
    assert "pyarrow" in done.stdout


@pytest.mark.parametrize(("found", "told"), [("1.15.0", True), ("2.0.0", True), ("2.3.1", False), ("3.0+dev", False)])
def test_doctor_says_that_a_mypy_is_too_old(
    command: Command, monkeypatch: pytest.MonkeyPatch, found: str, told: bool
) -> None:
    def version(name: str) -> str:
        return found

    monkeypatch.setattr(doctor, "version", version)
    assert ("install 2.3 or newer" in command("doctor", "--no-ask").output) == told


def test_doctor_asks_a_model_and_says_on_what_it_runs(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine(answers=["Hi", "true"])
    engine.info = replace(engine.info, device="abacus", backend="beads")

    def engine_of(*_: object, **__: object) -> ScriptedEngine:
        return engine

    monkeypatch.setattr(runtime_module, "engine_of", engine_of)
    monkeypatch.setattr(demo, "find_spec", str)
    done = command("doctor", "--model", "org/model")
    assert done.exit_code == 0, done.output
    words = done.stdout.split()
    assert words[words.index("device") + 1] == "abacus" and words[words.index("constraints") + 1] == "beads"
    assert "'H' and True in" in done.stdout


@pytest.mark.parametrize("name", ["run", "try", "render", "explain", "check", "doctor", "demo-model"])
def test_help_of_a_command_ends_with_an_example(command: Command, name: str) -> None:
    assert f"Example: typefold {name}" in command(name, "--help").stdout


def test_help_is_there_before_anything_heavy() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from typefold.cli.app import app; "
        "print(CliRunner().invoke(app, ['run', '--help']).exit_code, "
        "sorted({'vllm', 'torch', 'transformers', 'pyarrow', 'rich.live'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"
