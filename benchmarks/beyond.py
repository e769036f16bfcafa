"""Beyond bare vLLM: what a layer that knows the types saves of the engine's work. So far, classification.

    python -m benchmarks.beyond [--model PATH] [--rows 256 2000] [--rounds 3] [--prefix] [--json FILE]

Each row is a short text to be given one of five labels of two to six tokens. Sides, in turn, on one `LLM`: bare
`LLM.generate` with the choice constraint and parameters made before the clock starts, one batch; typefold with
`decide=False`, which asks for whole labels as well; and typefold as it is, which stops where a label is settled. Once
greedy, once drawn at temperature 1.5 with a seed a row. Rows a second and their ratios to bare (medians of pairs), engine
steps, output tokens, and in how many rows the label is that of bare vLLM. `--prefix` puts a few-shot prefix of about 600
tokens before each text (prefix caching is off, so that no side gains by coming second).
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from benchmarks.mixed import Steps, engine
from benchmarks.tables import Rows, show
from typefold import Runtime, demo_model

Topic = Literal["domestic politics", "team sports", "business and finance", "information technology", "performing arts"]

_WHO = ("The minister", "A striker", "The central bank", "A pianist", "The startup", "A judge", "The coach", "An actor")
_WHAT = ("praised", "sued", "bought", "lost to", "met", "ignored", "joined", "replaced")
_WHOM = ("the rival club", "a chip maker", "the opposition", "the theatre", "an old friend", "the regulator", "a bank")
_WHEN = ("last night", "in Oslo", "after the vote", "before the match", "on Monday", "for the third time", "by the sea")


@dataclass
class Side:
    """What one side did."""

    run: Callable[[], list[str]]
    seconds: list[float] = field(default_factory=list[float])
    steps: int = 0
    tokens: int = 0
    labels: list[str] = field(default_factory=list[str])


def texts(rows: int) -> list[str]:
    """So many different short texts."""
    rng = random.Random(rows)
    found: dict[str, None] = {}
    while len(found) < rows:
        words = (rng.choice(part) for part in (_WHO, _WHAT, _WHOM, _WHEN))
        found[f"{' '.join(words)}, {rng.randrange(2, 900)} people said."] = None
    return list(found)


def prefix() -> str:
    """Worked examples, about 600 tokens."""
    labels = get_args(Topic)
    shown = (f"Text: {text}\nTopic: {labels[index % len(labels)]}" for index, text in enumerate(texts(20)))
    return "\n\n".join(["Give each text its topic.", *shown]) + "\n\n"


def sides(llm: Any, whole: Runtime, settled: Runtime, asked: list[str], *, greedy: bool) -> dict[str, Side]:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    tokenizer = llm.get_tokenizer()
    drawn: list[dict[str, Any]] = [
        {"temperature": 0.0} if greedy else {"temperature": 1.5, "seed": row} for row in range(len(asked))
    ]

    def bare() -> list[str]:
        prompts: list[Any] = []
        parameters: list[Any] = []
        for content, how in zip(asked, drawn, strict=True):
            text = tokenizer.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
            prompts.append({"prompt_token_ids": tokenizer.encode(text, add_special_tokens=False)})
            form = StructuredOutputsParams(choice=list(get_args(Topic)))
            parameters.append(SamplingParams(max_tokens=32, structured_outputs=form, **how))
        return [output.outputs[0].text for output in llm.generate(prompts, parameters, use_tqdm=False)]

    def by(runtime: Runtime) -> Callable[[], list[str]]:
        def run() -> list[str]:
            parameters = [SamplingParams(**how) for how in drawn]
            answers: list[str] = runtime.generate(asked, output_type=Topic, sampling_params=parameters)
            return answers

        return run

    return {"bare vLLM": Side(bare), "typefold, decide=False": Side(by(whole)), "typefold": Side(by(settled))}


def compare(llm: Any, steps: Steps, asked: list[str], rounds: int, *, greedy: bool) -> Rows:
    whole, settled = (Runtime(llm, single_flight=False, decide=decide) for decide in (False, True))
    made = sides(llm, whole, settled, asked, greedy=greedy)
    for turn in range(-1, rounds):  # the first is to warm
        for name in list(made) if turn % 2 == 0 else list(made)[::-1]:
            side = made[name]
            before, tokens, started = steps.count, steps.tokens, time.perf_counter()
            side.labels = side.run()
            if turn >= 0:
                side.seconds.append(time.perf_counter() - started)
                side.steps, side.tokens = steps.count - before, steps.tokens - tokens
    whole.close()
    settled.close()
    base = made["bare vLLM"]
    return [
        {
            "side": name,
            "rows/s": round(len(asked) / statistics.median(side.seconds), 1),
            "times bare": round(statistics.median(a / b for a, b in zip(base.seconds, side.seconds, strict=True)), 2),
            "seconds (median)": round(statistics.median(side.seconds), 2),
            "steps": side.steps,
            "tokens": side.tokens,
            "same label": f"{sum(a == b for a, b in zip(side.labels, base.labels, strict=True))}/{len(asked)}",
        }
        for name, side in made.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--rows", type=int, nargs="+", default=[256, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prefix", action="store_true", help="a few-shot prefix of about 600 tokens")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    llm = engine(arguments.model or str(demo_model()), tight=True)
    steps, tables = Steps(llm), dict[str, Rows]()
    for rows in arguments.rows:
        before = prefix() if arguments.prefix else "What is the topic of this text? "
        asked = [before + text for text in texts(rows)]
        for greedy in (True, False):
            title = f"{rows} rows of five labels, {'greedy' if greedy else 'seeded at temperature 1.5'}"
            tables[title] = compare(llm, steps, asked, arguments.rounds, greedy=greedy)
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
