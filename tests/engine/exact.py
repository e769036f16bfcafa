"""A tiny model that answers alike on every machine: random weights in float32 behind the demo model's words.

What a prompt leads to is noise, but always the same noise: between the best token of a step and the next best lies a million
times what another order of sums changes, as other batches and other instruction sets have it. The demo model has no such
room: in bfloat16 its greedy texts, and those drawn with a seed, differ between machines and between batches.
"""
# torch and safetensors say little of their types:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

_WORDS, _WIDTH, _INNER, _LAYERS = 49152, 128, 256, 2
_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "float32",
    "hidden_size": _WIDTH,
    "intermediate_size": _INNER,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "vocab_size": _WORDS,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


def exact_model(demo: str, at: Path) -> Path:
    """Make the model.

    Args:
        demo: The demo model, whose tokenizer and chat template it has.
        at: Where it is to lie.
    """
    import torch
    from safetensors.torch import save_file

    at.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(Path(demo, file), at / file)
    (at / "config.json").write_text(json.dumps(_CONFIG))
    square, vocabulary = (_WIDTH, _WIDTH), (_WORDS, _WIDTH)
    shapes = {"model.embed_tokens": vocabulary, "lm_head": vocabulary, "model.norm": (_WIDTH,)}
    for layer in range(_LAYERS):
        at_layer = f"model.layers.{layer}"
        shapes |= {f"{at_layer}.self_attn.{name}_proj": square for name in "qkvo"}
        shapes |= {f"{at_layer}.mlp.{name}_proj": (_INNER, _WIDTH) for name in ("gate", "up")}
        shapes |= {f"{at_layer}.mlp.down_proj": (_WIDTH, _INNER)}
        shapes |= {f"{at_layer}.{name}_layernorm": (_WIDTH,) for name in ("input", "post_attention")}
    drawn = torch.Generator().manual_seed(0)
    weights: dict[str, Any] = {
        f"{name}.weight": torch.randn(shape, generator=drawn) * 0.3 if len(shape) > 1 else torch.ones(shape)
        for name, shape in shapes.items()
    }
    # Bytes that are no text by themselves, and control tokens, come where a grammar asks for them alone; an answer's
    # quotation marks and commas come more often than by chance, so that its strings end.
    loudness = torch.ones(_WORDS, 1)
    for token, index in json.loads(Path(demo, "tokenizer.json").read_text())["model"]["vocab"].items():
        if token.startswith("<|") or not all(" " < letter <= "~" or letter == "\u0120" for letter in token):
            loudness[index] = 0.1
        elif token[0] in '",':
            loudness[index] = 1.4
    weights["lm_head.weight"] *= loudness
    save_file(weights, at / "model.safetensors", {"format": "pt"})
    return at
