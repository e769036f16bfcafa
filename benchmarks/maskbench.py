"""JSON schemas of the wild as types: how many compile, whether the types admit too much or too little, and what masks cost.

    python -m benchmarks.maskbench --data FILE.xz [--sample N] [--from N --to N] [--jobs 2] [--masks N] [--json OUT]

The data are those of MaskBench (github.com/guidance-ai/jsonschemabench): a line a schema, each with instances that are marked
valid or invalid. Each schema is compiled by `type_of_schema` and `output_type` in a process with 20 seconds and 2 GiB.

- Under-constraint: every instance marked invalid must be refused, by the grammar or by a named check after decoding; and of 20
  texts sampled from the grammar, each that decodes must be valid by jsonschema, in the schema's draft.
- Over-constraint: every instance marked valid, read and written again by the type, must be admitted. Instances with keys that
  the schema does not list are counted apart, since objects are closed here.
- Masks (`--masks N`, every Nth schema): compile time, and the time of each mask over the vocabulary of the demo model on the way
  through the first valid instance, for typefold's grammar on both backends beside their own converters of JSON schemas.

`--json` writes counts and one record a schema; failures are printed by id. With `--append` a run adds to the records there.
"""

import argparse
import json
import lzma
import multiprocessing
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.tables import Rows, show
from typefold import demo_model
from typefold.compiler import DecodeError, OutputType, UnsupportedType, output_type, type_of_schema
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.sampler import sampler
from typefold.compiler.types.schemas import SchemaError

Record = dict[str, Any]

COMPILE_SECONDS, CHECK_SECONDS, MASK_SECONDS = 20.0, 120.0, 120.0
GIB = 2.0
SAMPLES = 20
ENGINES = ("typefold, xgrammar", "xgrammar's converter", "typefold, llguidance", "llguidance's converter")


def compiled(record: Record, schema: Any) -> OutputType[Any] | None:
    """The type of a schema, with its time or the reason of its refusal in the record."""
    started = time.perf_counter()
    try:
        kind = output_type(type_of_schema(schema))
        constraint = kind.constraint
        record |= {"outcome": "compiled", "bytes": len(str(constraint.spec)), "checks": len(kind.post_checks)}
    except (SchemaError, UnsupportedType) as error:
        record |= {"outcome": "refused", "reason": f"{type(error).__name__}: {error}"[:300]}
        return None
    except Exception as error:  # a bug, to be counted as such
        record |= {"outcome": "error", "reason": f"{type(error).__name__}: {error}"[:300]}
        return None
    finally:
        record["seconds"] = round(time.perf_counter() - started, 4)
    return kind


def checked(record: Record, kind: OutputType[Any], schema: Any, tests: list[Any]) -> None:
    """Count what the type admits and refuses of the instances and of its own samples."""
    drafts: Any = import_module("jsonschema.validators")
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for index, test in enumerate(tests):
        outcome, about = instance(kind, test["data"], marked_valid=test["valid"])
        counts[outcome] += 1
        if about:
            failures.append(f"{index} {outcome}: {about}"[:600])
    validator = drafts.validator_for(schema, default=drafts.Draft202012Validator)(schema)
    language = kind.constraint.language
    draw = None if language is None else sampler(language, random.Random(0))
    for _ in range(SAMPLES):
        outcome, about = sampled(kind, validator, "" if draw is None else draw())
        counts[outcome] += 1
        if about:
            failures.append(f"{outcome}: {about}"[:600])
    record |= {"counts": dict(counts), "failures": failures}


def instance(kind: OutputType[Any], data: Any, *, marked_valid: bool) -> tuple[str, str]:
    """The outcome of one instance, and the failure where it is one."""
    if kind.is_bare and not isinstance(data, str):  # its answers are read as strings, and as nothing else
        return (
            ("valid, refused", f"{data!r:.200} is no string")
            if marked_valid
            else ("invalid, refused by the grammar", "")
        )
    text = data if kind.is_bare else json.dumps(data, ensure_ascii=False)
    try:
        value = kind.decode(text)
        written = kind.encode(value)
        admitted = admits(kind, written)
    except (DecodeError, ValueError) as error:
        check = error.check if isinstance(error, DecodeError) else ""
        if marked_valid:
            if "additionalProperties" in check or "not listed" in str(error):
                return "valid, open", ""
            return "valid, refused", f"{text[:200]} {error}"
        named = any(check == each for each in kind.post_checks)
        if not named and admits(kind, text):
            return "invalid, refused by no named check", f"{text[:200]} {error}"
        return f"invalid, refused by {'a check' if named else 'the grammar'}", ""
    if marked_valid:
        return ("valid, admitted", "") if admitted else ("valid, refused", f"{written[:300]} is not admitted")
    return ("invalid, admitted", written[:300]) if admitted else ("invalid, refused by the grammar", "")


def admits(kind: OutputType[Any], text: str) -> bool:
    """Whether the grammar has the text."""
    language = kind.constraint.language
    return kind.constraint.kind == "text" or (language is not None and recognises(language, text))


def sampled(kind: OutputType[Any], validator: Any, text: str) -> tuple[str, str]:
    """The outcome of one text of the grammar."""
    try:
        kind.decode(text)
    except DecodeError as error:
        if error.check in (*kind.post_checks, *kind.reader_limits):
            return "sample, refused by a check", ""
        return "sample, refused by no named check", f"{text[:300]} {error}"
    data = text if kind.is_bare else json.loads(text)
    try:
        wrong: Any = next(validator.iter_errors(data), None)
    except AttributeError:  # jsonschema fails by itself, at references past a property that is named `id`
        return "sample, not judged", ""
    return ("sample, valid", "") if wrong is None else ("sample, invalid", f"{text[:300]} {wrong.message[:200]}")


class Masks:
    """Compile and mask times of the engines, in one thread over one vocabulary."""

    def __init__(self, model: str) -> None:
        xgrammar: Any = import_module("xgrammar")
        tokenizers: Any = import_module("transformers").AutoTokenizer
        guidance: Any = import_module("llguidance.hf")
        self.tokenizer: Any = tokenizers.from_pretrained(model)
        info = xgrammar.TokenizerInfo.from_huggingface(self.tokenizer)
        self.compiler: Any = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self.mask: Any = xgrammar.allocate_token_bitmask(1, info.vocab_size)
        self.guidance: Any = guidance.from_tokenizer(self.tokenizer)

    def measured(self, kind: OutputType[Any] | None, schema: Any, tests: list[Any], engine: str) -> Record:
        """The cost of one engine on the first valid instance, and whether it took the instance."""
        data = next((test["data"] for test in tests if test["valid"]), None)
        own, backend = engine.startswith("typefold"), "xgrammar" if "xgrammar" in engine else "llguidance"
        text = json.dumps(data, ensure_ascii=False)
        if own:
            if kind is None:
                return {"outcome": "refused"}
            try:
                text = kind.encode(kind.decode(str(data) if kind.is_bare else text))
            except (DecodeError, ValueError):
                data = None
        tokens: list[int] = [] if data is None else self.tokenizer.encode(text, add_special_tokens=False)
        started = time.perf_counter()
        try:
            start, advance, fill = getattr(self, f"_{backend}")(kind if own else None, schema)
        except Exception as error:  # an engine refuses by an exception of its own
            return {"outcome": "refused", "reason": f"{type(error).__name__}: {error}"[:200]}
        record: Record = {"outcome": "compiled", "seconds": time.perf_counter() - started, "took": data is not None}
        times: list[float] = []
        matcher = start()
        for token in [*tokens, None]:
            before = time.perf_counter()
            fill(matcher)
            times.append(round((time.perf_counter() - before) * 1e6, 1))
            if token is not None and not advance(matcher, token):
                record["took"] = False
                break
        return record | {"us": times}

    def _xgrammar(self, kind: OutputType[Any] | None, schema: Any) -> tuple[Callable[..., Any], ...]:
        xgrammar: Any = import_module("xgrammar")
        if kind is None:
            made = self.compiler.compile_json_schema(json.dumps(schema), any_whitespace=False, strict_mode=True)
        else:
            spec = kind.constraint.for_dialect("ebnf")
            text = spec if isinstance(spec, str) else f"root ::= {' | '.join(map(json.dumps, spec))}"
            made = self.compiler.compile_grammar(text)
        matchers: Any = xgrammar.GrammarMatcher
        return partial(matchers, made), matchers.accept_token, self._fill

    def _fill(self, matcher: Any) -> None:
        matcher.fill_next_token_bitmask(self.mask)

    def _llguidance(self, kind: OutputType[Any] | None, schema: Any) -> tuple[Callable[..., Any], ...]:
        llguidance: Any = import_module("llguidance")
        if kind is None:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        else:
            spec = kind.constraint.for_dialect("lark")
            if isinstance(spec, str):
                grammar = llguidance.grammar_from("grammar", spec)
            else:
                grammar = llguidance.grammar_from("regex", "|".join(map(re.escape, spec)))
        made = llguidance.LLMatcher(self.guidance, grammar, log_level=0)
        if made.is_error():
            raise ValueError(made.get_error())
        return lambda: made, made.__class__.consume_token, made.__class__.compute_bitmask


def work(pipe: Connection, model: str | None) -> None:
    """A worker: takes lines, and sends the record after each stage; the parent ends it where a stage takes too long."""
    masks: Masks | None = None
    if model is not None:
        masks = Masks(model)
        masks.measured(None, {"type": "string"}, [], ENGINES[1])
    pipe.send(("ready", {}))
    while (line := pipe.recv()) is not None:
        entry = json.loads(line)
        record: Record = {"id": entry["id"]}
        kind = compiled(record, entry["schema"])
        pipe.send(("compiled", record))
        if masks is not None:
            record["engines"] = {}
            for engine in ENGINES:
                record["engines"][engine] = {"outcome": "stopped"}
                pipe.send((engine, record))
                record["engines"][engine] = masks.measured(kind, entry["schema"], entry["tests"], engine)
        elif kind is not None:
            try:
                checked(record, kind, entry["schema"], entry["tests"])
            except Exception as error:  # as above
                record["stopped"] = f"{type(error).__name__}: {error}"[:300]
        pipe.send(("done", record))


@dataclass
class Worker:
    """A process, with the stage that it is in and since when."""

    model: str | None
    line: str | None = None
    record: Record = field(default_factory=dict[str, Any])
    stage: str = "start"
    since: float = 0.0

    def __post_init__(self) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=work, args=(theirs, self.model), daemon=True)
        self.process.start()
        theirs.close()
        self.since = time.monotonic()

    def give(self, line: str) -> None:
        self.line, self.record, self.stage, self.since = (
            line,
            {"id": json.loads(line)["id"]},
            "compile",
            time.monotonic(),
        )
        self.pipe.send(line)

    @property
    def limit(self) -> float:
        return {"compile": COMPILE_SECONDS, "compiled": CHECK_SECONDS}.get(self.stage, MASK_SECONDS)

    def ended(self) -> str | None:
        """The limit that the process went beyond, if it did."""
        if time.monotonic() - self.since > self.limit:
            return "timeout"
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return "died"
        return "memory" if pages * 4096 > (GIB + (1 if self.model else 0)) * 2**30 else None


def records(lines: list[str], jobs: int, model: str | None) -> Iterator[Record]:
    """The record of each line, in the order in which they end."""
    pending = list(reversed(lines))
    workers = [Worker(model) for _ in range(min(jobs, len(lines)))]
    left = len(lines)
    while left:
        for pipe in wait([worker.pipe for worker in workers], timeout=0.1):
            worker = next(each for each in workers if each.pipe is pipe)
            try:
                stage, record = worker.pipe.recv()
            except EOFError:
                continue
            worker.stage, worker.since = stage, time.monotonic()
            if stage != "ready":
                worker.record = record
            if stage == "done":
                left -= 1
                yield record
            if stage in ("done", "ready"):
                worker.stage = "idle"
                if pending:
                    worker.give(pending.pop())
        for index, worker in enumerate(workers):
            if worker.stage in ("idle", "start") or (why := worker.ended()) is None:
                continue
            worker.process.kill()
            worker.process.join()
            left -= 1
            yield worker.record | (
                {"outcome": why} if worker.stage == "compile" else {"stopped": f"{worker.stage}: {why}"}
            )
            workers[index] = Worker(model)
    for worker in workers:
        worker.process.kill()


def summary(found: list[Record]) -> dict[str, Rows]:
    """Tables of the records."""
    outcomes = Counter(record.get("outcome", "died") for record in found)
    counts: Counter[str] = Counter()
    schemas: Counter[str] = Counter()
    for record in found:
        counts.update(record.get("counts", {}))
        schemas.update(record.get("counts", {}).keys())
    reasons = Counter(reason_of(record) for record in found if record.get("outcome") == "refused")
    tables: dict[str, Rows] = {
        "schemas": [{"outcome": name, "schemas": count} for name, count in outcomes.most_common()],
        "why refused": [{"reason": reason, "schemas": count} for reason, count in reasons.most_common(25)]
        or [{"reason": "-"}],
    }
    if counts:
        tables["instances and samples"] = [
            {"outcome": name, "count": counts[name], "in schemas": schemas[name]} for name in sorted(counts)
        ]
    by_engine = {
        name: [record["engines"][name] for record in found if name in record.get("engines", {})] for name in ENGINES
    }
    if any(by_engine.values()):
        tables["masks"] = [mask_row(name, costs) for name, costs in by_engine.items()]
    return tables


def mask_row(engine: str, costs: list[Record]) -> Record:
    """A line of the table of masks."""
    ready = [cost for cost in costs if cost["outcome"] == "compiled"]
    compile_ms = sorted(cost["seconds"] * 1e3 for cost in ready)
    masks = sorted(us for cost in ready for us in cost["us"])
    row: Record = {
        "engine": engine,
        "schemas": len(costs),
        "compiled": len(ready),
        "took": sum(cost["took"] for cost in ready),
    }
    for name, values in (("compile ms", compile_ms), ("mask us", masks)):
        for quantile in (0.5, 0.99, 0.999):
            row[f"{name} p{quantile * 100:g}"] = (
                round(values[min(int(len(values) * quantile), len(values) - 1)], 1) if values else "-"
            )
    return row


def reason_of(record: Record) -> str:
    """The reason of a refusal without its place and names."""
    words = re.sub(r"'[^']*'|\"[^\"]*\"", "...", str(record.get("reason", "")))
    return re.sub(r"#\S*", "#", words)[:110]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="MaskBench's schemas, as JSON lines in xz")
    parser.add_argument("--sample", type=int, default=1, help="only every Nth schema")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--to", dest="last", type=int, default=None)
    parser.add_argument("--ids", default="", help="only these, with commas between")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--masks", action="store_true", help="measure the engines, in place of the instances")
    parser.add_argument("--append", action="store_true", help="go on with the records of --json")
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--seconds", type=float, default=None, help="stop after this time, to go on with --append")
    arguments = parser.parse_args()
    with lzma.open(arguments.data, "rt", encoding="utf-8") as file:
        lines = [str(line) for line in file][arguments.first : arguments.last][:: arguments.sample]
    known: list[Record] = []
    if arguments.append and arguments.json is not None and arguments.json.exists():
        known = json.loads(arguments.json.read_text())["records"]
    done, wanted = {record["id"] for record in known}, {name for name in str(arguments.ids).split(",") if name}
    pairs = [(json.loads(line)["id"], line) for line in lines]
    lines = [line for name, line in pairs if name not in done and (not wanted or name in wanted)]
    random.Random(0).shuffle(lines)  # a run that is stopped has seen some of each source
    model = str(demo_model()) if arguments.masks else None
    started = time.monotonic()
    for record in records(lines, arguments.jobs, model):
        known.append(record)
        for failure in record.get("failures", ()):
            print(record["id"], failure)
        if record.get("outcome") not in ("compiled", "refused") or "stopped" in record:
            print(record["id"], record.get("outcome"), record.get("reason", ""), record.get("stopped", ""))
        if arguments.seconds is not None and time.monotonic() - started > arguments.seconds:
            break
    tables = summary(known)
    show(tables, None)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"tables": tables, "records": known}))


if __name__ == "__main__":
    main()
