"""Containers.

Lengths are in the grammar, up to the count named below under [long limits](#long-limits). Whether items are distinct is
not: equal items of a set and equal keys of a dictionary fall together, so a least length is checked after.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet, Sequence, Set
from typing import Annotated, Any, Literal

from pydantic import Field

words: list[str] = ["sea", "storm"]
sequence: Sequence[str] = ["sea", "storm"]
mutable_sequence: MutableSequence[str] = ["sea", "storm"]
queue: deque[str] = deque(["sea", "storm"])
several: tuple[str, ...] = ("sea", "storm")
numbers: list[int] = [1, 2, 3]
tags: Annotated[list[Annotated[str, Field(max_length=12)]], Field(min_length=1, max_length=3)] = ["sea", "storm"]
many: Annotated[list[bool], Field(max_length=5000)] = [True, False]
pair: tuple[str, bool] = ("Ada", True)
nothing: tuple[()] = ()
names: set[str] = {"Ada"}
frozen: frozenset[str] = frozenset({"Ada"})
abstract: Set[str] = frozenset({"Ada"})
mutable_set: MutableSet[str] = {"Ada"}
digits: Annotated[set[Literal[1, 2, 3]], Field(min_length=2, max_length=3)] = {1, 2}
ages: dict[str, float] = {"Ada": 36.5}
mapping: Mapping[str, float] = {"Ada": 36.5}
mutable_mapping: MutableMapping[str, float] = {"Ada": 36.5}
ordered: OrderedDict[str, float] = OrderedDict({"Ada": 36.5})
by_number: dict[int, str] = {1: "one"}
by_truth: dict[bool, str] = {True: "yes"}
by_measure: dict[float, str] = {0.5: "half"}
by_either: dict[int | Literal["all"], str] = {"all": "every one"}
by_choice: dict[Literal["north", "south"], float] = {"north": 0.5}
some: Annotated[dict[str, bool], Field(min_length=1, max_length=5)] = {"wet": True}
counter: Counter[str] = Counter({"a": 2})
with_default: defaultdict[str, list[str]] = defaultdict(list, {"a": ["b"]})
json: Any = {"a": [1, None]}
anything: object = {"a": [1, None]}
