"""Models and adapters are known by all of their bytes, which are read once."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from typefold import Adapter, JournalError, Runtime
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import identity_of, model_identity
from typefold.runtime.journal.model_identity import content_of, first_identity_of
from typefold.runtimes import runtime as runtime_module

MIB = 1 << 20


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of digests of its own, in which what was written a moment ago is remembered too."""
    folder = tmp_path / "cache" / "digests"
    monkeypatch.setattr(model_identity, "_folder", lambda: folder)
    monkeypatch.setattr(model_identity, "_is_settled", yes)
    return folder


def yes(status: os.stat_result) -> bool:
    return True


def no(status: os.stat_result) -> bool:
    return False


def scripted(*_: object, **__: object) -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the files that are read."""
    names: list[str] = []
    really = model_identity._read  # pyright: ignore[reportPrivateUsage]

    def noted(path: Path) -> bytes:
        names.append(path.name)
        return really(path)

    monkeypatch.setattr(model_identity, "_read", noted)
    yield names


@pytest.fixture
def model(tmp_path: Path, cache: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "templates").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "templates/tool.jinja", "README.md", ".hidden", "run.log"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(bytes(4 * MIB))
    return folder


def digest_of(folder: Path) -> bytes:
    return identity_of(str(folder), {}).digest


def changed(path: Path, at: int = 0) -> None:
    """One byte of a file is another, and its size and time are as they were."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("name", "at", "counts"),
    [
        ("model.safetensors", 2 * MIB, True),
        ("model.safetensors", 0, True),
        ("config.json", 3, True),
        ("tokenizer.json", 3, True),
        ("templates/tool.jinja", 0, True),
        ("README.md", 0, False),
        (".hidden", 0, False),
        ("run.log", 0, False),
    ],
)
def test_a_model_is_known_by_every_byte_that_it_is_made_of(model: Path, name: str, at: int, counts: bool) -> None:
    before = digest_of(model)
    changed(model / name, at)
    assert (digest_of(model) != before) is counts


def test_a_folder_may_be_moved_copied_and_linked(model: Path, tmp_path: Path) -> None:
    before = digest_of(model)
    (tmp_path / "link").symlink_to(model)
    shutil.copytree(model, tmp_path / "copy")
    shutil.copytree(tmp_path / "copy", tmp_path / "linked", copy_function=os.link)
    (model / "itself").symlink_to(model)
    (model / "broken").symlink_to(tmp_path / "nowhere")
    names = [model, *(tmp_path / name for name in ("link", "copy", "linked"))]
    assert {digest_of(each) for each in names} == {before}


def test_a_file_that_is_there_or_has_another_name_is_another_model(model: Path) -> None:
    found = {digest_of(model)}
    (model / "generation_config.json").touch()
    found.add(digest_of(model))
    (model / "generation_config.json").rename(model / "chat_template.jinja")
    found.add(digest_of(model))
    assert len(found) == 3


def test_checkpoints_of_a_training_are_other_models(model: Path) -> None:
    before = digest_of(model)
    (model / "checkpoint-500").mkdir()
    (model / "checkpoint-500" / "trainer_state.json").touch()
    (model / "checkpoint-500" / "model.safetensors").write_bytes(b"other")
    assert digest_of(model) == before


def test_a_model_in_one_file_is_known_by_it(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")
    before = identity_of(str(file), {}).digest
    changed(file)
    assert identity_of(str(file), {}).digest != before


@pytest.mark.parametrize("option", ["tokenizer", "hf_config_path", "chat_template", "generation_config"])
def test_an_option_that_names_a_folder_counts_by_what_is_in_it(tmp_path: Path, cache: Path, option: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tokenizer.json").write_text("one", encoding="utf-8")

    def asked() -> bytes:
        return identity_of("org/model", {option: str(tmp_path / "other")}).digest

    before = asked()
    changed(tmp_path / "other" / "tokenizer.json")
    assert asked() != before
    assert identity_of("org/model", {option: "org/other"}) == first_identity_of("org/model", {option: "org/other"})


def test_names_of_a_hub_are_known_as_they_were_in_the_first_format() -> None:
    options = {"revision": "main", "dtype": "float32", "max_num_seqs": 3}
    assert identity_of("org/model", options) == first_identity_of("org/model", options)
    assert identity_of("org/model", options).digest.hex() == "c9d3ffd13e0336dc35560e636880fc71"


def test_files_are_read_once_and_again_when_they_change(model: Path, read: list[str]) -> None:
    before = digest_of(model)
    assert read.count("model.safetensors") == 1
    assert digest_of(model) == before
    assert read.count("model.safetensors") == 1
    changed(model / "model.safetensors", 2 * MIB)  # its time is as it was, but for that of the inode
    assert digest_of(model) != before
    assert read.count("model.safetensors") == 2


def test_what_was_changed_a_moment_ago_is_not_remembered(
    model: Path, read: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_identity, "_is_settled", no)
    assert digest_of(model) == digest_of(model)
    assert read.count("model.safetensors") == 2
    assert not cache.exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "folder", "other"])
def test_a_damaged_cache_is_read_past(model: Path, read: list[str], cache: Path, damage: str) -> None:
    before = digest_of(model)
    [entry] = cache.iterdir()
    assert cache.stat().st_mode & 0o777 == 0o700
    match damage:
        case "cut":
            entry.write_bytes(entry.read_bytes()[:-1])
        case "flip":
            changed(entry)
        case "empty":
            entry.write_bytes(b"")
        case "folder":
            entry.unlink()
            entry.mkdir()
        case _:
            entry.write_bytes(hashlib.sha256(b"other").digest() * 2)
    assert digest_of(model) == before
    assert read.count("model.safetensors") == 2


def test_a_cache_that_can_t_be_written_costs_only_time(model: Path, read: list[str], cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be", encoding="utf-8")
    assert digest_of(model) == digest_of(model)
    assert read.count("model.safetensors") == 2


def test_many_may_remember_at_once(model: Path, cache: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(digest_of(model))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len([*cache.iterdir()]) == 1


def snapshot(folder: Path, files: dict[str, bytes], *, named: bool = True) -> Path:
    """A model as the hub's cache has it: large files called by their SHA-256, small ones by that of git."""
    blobs, found = folder / "models--org--name" / "blobs", folder / "models--org--name" / "snapshots" / ("0" * 40)
    blobs.mkdir(parents=True)
    found.mkdir(parents=True)
    for name, content in files.items():
        large = name.endswith(".safetensors") and named
        blob = blobs / (hashlib.sha256(content).hexdigest() if large else hashlib.sha1(content).hexdigest())
        blob.write_bytes(content)
        (found / name).symlink_to(os.path.relpath(blob, found))
    return found


def test_a_snapshot_of_the_hub_is_known_by_its_files_own_digests(tmp_path: Path, read: list[str], cache: Path) -> None:
    files = {"model.safetensors": b"weights", "config.json": b"{}"}
    found = snapshot(tmp_path / "hub", files)
    before = digest_of(found)
    assert read == ["config.json"], "weights are not read"
    plain = tmp_path / "plain"
    plain.mkdir()
    for name, content in files.items():
        (plain / name).write_bytes(content)
    assert digest_of(plain) == before, "it may be copied out of there"
    other = snapshot(tmp_path / "other", {**files, "model.safetensors": b"Weights"})
    assert digest_of(other) != before


@pytest.mark.parametrize("name", ["z" * 64, "A" * 64, "a" * 63])
def test_a_file_that_is_called_by_no_digest_is_read(tmp_path: Path, read: list[str], cache: Path, name: str) -> None:
    blobs = tmp_path / "models--org--name" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / name).write_bytes(b"weights")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").symlink_to(blobs / name)
    digest_of(tmp_path / "model")
    assert read == ["model.safetensors"]


def test_a_long_reading_is_said_before(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model_identity, "_LONG", 2 * MIB)
    assert digest_of(model) == digest_of(model)
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith(
        f"reading the files of {model} (0.0 GB), by which a journal tells models apart; this is done once"
    )


def test_an_adapter_is_known_by_every_byte_and_read_once_for_a_runtime(tmp_path: Path, cache: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
    (adapter / "adapter_model.safetensors").write_bytes(bytes(4 * MIB))

    def asked() -> int:
        engine = ScriptedEngine()
        options = {"lora_request": Adapter("a", str(adapter))}
        with Runtime(engine, journal=tmp_path / "run.db") as runtime:
            for future in runtime.submit([Request(prompt="x", sampling={"seed": 1}, options=options)] * 2):
                future.result(60)
        return len(engine.requests)

    assert (asked(), asked()) == (1, 0)
    changed(adapter / "adapter_model.safetensors", 2 * MIB)
    assert (asked(), asked()) == (1, 0)


def test_a_folder_that_changes_while_it_is_loaded_ends_the_program(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> ScriptedEngine:
        changed(model / "model.safetensors", 2 * MIB)
        return ScriptedEngine()

    monkeypatch.setattr(runtime_module, "engine_of", slow)
    with Runtime(str(model), journal=tmp_path / "run.db") as runtime:
        for _ in range(2):
            with pytest.raises(JournalError, match="were changed while it was loaded"):
                runtime.generate("Hello")
    with Runtime(str(model), journal=tmp_path / "run.db") as runtime:
        monkeypatch.setattr(runtime_module, "engine_of", scripted)
        assert runtime.generate("Hello")


def test_files_that_can_t_be_read_are_said(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(model_identity, "_read", unreadable)
    with (
        Runtime(str(model), journal=tmp_path / "run.db") as runtime,
        pytest.raises(JournalError, match=r"the files that identify the model can't be read .*Permission denied"),
    ):
        runtime.generate("Hello")


def test_markers_are_part_of_the_question(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[ScriptedEngine] = []

    def engine_of(*_: object, **__: object) -> ScriptedEngine:
        engines.append(ScriptedEngine())
        return engines[-1]

    monkeypatch.setattr(runtime_module, "engine_of", engine_of)
    for control_tokens in ("keep", "escape", "escape"):
        with Runtime(str(model), journal=tmp_path / "run.db", control_tokens=control_tokens) as runtime:
            runtime.generate("Hello", seed=1)
    assert len(engines) == 2


def test_what_is_nowhere_has_no_content(tmp_path: Path) -> None:
    assert content_of(str(tmp_path / "none")) is None
    assert content_of("org/name") is None
    assert content_of("a\0b" if os.name != "nt" else "x") is None
    assert content_of("x" * 5000) is None
