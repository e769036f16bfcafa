"""Ten questions about one text: asked each by itself (`Decisions`), and as one JSON object with ten fields.

    python -m benchmarks.decisions [--model PATH] [--process] [--tokens 100 1000] [--rows 512] [--rounds 3] [--json FILE]

Each text is new to the engine, so that it is computed once a row; what the prompts of all rows share (the questions) is in the prefix
cache. "one label" asks a single question in one token behind the same prompt, as fast as the engine gets through the texts: the limit
that computing them sets. For each length of text: rows a second, what each side takes a row beyond that limit, and the shares that are
aimed at: decisions at most a fifth of what the object takes beyond it, 3 times the object's rows a second at 100 tokens, and 0.95 of
the limit at 1,000. The sides take turns, and each side's figure is the median of its rounds.
"""

import argparse
import json
import os
import random
import statistics
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from benchmarks.tables import Rows, show
from typefold import Decisions, Runtime, ask, demo_model, prompt, system, user

QUESTIONS = """You read messages to a shop and answer ten questions about each, as JSON with these keys:
team (billing, shipping, technical or sales), urgent (true or false), mood (angry, neutral or pleased), priority (1 to 5),
refund (true or false), language (English, Spanish, German or French), channel (email, phone, chat or letter),
spam (true or false), product (phone, laptop, camera or printer), severity (low, medium or high)."""
SUBJECTS = [
    "the parcel",
    "my invoice",
    "a laptop",
    "this camera",
    "the printer",
    "your driver",
    "an old order",
    "the new phone",
]
DEEDS = [
    "arrived late",
    "was damaged",
    "never came",
    "works well now",
    "was charged twice",
    "is missing a part",
    "stopped at once",
]
TAILS = [
    "so please look into it",
    "and nobody called back",
    "which made us happy",
    "as I wrote last week",
    "though I paid in full",
]


class Answers(BaseModel):
    team: Literal["billing", "shipping", "technical", "sales"]
    urgent: bool
    mood: Literal["angry", "neutral", "pleased"]
    priority: Literal[1, 2, 3, 4, 5]
    refund: bool
    language: Literal["English", "Spanish", "German", "French"]
    channel: Literal["email", "phone", "chat", "letter"]
    spam: bool
    product: Literal["phone", "laptop", "camera", "printer"]
    severity: Literal["low", "medium", "high"]


@prompt(describe_format=False, temperature=0)
def one_label(state: str) -> bool:
    return ask(system(QUESTIONS), user(state))


@prompt(describe_format=False, temperature=0)
def one_object(state: str) -> Answers:
    return ask(system(QUESTIONS), user(state))


@prompt(describe_format=False)
def ten_decisions(state: str) -> Decisions[Answers]:
    return ask(system(QUESTIONS), user(state))


SIDES: dict[str, Any] = {"one label": one_label, "one object": one_object, "decisions": ten_decisions}


def states(count: int, tokens: int, seed: int) -> list[str]:
    """Texts of about so many tokens (a word is about 1.1 of them), no two alike from the first words on."""
    rng = random.Random(seed)
    made: list[str] = []
    for row in range(count):
        words = f"Message {seed} {row} of {rng.randrange(10**6)}:".split()
        while len(words) * 1.15 < tokens:
            words += f"{rng.choice(SUBJECTS)} {rng.choice(DEEDS)}, {rng.choice(TAILS)}.".split()
        made.append(" ".join(words))
    return made


def measure(runtime: Runtime, tokens: int, rows: int, rounds: int) -> Rows:
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    counts: dict[str, tuple[int, int, int]] = {}
    seed = tokens * 1000
    for function in SIDES.values():  # grammars are compiled, and the questions cached
        function.using(runtime=runtime).map(states(4, tokens, seed - 1))
    for turn in range(rounds):
        for name in list(SIDES) if turn % 2 == 0 else list(SIDES)[::-1]:
            texts = states(rows, tokens, seed := seed + 1)
            before, started = runtime.stats, time.perf_counter()
            SIDES[name].using(runtime=runtime).map(texts)
            seconds[name].append(time.perf_counter() - started)
            now = runtime.stats
            computed = now.prompt_tokens - now.cached_tokens - before.prompt_tokens + before.cached_tokens
            counts[name] = computed, now.output_tokens - before.output_tokens, now.steps - before.steps
    median = {name: statistics.median(each) for name, each in seconds.items()}
    beyond = {name: max(value - median["one label"], 1e-9) / rows for name, value in median.items()}
    return [
        {
            "tokens": tokens,
            "side": name,
            "rows/s": round(rows / median[name], 1),
            "ms a row beyond the limit": round(beyond[name] * 1000, 3) if name != "one label" else 0,
            "of the object's": round(beyond[name] / beyond["one object"], 3) if name != "one label" else 0,
            "x the object": round(median["one object"] / median[name], 2),
            "of the limit": round(median["one label"] / median[name], 3),
            "prompt tokens computed a row": round(counts[name][0] / rows, 1),
            "output tokens a row": round(counts[name][1] / rows, 1),
            "steps": counts[name][2],
            "spread": f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f} s",
        }
        for name in SIDES
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder or a name; the demo model by default")
    parser.add_argument("--process", action="store_true", help="the engine in a process of its own")
    parser.add_argument("--tokens", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-num-seqs", type=int, default=256)
    parser.add_argument("--engine", type=json.loads, default={}, help="options for vllm.LLM, as JSON")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    if arguments.process:  # else in the way that suits the device
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    options: dict[str, Any] = {"enable_prefix_caching": True, **arguments.engine}
    longest = max(arguments.tokens) + 600
    model = arguments.model or str(demo_model())
    with Runtime(model, max_model_len=longest, max_num_seqs=arguments.max_num_seqs, **options) as runtime:
        tables = [
            row for tokens in arguments.tokens for row in measure(runtime, tokens, arguments.rows, arguments.rounds)
        ]
    show({"ten questions about one text": tables}, arguments.json)


if __name__ == "__main__":
    main()
