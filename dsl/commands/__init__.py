"""The subcommands of `typefold` that work with a user's function: run, try, render, explain, and doctor.

    target    the function that a command names
    files     records out of files
    writing   records into files
    running   a function over the records of a file
    single    one call of a function: render, explain, try
    doctor    what is installed here and whether it works

What becomes of one record, `typefold.records` holds. Importing these loads neither an engine nor a user's module.
"""
