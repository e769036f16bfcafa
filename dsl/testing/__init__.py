"""Testing programs that call prompts: a fake engine with typed answers, and recordings of a real model's.

The fixtures are in a package of their own, `_typefold_pytest`, which pytest loads at its start; nothing here needs pytest.
docs/testing.md shows how to use all of it.
"""

from typefold.compiler.public import set_public_module
from typefold.runtime.engine import EngineRefusal
from typefold.testing.answers import ScriptError, Text, truncated
from typefold.testing.fake import FakeEngine
from typefold.testing.replay import NotRecorded
from typefold.testing.sent import SentPrompt

__all__ = ["EngineRefusal", "FakeEngine", "NotRecorded", "ScriptError", "SentPrompt", "Text", "truncated"]

set_public_module(__name__, [globals()[name] for name in __all__])
