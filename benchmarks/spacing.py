"""Which spacing of JSON does a small model answer best with?

A grammar makes every answer well formed, so the spacing of an object (`{"a":"x"}`, `{"a": "x"}` or one field a line)
can only change which answer is given, and its tokens. Both are measured on generated texts from which fields are to be
read: labelled choices (a `Literal` of 3 to 6 members), copied strings, integers and booleans.

Teacher forcing under the engine's own masks (xgrammar). The path through the right answer is the model's own: at each
position its likeliest token among *all* that continue the right text, so tokens may merge `":"` or `","` as they like;
paths are measured again until none moves. A field is right if no position of it has a likelier token under the mask:
exactly masked greedy decoding after right earlier fields, and an object with every field right is exactly what masked
greedy decoding writes. A field's nats sum -log of the probability, under the mask, of staying on the right text: how
it is split costs nothing. Text nats are those of the whole path, unmasked. Intervals: 95%, bootstrap over rows.

    python -m benchmarks.spacing --model HuggingFaceTB/SmolLM2-135M-Instruct --rows 1200 --device cuda

Needs torch, transformers, numpy and xgrammar; the tables are prettier with rich.
"""

# transformers is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xgrammar
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.labelled import Field, Row, make_rows

# Opening, between fields, between key and value, closing.
SPACINGS = {"tight": "{|,|:|}", "spaced": "{|, |: |}", "indented": "{\n  |,\n  |: |\n}"}
# The prompt shows: nothing; the shape, choices as `string`; choices as members in place; as `string` with the members
# behind it; as `string` with the members below the shape; the shape and one text with its answer.
MODES = ("plain", "shape", "members", "behind", "below", "example")
RULES = r"""
string ::= "\"" ([^"\\\x00-\x1f] | "\\" ["\\/bfnrt])* "\""
integer ::= "-"? ("0" | [1-9] [0-9]*)
boolean ::= "true" | "false"
"""


@dataclass
class Walk:  # the way through one right answer
    row: Row
    mode: str
    spacing: str
    parts: list[str]  # of the answer: structure and values by turns
    grammar: xgrammar.CompiledGrammar
    prompt: list[int]
    path: list[int]


def layout(fields: Sequence[Field], values: Sequence[str], spacing: str) -> list[str]:
    """The parts of an object, structure and values by turns."""
    opening, comma, colon, closing = SPACINGS[spacing].split("|")
    keys = [f'{comma if index else opening}"{f.name}"{colon}' for index, f in enumerate(fields)]
    return [part for pair in zip(keys, values, strict=True) for part in pair] + [closing]


def messages(row: Row, mode: str, spacing: str) -> list[dict[str, str]]:
    example, fields = row.answers
    choices = [f for f in fields if f.members]
    said = {f.name: "string" for f in choices}
    if mode == "members":
        said = {f.name: " | ".join(map(json.dumps, f.members)) for f in choices}
    elif mode == "behind":
        said = {f.name: f"string (one of: {', '.join(f.members)})" for f in choices}
    kinds = [said[f.name] if f.members else f.kind for f in fields]
    form = "." if mode == "plain" else " of this shape:\n" + "".join(layout(fields, kinds, spacing))
    if mode == "below":
        form += "".join(f"\n{f.name}: one of {', '.join(f.members)}" for f in choices)
    asked = [row.question.replace("<form>", f"Answer with JSON{form}").replace("<text>", text) for text in row.texts]
    first, own = ({"role": "user", "content": text} for text in asked)
    answer = {"role": "assistant", "content": "".join(layout(example, [f.value for f in example], spacing))}
    return [first, answer, own] if mode == "example" else [own]


class Bench:
    def __init__(self, model: str, device: str) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(model)
        # float32, so that near ties do not turn on which rows share a batch
        load: Any = AutoModelForCausalLM.from_pretrained
        self.model: Any = load(model, dtype=torch.float32)  # in evaluation mode
        self.model.to(device)
        info = xgrammar.TokenizerInfo.from_huggingface(self.tokenizer, vocab_size=self.model.config.vocab_size)
        self.compiler, self.vocab, self.device = xgrammar.GrammarCompiler(info), info.decoded_vocab, device
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        self.ids = {text: token for token, text in enumerate(self.vocab) if text and token not in special}

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def walk(self, row: Row, mode: str, spacing: str) -> Walk:
        fields = row.answers[1]
        parts = layout(fields, [f.value for f in fields], spacing)
        rules = [" | ".join(json.dumps(json.dumps(m)) for m in f.members) or f.kind for f in fields]
        root = " ".join(f"({x})" if i % 2 else json.dumps(x) for i, x in enumerate(layout(fields, rules, spacing)))
        grammar, turns = self.compiler.compile_grammar(f"root ::= {root}{RULES}"), messages(row, mode, spacing)
        prompt = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return Walk(row, mode, spacing, parts, grammar, self.encode(prompt), self.encode("".join(parts)))

    @torch.inference_mode()
    def step(self, walks: Sequence[Walk]) -> Iterator[Walk | dict[str, Any]]:
        """One forward pass: what a walk gave or, where the model would split the text otherwise, the walk mended."""
        width = max(len(w.prompt) + len(w.path) for w in walks)  # padded on the right, unseen by causal attention
        ids = torch.tensor([(w.prompt + w.path + [0] * width)[:width] for w in walks], device=self.device)
        hidden = self.model.base_model(ids, use_cache=False).last_hidden_state
        for w, states in zip(walks, hidden, strict=True):
            logits = self.model.lm_head(states[len(w.prompt) - 1 :][: len(w.path)]).float()
            answer, matcher, at = "".join(w.parts).encode(), xgrammar.GrammarMatcher(w.grammar), [0]
            bits, staying = xgrammar.allocate_token_bitmask(*logits.shape), torch.zeros_like(logits, dtype=torch.bool)
            heads: list[tuple[int, int]] = []  # positions, and tokens that continue the right text there
            for i, token in enumerate(w.path):
                matcher.fill_next_token_bitmask(bits, i)
                texts = (answer[at[i] : end] for end in range(at[i] + 1, len(answer) + 1))
                heads += [(i, self.ids[text]) for text in texts if text in self.ids]
                at.append(at[i] + len(self.vocab[token]))
                assert matcher.accept_token(token), f"the grammar refuses {self.vocab[token]!r} in {answer!r}"
            staying[tuple(torch.tensor(heads, device=self.device).T)] = True
            admitted = (bits.to(self.device)[..., None] >> torch.arange(32, device=self.device) & 1).flatten(1).bool()
            stay = logits.masked_fill(~staying, -torch.inf)
            free = logits.masked_fill(~admitted[:, : logits.shape[1]], -torch.inf)
            best = stay.argmax(-1).tolist()
            moved = next((i for i, token in enumerate(w.path) if token != best[i]), None)
            if moved is not None:
                rest = answer[at[moved] + len(self.vocab[best[moved]]) :].decode()
                yield replace(w, path=[*w.path[:moved], best[moved], *self.encode(rest)])
                continue
            text_nats = float(
                torch.nn.functional.cross_entropy(logits, torch.tensor(w.path).to(logits.device), reduction="sum")
            )
            right = (stay.amax(-1) >= free.amax(-1)).tolist()
            nats = (free.logsumexp(-1) - stay.logsumexp(-1)).tolist()
            # A position belongs to the first field that is not over; a number ends where the next character is known.
            owners = np.searchsorted(np.cumsum([len(part) for part in w.parts])[1::2] + 1, at[:-1], side="right")
            own = [(f.kind, np.flatnonzero(owners == k)) for k, f in enumerate(w.row.answers[1])]
            fields = [(kind, all(right[i] for i in at), sum(nats[i] for i in at)) for kind, at in own]
            yield {"row": w.row.index, "task": w.row.task, "mode": w.mode, "spacing": w.spacing, "tokens": len(w.path),
                   "text nats": text_nats, "fields": fields}  # fmt: skip


def totals(walk: dict[str, Any]) -> dict[str, tuple[float, int]]:
    """A sum and a count for each metric."""
    of = {k: [f for f in walk["fields"] if f[0] == k] for k in ("choice", "value", "string", "integer", "boolean")}
    of["value"] = of["string"] + of["integer"] + of["boolean"]
    sums: dict[str, tuple[float, int]] = {f"{kind} right": (sum(f[1] for f in x), len(x)) for kind, x in of.items()}
    sums["object right"] = (all(f[1] for f in walk["fields"]), 1)
    sums |= {f"{kind} nats": (sum(f[2] for f in of[kind]), len(of[kind])) for kind in ("choice", "value")}
    return sums | {"tokens": (walk["tokens"], 1), "text nats": (walk["text nats"], 1)}


def estimate(walks: Sequence[dict[str, Any]], draws: int = 2000) -> dict[str, dict[str, list[float]]]:
    """By metric and spacing or pair of spacings, for the walks of one mode: the value and its 95% interval."""
    rows, metrics = 1 + max(walk["row"] for walk in walks), list(totals(walks[0]))
    sums = np.zeros((len(metrics), len(SPACINGS), 2, rows))
    for walk in walks:
        sums[:, list(SPACINGS).index(walk["spacing"]), :, walk["row"]] = list(totals(walk).values())
    weights = np.random.default_rng(0).multinomial(rows, np.full(rows, 1 / rows), draws)
    tops, counts = np.moveaxis(sums @ np.vstack([np.ones(rows), weights]).T, 2, 0)  # the sample itself comes first
    named = {name: tops[:, i] / counts[:, i] for i, name in enumerate(SPACINGS)}
    named |= {f"{b} - {a}": named[b] - named[a] for a, b in combinations(SPACINGS, 2)}
    bounds = {name: np.percentile(x[:, 1:], (2.5, 97.5), axis=1) for name, x in named.items()}
    return {m: {n: [x[k, 0], *bounds[n][:, k]] for n, x in named.items()} for k, m in enumerate(metrics)}


def show(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    try:
        from rich import console, table
    except ImportError:
        print("\n".join([f"\n{title}", *("".join(f"{cell:<25}" for cell in line) for line in [head, *lines])]))
        return
    grid = table.Table(*head, title=title)
    for line in lines:
        grid.add_row(*line)
    console.Console(width=180).print(grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", required=True, help="a name or folder that transformers loads")
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES, help="what the prompt shows")
    parser.add_argument("--spacings", nargs="+", default=list(SPACINGS), choices=SPACINGS)
    parser.add_argument("--out", type=Path, default=Path("spacing.json"))
    args = parser.parse_args()
    bench, rows, done = Bench(args.model, args.device), list(make_rows(args.rows)), list[dict[str, Any]]()
    todo = [bench.walk(row, mode, spacing) for row in rows for mode in args.modes for spacing in args.spacings]
    while todo:
        todo.sort(key=lambda walk: len(walk.prompt))
        results = [x for i in range(0, len(todo), args.batch) for x in bench.step(todo[i : i + args.batch])]
        done += [x for x in results if isinstance(x, dict)]
        todo = [x for x in results if isinstance(x, Walk)]
        print(f"{len(done)} answers measured, {len(todo)} to go", flush=True)
    estimates = {mode: estimate([walk for walk in done if walk["mode"] == mode]) for mode in args.modes}
    args.out.write_text(json.dumps({"model": args.model, "rows": args.rows, "estimates": estimates, "walks": done}))
    sizes = [len(f.members) for row in rows for f in row.answers[1]]
    chance = float(np.mean([1 / size for size in sizes if size]))
    print(f"{len(rows)} rows, {sum(map(bool, sizes))} choices (chance {chance:.2f}), {sizes.count(0)} values")
    for mode, metrics in estimates.items():
        lines = [[m, *(f"{x:.3f} [{a:.3f}, {b:.3f}]" for x, a, b in named.values())] for m, named in metrics.items()]
        show(f"prompt: {mode}", ["metric", *metrics["tokens"]], lines)


if __name__ == "__main__":
    main()
