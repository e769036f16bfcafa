"""For tests of programs that call prompts: a fake engine with typed answers, and recordings of a real model's.

    answers     what a test says an answer is, as an engine gives it
    script      who gets which of them
    sent        what was sent, to be asserted on
    fake        the fake engine, of the fixture `typefold_engine`
    replay      a runtime that answers from a recording
    recordings  the files that recordings are kept in

The fixtures themselves are in a module of their own, `_typefold_pytest`, which pytest loads at its start. Nothing here
needs pytest. docs/testing.md shows how all of it is used.
"""

from typefold.compiler.public import set_public_module
from typefold.runtime.engine import EngineRefusal
from typefold.testing.answers import ScriptError, Text, truncated
from typefold.testing.fake import FakeEngine
from typefold.testing.replay import NotRecorded
from typefold.testing.sent import SentPrompt

__all__ = ["EngineRefusal", "FakeEngine", "NotRecorded", "ScriptError", "SentPrompt", "Text", "truncated"]

set_public_module(__name__, [globals()[name] for name in __all__])
