"""A span of OpenTelemetry for each request, where a program has set tracing up; and observers of a program's calls.

A program that traces has imported `opentelemetry` and set a tracer provider; only then is anything done here, and nothing
is imported for it. A span lies under the span that was current where the call was made. Its names are those of
OpenTelemetry's conventions for generative AI, and `typefold.*` for what these don't have. Texts are not recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from typefold.options import Submitter
from typefold.runtime import Outcome, Request


class Observer:
    """Base class of what hears of the calls that are made in a context, maybe in another thread: by default it does nothing."""

    def sent(self, runtime: Submitter, requests: Sequence[Request], futures: Sequence[Future[Outcome]]) -> None:
        """Requests were sent."""

    def tokens(self, count: int) -> None:
        """A request of a call ended, by the model or by a journal, with a number of tokens of its prompt and answer."""

    def value(self, call: Any, value: Any) -> None:
        """A call ended in a value."""


observer: ContextVar[Observer | None] = ContextVar("typefold_observer", default=None)
"""The observer of the calls that are made in this context."""


@contextmanager
def observed_by(each: Observer) -> Generator[None]:
    """Let an observer hear of the calls that are made inside."""
    token = observer.set(each)
    try:
        yield
    finally:
        observer.reset(token)


def tracer() -> Any:
    """Return the tracer, or `None` where the program has not set tracing up."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider):  # the stand-ins for one that is not set
        return None
    return provider.get_tracer("typefold")


def trace(
    tracer: Any, model: str, provider: str, requests: Sequence[Request], futures: Sequence[Future[Outcome]]
) -> None:
    """Give each request a span that ends with it."""
    for request, future in zip(requests, futures, strict=True):
        span = tracer.start_span(request.function, attributes=_asked(model, provider, request))
        future.add_done_callback(partial(_end, span))


def _asked(model: str, provider: str, request: Request) -> Mapping[str, str | int | float]:
    known: dict[str, str | int | float] = {
        "gen_ai.operation.name": "text_completion" if isinstance(request.prompt, str) else "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "typefold.function": request.function,
        "typefold.attempt": request.attempt,
    }
    if request.version is not None:
        known["typefold.version"] = request.version
    if request.row is not None:
        known["typefold.row"] = request.row
    for name in ("temperature", "max_tokens", "seed"):
        value = request.sampling.get(name)
        if isinstance(value, (int, float)):
            known[f"gen_ai.request.{name}"] = value
    return known


def _end(span: Any, future: Future[Outcome]) -> None:
    """Record the end of a request, on the engine's thread."""
    try:
        outcome = future.result()
    except (CancelledError, Exception) as error:  # mostly a `PromptError`; the message may hold text, the name may not
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(sys.modules["opentelemetry.trace"].StatusCode.ERROR, type(error).__name__)
    else:
        span.set_attributes(
            {
                "gen_ai.usage.input_tokens": outcome.prompt_tokens,
                "gen_ai.usage.output_tokens": outcome.output_tokens,
                "gen_ai.response.finish_reasons": [str(outcome.finish_reason)],
                "typefold.cached_tokens": outcome.cached_tokens,
            }
        )
    span.end()
