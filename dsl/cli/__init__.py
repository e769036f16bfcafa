"""The command line `typefold`.

    app             the subcommands: arguments, help, exit codes
    run_command     a function over the records of a file
    single_call     one call of a function: render, explain, try
    journal_command a journal, read, exported and pruned
    doctor          installed packages, and whether an answer comes
    target          the function that a command names
    input_records   records out of JSON lines, CSV and Parquet
    where           the condition that chooses records
    output          files that appear when they are whole, and standard output
    output_records  records into JSON lines and Parquet
    reordering      results that wait for their turn

Importing this package loads neither an engine nor a user's module.
"""
