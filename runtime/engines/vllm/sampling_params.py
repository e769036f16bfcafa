"""A request's sampling parameters and constraint as vLLM's `SamplingParams`.

Parameters that the caller may not set are refused by name, and so are values that vLLM would find out too late: in the worker,
where one bad request takes the whole batch with it. vLLM is not imported: its classes are passed in.

Invariant: parameters that were verified once are shared by all requests that are equal but for `seed`, `max_tokens` and
streaming (`Template`); each gets a shallow copy. Templates are found by content, since callers may change theirs between calls.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from operator import attrgetter
from typing import Any

from typefold.compiler import TEXT, Constraint, Dialect
from typefold.compiler.guards import is_dict, is_list
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.request import Request
from typefold.runtime.sampling import AGAINST_CONSTRAINTS, HARMLESS, FixedParameters, unfit

_NEVER = -100.0  # a bias, as low as vLLM takes it
_MOST_BIASES = 64  # a request: they cost time at each step, and where there are hundreds most are reserved
_MOST_SHARED = 256
_shared: dict[int, tuple[Mapping[str, Any], Hashable]] = {}  # sets of parameters that never change, by identity
_MOST_LISTED = 128  # tokens of which vLLM returns the log probabilities by number
_MOST_FIRST = 512  # tokens that an answer of one token may be; vLLM's second runner for GPUs has room for 1,024
_REMEMBERED = 256  # sets of parameters
_PLAIN = (int, float, bool, str)
_OWN = ("seed", "max_tokens")  # which each request has for itself
_MOST_STOPS = 100  # beside min_tokens; that runner has room for 128, and fails with all requests beyond it

# Set by typefold, or of no use to a caller of whole texts.
_OURS = {
    "detokenize": "typefold decodes the text of an answer, so it must stay on",
    "n": "use .sample(n), which makes each answer a row of its own",
    "output_kind": "typefold sets it",
    "output_text_buffer_length": "vLLM sets it from `stop`",
    "skip_clone": "typefold sets it",
    "structured_outputs": "the return type makes the constraint; for one of your own, return `Grammar`",
}


class Parameters:
    """Makes the `SamplingParams` of requests."""

    def __init__(
        self,
        *,
        defaults: Any,
        default_max_tokens: int | None,
        output_kinds: Any,
        structured_outputs: Callable[..., Any],
        dialect: Dialect,
        unwritten: Sequence[int] = (),
        text_ends: Sequence[int] = (),  # tokens that end a text beside the model's own end
        first_tokens: Callable[[tuple[str, ...]], Sequence[int]] | None = None,  # `None` if no list of tokens will do
        written: Callable[[], Sequence[bytes]] = tuple,  # the bytes of each token
        ahead: Callable[[tuple[str, ...]], tuple[Sequence[int], Sequence[int]]]
        | None = None,  # `None` where masks must tell
        masks_stops: bool = True,
        check: Callable[[Any], None] | None = None,
    ) -> None:
        self._defaults = defaults
        self._default_max_tokens = default_max_tokens
        self._output_kinds = output_kinds
        self._structured_outputs = structured_outputs
        self._dialect: Dialect = dialect
        self._unwritten = [*unwritten]
        self._text_ends = [*text_ends]
        self._first_tokens = first_tokens
        self._written = written
        self._ahead = ahead
        self._masks_stops = masks_stops
        self._check = check
        self._names = [name for name in defaults.__struct_fields__ if not name.startswith("_")]
        self._own = attrgetter(*(name for name in self._names if name not in _OWN))  # a call for all of them
        self._templates = Templates()

    def limit(self, request: Request) -> int | None:
        """Return the request's own `max_tokens` (see `Request.token_limit`), or the model's; `None` where neither has one."""
        own = request.sampling_params is not None or "max_tokens" in request.sampling
        limit = request.token_limit() if own else self._default_max_tokens
        if (reason := unfit("max_tokens", limit)) is not None:
            raise EngineRefusal(reason)
        return limit

    def build(self, request: Request, max_tokens: int) -> tuple[Any, Template]:
        listed = self.probed(request)[1]
        template = self._template(request, () if listed or max_tokens > 1 else self._first(request), listed)
        params = copy.copy(template.params)
        params.max_tokens = max_tokens
        if request.on_delta is not None:
            params.output_kind = self._output_kinds.DELTA
        if request.settled_by:
            params.stop, params.include_stop_str_in_output = [*request.settled_by], True
        seed = _seed(request.asked("seed", self._defaults))
        params.seed = None if params.temperature == 0 else seed  # greedy decoding draws nothing
        if params.min_tokens > max_tokens:
            raise EngineRefusal(
                f"min_tokens={params.min_tokens} is more than the {max_tokens} tokens that this answer may take"
            )
        if template.texts is not None and request.on_delta is None:
            params.detokenize, params.stop = False, []
        if template.verified:
            # vLLM parses the grammar of every request when it is added, which costs more than all else in adding it.
            # These very parameters have passed that, and a Struct with a `__dict__` lets one instance say so.
            with suppress(AttributeError):
                params.verify = _already_verified
        return params, template

    def identity(self, request: Request) -> str | None:
        """Return all that the answer depends on beside its prompt, for a deterministic request; else `None`."""
        if not request.is_deterministic(self._defaults):
            return None
        template = self._template(request)
        if template.content is None:
            return None
        seed = None if template.params.temperature == 0 else _seed(request.asked("seed", self._defaults))
        return f"{seed} {self.limit(request)} {template.content}"

    def _first(self, request: Request) -> Sequence[int]:
        """Return the tokens that an answer of one token may be; none where a grammar must say."""
        if self._first_tokens is None or not request.begins:
            return ()
        tokens = self._first_tokens(request.begins)
        # The caller may have such a list too; and log probabilities, if raw, are those of before it and behind a grammar.
        if any(request.asked(name, self._defaults) is not None for name in ("allowed_token_ids", "logprobs")):
            return ()
        return tokens if len(tokens) <= _MOST_FIRST else ()

    def _texts(self, first: Sequence[int]) -> Mapping[int, str] | None:
        """Return the texts of the tokens that an answer of one token may be; `None` where one ends inside of a character."""
        written = self._written() if first else ()
        try:
            return {token_id: written[token_id].decode() for token_id in first} or None
        except (IndexError, UnicodeDecodeError):
            return None

    def probed(self, request: Request) -> tuple[Sequence[int], Sequence[int]]:
        """Return the tokens to put ahead of a probe's answer, and those that it lists; none where a grammar must tell them."""
        if not request.probe or not request.begins or self._ahead is None:
            return (), ()
        ahead, listed = self._ahead(request.begins)
        return (ahead, listed) if len(listed) <= _MOST_LISTED else ((), ())

    def _template(self, request: Request, first: Sequence[int] = (), listed: Sequence[int] = ()) -> Template:
        start, sampling, constraint = request.sampling_params, request.sampling, request.constraint
        if start is not None and not isinstance(start, type(self._defaults)):
            raise EngineRefusal(f"sampling_params must be a vllm.SamplingParams, not a {type(start).__name__}")
        spec = "" if listed else constraint.for_dialect(self._dialect)
        given = () if start is None else _values(self._own(start))
        key = key_of(sampling, given=given, kind=constraint.kind, spec=spec, first=bool(first), listed=tuple(listed))

        def make() -> Template:
            if listed:
                own = {"logprobs": None, "logprob_token_ids": [*listed], "flat_logprobs": True}
                params = self._make(start, {**sampling, **own}, TEXT, "", ())
                params.detokenize, params.stop = False, []  # the text of each listed token costs more than the request
            else:
                params = self._make(start, {**sampling}, constraint, spec, first)
            content = _content(getattr(params, name) for name in self._names if name not in _OWN)
            return Template(params, content, self._texts(first))

        return self._templates.get(key, make)

    def _without_unwritten(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that keep tokens which write nothing out of a constrained answer.

        To xgrammar a special token inside a string is the text of its name. vLLM leaves that out of the text, or
        ends the answer there where the model's generation config has it as a second end, so the text was never
        admitted. As stop tokens they can only stand where the answer may end. Before that was so, a bias does it.
        """
        if self._masks_stops:
            return {"stop_token_ids": self._unwritten[: _MOST_STOPS if fields.get("min_tokens") else None]}
        unwritten = self._unwritten[:_MOST_BIASES]
        return {"logit_bias": {**(fields.get("logit_bias") or {}), **dict.fromkeys(unwritten, _NEVER)}}

    def _make(
        self,
        start: Any,
        sampling: dict[str, Any],
        constraint: Constraint,
        spec: str | tuple[str, ...],
        first: Sequence[int],
    ) -> Any:
        for name in sampling:
            if name not in self._names:
                raise EngineRefusal(unknown_name("sampling parameter", name, set(self._names) - set(_OURS)))
        base = self._defaults if start is None else start
        fields = {name: getattr(base, name) for name in self._names} | sampling
        for name, why in _OURS.items():
            given = sampling.get(name, getattr(start, name, None) if name in HARMLESS else None)
            if given is not None and given != HARMLESS.get(name):
                raise EngineRefusal(f"{name}={given!r:.80} can't be set: {why}")
            fields.pop(name, None)
        if isinstance(fields["stop_token_ids"], (tuple, set, frozenset, range)):  # vLLM 0.25 takes a list alone
            fields["stop_token_ids"] = [*fields["stop_token_ids"]]
        if constraint.kind == "text" and self._text_ends:
            fields["stop_token_ids"] = [*(fields["stop_token_ids"] or ()), *self._text_ends]
        if constraint.kind != "text":
            for name in AGAINST_CONSTRAINTS:
                if fields.get(name):
                    raise EngineRefusal(
                        f"{name}={fields[name]!r:.80} can't be combined with a constrained answer "
                        f"({constraint.kind}), which ends where its type ends; leave it out"
                    )
            if first:
                fields["allowed_token_ids"] = [*first]
            else:
                value = list(spec) if isinstance(spec, tuple) else spec
                fields["structured_outputs"] = self._structured_outputs(**{constraint.kind: value})
                if constraint.kind != "choice":  # which has room for nothing else
                    fields |= self._without_unwritten(fields)
        if not fields.get("skip_reading_prefix_cache"):
            fields.pop("skip_reading_prefix_cache", None)  # computed from prompt_logprobs, which may be new here
        least = fields.pop("min_tokens") or 0  # compared with max_tokens for each request
        fields |= {"seed": _seed(fields["seed"]), "max_tokens": None, "output_kind": self._output_kinds.FINAL_ONLY}
        try:
            fields = copy.deepcopy(fields)  # the caller's lists and dictionaries stay theirs to change
            params = type(self._defaults)(**fields, min_tokens=least, skip_clone=True)
            if self._check is not None:
                self._check(params)
        except EngineRefusal:
            raise
        except Exception as error:  # a ValueError for a bad value, a TypeError for one that can't be compared
            raise EngineRefusal(readable(error)) from error
        return params


def unknown_name(what: str, name: str, known: set[str]) -> str:
    """Return a message about a name that vLLM does not have, with the nearest one."""
    near = get_close_matches(name, sorted(known), n=1)
    meant = f"; did you mean {near[0]!r}?" if near else f"; vLLM has {', '.join(sorted(known))}"
    return f"unknown {what} {name!r}{meant}"


def readable(error: BaseException) -> str:
    """Return the message of an error and that of its first cause, where vLLM keeps the reason."""
    cause = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    own, deepest = str(error) or type(error).__name__, str(cause)
    return own if deepest in own else f"{own.rstrip('.')}: {deepest}"


def _seed(seed: Any) -> int | None:
    """Return a seed that a generator takes: another value would fail in the worker, and with it the engine."""
    if seed is None or seed == -1:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise EngineRefusal(f"seed must be an int of 64 bits, not {seed!r:.80}")
    return seed


def _already_verified(*_: Any, **__: Any) -> None:
    """In the place of `SamplingParams.verify`."""


@dataclass(eq=False)
class Template:
    """Parameters that equal requests share."""

    params: Any  # without the request's own `seed` and `max_tokens`, of an answer that comes whole
    content: str | None  # a digest without the seed; `None` where a value has no text that tells it apart
    texts: Mapping[int, str] | None = None  # of an answer of one token: vLLM's decoder costs a third of such a request
    verified: bool = False  # the engine has taken a request with these: it need not parse the grammar again


class Templates:
    """The last templates in use."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Template] = OrderedDict()
        self._lock = threading.Lock()  # the feeder asks too

    def get(self, key: Hashable | None, make: Callable[[], Template]) -> Template:
        """Return the template of a key, or a new one; without a key it is for one request alone."""
        if key is None:
            return make()
        with self._lock:
            template = self._known.get(key)
            if template is None:
                template = self._known[key] = make()
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
            elif len(self._known) > _REMEMBERED // 2:
                self._known.move_to_end(key)
        return template


def key_of(*sets: Mapping[str, Any], **others: Hashable) -> Hashable | None:
    """Return a key of sets of parameters, without `seed` and `max_tokens`; `None` where they can't be compared."""
    key = (*map(_frozen, sets), *others.values())
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(named: Mapping[str, Any]) -> Hashable:
    if not isinstance(named, FixedParameters):
        return _compared(named)
    if (held := _shared.get(id(named))) is None:  # as the probes of all rows do
        if len(_shared) >= _MOST_SHARED:
            _shared.clear()
        held = _shared[id(named)] = named, _compared(named)  # which keeps its identity from being another's
    return held[1]


def _compared(named: Mapping[str, Any]) -> Hashable:
    names = sorted(name for name in named if name not in _OWN)
    return (*names, *_values([named[name] for name in names]))


def _values(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return values as such that can be compared, as long as they are plain or lists and dictionaries of such."""
    return tuple(
        value
        if value is None or value.__class__ in _PLAIN
        else tuple(value)
        if is_list(value)
        else tuple(value.items())
        if is_dict(value)
        else value
        for value in values
    )


def _content(values: Iterable[Any]) -> str | None:
    text = repr([int(value) if isinstance(value, float) and value.is_integer() else value for value in values])
    if " at 0x" in text:  # an object that is told by its address alone
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
