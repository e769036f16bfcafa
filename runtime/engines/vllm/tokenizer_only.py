"""The prompts of a model as its engine would count them, from its tokenizer and its configuration alone.

No weights are read, and vLLM is not imported. Left out: images, which vLLM's processors place, templates that vLLM ships for models
that have none, and Mistral's own tokenizers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from typefold.runtime.engine import ControlTokenPolicy, EngineInfo, EngineRefusal
from typefold.runtime.engines.vllm.chat_tokenizer import Prompt, PromptTokenizer, images_of
from typefold.runtime.engines.vllm.thinking import sources_of, switched, switches_by, switches_of
from typefold.runtime.engines.vllm.vocabulary import vocabulary_of
from typefold.runtime.request import Request
from typefold.runtime.sampling import unfit

_UNKNOWN = 256  # sequences at once, which only an engine can tell
_LOGPROBS = 20  # vLLM's default
_PICTURED = ValueError("the tokens of images are counted by an engine alone")
_ENDLESS = 1 << 30  # tokens, where no configuration limits them


class TokenizerOnly:
    """Counts the tokens of requests that no engine is asked.

    `info` has what the configuration says; the number of sequences is an engine's usual one.
    """

    def __init__(self, model: str, *, control_tokens: ControlTokenPolicy, options: dict[str, Any]) -> None:
        transformers: Any = import_module("transformers")
        named: dict[str, Any] = {
            "trust_remote_code": bool(options.get("trust_remote_code")),
            "revision": options.get("revision"),
        }
        source = options.get("tokenizer") or model
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
            source, **{**named, "revision": options.get("tokenizer_revision") or named["revision"]}
        )
        self._tokenizer = tokenizer
        config: Any = transformers.AutoConfig.from_pretrained(model, **named).get_text_config()
        given = options.get("max_model_len")
        longest = given if isinstance(given, int) and given > 0 else getattr(config, "max_position_embeddings", None)
        self._limit: int | None = None
        with suppress(OSError):  # it has no such file
            self._limit = transformers.GenerationConfig.from_pretrained(
                model, revision=named["revision"]
            ).max_new_tokens
        template: Any = options.get("chat_template")
        if isinstance(template, str | Path) and "{" not in str(template):
            template = Path(template).read_text(encoding="utf-8")
        template = template or tokenizer.chat_template

        def render(conversation: list[dict[str, Any]], variables: dict[str, Any]) -> str | list[int]:
            rendered: str = tokenizer.apply_chat_template(
                conversation, chat_template=template, tokenize=False, **variables
            )
            return rendered

        known = render if template else None
        self._switches = switches_of(template) if sources_of(template) else switches_by(known)
        self._prompts = PromptTokenizer(
            tokenizer,
            known,
            most=longest,
            control_tokens=control_tokens,
            switches=self._switches,
            template=template,
        )
        self.info = EngineInfo(
            provider="vllm",
            model=model,
            max_model_len=longest or _ENDLESS,
            max_num_seqs=options.get("max_num_seqs") or _UNKNOWN,
            max_logprobs=options.get("max_logprobs") or _LOGPROBS,
            vocabulary=vocabulary_of(tokenizer),
            thinking=self._prompts.thoughts.thinking,
        )

    def tokenize(self, request: Request) -> Sequence[int]:
        [found] = self.tokenize_all([request])
        if isinstance(found, Exception):
            raise found
        return found

    def tokenize_all(self, requests: Sequence[Request]) -> list[Sequence[int] | Exception]:
        asked = [
            Prompt(each.prompt, switched(each, self._switches), thinking=each.thinking)
            for each in requests
            if not images_of(each.prompt)
        ]
        encoded = iter(self._prompts.encode_all(asked))
        found = [_PICTURED if images_of(each.prompt) else next(encoded) for each in requests]
        return [
            ids if isinstance(ids, Exception) else [*ids, *self._begun(each)]
            for ids, each in zip(found, requests, strict=True)
        ]

    def _begun(self, request: Request) -> list[int]:
        """Return the tokens of a begun answer."""
        found = list[int]()
        for part in request.begun:
            found += [part] if isinstance(part, int) else self._tokenizer.encode(part, add_special_tokens=False)
        return found

    def max_tokens(self, request: Request) -> int | None:
        own = request.sampling_params is not None or "max_tokens" in request.sampling
        limit = request.token_limit() if own else self._limit
        if (reason := unfit("max_tokens", limit)) is not None:
            raise EngineRefusal(reason)
        return limit


load = TokenizerOnly
