"""The cost of making a prompt's tokens: as a hand-written loop does, as the tokenizer's own batch does, and as typefold does.

    python -m benchmarks.feeding [--model PATH] [--rows 2000] [--rounds 5] [--json FILE]

Prompts of three kinds: a short question, the same behind a few-shot prefix, and a letter of about 500 tokens. Sides, in turn:
`apply_chat_template` and `encode` of the model's tokenizer, which is what a loop around `LLM.generate` does; `encode_batch` of the
tokenizers library for texts that were rendered before, on all cores, which is the limit where prompts share nothing; typefold's
engine, prompt by prompt; and in chunks of 64, as the feeder's thread asks it. typefold also looks after control tokens in contents.

Microseconds a prompt (the least of the rounds), of the clock and of the processors, and in how many prompts the tokens are those of
the loop.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.beyond import TASKS, prefix, texts
from benchmarks.mixed import engine
from benchmarks.table_work import rows as letters
from benchmarks.tables import Rows, show
from typefold import demo_model
from typefold.messages import user
from typefold.runtime.engines.vllm.engine import VllmEngine
from typefold.runtime.request import Request

CHUNK = 64
Tokens = list[Sequence[int]]


def compare(llm: Any, contents: list[str], rounds: int) -> Rows:
    tokenizer = llm.get_tokenizer()
    requests = [Request(prompt=(user(content),)) for content in contents]

    def rendered(content: str) -> str:
        messages = [{"role": "user", "content": content}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def loop() -> Tokens:
        return [tokenizer.encode(rendered(content), add_special_tokens=False) for content in contents]

    ready = [rendered(content) for content in contents]

    def batch() -> Tokens:
        return [each.ids for each in tokenizer.backend_tokenizer.encode_batch(ready, add_special_tokens=False)]

    def by(size: int) -> Callable[[], Tokens]:
        one = VllmEngine(llm, owned=False)

        def made() -> Tokens:
            found: Tokens = []
            for at in range(0, len(requests), size):
                found += [
                    each for each in one.tokenize_all(requests[at : at + size]) if not isinstance(each, Exception)
                ]
            return found

        return made

    sides = {"a loop": loop, "encode_batch alone": batch, "typefold, one by one": by(1), "typefold": by(CHUNK)}
    clock, work = dict.fromkeys(sides, float("inf")), dict.fromkeys(sides, float("inf"))
    expected, found = loop(), dict[str, Tokens]()
    for turn in range(rounds):
        for name in [*sides][:: 1 if turn % 2 == 0 else -1]:
            started, busy = time.perf_counter(), time.process_time()
            found[name] = sides[name]()
            clock[name] = min(clock[name], time.perf_counter() - started)
            work[name] = min(work[name], time.process_time() - busy)
    return [
        {
            "side": name,
            "us a prompt": round(clock[name] / len(contents) * 1e6, 1),
            "processor us a prompt": round(work[name] / len(contents) * 1e6, 1),
            "tokens a prompt": round(sum(map(len, found[name])) / len(contents), 1),
            "the same tokens": sum([*one] == [*other] for one, other in zip(found[name], expected, strict=True)),
        }
        for name in sides
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    llm = engine(arguments.model or str(demo_model()), tight=True)
    short = [TASKS["labels"].question + text for text in texts(arguments.rows)]
    long = [f"Give this letter its topic.\n\n{row.text}" for row in letters(arguments.rows, 500, llm.get_tokenizer())]
    kinds = {"a short question": short, "few-shot": [prefix() + each for each in short], "a letter": long}
    tables = {title: compare(llm, contents, arguments.rounds) for title, contents in kinds.items()}
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
