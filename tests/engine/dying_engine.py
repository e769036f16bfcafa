"""A program whose engine's process gets killed, and that is killed itself: `test_faults.py` runs it and reads what it prints.

Who kills waits until the engine has taken some steps with rows in flight; nothing here waits for a time.
"""
# Looks inside:
# pyright: reportPrivateUsage=false

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from returns.result import Result, Success

from typefold import PromptError, Runtime, ask, prompt
from typefold.runtime.engines.vllm.engine import VllmEngine


@prompt(max_tokens=400, min_tokens=400, temperature=0)
def tell(number: int) -> str:
    return ask(f"Tell me a story about {number} ships.")


def core(runtime: Runtime) -> int:
    engine = runtime.engine
    assert isinstance(engine, VllmEngine) and engine._core is not None
    [process] = engine._core._processes
    assert process.pid is not None
    return process.pid


def once_it_works(runtime: Runtime, deed: Callable[[], None]) -> None:
    """Do something as soon as the engine has stepped a few times from here on."""
    steps = runtime.stats.steps + 5

    def wait() -> None:
        while runtime.stats.steps < steps:
            time.sleep(0.005)
        deed()

    threading.Thread(target=wait, daemon=True).start()


def say(what: str, **facts: Any) -> None:
    print(json.dumps({"what": what} | facts), flush=True)


def ends(results: list[Result[str, PromptError]]) -> list[str]:
    return ["value" if isinstance(result, Success) else str(result.failure()) for result in results]


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background jobs with it ignored
    options: dict[str, Any] = {"max_model_len": 512, "max_num_seqs": 8, "deduplicate": False, "dtype": "float32"}
    with Runtime(sys.argv[1], **options) as runtime:
        short = tell.using(max_tokens=2, min_tokens=0)
        short(0)
        before = core(runtime)
        once_it_works(runtime, lambda: os.killpg(0, signal.SIGINT))  # as a terminal does
        try:
            tell.map(range(12))
        except KeyboardInterrupt:
            say("Ctrl-C", same=core(runtime) == before, after=short.map([1, 2]))
        once_it_works(runtime, lambda: os.kill(before, signal.SIGKILL))
        say("killed", ends=ends(tell.safe.map(range(12))), after=ends(short.safe.map([1])))
    with Runtime(sys.argv[1], restarts=1, **options) as runtime:
        short(0)
        before = core(runtime)
        once_it_works(runtime, lambda: os.kill(before, signal.SIGKILL))
        values = ends(tell.safe.map(range(12)))
        say("restarted", ends=values, restarts=runtime.stats.restarts, core=core(runtime))
        once_it_works(runtime, lambda: os.kill(os.getpid(), signal.SIGKILL))
        tell.map(range(12))


if __name__ == "__main__":
    main()
