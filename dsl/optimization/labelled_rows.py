"""Labelled rows of a search: checked, and parted so that nothing is evaluated on what it was tuned on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typefold.errors import PromptUsageError
from typefold.evaluation.grading import Case, check_function, check_labels
from typefold.prompts.base_prompt import spec_if_prompt
from typefold.runtime.journal import digest
from typefold.signatures.parameters import name_of
from typefold.tables.columns import refuse_no_rows

_NAMED = 5  # rows in a message


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A call with its right answer; `input` is the call as reports show it."""

    input: Any
    expected: Any
    args: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] | None = None

    @property
    def key(self) -> object:
        """The call by its content, or by itself where its content can't be told."""
        return digest((self.args, self.keywords)) or id(self.input)


def labelled_rows(function: Callable[..., Any], cases: Iterable[Any], *, name: str, spread: bool) -> list[LabelledRow]:
    """Return cases as rows.

    Raises PromptUsageError where one has no label, or none that the function could return, and TypeError for arguments that are
    none of a prompt's.
    """
    rows: list[LabelledRow] = []
    check_function(function, "optimize")
    where = f"optimize({name_of(function)})"
    refuse_no_rows(cases, "optimize")
    for number, case in enumerate(cases):
        if not _is(case, Case):
            raise PromptUsageError(
                f"{where}: {name} takes Case(input, expected)s, and row {number} is {type(case).__name__}"
            )
        if spread and not _is(case.input, tuple):
            raise PromptUsageError(f"{where}: row {number} of {name} is no tuple of arguments: {case.input!r:.80}")
        rows.append(LabelledRow(case.input, case.expected, case.input if spread else (case.input,)))
    if not rows:
        raise PromptUsageError(f"{where}: {name} has no rows")
    if (spec := spec_if_prompt(function)) is not None:
        spec.bind(rows[0].args, {})
    check_labels([row.expected for row in rows], function)
    return rows


def _is(value: object, kind: type[Any]) -> bool:
    return isinstance(value, kind)


def parted(
    rows: Sequence[LabelledRow], share: float, draw: random.Random
) -> tuple[list[LabelledRow], list[LabelledRow]]:
    """Return rows in two parts by chance, the first of about a share of them; equal calls are in one part."""
    groups: dict[object, list[LabelledRow]] = {}
    for row in rows:
        groups.setdefault(row.key, []).append(row)
    every = list(groups.values())
    draw.shuffle(every)
    first: list[LabelledRow] = []
    rest: list[LabelledRow] = []
    for group in every:
        (first if len(first) < share * len(rows) else rest).extend(group)
    return first, rest


def refuse_overlap(train: Sequence[LabelledRow], validation: Sequence[LabelledRow], *, where: str) -> None:
    """Refuse rows for validation that are among those for training. Raises PromptUsageError."""
    known = {row.key for row in train}
    if both := [number for number, row in enumerate(validation) if row.key in known]:
        shown = ", ".join(map(str, both[:_NAMED]))
        raise PromptUsageError(
            f"{where}: {len(both):,} of {len(validation):,} rows of validation are in train too (rows {shown}"
            f"{', ...' if len(both) > _NAMED else ''}): what is tuned on a row can't be evaluated on it. Leave them out of one"
        )
