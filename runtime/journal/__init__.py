"""The journal: every finished request on disk, so that a program that runs again goes on where it ended.

Nothing here knows prompt functions or Python types: texts are kept, and decoded again when they are read.
"""

from typefold.compiler.public import set_public_module
from typefold.runtime.journal.canonical import digest
from typefold.runtime.journal.errors import JournalError, JournalInUse
from typefold.runtime.journal.model_identity import ModelIdentity, identity_of
from typefold.runtime.journal.records import Record, Summary
from typefold.runtime.journal.store import Journal, JournalFolder

__all__ = [
    "Journal",
    "JournalError",
    "JournalFolder",
    "JournalInUse",
    "ModelIdentity",
    "Record",
    "Summary",
    "digest",
    "identity_of",
]

set_public_module(__name__, [globals()[name] for name in __all__])
