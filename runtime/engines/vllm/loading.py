"""How an engine is loaded: which vLLM and which `LLM` will do, with what options, in which environment and process.

Decided from what the caller asks for and what the machine has, before anything is built. Invariant: an option that the
caller names goes before any default. Left out: vLLM itself, which `vllm` imports and builds with what is decided here,
and how a process of its own is kept (`starting`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typefold.compiler import Dialect
from typefold.compiler.guards import is_dict
from typefold.runtime.engines.vllm.process import gpus_of

__all__ = ["Loading", "UnsupportedEngine", "check_release", "dialect_of", "loading_of"]

_OLDEST, _NEWEST = (0, 25), (0, 33)
_GPU_MEMORY = 0.9  # vLLM's own default, of which engines that share a GPU have their parts
_GRAPHS = 512  # requests for which vLLM captures CUDA graphs at the most (newer ones on Blackwell for 1,024)
_MANY = 1024  # requests that vLLM runs at once on a large GPU
_STRIDE = 16  # of the sizes that vLLM captures beyond 256: what a greatest size has over a multiple is cut off
_ON_GRAPHS = {
    "compilation_config",
    "cudagraph_capture_sizes",
    "max_cudagraph_capture_size",
    "enforce_eager",
    "speculative_config",  # a request has several tokens a step then, and vLLM chooses sizes that are multiples
}
_MAX_LOGPROBS = 256  # a `Scored` choice of many labels asks for more than vLLM's 20
_DIALECTS: dict[str, Dialect] = {"auto": "ebnf", "xgrammar": "ebnf", "guidance": "lark"}


class UnsupportedEngine(RuntimeError):
    """The installed vLLM, or the `LLM` that was handed in, can't do what is needed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Loading:
    """With what an engine is built.

    Attributes:
        options: What `vllm.LLM` is given.
        variables: The environment in which it is built.
        own_process: Whether it runs in a process of its own.
    """

    options: dict[str, Any]
    variables: dict[str, str]
    own_process: bool


def loading_of(
    engine_options: Mapping[str, Any],
    *,
    replica: tuple[int, int] = (0, 1),
    cpu: bool,
    cuda: bool,
    many: bool = False,
    beside: bool = False,
    progress: bool = False,
) -> Loading:
    """With what to build an engine.

    Args:
        engine_options: What the caller asks for.
        replica: Which of how many engines of the model it is.
        cpu: Whether vLLM runs models on the CPU.
        cuda: Whether it runs them on GPUs that CUDA_VISIBLE_DEVICES names.
        beside: Whether this process has an engine in it already. They would share what a step uses, so the next one has a
            process of its own, whatever the environment says.
        many: Whether vLLM runs 1,024 requests at once on these GPUs unless told otherwise, and not 256.
        progress: Whether vLLM shows how far loading has come.

    Example:
        >>> loading = loading_of({"max_model_len": 512}, cpu=False, cuda=True)
        >>> loading.options["max_model_len"], loading.options["structured_outputs_config"]
        (512, {'backend': 'xgrammar', 'disable_any_whitespace': True})
        >>> loading.own_process
        True
    """
    options: dict[str, Any] = {"use_tqdm_on_load": progress, "max_logprobs": _MAX_LOGPROBS}
    options["interleave_mm_strings"] = True  # images stand where the message has them, whatever the template can do
    if cpu:
        options |= {"enforce_eager": True, "enable_chunked_prefill": False}
        if "gpu_memory_utilization" not in engine_options:
            options["kv_cache_memory_bytes"] = 1 << 30
    variables: dict[str, str] = {}
    several, share = replica[1] > 1, 1
    if several and cuda:
        variables, share = gpus_of(replica, engine_options, _visible_gpus())
        if share > 1:
            options["gpu_memory_utilization"] = round(_GPU_MEMORY / share, 3)
    options |= engine_options
    at_once = options.get("max_num_seqs") or (_MANY if many else 0)
    if cuda and share == 1 and _ON_GRAPHS.isdisjoint(engine_options) and at_once > _GRAPHS:
        captured = min(-(-at_once // _STRIDE) * _STRIDE, _MANY)
        options["compilation_config"] = {"max_cudagraph_capture_size": captured}
    if cpu and options.get("enable_lora"):
        options["max_loras"] = options.get("max_loras", 1) + 1  # the last place must stay empty: see `adapters`
        if options.get("max_cpu_loras") is not None:  # which can't be fewer
            options["max_cpu_loras"] = max(options["max_cpu_loras"], options["max_loras"])
    given: object = options.get("structured_outputs_config") or {}
    if is_dict(given):
        backend = given.get("backend", "xgrammar")
        tight = {"disable_any_whitespace": True} if backend in ("xgrammar", "guidance") else {}
        options["structured_outputs_config"] = {"backend": backend, **tight, **given}
    own_process = several or beside or not cpu or "VLLM_ENABLE_V1_MULTIPROCESSING" in os.environ
    if several or beside or not own_process:
        variables["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1" if own_process else "0"
    return Loading(options, variables, own_process)


def check_release(version: str) -> None:
    """See to it that a version of vLLM is one that typefold knows.

    Raises:
        UnsupportedEngine: It is not.

    Example:
        >>> check_release("0.33.1")
        >>> check_release("1.0.0")
        Traceback (most recent call last):
        ...
        typefold.runtime.engines.vllm.loading.UnsupportedEngine: vLLM 1.0.0 is installed, but typefold works with vLLM 0.25 to 0.33
    """
    if not _OLDEST <= _release(version) <= _NEWEST:
        raise UnsupportedEngine(
            f"vLLM {version} is installed, but typefold works with vLLM 0.{_OLDEST[1]} to 0.{_NEWEST[1]}"
        )


def masks_stop_tokens(version: str) -> bool:
    """Whether this vLLM keeps a request's stop tokens out of a constrained answer that may not end yet.

    Example:
        >>> masks_stop_tokens("0.27.1"), masks_stop_tokens("0.28.0")
        (False, True)
    """
    return _release(version) >= (0, 28)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.split(".")[:2])


def dialect_of(backend: str, engine_core: Any) -> Dialect:
    """How grammars are written for an `LLM`.

    With `auto`, an engine keeps the backend of its first request. In another process it can't be asked.

    Args:
        backend: Its structured-output backend, in vLLM's words.
        engine_core: vLLM's client of its core.

    Raises:
        UnsupportedEngine: The backend reads no grammars that typefold writes, or `auto` has been settled on another.

    Example:
        >>> dialect_of("guidance", None)
        'lark'
    """
    if backend not in _DIALECTS:
        raise UnsupportedEngine(
            f"this LLM's structured-output backend is {backend!r}, which reads no grammars that typefold "
            'writes; build it with LLM(..., structured_outputs_config={"backend": "xgrammar"})'
        )
    if backend == "auto":
        core = getattr(engine_core, "engine_core", None)
        latched = getattr(getattr(core, "structured_output_manager", None), "backend", None)
        if latched is not None and "Xgrammar" not in type(latched).__name__:
            raise UnsupportedEngine(
                f"this LLM's structured-output backend is 'auto' and an earlier request has settled it on "
                f'{type(latched).__name__}; build it with structured_outputs_config={{"backend": "xgrammar"}}'
            )
    return _DIALECTS[backend]


def _visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(number) for number in range(torch.cuda.device_count())] if named is None else named.split(",")
