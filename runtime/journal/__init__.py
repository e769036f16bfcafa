"""The journal: every finished request on disk, so that a program that runs again goes on where it ended.

    errors          errors of a journal, with remedies
    canonical       digests of values, the same in every process
    model_identity  the name and digest of a model, from its files and options
    keys            the keys of requests
    records         finished requests as rows of a table
    file_format     the tables, and the formats that are read
    lock            one writing process at a time, and no network filesystem
    store           a journal: writing, finding and reading requests
    folder          the journal of several writers: a file for each
    failures        requests that were refused before a model was asked
    recorder        answers requests from the journal, and writes the others

Nothing here knows prompt functions or Python types: texts are kept, and decoded again when they are read.
"""

from typefold.compiler.public import set_public_module
from typefold.runtime.journal.canonical import digest
from typefold.runtime.journal.errors import JournalError, JournalInUse
from typefold.runtime.journal.folder import JournalFolder
from typefold.runtime.journal.model_identity import ModelIdentity, identity_of
from typefold.runtime.journal.records import Record, Summary
from typefold.runtime.journal.store import Journal

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
