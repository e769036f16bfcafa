"""The effect of the order of requests on vLLM's prefix cache.

    python -m benchmarks.prefix [--model PATH] [--groups 4] [--rows 16] [--max-num-seqs 4] [--json FILE]

Rows of several groups, each with a long system prompt of its own, through one runtime: shuffled (what a scheduler
that keeps the order of arrival does with a shuffled input), sorted by group (the best that any reordering could do), and
sorted within windows of twice `max_num_seqs` (what a scheduler could do, since it sees no more of the input at a time).
Prompt tokens that the cache held, prompt tokens that were computed, engine steps and seconds. Once with room for every
group's prefix in the cache, and once with room for a part of them only (`--tight-blocks`).
"""

import argparse
import random
import statistics
import time
from pathlib import Path
from typing import Literal

from benchmarks.tables import Rows, show
from typefold import Runtime, ask, demo_model, prompt, system, user

Rating = Literal["poor", "fair", "good"]


@prompt(temperature=0, max_tokens=8)
def rate(handbook: str, review: str) -> Rating:
    return ask(system(handbook), user(review))


def grouped(first: int, groups: int, rows: int, words: int) -> list[tuple[str, str]]:
    """Rows with long system prompts that differ from their first words on."""
    rules = "Read each review twice, weigh what it praises against what it blames, and rate it by the house's rules."
    whole = " ".join((rules.split() * (words // len(rules.split()) + 1))[:words])
    texts = [f"Handbook number {number:05}. {whole}" for number in range(first, first + groups)]
    return [(text, f"Review {row}: it was fine.") for text in texts for row in range(rows)]


def ordered(name: str, rows: list[tuple[str, str]], window: int) -> list[tuple[str, str]]:
    """The rows in one of the orders that are compared."""
    if name == "sorted by group":
        return rows
    shuffled = random.Random(7).sample(rows, len(rows))
    if name == "shuffled":
        return shuffled
    return [row for start in range(0, len(rows), window) for row in sorted(shuffled[start : start + window])]


def compare(arguments: argparse.Namespace, blocks: int) -> Rows:
    """The orders on one engine with a cache of so many blocks; each round has handbooks that no cache holds yet."""
    runtime = Runtime(
        arguments.model or demo_model(),
        max_model_len=1024,
        max_num_seqs=arguments.max_num_seqs,
        num_gpu_blocks_override=blocks,
    )
    names = ["shuffled", "sorted in windows", "sorted by group"]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    counts: dict[str, list[tuple[int, int, int]]] = {name: [] for name in names}
    size, first = (arguments.groups, arguments.rows, arguments.words), 0
    ask_all = rate.using(runtime=runtime)
    ask_all.starmap(grouped(99_999, 1, 1, 5))  # the grammar is compiled
    for turn in range(arguments.rounds):
        for name in names if turn % 2 == 0 else names[::-1]:
            rows = ordered(name, grouped(first, *size), 2 * arguments.max_num_seqs)
            first += arguments.groups
            before, started = runtime.stats, time.perf_counter()
            ask_all.starmap(rows)
            seconds[name].append(time.perf_counter() - started)
            now = runtime.stats
            asked, cached = now.prompt_tokens - before.prompt_tokens, now.cached_tokens - before.cached_tokens
            counts[name].append((asked, cached, now.steps - before.steps))
    runtime.close()
    return [
        {
            "order": name,
            "cache blocks": blocks,
            "prompt tokens": counts[name][0][0],
            "cached": counts[name][0][1],
            "computed": counts[name][0][0] - counts[name][0][1],
            "steps": counts[name][0][2],
            "seconds (median)": round(statistics.median(seconds[name]), 2),
        }
        for name in names
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--rows", type=int, default=16, help="rows in each group")
    parser.add_argument("--words", type=int, default=330, help="words in each group's system prompt")
    parser.add_argument("--max-num-seqs", type=int, default=4)
    parser.add_argument("--blocks", type=int, default=300, help="cache blocks: room for all prefixes")
    parser.add_argument("--tight-blocks", type=int, default=0, help="cache blocks of a second comparison; 0 for none")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    title = f"{arguments.groups} groups of {arguments.rows} rows, max_num_seqs={arguments.max_num_seqs}"
    rows = compare(arguments, arguments.blocks)
    if arguments.tight_blocks:
        rows += compare(arguments, arguments.tight_blocks)
    show({title: rows}, arguments.json)


if __name__ == "__main__":
    main()
