"""The loading of an engine: the options, the environment and the process in which it is built, and its place in memory.

vLLM and its imports are about a million objects that stay. Each full garbage collection walks over them, a third of a second and
more: a tenth of the time of short answers. So they are frozen once an engine is there, as vLLM does in its own processes. Invariant:
each `freeze` has one `thaw`, so all that an engine held is freed with it. Other objects that were there are frozen too; of these
only cycles wait for an engine to be closed.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any

from typefold.compiler.guards import is_dict
from typefold.runtime.engines.vllm.compat import CAPTURE_STRIDE, GPU_MEMORY, MOST_CAPTURED, MOST_SEQS
from typefold.runtime.engines.vllm.process import gpus_of
from typefold.runtime.ownership import lock

_ON_GRAPHS = {
    "compilation_config",
    "cudagraph_capture_sizes",
    "max_cudagraph_capture_size",
    "enforce_eager",
    "speculative_config",  # a request has several tokens a step then, and vLLM chooses sizes that are multiples
}
_MAX_LOGPROBS = 256  # a `Scored` choice of many labels asks for more than vLLM's 20


@dataclass(frozen=True, slots=True)
class Loading:
    """The options and the environment of an engine that is built."""

    options: dict[str, Any]
    variables: dict[str, str]
    own_process: bool


def loading_of(
    engine_options: Mapping[str, Any],
    *,
    replica: tuple[int, int] = (0, 1),
    cpu: bool,
    cuda: bool,
    many: bool = False,  # vLLM runs 1,024 requests at once on these GPUs by default, and not 256
    beside: bool = False,  # another engine is in this process: they would share the state of a step
    progress: bool = False,
) -> Loading:
    """Return the options and the environment for building an engine."""
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
            options["gpu_memory_utilization"] = round(GPU_MEMORY / share, 3)
    options |= engine_options
    at_once = options.get("max_num_seqs") or (MOST_SEQS if many else 0)
    if cuda and share == 1 and _ON_GRAPHS.isdisjoint(engine_options) and at_once > MOST_CAPTURED:
        captured = min(-(-at_once // CAPTURE_STRIDE) * CAPTURE_STRIDE, MOST_SEQS)
        options["compilation_config"] = {"max_cudagraph_capture_size": captured}
    if cpu and options.get("enable_lora"):
        options["max_loras"] = options.get("max_loras", 1) + 1  # the last place must stay empty: see `lora`
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


def _visible_gpus() -> list[str]:
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(number) for number in range(torch.cuda.device_count())] if named is None else named.split(",")


_lock = lock(RLock)  # a collection here may close an engine
_engines = 0


def freeze() -> None:
    """Leave all objects out of collections, once an engine is loaded."""
    global _engines
    with _lock:
        _engines += 1
        gc.collect()  # garbage would be kept too
        gc.freeze()


def thaw() -> None:
    """Collect the objects of a frozen engine that has gone, and leave out those of the others."""
    global _engines
    with _lock:
        _engines -= 1
        gc.unfreeze()
        gc.collect()
        if _engines:
            gc.freeze()
