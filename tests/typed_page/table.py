"""The part of `docs/typing.md` that is made from the typed page.

A table of the mistakes that each checker finds, and the causes of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.typed_page.checkers import CHECKERS, Checker
from tests.typed_page.known import IN_STRINGS, KNOWN
from tests.typed_page.marks import Compared, Page

__all__ = ["table"]


def table(page: Page, compared: Mapping[str, Compared]) -> str:
    """Make the table and the list below it.

    Args:
        page: The typed page.
        compared: Its marks beside the reports of each checker.
    """
    names = [each.name for each in CHECKERS]
    rows = [["mistakes", "planted", *(f"{each.name} {each.version}" for each in CHECKERS)]]
    rows.append(["---", *("---:" for _ in rows[0][1:])])
    kinds, all_found = page.kinds, 0
    for kind in sorted(kinds, key=IN_STRINGS.__contains__):
        counts = [_count(each, kind, len(compared[each.name].found.intersection(kinds[kind]))) for each in CHECKERS]
        seeing = [each.looks_at(in_strings=kind in IN_STRINGS) for each in CHECKERS]
        planted = str(len(kinds[kind]))
        if all(count == planted for count, sees in zip(counts, seeing, strict=True) if sees):
            all_found += 1
        else:
            rows.append([kind, planted, *counts])
    rows.append(
        ["of those that it can see", str(len(page.mistakes)), *(_share(each, page, compared) for each in CHECKERS)]
    )
    rows.append(["false alarms", "", *(str(len(compared[name].alarms)) for name in names)])
    made = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    rest = f"Of {all_found} other kinds, from arguments of calls to streams, each checker that can see them finds all."
    return "\n\n".join([made, rest, *_causes()]) + "\n"


def _share(checker: Checker, page: Page, compared: Mapping[str, Compared]) -> str:
    seen = [each for each in page.mistakes if checker.looks_at(in_strings=each.kind in IN_STRINGS)]
    return f"{len(compared[checker.name].found.intersection(seen))} of {len(seen)}"


def _count(checker: Checker, kind: str, found: int) -> str:
    """A cell; a dash where a checker can't see such mistakes, and finds none by chance."""
    return str(found) if found or checker.looks_at(in_strings=kind in IN_STRINGS) else "-"


def _causes() -> Iterator[str]:
    if KNOWN:
        yield "The rest, by its cause:"
        yield "\n".join(f"- {', '.join(each.checkers)}: {each.why} {_what(each.missed, each.alarms)}" for each in KNOWN)


def _what(missed: tuple[str, ...], alarms: tuple[str, ...]) -> str:
    parts = [f"{len(missed)} missed"] if missed else []
    parts += [f"{len(alarms)} false"] if alarms else []
    return f"{' and '.join(parts)}."
