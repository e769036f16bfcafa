"""A model in float32 with LoRA adapters, in a process of its own: python adapted.py MODEL FOLDER; facts come back as JSON."""
# safetensors and torch say little of their types:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

from typefold import Adapter, Runtime, ask, prompt
from typefold.runtime.engines.vllm.engine import load

RIVERS = "Name a river."


def adapter(at: Path, model: Path, *, seed: int, rank: int = 4) -> Adapter:
    """An adapter of random weights, in PEFT's format: large enough to be heard."""
    import torch
    from safetensors.torch import save_file

    config = json.loads((model / "config.json").read_text())
    width, heads = config["hidden_size"], config["num_attention_heads"]
    outputs = {"q_proj": width, "v_proj": width // heads * config["num_key_value_heads"]}
    drawn = torch.Generator().manual_seed(seed)
    weights: dict[str, Any] = {}
    for layer in range(config["num_hidden_layers"]):
        for name, size in outputs.items():
            base = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            weights[f"{base}.lora_A.weight"] = torch.randn(rank, width, generator=drawn) * 0.2
            weights[f"{base}.lora_B.weight"] = torch.randn(size, rank, generator=drawn) * 0.2
    at.mkdir()
    save_file(weights, at / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": rank, "bias": "none"}
    (at / "adapter_config.json").write_text(json.dumps({**settings, "target_modules": [*outputs]}))
    return Adapter(at.name, at)


@prompt(temperature=0, max_tokens=12)
def say(what: str) -> str:
    return ask(what)


@prompt(temperature=0)
def judge(what: str) -> Literal["good", "bad", "neither"]:
    return ask(what)


def main(model: Path, folder: Path) -> dict[str, Any]:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest

    one, two = (adapter(folder / name, model, seed=seed) for seed, name in enumerate(("one", "two")))
    large = adapter(folder / "large", model, seed=3, rank=16)
    hollow = adapter(folder / "hollow", model, seed=4)
    (folder / "hollow" / "adapter_model.safetensors").unlink()
    options: dict[str, Any] = {"enable_lora": True, "max_lora_rank": 8, "max_loras": 3}
    engine = load(str(model), max_model_len=512, max_num_seqs=8, dtype="float32", **options)
    llm, greedy = engine._llm, SamplingParams(temperature=0, max_tokens=12)
    facts: dict[str, Any] = {}

    def bare(given: object) -> str:
        asked: Any = [{"role": "user", "content": RIVERS}]
        return str(llm.chat(asked, greedy, lora_request=given, use_tqdm=False)[0].outputs[0].text)

    with Runtime(engine) as runtime:
        adapted = [None, one, two]
        facts["batch"] = runtime.generate(
            [RIVERS] * 3, lora_request=adapted, sampling_params=SamplingParams(temperature=0, max_tokens=12)
        )
        facts["alone"] = [say.using(lora_request=each)(RIVERS) for each in adapted]
        known: list[Any] = [engine._adapters.request(each) for each in adapted]
        facts["bare"] = [bare(each) for each in known]
        facts["own"] = say.using(lora_request=LoRARequest("two", known[2].lora_int_id, str(two.path)))(RIVERS)
        facts["judged"] = [judge.using(lora_request=each)("This soup.") for each in adapted]
        refused = [Adapter("gone", folder / "gone"), large, hollow, Adapter("one", two.path)]
        facts["refused"] = [str(say.using(lora_request=each).safe(RIVERS).failure()) for each in refused]
        third, fourth = Adapter("third", two.path), Adapter("fourth", two.path)
        facts["full"] = runtime.generate(
            [RIVERS] * 4, lora_request=[one, None, two, third], temperature=0, max_tokens=12
        )
        facts["fourth"] = str(say.using(lora_request=fourth).safe(RIVERS).failure())
    return facts


if __name__ == "__main__":
    print("FACTS", json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
