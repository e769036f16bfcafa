"""Names of models and of engine options are judged without vLLM: against the folders there are, and against its source."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from typefold.runtime.engines.vllm import precheck
from typefold.runtime.engines.vllm.precheck import engine_options, why_no_model

ARGS = """
@dataclass
class EngineArgs:
    model: str = "a"
    max_model_len: int | None = None
    seed: int = 0

    def create(self) -> None: ...
"""
LLM = """
class LLM:
    def __init__(self, model: str, *, tokenizer: str | None = None, **kwargs: Any) -> None: ...
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models and with what is none, as the current one and the home."""
    for name, holds in {
        "model": "config.json",
        "mistral": "params.json",
        "gguf": "q4.gguf",
        "org/name": "notes.txt",
        "adapter": "adapter_config.json",
        "models--org--name/snapshots": "x",
    }.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / holds).write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *(
            "gpt2",
            "Qwen/Qwen3-4B",
            "org/other",
            "o.r-g/n_a.m-e",
            "unsloth/Qwen3-0.6B-GGUF:Q4_K_M",
            "org/repo/file-q4.gguf",
        ),
        *("s3://bucket/path/to/it", "model", "./model", "model/", "mistral", "gguf", "gguf/q4.gguf"),
    ],
)
def test_what_a_hub_or_a_folder_may_have_is_left_to_vllm(here: Path, name: str) -> None:
    assert why_no_model(name) is None
    assert why_no_model(str(here / "model")) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "the model's name is empty"),
        (" \n", "the model's name is empty"),
        ("/data/models/qwen", "there is no folder '/data/models/qwen'"),
        ("./modle", "there is no folder './modle' in {here}; did you mean model?"),
        ("../nowhere-at-all", "there is no folder '../nowhere-at-all' in {here}"),
        ("a/b/c", "there is no folder 'a/b/c' in {here}"),
        ("org/nam/", "there is no folder 'org/nam/' in {here}; did you mean org/name?"),
        ("my model", "there is no folder 'my model' in {here}"),
        (r"C:\models\qwen", "there is no folder"),
        ("a\0b", "there is no folder 'a\\x00b'"),
        ("~nobody/model", "there is no folder"),
        ("/data/q4.gguf", "there is no folder '/data/q4.gguf'"),
        (
            "org/name",
            "the folder 'org/name' has no config.json, so there is no model in it; a model's folder is one that",
        ),
        ("adapter", "it is a LoRA adapter's: name the base model, and pass this one as lora_request=Adapter("),
        ("models--org--name", "it is one of the hub's cache: give the hub's name, `org/name`, or the folder below"),
        ("org/name/notes.txt", "org/name/notes.txt is a file, and a model is a folder"),
        ("model/config.json", "a model is a folder; give the one that it is in"),
        ("x" * 5000, "can't be looked at: [Errno 36]"),
    ],
)
def test_what_can_only_be_a_path_is_looked_for(here: Path, name: str, why: str) -> None:
    assert why.format(here=here) in str(why_no_model(name))


def test_a_path_for_certain_is_no_name_on_a_hub(here: Path) -> None:
    assert why_no_model("org/other") is None
    assert "there is no folder 'org/other'" in str(why_no_model("org/other", is_path=True))


def test_a_configuration_may_stand_elsewhere(here: Path) -> None:
    assert why_no_model("org/name", elsewhere=True) is None
    assert why_no_model("/nowhere", elsewhere=True) is not None


def finds(monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None) -> None:
    def found(_: str) -> ModuleSpec | None:
        return spec

    monkeypatch.setattr(precheck, "find_spec", found)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in the place of vLLM that would fail if it ran."""
    for name, text in {"engine/arg_utils.py": ARGS, "entrypoints/llm.py": LLM, "__init__.py": "1 / 0"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    spec = ModuleSpec("vllm", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    finds(monkeypatch, spec)
    monkeypatch.setattr(precheck, "engine_options", precheck.engine_options.__wrapped__)  # without what it remembers
    return tmp_path


def test_options_are_read_from_the_source_and_nothing_of_it_runs(source: Path) -> None:
    assert precheck.engine_options() == frozenset({"max_model_len", "seed", "tokenizer"})


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("engine/arg_utils.py", None),
        ("engine/arg_utils.py", "class Other: ..."),
        ("engine/arg_utils.py", "class EngineArgs(:"),
        ("engine/arg_utils.py", ARGS.replace("EngineArgs", "EngineArgs(Base)")),
        ("entrypoints/llm.py", None),
        ("entrypoints/llm.py", "LLM = 1"),
        ("entrypoints/llm.py", "class LLM: ..."),
        ("entrypoints/llm.py", "\0"),
    ],
)
def test_where_the_source_can_t_be_read_nothing_is_known(source: Path, file: str, text: str | None) -> None:
    (source / file).unlink() if text is None else (source / file).write_text(text, encoding="utf-8")
    assert precheck.engine_options() is None


def test_without_vllm_nothing_is_known(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ValueError("vllm.__spec__ is None")

    finds(monkeypatch, None)
    assert precheck.engine_options() is None
    monkeypatch.setattr(precheck, "find_spec", broken)
    assert precheck.engine_options() is None


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_the_installed_vllm_tells_its_options_without_being_imported() -> None:
    code = "import sys; from typefold.runtime.engines.vllm.precheck import engine_options as o; print('vllm' in sys.modules, *sorted(o()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported, *names = ran.stdout.split()
    assert imported == "False"
    assert {"max_model_len", "tokenizer", "hf_config_path", "structured_outputs_config", "enable_lora"} <= {*names}


@pytest.mark.engine
def test_the_options_are_those_that_vllm_has() -> None:
    from dataclasses import fields
    from inspect import signature

    from vllm import LLM
    from vllm.engine.arg_utils import EngineArgs

    parameters: Any = signature(LLM.__init__).parameters
    every = {field.name for field in fields(EngineArgs)} | {*parameters} - {"self", "kwargs"}
    assert engine_options() == frozenset(every - {"model"})
