"""Preparation: from a request to what the engine is given, its tokens and limits, or to the error that it ends with.

All of it depends on the request and on facts of the engine, so it may be done long before the engine has room, and in another thread.
A request that does not fit is an error of its own row, found before the engine sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from typefold.compiler import TokenBounds
from typefold.compiler.grammar.early_stop import ForcedEnding
from typefold.runtime.engine import CountsTokens, EngineInfo, EngineRefusal, PromptTooLarge, TokenizesAhead
from typefold.runtime.errors import BadInput, PromptError, PromptTooLong, Refused, Truncated
from typefold.runtime.request import Request
from typefold.runtime.scheduling.deduplicator import Deduplicator
from typefold.runtime.scheduling.pending import Limits, PendingRequest, error_fields

_MARKS = 16  # tokens that may stand between reasoning and an answer


@dataclass(slots=True, eq=False)
class Prepared:
    """A request with all that the engine is to be given."""

    pending: PendingRequest
    identity: bytes | None = None  # `None` where no equal request may share its answer
    token_ids: Sequence[int] | None = None  # `None` too where an equal request has them
    limits: Limits | None = None
    error: BaseException | None = None  # that of its row, or one that ends the engine


class Preparer:
    """Prepares the requests of one engine; one thread at a time."""

    def __init__(self, engine: CountsTokens, deduplicator: Deduplicator | None, *, early_stop: bool) -> None:
        self._engine = engine
        self._deduplicator = deduplicator
        self._early_stop = early_stop

    def prepare(self, several: Sequence[PendingRequest], is_asked: Callable[[bytes], bool]) -> list[Prepared]:
        """Prepare requests, in order; those whose answer is asked for, or known, by their identity without tokens."""
        made = [self._identified(pending) for pending in several]
        asked, met = list[Prepared](), set[bytes]()
        for each in made:
            if each.error is None and (each.identity is None or not (each.identity in met or is_asked(each.identity))):
                asked.append(each)
                if each.identity is not None:
                    met.add(each.identity)
        self.fill(asked)
        return made

    def fill(self, asked: Sequence[Prepared]) -> list[Sequence[int] | BaseException]:
        """Give prepared requests their tokens and limits, or errors, and return the tokens, or the errors of making them."""
        tokens = self._tokens(asked)
        for each, found in zip(asked, tokens, strict=True):
            self._complete(each, found)
        return tokens

    def prepare_one(self, pending: PendingRequest) -> Prepared:
        """Prepare a request for which the engine has room now."""
        made = self._identified(pending)
        known = made.identity is not None and self._deduplicator is not None and self._deduplicator.knows(made.identity)
        if made.error is None and not known:
            self.complete(made)
        return made

    def complete(self, prepared: Prepared) -> None:
        """Give a prepared request its own tokens."""
        self._complete(prepared, self._tokens_of(prepared.pending.request))

    def _identified(self, pending: PendingRequest) -> Prepared:
        if self._deduplicator is None:
            return Prepared(pending)
        try:
            return Prepared(pending, self._deduplicator.identity(pending.request))
        except EngineRefusal as error:
            return Prepared(pending, error=refused(pending.request, error))
        except BaseException as error:
            return Prepared(pending, error=_of_row(pending.request, error))

    def _tokens(self, asked: Sequence[Prepared]) -> list[Sequence[int] | BaseException]:
        requests = [each.pending.request for each in asked]
        if isinstance(self._engine, TokenizesAhead) and len(requests) > 1:
            try:
                return [*self._engine.tokenize_all(requests)]
            except BaseException:  # one by one it is found out whose it is
                pass
        return [self._tokens_of(request) for request in requests]

    def _tokens_of(self, request: Request) -> Sequence[int] | BaseException:
        try:
            return self._engine.tokenize(request)
        except BaseException as error:
            return error

    def _complete(self, prepared: Prepared, found: Sequence[int] | BaseException) -> None:
        request = prepared.pending.request
        try:
            if isinstance(found, BaseException):
                raise found
            prepared.limits = limits_of(self._engine, request, len(found), early_stop=self._early_stop)
            prepared.token_ids = found
        except PromptTooLarge as error:
            most = self._engine.info.max_model_len
            prepared.error = PromptTooLong(**error_fields(request), prompt_tokens=error.tokens, max_model_len=most)
            prepared.error.__cause__ = error
        except EngineRefusal as error:
            prepared.error = refused(request, error)
        except BaseException as error:
            prepared.error = _of_row(request, error) if error is found else error


@dataclass(frozen=True, slots=True)
class Size:
    """The tokens of a request that nobody has asked: of its prompt, and of the answer at least and at most.

    With an `error` the request would never reach the engine.
    """

    prompt_tokens: int
    least: int = 0
    most: int = 0
    error: PromptError | None = None


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Facts about an engine, and a function that counts the tokens of requests that it is not asked."""

    info: EngineInfo
    measure: Callable[[Sequence[Request]], list[Size]]


def sizes_of(engine: CountsTokens, requests: Sequence[Request], *, early_stop: bool) -> list[Size]:
    """Return the sizes of requests, which are asked of nobody."""
    preparer = Preparer(engine, None, early_stop=early_stop)
    made = [Prepared(PendingRequest(request, _never_withdrawn)) for request in requests]
    found = [len(each) if isinstance(each, Sequence) else each for each in preparer.fill(made)]
    sizes: list[Size] = []
    for each, tokens in zip(made, found, strict=True):
        known = tokens if isinstance(tokens, int) else 0
        if each.error is not None and not isinstance(each.error, PromptError):
            raise each.error
        if each.limits is None:
            sizes.append(Size(getattr(each.error, "prompt_tokens", known), error=each.error))
            continue
        request, early, most = each.pending.request, each.limits.early_stop, each.limits.asked
        least = 1 if request.probe else request.constraint.token_bounds(engine.info.vocabulary).least
        if isinstance(early, ForcedEnding):
            least -= max(len(rest.encode()) for rest in early.rests.values())  # a token has a byte at least
        elif early is not None:
            least = min(least, early.tokens)
        sizes.append(Size(known, max(1, min(least, most)), most))
    return sizes


def _never_withdrawn(pending: PendingRequest) -> None: ...


def _of_row(request: Request, error: BaseException) -> BaseException:
    """Return the error of the row whose content raised this, or an error that is no row's itself."""
    if not isinstance(error, Exception):
        return error
    made = BadInput(**error_fields(request), reason=f"{type(error).__name__}: {error}")
    made.__cause__ = error
    return made


def refused(request: Request, error: EngineRefusal) -> Refused:
    """Return the error of a request that the engine does not take."""
    made = Refused(**error_fields(request), reason=str(error))
    made.__cause__ = error
    return made


def limits_of(engine: CountsTokens, request: Request, prompt_tokens: int, *, early_stop: bool = False) -> Limits:
    """Return the limits of a request's answer. Raises EngineRefusal for its parameters, or the error of its row."""
    fields, info = error_fields(request), engine.info
    own_limit = engine.max_tokens(request)
    bounds = request.constraint.token_bounds(info.vocabulary)
    early = early_stop and _may_end_early(request)
    few = request.constraint.few_answers if early else None
    least = 1 if request.probe else bounds.least if few is None else min(bounds.least, few.tokens)
    room = info.max_model_len - prompt_tokens
    kept = 0 if request.before is None else _kept_for(request.before.token_bounds(info.vocabulary), room)
    room -= kept
    if room < least:
        needed = least + kept
        raise PromptTooLong(**fields, prompt_tokens=prompt_tokens, max_model_len=info.max_model_len, needed=needed)
    limit = room if bounds.most is None else min(room, bounds.most)
    max_tokens = limit if own_limit is None else min(own_limit, room)
    if max_tokens < least:
        raise Truncated(**fields, max_tokens=max_tokens, needed=bounds.most or bounds.least, room=room)
    ending = request.constraint.forced_ending if early and few is None else None
    return Limits(max_tokens, bounds.most, room, few or ending)


def _kept_for(answer: TokenBounds, room: int) -> int:
    """Return the part of a context's room that reasoning leaves to the answer behind it: half of it, if it needs no less or more."""
    half = room // 2 if answer.most is None else min(answer.most, room // 2)
    return max(answer.least, half) + _MARKS


def _may_end_early(request: Request) -> bool:
    """Return whether the caller neither sees nor counts the tokens behind those that determine the answer."""
    if request.probe or request.on_delta is not None or request.constraint.kind == "text":
        return False
    return not request.asked("min_tokens") and request.asked("logprobs") is None
