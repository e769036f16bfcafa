"""The cost of making a prompt's tokens: as a hand-written loop does, and as typefold does.

    python -m benchmarks.feeding [--model PATH] [--rows 2000] [--rounds 5] [--json FILE]

Prompts of two kinds: a short question, and the same behind a few-shot prefix. Sides: `apply_chat_template` and `encode` of the
model's tokenizer, which is what a loop around `LLM.generate` does; typefold's `PromptTokenizer` with each text encoded whole;
and as it is, where what texts begin with alike is encoded once. It also looks after control tokens in contents, which the loop
does not. Microseconds a prompt (the least of the rounds, one thread), characters that went through the tokenizer, and in how
many prompts the tokens are those of the loop.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.beyond import TASKS, prefix, texts
from benchmarks.mixed import engine
from benchmarks.tables import Rows, show
from typefold import demo_model
from typefold.messages import user
from typefold.runtime.engines.vllm.engine import VllmEngine
from typefold.runtime.request import Request


class Characters:
    """A tokenizer that counts the characters that it is given."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.count = 0
        self.hidden = False  # whether nothing is told of how it is made, so that it is given whole texts

    def encode(self, text: str, **options: Any) -> list[int]:
        self.count += len(text)
        encoded: list[int] = self._tokenizer.encode(text, **options)
        return encoded

    def __getattr__(self, name: str) -> Any:
        if name == "backend_tokenizer" and self.hidden:
            raise AttributeError(name)
        return getattr(self._tokenizer, name)


def compare(llm: Any, contents: list[str], rounds: int) -> Rows:
    tokenizer = Characters(llm.get_tokenizer())
    llm.llm_engine.get_tokenizer = lambda: tokenizer
    requests = [Request(prompt=(user(content),)) for content in contents]

    def loop() -> list[list[int]]:
        found: list[list[int]] = []
        for content in contents:
            messages = [{"role": "user", "content": content}]
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            found.append(tokenizer.encode(text, add_special_tokens=False))
        return found

    def by(*, whole: bool) -> Callable[[], list[list[int]]]:
        tokenizer.hidden = whole
        one = VllmEngine(llm, owned=False)
        return lambda: [list(one.tokenize(request)) for request in requests]

    sides = {"a loop": loop, "typefold, whole texts": by(whole=True), "typefold": by(whole=False)}
    expected = loop()
    rows: Rows = []
    for name, side in sides.items():
        least, found = float("inf"), expected
        for _ in range(rounds):
            tokenizer.count, started = 0, time.perf_counter()
            found = side()
            least = min(least, time.perf_counter() - started)
        rows.append(
            {
                "side": name,
                "us a prompt": round(least / len(contents) * 1e6, 1),
                "characters encoded a prompt": round(tokenizer.count / len(contents), 1),
                "tokens a prompt": round(sum(map(len, found)) / len(found), 1),
                "the same tokens": sum(one == other for one, other in zip(found, expected, strict=True)),
            }
        )
    return rows


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
    tables = {
        title: compare(llm, contents, arguments.rounds)
        for title, contents in {"a short question": short, "few-shot": [prefix() + each for each in short]}.items()
    }
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
