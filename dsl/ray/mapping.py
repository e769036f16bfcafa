"""`typefold.ray.map`: the same function that `run` takes, over the rows of a Ray Dataset.

Mistakes are refused here, before Ray starts anything: parameters without a column, a return type without an Arrow
type, a function that can't go to another process. Nothing runs until the Dataset is read.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from typefold.errors import NoRuntime, PromptUsageError
from typefold.programs.record_function import Inputs, Target, arrow_form, target_of
from typefold.runtime import Engine
from typefold.runtimes.model_source import LLM
from typefold.signatures.parameters import name_of

if TYPE_CHECKING:
    from ray.data import Dataset

_Model: TypeAlias = str | Callable[[], LLM | Engine]


def map(
    dataset: Dataset,
    function: Callable[..., object],
    /,
    *,
    model: _Model | None = None,
    column: str = "result",
    key: str | None = None,
    journal: Path | str | None = None,
    journal_prompts: bool = True,
    concurrency: int | tuple[int, int] = 1,
    num_gpus: float | None = None,
    num_cpus: float | None = None,
    batch_size: int = 1024,
    batches: int = 4,
    restarts: int = 3,
    ray_remote_args: Mapping[str, object] | None = None,
    **options: object,
) -> Dataset:
    """Run a function for every row of a Dataset, in actors that hold an engine each.

    Columns go to the parameters of their names and are read as the parameters' types; a single parameter whose type has
    fields takes the whole row. Behind a row's own columns come three: the result, in the Arrow form of the return type
    (models are structs); `{column}_error`, the name of the error of a row that gave none (`Invalid`, `Truncated`,
    `BadRecord` for one that does not fit the parameters, ...); and `{column}_message`, what that says. A row that fails
    costs no other row anything. Like all of Ray Data this is lazy, and rows come as they are ready.

    Args:
        dataset: The rows.
        function: A prompt, or a program that calls prompts: as `run` takes it, with any number of parameters. `async def` too.
        model: A model's name or path, or a function of no arguments that makes a `vllm.LLM` or an engine, which each actor
            calls. By default TYPEFOLD_MODEL.
        column: The name of the result's column.
        key: The column that identifies rows in a journal; by default a row is known by its arguments.
        journal: A folder in which each actor keeps every finished request, in a file of its own. A job that runs again
            with it asks only for new and unfinished rows. It is a folder of each machine, on a local disk.
        journal_prompts: Whether the journal keeps prompts, to be read; answers are found without them.
        concurrency: The number of actors; or the least and the most, between which Ray chooses.
        num_gpus: GPUs for each actor: as many as `tensor_parallel_size`, or a part of one.
        num_cpus: CPUs for each actor, by which Ray places it; by default Ray's own.
        batch_size: Rows that an actor takes at a time. Larger blocks of the dataset are cut to so many rows, so that they
            can be shared out among the actors.
        batches: The number of these it works on at once, so that the end of one leaves no gap in the engine.
        restarts: The number of times an actor rebuilds its engine after a crash; see `Runtime`.
        ray_remote_args: Further options of `ray.remote` for the actors: `resources`, `runtime_env`, `max_restarts`, ...
        **options: Other options of `Runtime` and of `vllm.LLM`, for each actor.

    Returns:
        A Dataset of as many rows.

    Raises:
        PromptUsageError: The function or the options can't work with these rows.
        NoRuntime: No model has been named.

    Example:
        >>> import ray, typefold.ray
        >>> from typing import Literal
        >>> from typefold import ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def judge(text: str) -> Literal["keep", "drop"]:
        ...     return ask(f"Keep or drop? {text}")
        >>> rows = ray.data.from_items([{"id": 1, "text": "a"}, {"id": 2, "text": None}])
        >>> engine = lambda: ScriptedEngine(answers=lambda request: "keep")  # a model's name, otherwise
        >>> judged = typefold.ray.map(rows, judge, model=engine, concurrency=1, num_cpus=0.5)
        >>> sorted((row["id"], row["result"], row["result_error"]) for row in judged.take_all())
        [(1, 'keep', None), (2, None, 'BadRecord')]
    """
    from typefold.ray.actor import Actor, Work

    where = "typefold.ray.map"
    for name in ("seed", "ignore_journal"):
        if name in options:
            raise PromptUsageError(f"{where}: {name} can't be set here: {_REFUSED[name]}")
    if not hasattr(dataset, "map_batches"):
        raise PromptUsageError(
            f"{where}: rows come from a Ray Dataset (ray.data.from_items, ray.data.read_parquet, ...), not from a "
            f"{type(dataset).__name__}"
        )
    least, most = concurrency if isinstance(concurrency, tuple) else (concurrency, concurrency)
    counts: list[tuple[str, Any]] = [("batch_size", batch_size), ("batches", batches)]
    for name, number in [*counts, ("concurrency", least), ("concurrency", most)]:
        if not isinstance(number, int) or number < 1:
            raise PromptUsageError(f"{where}: {name} is a number of at least 1, not {number!r}")
    if least > most:
        raise PromptUsageError(f"{where}: concurrency is the least and the most, not {concurrency!r}")
    named = model or os.environ.get("TYPEFOLD_MODEL")
    if not named:
        raise NoRuntime
    try:
        target = target_of(function, name_of(function))
        kind, _ = arrow_form(target)
        _check(dataset, target, column, key)
    except PromptUsageError as error:
        raise PromptUsageError(f"{where}: {error}") from error
    work = Work(
        target=target,
        model=named,
        options={**options, "restarts": restarts},
        column=column,
        kind=kind,
        key=key,
        journal=None if journal is None else str(Path(journal).absolute()),
        journal_prompts=journal_prompts,
        batches=batches,
    )
    _check_travels(work)
    remote: dict[str, Any] = {**pool(least, most, batches), **(ray_remote_args or {})}
    map_batches: Callable[..., Dataset] = in_blocks(dataset, batch_size).map_batches
    return map_batches(
        Actor,
        fn_constructor_args=(work,),
        batch_format="pyarrow",
        batch_size=batch_size,
        num_gpus=num_gpus,
        num_cpus=num_cpus,
        **remote,
    )


def in_blocks(dataset: Any, rows: int) -> Any:  # Ray's own types are incomplete
    """The dataset in blocks of at most so many rows: Ray hands out whole blocks, and a large one keeps one actor alone busy."""
    from ray.data.dataset import MaterializedDataset

    # Ray puts small blocks together by itself; to cut any it needs a CPU that no actor holds.
    known: type[Any] = MaterializedDataset
    is_held = isinstance(dataset, known)
    if is_held and dataset.count() <= rows * dataset.num_blocks():
        return dataset
    return dataset.repartition(target_num_rows_per_block=rows)


def pool(least: int, most: int, batches: int) -> dict[str, Any]:
    """The actors, each with so many blocks at once.

    In a pool of a fixed size one more waits for each, since further ones are better had by another actor. A pool that may grow
    does so where many blocks wait for each actor, so that number is left to Ray.
    """
    from ray.data import ActorPoolStrategy

    if least == most:
        size: dict[str, Any] = {"size": least, "max_tasks_in_flight_per_actor": batches + 1}
    else:
        size = {"min_size": least, "max_size": most}
    if "max_concurrent_calls_per_actor" in inspect.signature(ActorPoolStrategy).parameters:
        return {"compute": ActorPoolStrategy(**size, max_concurrent_calls_per_actor=batches)}
    return {"compute": ActorPoolStrategy(**size), "max_concurrency": batches}  # as older versions have it


_REFUSED = {
    "seed": "a call's seed is made of its row's place in the job, which Ray does not keep; give the prompt a seed=, or keep "
    "a journal",
    "ignore_journal": "name a new folder for the journal, so that no actor answers from what another has yet to replace",
}


def _check(dataset: Dataset, target: Target, column: str, key: str | None) -> None:
    """Refuse columns that no row could fit, as far as they are known without reading any."""
    inputs = Inputs(target)
    schema = dataset.schema(fetch_if_missing=False)
    if schema is None:
        return
    columns = list(schema.names)
    held = f"the dataset has {', '.join(columns) or 'no columns'}"
    if missing := inputs.missing(columns):
        raise PromptUsageError(
            f"{target.name} needs {', '.join(missing)}, and {held}; rename or add a column, or give a function with a default"
        )
    if key is not None and key not in columns:
        raise PromptUsageError(f"there is no column {key!r} to know rows by; {held}")
    if taken := {column, f"{column}_error", f"{column}_message"} & set(columns):
        raise PromptUsageError(
            f"the dataset has a column {min(taken)} already; give the result another name: column=..."
        )


def _check_travels(work: object) -> None:
    dumps: Callable[[object], bytes] = import_module("ray.cloudpickle").dumps  # Ray's own has no types
    try:
        dumps(work)
    except Exception as error:
        raise PromptUsageError(
            f"typefold.ray.map: the function, its model or its options can't go to another process: {error}"
        ) from error
