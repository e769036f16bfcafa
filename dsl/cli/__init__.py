"""The subcommands of `typefold` that work with a user's function: run, try, render, explain, and doctor.

    target       the function that a command names
    files        records out of files
    csv_records  records out of CSV
    where        the condition that chooses records
    output       files that appear when they are whole
    writing      records into files
    waiting      results that are there before their turn
    running      a function over the records of a file
    single       one call of a function: render, explain, try
    wires        a function on labelled rows in each wire
    doctor       what is installed here and whether it works
    printable    texts that a terminal shows and does not obey

What becomes of one record, `typefold.records` holds. Importing these loads neither an engine nor a user's module.
"""
