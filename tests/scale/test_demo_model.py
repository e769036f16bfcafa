"""Two actors with a real vLLM each, on this machine's CPU."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

import typefold.ray
from tests.scale import programs
from typefold import demo_model
from typefold.runtime.journal import Journal

pytestmark = [pytest.mark.engine, pytest.mark.prove]


def test_two_actors_answer_with_the_demo_model_and_a_second_job_answers_alike(cluster: None, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    data: Any = importlib.import_module("ray.data")
    dataset = data.from_items([{"id": n, "text": f"the number {n}"} for n in range(48)], override_num_blocks=6)

    def answers() -> dict[int, dict[str, Any]]:
        got = typefold.ray.map(
            dataset,
            programs.review.using(max_tokens=96),
            model=str(demo_model()),
            journal=tmp_path,
            concurrency=2,
            num_cpus=1,
            batch_size=8,
            batches=2,
            max_model_len=512,
            max_num_seqs=8,
            kv_cache_memory_bytes=256 << 20,
            enforce_eager=True,
        )
        return {row["id"]: row for row in got.take_all()}

    first = answers()
    assert first.keys() == set(range(48))
    values = [row["result"] for row in first.values() if row["result"] is not None]
    assert len(values) > 40
    assert all(programs.Review.model_validate(value) for value in values)
    files = sorted(tmp_path.glob("*.db"))
    held = 0
    for file in files:
        with Journal(file, read_only=True) as journal:
            assert journal.count() > 0, "both actors answered"
            held += journal.count()
    assert (len(files), held) == (2, 48)
    assert answers() == first
