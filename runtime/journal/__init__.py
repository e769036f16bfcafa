"""The journal: every finished request on disk, so that a program which runs again begins where it ended.

    canonical     a digest of a value that is the same in every process
    file_digests  what files hold, read once
    model         what tells models apart
    first_format  what told them apart in the first format
    keys          what a request is known by
    records       a finished request as a row of a table
    failures      requests that were turned away before a model was asked
    store         the file: opening and checking it, reading, writing
    lock          one process at a time, and no network filesystem
    folder        several files, one for each of several writers, of which every one answers from all
    recorder      between whoever submits requests and the scheduler that runs them

Nothing here knows prompt functions or Python types: it keeps texts, and decoding runs again when they are read.
"""

from typefold.compiler.public import set_public_module
from typefold.runtime.journal.canonical import digest
from typefold.runtime.journal.errors import JournalError, JournalInUse
from typefold.runtime.journal.folder import JournalFolder
from typefold.runtime.journal.keys import Numbers
from typefold.runtime.journal.model_identity import ModelIdentity, identity_of
from typefold.runtime.journal.recorder import Recorder
from typefold.runtime.journal.records import Record, Summary
from typefold.runtime.journal.store import Journal

__all__ = [
    "Journal",
    "JournalError",
    "JournalFolder",
    "JournalInUse",
    "ModelIdentity",
    "Numbers",
    "Record",
    "Recorder",
    "Summary",
    "digest",
    "identity_of",
]

set_public_module(__name__, [globals()[name] for name in __all__])
