"""`Scored` worked out by hand: the same probabilities from a model's own logits, with transformers and no engine."""
# transformers and torch say little of their types:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from typefold.runtime.engines.vllm.control_tokens import special_ids
from typefold.runtime.engines.vllm.vocabulary import written_by


class Direct:
    """A model in transformers.

    Args:
        path: Where it lies.
        dtype: The numbers that it computes with: `float32`, `bfloat16`.
        special_ends: Whether tokens that write nothing may stand where an answer may end, and end it; under vLLM before 0.28
            only the tokenizer's end of text does.
    """

    def __init__(self, path: str, dtype: str, *, special_ends: bool) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._torch: Any = torch
        self._model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype))
        tokenizer: Any = AutoTokenizer.from_pretrained(path)
        self._ends: set[int] = {tokenizer.eos_token_id, *(special_ids(tokenizer) if special_ends else ())}
        self._written = written_by(tokenizer)

    def probabilities(self, prompt: Sequence[int], texts: Sequence[str], negligible: float = 1e-6) -> list[float]:
        """The probability of each text behind the prompt: every path through every token that the texts admit."""
        found = [0.0] * len(texts)
        choices = [text.encode() for text in texts]

        def walk(path: list[int], written: bytes, mass: float, members: list[int]) -> None:
            if mass < negligible:
                return
            admitted = {
                token_id: written + adds
                for token_id, adds in enumerate(self._written)
                if adds and any(choices[member].startswith(written + adds) for member in members)
            }
            ending = [member for member in members if choices[member] == written]
            if ending:
                admitted |= dict.fromkeys(self._ends, written)
            weights = self._softmax([*prompt, *path], list(admitted))
            for (token_id, whole), weight in zip(admitted.items(), weights, strict=True):
                ends = token_id in self._ends
                inside = ending if ends else [member for member in members if choices[member].startswith(whole)]
                if len(inside) == 1:
                    found[inside[0]] += mass * weight
                else:
                    walk([*path, token_id], whole, mass * weight, inside)

        walk([], b"", 1.0, list(range(len(texts))))
        return found

    def outside(self, prompt: Sequence[int], texts: Sequence[str], negligible: float = 1e-6) -> float:
        """The probability of leaving the texts before it is settled which one is written, without a mask."""
        choices = [text.encode() for text in texts]

        def lost(path: list[int], written: bytes, mass: float) -> float:
            left = [choice for choice in choices if choice.startswith(written)]
            if len(left) == 1 or mass < negligible:
                return 0.0
            admitted = [
                token_id
                for token_id, adds in enumerate(self._written)
                if adds and any(choice.startswith(written + adds) for choice in left)
            ]
            if len(admitted) == 1:  # which is no question
                return lost([*path, *admitted], written + self._written[admitted[0]], mass)
            every = self._softmax([*prompt, *path], list(range(len(self._written))))
            inside = [every[each] for each in admitted]
            deeper = [
                lost([*path, token_id], written + self._written[token_id], mass * share)
                for token_id, share in zip(admitted, inside, strict=True)
            ]
            return mass * (1.0 - math.fsum(inside)) + math.fsum(deeper)

        return lost([], b"", 1.0)

    def _softmax(self, token_ids: list[int], among: list[int]) -> list[float]:
        with self._torch.no_grad():
            logits = self._model(self._torch.tensor([token_ids])).logits[0, -1].double()
        weights: list[float] = self._torch.softmax(logits[among], 0).tolist()
        return weights
