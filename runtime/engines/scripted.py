"""A deterministic engine without a model, for tests of programs that call prompt functions.

It batches, ends and streams answers as vLLM does, but they are scripted, or drawn from the request's language. Invariants: a byte is
a token, so every count is exact. An answer depends on the request's content and the seed alone. Left out: sampling parameters other
than `max_tokens` and `logprobs` (their values are checked), a prefix cache, and constraints that only a real backend can read.
Log probabilities are made up: `_SURE` for the next byte of the scripted answer where the answers are few; else it is certain.
"""

from __future__ import annotations

import codecs
import hashlib
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from typefold.compiler import Constraint, Message, Vocabulary
from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.compiler.grammar.sampler import sample
from typefold.runtime.engine import Completion, Delta, EngineInfo, EngineRefusal, Thinking
from typefold.runtime.request import OTHERS, FinishReason, Outcome, Request, TokenLogprob
from typefold.runtime.sampling import unfit


class Cut(str):
    """A text behind which the engine stops for want of room, as at the token limit."""

    __slots__ = ()


Answer = str | FinishReason | Exception
Answers = Callable[[Request], Answer] | Mapping[str, Answer] | Iterable[Answer]

_END = 256  # the token that ends a text; those below are bytes
_SURE = 0.9
_FEW = 1000
_WORDS = "the a quiet old river keeps every small light near its stone bridge while rain turns slowly over green hills"


@dataclass(slots=True)
class _Sequence:
    key: str
    prompt_tokens: int
    answer: Answer
    max_tokens: int
    request: Request
    given: int = 0
    decoder: codecs.IncrementalDecoder | None = None  # for one that is streamed

    @property
    def due(self) -> int:
        """The tokens until it ends: its bytes and one to end the text, or as many as it may have."""
        if isinstance(self.answer, FinishReason | Exception):  # a finish reason is a str too
            return 1
        whole = len(self.answer.encode()) + (not isinstance(self.answer, Cut))
        return max(1, min(whole, self.max_tokens))

    def delta(self, before: int) -> str:
        """The text of its tokens since `before`; a character comes with its last byte."""
        if self.decoder is None or not isinstance(self.answer, str) or isinstance(self.answer, FinishReason):
            return ""
        return self.decoder.decode(self.answer.encode()[before : min(self.given, self.max_tokens)])


class ScriptedEngine:
    """An engine that answers from a script, or makes up texts that are valid under each request's constraint.

    Args:
        answers: The answers; by default texts are made up. A function of the request, a mapping from the content of
            the last message, or an iterable that is used up in the order in which requests are added. An answer is a
            text (a `Cut` to stop behind it), or a `FinishReason` to end with no text for that reason, an `EngineRefusal`
            to be refused with, or any other exception for the engine to break with once the request runs.
        seed: Gives other made-up texts.
        max_model_len: The most tokens (bytes) of a prompt and its answer together.
        max_num_seqs: The number of requests that run at once.
        tokens_per_step: The number of tokens that a step gives each of them.
        exotic: The share (0 to 1) of made-up characters that are any of their class, and not printable ASCII.
        step_seconds: The seconds that a step takes, for programs that watch the clock.
        fail_at_step: The step (the first is 1) in which the engine breaks.
        refuse: Asked about every request; a text that it gives is the reason for which that request is refused.
        thinking: The markers around the reasoning of a model that was made to think.
        model: A name for the model; by default the name of the class.
        vocabulary: Facts about the tokens, for token bounds; by default a token is a byte.
        chances: Asked about every request that returns log probabilities; a mapping that it gives has the probability of
            each text that the answer may be. The rest, if they add up to less than 1, is that of all other texts.

    Attributes:
        requests: The requests that were added, in order, for assertions on prompts.
        steps: The steps taken.
        closed: Whether the engine was closed.

    Example:
        >>> engine = ScriptedEngine(answers={"Say hello.": "Hello."})
        >>> request = Request(prompt="Say hello.")
        >>> engine.add("a", request, engine.tokenize(request), max_tokens=5)
        >>> while engine.has_unfinished:
        ...     done = engine.step()
        >>> done[0].outcome.text, done[0].outcome.finish_reason
        ('Hello', <FinishReason.LENGTH: 'length'>)
    """

    def __init__(
        self,
        answers: Answers | None = None,
        *,
        seed: int = 0,
        max_model_len: int = 8192,
        max_num_seqs: int = 256,
        tokens_per_step: int = 1,
        exotic: float = 0.05,
        step_seconds: float = 0.0,
        fail_at_step: int | None = None,
        refuse: Callable[[Request], str | None] | None = None,
        thinking: Thinking | None = None,
        model: str | None = None,
        vocabulary: Vocabulary | None = None,
        chances: Callable[[Request], Mapping[str, float] | None] | None = None,
    ) -> None:
        if max_model_len < 2 or max_num_seqs < 1 or tokens_per_step < 1:
            raise ValueError("max_model_len must be at least 2, max_num_seqs and tokens_per_step at least 1")
        self.requests: list[Request] = []
        self.steps = 0
        self.closed = False
        self._answer = self._make_up if answers is None else _script(answers)
        self._seed = seed
        self.info = EngineInfo(
            provider="scripted",
            model=type(self).__name__ if model is None else model,
            max_model_len=max_model_len,
            max_num_seqs=max_num_seqs,
            max_logprobs=_END + 1,
            vocabulary=vocabulary or Vocabulary(longest=1),
            thinking=thinking,
        )
        self._tokens_per_step = tokens_per_step
        self._exotic = exotic
        self._step_seconds = step_seconds
        self._fail_at_step = fail_at_step
        self._refuse = refuse
        self._chances = chances
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []
        self._deltas: list[Delta] = []

    @property
    def has_unfinished(self) -> bool:
        return bool(self._waiting or self._running)

    def tokenize(self, request: Request) -> Sequence[int]:
        """Return the bytes of the prompt, each message under a line that names its role."""
        return [*_render(request).encode(), *_begun(request)]

    def max_tokens(self, request: Request) -> int | None:
        limit = request.token_limit()
        if (reason := unfit("max_tokens", limit)) is not None:
            raise EngineRefusal(reason)
        return limit

    def identity(self, request: Request) -> str | None:
        """As with vLLM, a temperature of 0 or a seed settles an answer; but not one from a script that is used up."""
        if isinstance(self._answer, _UsedUp):
            return None
        if not request.is_deterministic():
            return None
        return repr((_sampling(request), request.sampling_params))  # a request's digest has its constraint

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        """Queue a request; its answer is settled here, so scripts are used up in this order."""
        if self.closed:
            raise RuntimeError("the scripted engine is closed")
        if len(token_ids) >= self.info.max_model_len:
            raise EngineRefusal(
                f"the prompt has {len(token_ids)} tokens, but max_model_len is {self.info.max_model_len}"
            )
        for name, value in request.sampling.items():  # as vLLM refuses them
            if (reason := unfit(name, value)) is not None:
                raise EngineRefusal(reason)
        if self._refuse is not None and (reason := self._refuse(request)) is not None:
            raise EngineRefusal(reason)
        answer = self._answer(request)
        if isinstance(answer, EngineRefusal):
            raise answer
        if request.probe and isinstance(answer, str) and not isinstance(answer, FinishReason):
            answer = _possible_answer(answer, request)
        limit = min(max_tokens, self.info.max_model_len - len(token_ids))
        self.requests.append(request)
        decoder = None if request.on_delta is None else codecs.getincrementaldecoder("utf-8")()
        self._waiting.append(_Sequence(key, len(token_ids), answer, limit, request, decoder=decoder))

    def step(self) -> Sequence[Completion]:
        """Let waiting requests in, give each running one its next tokens, and hand out those that ended."""
        self.steps += 1
        if self._step_seconds:
            time.sleep(self._step_seconds)
        if self.steps == self._fail_at_step:
            raise RuntimeError(f"the scripted engine was told to fail at step {self.steps}")
        while self._waiting and len(self._running) < self.info.max_num_seqs:
            self._running.append(self._waiting.popleft())
        done: list[Completion] = []
        for sequence in self._running:
            if isinstance(sequence.answer, Exception):
                raise sequence.answer
            before, sequence.given = sequence.given, sequence.given + self._tokens_per_step
            if text := sequence.delta(before):
                self._deltas.append(Delta(sequence.key, text))
            if sequence.given >= sequence.due:
                chances = None if self._chances is None else self._chances(sequence.request)
                done.append(Completion(sequence.key, _outcome(sequence, chances)))
        self._running = [sequence for sequence in self._running if sequence.given < sequence.due]
        return done

    def partial_text(self, key: str) -> str:
        for sequence in self._running:
            if (
                sequence.key == key
                and isinstance(sequence.answer, str)
                and not isinstance(sequence.answer, FinishReason)
            ):
                return sequence.answer.encode()[: min(sequence.given, sequence.max_tokens)].decode(errors="ignore")
        return ""

    def deltas(self) -> Sequence[Delta]:
        deltas, self._deltas = self._deltas, []
        return deltas

    def abort(self, keys: Iterable[str]) -> None:
        dropped = set(keys)
        self._waiting = deque(sequence for sequence in self._waiting if sequence.key not in dropped)
        self._running = [sequence for sequence in self._running if sequence.key not in dropped]

    def kill(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
        self._waiting.clear()
        self._running.clear()

    def _make_up(self, request: Request) -> str:
        rng = random.Random(f"{self._seed} {_fingerprint(request)}")
        constraint = request.constraint
        if constraint.language is not None:
            return sample(constraint.language, rng, exotic=self._exotic)
        if constraint.kind == "text":
            words = rng.choices(_WORDS.split(), k=rng.randint(3, 12))
            return " ".join(words).capitalize() + "."
        raise EngineRefusal(
            f"the scripted engine can't make up a text for a raw {constraint.kind} constraint; pass answers="
        )


def load(model: str, *, control_tokens: object = "keep", replica: object = (0, 1), **options: Any) -> ScriptedEngine:
    """Make a scripted engine in place of a model's, for the registry. Its prompts have no control tokens."""
    return ScriptedEngine(model=model, **options)


def _script(answers: Answers) -> Callable[[Request], Answer]:
    if callable(answers):
        return answers
    if isinstance(answers, Mapping):
        by_prompt = cast("Mapping[str, Answer]", answers)

        def look_up(request: Request) -> Answer:
            content = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
            return by_prompt.get(
                content, EngineRefusal(f"answers= has none for a prompt that ends in {content!r:.200}")
            )

        return look_up
    if isinstance(answers, str):
        raise TypeError(f"answers must be a function, a mapping or an iterable, not the text {answers!r:.60}")
    return _UsedUp(iter(answers))


@dataclass(frozen=True)
class _UsedUp:
    answers: Iterator[Answer]

    def __call__(self, request: Request) -> Answer:
        return next(self.answers, EngineRefusal("answers= is used up: more requests were added than it has answers"))


def _render(request: Request) -> str:
    if isinstance(request.prompt, str):
        return request.prompt
    turns = [f"<{message.role}>\n{message.shown}" for message in request.prompt]
    if not request.prompt or request.prompt[-1].role != "assistant":  # a last assistant message is continued
        turns.append("<assistant>\n")
    return "\n".join(turns)


def _fingerprint(request: Request) -> str:
    """Return a digest for made-up answers, which frozen journals hold: it keeps its own form, apart from `Request.digest`."""
    content = (
        _render(request),
        request.constraint.kind,
        request.constraint.spec,
        _sampling(request),
        sorted(request.chat_template_kwargs.items()),
        repr(request.sampling_params),
        *(each.image_digests for each in request.prompt if isinstance(each, Message) and each.images),
        *([repr(adapter)] if (adapter := request.options.get("lora_request")) is not None else []),
    )
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()


def _sampling(request: Request) -> list[tuple[str, object]]:
    """The single parameters; without a seed where nothing is drawn."""
    left_out = "seed" if request.asked("temperature") == 0 else None
    return sorted((name, value) for name, value in request.sampling.items() if name != left_out)


def _begun(request: Request) -> bytes:
    parts = (part.encode() if isinstance(part, str) else bytes([part]) for part in request.begun if part != _END)
    return b"".join(parts)


def _outcome(sequence: _Sequence, chances: Mapping[str, float] | None) -> Outcome:
    assert not isinstance(sequence.answer, Exception)
    token_ids: tuple[int, ...] = ()
    if isinstance(sequence.answer, FinishReason):
        text, reason = "", sequence.answer
    else:
        data = sequence.answer.encode()
        cut = isinstance(sequence.answer, Cut) or len(data) >= sequence.max_tokens
        reason = FinishReason.LENGTH if cut else FinishReason.STOP
        text = data[: sequence.max_tokens].decode(errors="ignore")  # a character that was cut in two is dropped
        token_ids = (*data, _END)[: sequence.due]
    return Outcome(
        text=text,
        finish_reason=reason,
        prompt_tokens=sequence.prompt_tokens,
        output_tokens=sequence.due,
        token_ids=token_ids,
        logprobs=_logprobs(sequence.request, token_ids, chances),
    )


def _possible_answer(answer: str, request: Request) -> str:
    """Return the rest of a scripted answer behind the `begun` one; any admitted one where that is not admitted."""
    begun, admitted = _begun(request), _all_answers(request.constraint)
    asked = request.begun[0] if request.begun else None
    if isinstance(asked, str):  # a field of an object, of which the answer may have all
        _, found, rest = answer.encode().partition(asked.encode().lstrip(b"{"))
        rest = rest.removeprefix(begun[len(asked.encode()) :]) if found else answer.encode()
        whole = [each for each in admitted if rest.startswith((each, each.removesuffix(b"}")))]
    else:
        rest = answer.encode().removeprefix(begun)
        whole = [each for each in admitted if rest.startswith(each)]
    if whole or not admitted:
        return max(whole, key=len, default=rest).decode()
    if not request.begun and "logit_bias" not in request.sampling:
        raise EngineRefusal(f"answers= gives {answer!r:.200}, which is none of the choices")
    return admitted[0].decode()


def _logprobs(
    request: Request, token_ids: Sequence[int], known: Mapping[str, float] | None
) -> tuple[tuple[TokenLogprob, ...], ...] | None:
    """Return for each token itself and the likeliest others, if the request asks for them."""
    count = request.asked("logprobs")
    if count is None:
        return None
    if known is not None:
        return (_step(request, token_ids[0], {text.encode(): chance for text, chance in known.items()}),)
    answers = _all_answers(request.constraint)
    rows: list[tuple[TokenLogprob, ...]] = []
    for place, token_id in enumerate(token_ids):
        before = bytes(token_ids[:place])
        open_ = [answer for answer in answers if answer.startswith(before)]
        others = sorted({answer[place] if len(answer) > place else _END for answer in open_} - {token_id})
        own = _SURE if others else 1.0
        chances = [(token_id, own), *((other, (1 - own) / len(others)) for other in others)]
        rows.append(tuple(_token(*chance) for chance in chances[: max(count, 1)]))
    return tuple(rows)


def _step(request: Request, token_id: int, known: Mapping[bytes, float]) -> tuple[TokenLogprob, ...]:
    """Return the tokens that begin an admitted text, and `OTHERS`, from the probabilities of texts."""
    begun = b"".join(bytes([part]) for part in request.begun if isinstance(part, int) and part != _END)
    mass = math.fsum(chance for text, chance in known.items() if text.startswith(begun)) if begun else 1.0
    chances: dict[int, float] = {}
    for answer in _all_answers(request.constraint):
        whole, first = begun + answer, answer[0] if answer else _END
        chances[first] = chances.get(first, 0.0) + known.get(whole, 0.0) / (mass or 1.0)
    outside = max(1.0 - math.fsum(chances.values()), 1e-12)
    likely = sorted(
        ((first, max(chance, 1e-12)) for first, chance in chances.items()), key=lambda each: each[0] != token_id
    )
    return (*(_token(*each) for each in likely), TokenLogprob(OTHERS, math.log(outside), b""))


def _all_answers(constraint: Constraint) -> tuple[bytes, ...]:
    """Return all answers that a constraint admits, where they are few; else none."""
    texts = None if constraint.language is None else enumerate_texts(constraint.language, _FEW)
    return tuple(text.encode() for text in texts or ())


def _token(token_id: int, probability: float) -> TokenLogprob:
    return TokenLogprob(token_id, math.log(probability), b"" if token_id == _END else bytes([token_id]))
