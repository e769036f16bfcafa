"""Text.

A whole answer that is a `str` is bare text. A length or a pattern is in the grammar; where both are given, the pattern is,
and the length is checked after.
"""

from typing import Annotated, LiteralString

from pydantic import Field, StringConstraints

anything: str = "It rained."
title: Annotated[str, Field(max_length=40)] = "The Lighthouse"
motto: Annotated[str, StringConstraints(min_length=1, max_length=80)] = "Lux in tenebris"
page: Annotated[str, Field(max_length=2000)] = "It rained."
word: Annotated[str, Field(pattern=r"^[a-z]+$")] = "harbour"
short_word: Annotated[str, Field(pattern=r"^[a-z]+$", max_length=12)] = "harbour"
constant: LiteralString = "as str"
