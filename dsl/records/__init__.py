"""A function over records, whoever has them: files of the command line, and rows of a Ray Dataset.

    target    the function, and what it takes and returns
    inputs    a record as the function's arguments
    calling   the function called for rows; what its results are in Arrow

What can't work with any record is a `PromptUsageError`. Left out: where records come from and where results go.
"""
