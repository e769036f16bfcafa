"""A program with several engines of real vLLM, and a fork: `test_processes.py` runs it and reads what it prints.

Run with a model's path.
"""
# Looks inside:
# pyright: reportPrivateUsage=false

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from typefold import Runtime, UsedAfterFork, ask, prompt
from typefold.runtime.engines.vllm.engine import VllmEngine

OPTIONS: dict[str, Any] = {
    "max_model_len": 256,
    "max_num_seqs": 4,
    "dtype": "float32",
    "kv_cache_memory_bytes": 1 << 27,
}
OWN: dict[str, Any] = OPTIONS | {"enforce_eager": True, "enable_chunked_prefill": False}


@prompt(temperature=0, max_tokens=6)
def say(text: str) -> str:
    return ask(text)


def inside(runtime: Runtime) -> bool:
    engine = runtime.engine
    assert isinstance(engine, VllmEngine)
    return engine._core is None


def asked(runtime: Runtime) -> str:
    return say.using(runtime=runtime)("Say hello.")


def child(runtimes: list[Runtime]) -> None:
    """Use what the parent has, and end as a program ends."""
    for runtime in runtimes:
        try:
            asked(runtime)
            os._exit(3)
        except UsedAfterFork:
            runtime.close()
    sys.exit(0)


def main(model: str) -> None:
    from vllm import LLM, SamplingParams

    def generated(llm: Any) -> str:
        [output] = llm.generate("Say hello.", SamplingParams(temperature=0, max_tokens=6), use_tqdm=False)
        return str(output.outputs[0].text)

    first, second = Runtime(model, deduplicate=False, **OPTIONS), Runtime(model, deduplicate=False, **OPTIONS)
    told: dict[str, Any] = {"alone": asked(first)}
    told["where"] = [inside(first), inside(second)]
    told["beside"] = [asked(first), asked(second)]
    if (pid := os.fork()) == 0:
        child([first, second])
    told["child"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with ThreadPoolExecutor(4) as pool:
        told["at once"] = list(pool.map(asked, [first, second] * 4))
    first.close()
    told["the first closed"] = [asked(second)]
    second.close()

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    own = LLM(model, **OWN)
    told["own"] = generated(own)
    made = Runtime(lambda: LLM(model, **OWN), deduplicate=False)
    with made, Runtime(own, deduplicate=False) as handed:
        told["both inside"] = [inside(made), inside(handed)]
        with ThreadPoolExecutor(4) as pool:
            told["in turn"] = list(pool.map(asked, [made, handed] * 4))
    told["own afterwards"] = generated(own)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
