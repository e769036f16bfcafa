"""The cost of grammars: forms of one language in xgrammar, typefold's own compiler, and every documented type.

    python -m benchmarks.grammar [--model PATH] [--tables own,forms,objects,types] [--json FILE]

Four tables. `own`: typefold's time to compile a model of 20 fields that it has not seen, vLLM not imported, and the size
of what it sends. `forms`: what each form of a construct costs in xgrammar; the first of each construct is the one that
the printer takes. `objects`: objects and arrays by typefold's grammar and by xgrammar's own converter of JSON schemas.
`types`: over all types of the catalogue behind `docs/types.md`, with the dearest by name, on xgrammar, and what llguidance
takes to compile each. The costs in xgrammar are those
of one thread over the vocabulary of the demo model; how they are taken is told in `benchmarks/grammar_forms.py`.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from benchmarks.grammar_forms import Bench, Cost, forms
from benchmarks.grammar_models import MODELS, Model, bounded_order, order
from benchmarks.tables import Rows, show
from typefold import demo_model
from typefold.compiler import Constraint, output_type
from typefold.compiler.grammar.lark import print_lark

Row = dict[str, Any]
WORST = 5


def own_cost(rounds: int = 60) -> Rows:
    """Processor time for fresh classes, the compiler's caches emptied before each; the first is that of this process."""
    assert "vllm" not in sys.modules
    rows: Rows = []
    for name, make in {"object of 20 fields": order, "with one string of at most 40": bounded_order}.items():
        hints = [make().hint for _ in range(rounds)]
        times: list[float] = []
        spec = lark = ""
        gc.collect()
        for hint in hints:
            forget()
            started = time.thread_time()
            spec = str(output_type(hint).constraint.spec)
            times.append((time.thread_time() - started) * 1e3)
            lark = str(output_type(hint).constraint.for_dialect("lark"))
        rows.append(
            {
                "type": name,
                "first ms": round(times[0], 1),
                "mean ms": round(statistics.mean(times[1:]), 1),
                "median ms": round(statistics.median(times[1:]), 1),
                "EBNF bytes": len(spec.encode()),
                "EBNF rules": spec.count("::="),
                "Lark bytes": len(lark.encode()),
            }
        )
    return rows


def forget() -> None:
    """Empty every cache of the compiler."""
    for name, module in list(sys.modules.items()):
        if name.startswith("typefold.compiler"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
    for name in ("_compiled", "_latest"):
        vars(sys.modules["typefold.compiler.output_type"])[name].clear()


def form_costs(bench: Bench) -> Rows:
    """The first table of forms."""
    return [
        row({"construct": form.construct, "form": form.name}, bench.cost(form.grammar, form.texts)) for form in forms()
    ]


def row(head: Row, cost: Cost) -> Row:
    """A line of a table."""
    return {**head, **cost.row()}


def object_costs(bench: Bench) -> Rows:
    """Each model by our grammar and by the JSON schema that pydantic gives it."""
    rows: Rows = []
    for make in MODELS:
        model: Model = make()
        constraint = output_type(model.hint).constraint
        rows.append(row({"object": model.name, "by": "typefold"}, bench.cost(grammar_of(constraint), model.texts)))
        schema = json.dumps(TypeAdapter(model.hint).json_schema())
        rows.append(row({"object": model.name, "by": "JSON schema"}, bench.schema_cost(schema, model.texts)))
    return rows


def grammar_of(constraint: Constraint) -> str:
    """The text that xgrammar gets; a list of choices as vLLM writes it."""
    spec = constraint.spec
    return spec if isinstance(spec, str) else f"root ::= {' | '.join(json.dumps(each) for each in spec)}"


def type_costs(bench: Bench) -> Rows:
    """All types of the catalogue, and the worst by each cost."""
    from tests.catalogue import ENTRIES

    costs: dict[str, Cost] = {}
    guidance: dict[str, float] = {}
    for entry in ENTRIES:
        kind = output_type(entry.hint)
        if kind.constraint.kind != "text":
            costs[entry.source] = bench.cost(grammar_of(kind.constraint), [kind.encode(entry.sample)])
        if (language := kind.constraint.language) is not None:
            started = time.process_time()
            text = print_lark(language)
            guidance[entry.source] = (time.process_time() - started) * 1e3 + bench.guidance_ms(text)
    orders: dict[str, Callable[[Cost], float]] = {
        "compile ms": lambda cost: cost.compile_ms,
        "mask mean us": lambda cost: cost.mask_mean_us,
        "mask max us": lambda cost: cost.mask_max_us,
    }
    tables = {name: {source: key(cost) for source, cost in costs.items()} for name, key in orders.items()}
    rows: Rows = []
    for name, by_source in (tables | {"llguidance: print and compile ms": guidance}).items():
        values = sorted(by_source.values())
        worst = sorted(by_source.items(), key=lambda item: item[1], reverse=True)[:WORST]
        rows.append(
            {
                "cost": name,
                "types": len(values),
                "mean": round(statistics.mean(values), 1),
                "median": round(statistics.median(values), 1),
                "worst": "\n".join(f"{cost:,.1f}  {source}" for source, cost in worst),
            }
        )
    return rows


TABLES = ("own", "forms", "objects", "types")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a path with a tokenizer; the demo model if left out")
    parser.add_argument("--tables", default=",".join(TABLES), help="which tables, with commas between")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    wanted = [name for name in TABLES if name in arguments.tables.split(",")]
    tables: dict[str, Rows] = {}
    bench: Bench | None = None
    for name in wanted:
        if name == "own":
            tables[name] = own_cost()
        else:
            bench = bench or Bench(arguments.model or demo_model())
            tables[name] = {"forms": form_costs, "objects": object_costs, "types": type_costs}[name](bench)
    show(tables, arguments.json)


if __name__ == "__main__":
    main()
