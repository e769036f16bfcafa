"""typefold's own.

Annotations of `str`, so that a value is a plain `str` for type checkers too: text that a regular expression matches as a
whole, text out of a list, and text by a grammar in the words of the engine's backend.
"""

from typing import Annotated

from typefold import Grammar, Matching, OneOf

cities = ["Oslo", "Rome", "Lima"]  # a list that is made at run time, of thousands perhaps

plate: Annotated[str, Matching(r"[A-Z]{3}-\d{4}")] = "ABC-1234"
city: Annotated[str, OneOf(cities)] = "Rome"
grammar: Annotated[str, Grammar('root ::= "yes" | "no"')] = "yes"
