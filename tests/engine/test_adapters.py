"""LoRA adapters on real vLLM: each row has its own, and its answer is that of `LLM.chat(lora_request=)`."""

from __future__ import annotations

from pathlib import Path

import pytest

from typefold import Adapter, Refused, Runtime

from .elsewhere import OWN_PROCESS, facts_of

pytestmark = pytest.mark.engine


@OWN_PROCESS
def test_each_row_of_a_batch_has_its_own_adapter(exact: str, tmp_path: Path) -> None:
    facts = facts_of("adapted.py", exact, tmp_path)
    assert len({*facts["bare"]}) == 3
    assert facts["batch"] == facts["alone"] == facts["bare"]
    assert facts["own"] == facts["bare"][2]
    assert all(each in ("good", "bad", "neither") for each in facts["judged"])
    gone, large, hollow, twice = facts["refused"]
    assert "there is no folder" in gone
    assert "rank 16, and the engine takes up to 8" in large
    assert "'hollow' can't be loaded" in hollow
    assert "two adapters are named 'one'" in twice
    plain, first, second = facts["bare"]
    assert facts["full"] == [first, plain, second, second]
    assert "is one more than the engine has places for (3)" in facts["fourth"]


def test_an_engine_without_adapters_says_what_to_write(runtime: Runtime) -> None:
    with pytest.raises(Refused, match=r"Runtime\(\.\.\., enable_lora=True, max_lora_rank=16\)"):
        runtime.generate("Hello.", lora_request=Adapter("legal", "org/legal"), max_tokens=1)
