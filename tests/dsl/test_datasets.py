"""Datasets of Hugging Face and of Lance, in and out."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from typefold import BadInput, PromptUsageError, Runtime, ask, prompt, run, to_frame
from typefold.runtime.engines.scripted import ScriptedEngine

datasets: Any = pytest.importorskip("datasets")
lance: Any = pytest.importorskip("lance")
arrow: Any = pytest.importorskip("pyarrow")


class Place(BaseModel):
    city: str
    code: int | None = None


class Review(BaseModel):
    text: str
    stars: int


@prompt(max_tokens=40)
def tag(text: str, stars: int = 3) -> str:
    return ask(f"{stars}: {text}")


@prompt(max_tokens=40)
def read(review: Review) -> str:
    return ask(f"{review.stars}: {review.text}")


def echo(request: Any) -> str:
    return str(request.prompt[-1].content)


@pytest.fixture(autouse=True)
def _runtime() -> Any:
    with Runtime(ScriptedEngine(answers=echo)):
        yield


ROWS = [
    {"id": 7, "text": "fine", "stars": 4},
    {"id": 8, "text": "bad", "stars": 1},
    {"id": 9, "text": "so so", "stars": 3},
]
SAID = ["4: fine", "1: bad", "3: so so"]


def test_rows_of_a_dataset_go_to_the_parameters_by_name() -> None:
    whole = datasets.Dataset.from_list(ROWS)
    assert tag.map_rows(whole) == read.map_rows(whole) == run.map_rows(tag, whole) == SAID
    assert tag.map_rows(whole.select([2, 0])) == [SAID[2], SAID[0]]
    assert tag.map_rows(whole.with_format("numpy")) == SAID  # a format of its own changes nothing
    assert tag.map_rows(whole.to_iterable_dataset()) == SAID
    assert tag.map_rows(datasets.concatenate_datasets([whole] * 500)) == SAID * 500
    with pytest.raises(PromptUsageError, match="no column text; it has words"):
        tag.map_rows(datasets.Dataset.from_dict({"words": ["x"]}))
    with pytest.raises(PromptUsageError, match=r"as in datasets\['train'\]"):
        tag.map_rows(datasets.DatasetDict(train=whole))


def test_a_column_of_a_dataset_is_a_column() -> None:
    part = datasets.Dataset.from_dict({"text": ["x", None]})
    good, bad = tag.safe.map(part["text"])
    assert good.unwrap() == "3: x"
    assert isinstance(bad.failure(), BadInput)
    assert "the column has no value here" in str(bad.failure())
    with pytest.raises(PromptUsageError, match="several columns"):
        tag.map(part)


def test_rows_of_lance_come_batch_by_batch(tmp_path: Path) -> None:
    written = lance.write_dataset(arrow.Table.from_pylist(ROWS), str(tmp_path / "in.lance"), max_rows_per_file=2)
    assert tag.map_rows(written) == SAID
    assert tag.map_rows(written.scanner(filter="stars > 2").to_reader()) == [SAID[0], SAID[2]]
    assert tag.map_rows(lance.dataset(str(tmp_path / "in.lance"))) == SAID


def test_values_become_a_dataset_and_a_lance_table(tmp_path: Path) -> None:
    values = [Place(city="Rome", code=1), Place(city="Nîmes")]
    made = to_frame(values, Place, to="datasets")
    assert isinstance(made, datasets.Dataset)
    assert made.to_list() == [{"city": "Rome", "code": 1}, {"city": "Nîmes", "code": None}]
    assert to_frame([], Place, to="datasets").column_names == ["city", "code"]
    results = tag.safe.map(datasets.Dataset.from_dict({"text": ["x", None]})["text"])
    assert to_frame(results, str, to="datasets")["error"][:] == [None, "BadInput"]
    beside = datasets.concatenate_datasets([datasets.Dataset.from_dict({"id": [1, 2]}), made], axis=1)
    assert beside.column_names == ["id", "city", "code"]
    lance.write_dataset(to_frame(values, Place), str(tmp_path / "out.lance"))
    assert lance.dataset(str(tmp_path / "out.lance")).to_table().to_pylist() == made.to_list()
    with pytest.raises(PromptUsageError, match="no form in datasets"):
        to_frame([{"a": 1}], dict[str, int], to="datasets")
    with pytest.raises(PromptUsageError, match="index= is for to='pandas'"):
        to_frame(values, Place, to="datasets", index=[1, 2])
