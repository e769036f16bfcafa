"""What can be said of a prompt function from its source alone; the mypy plugin and `typefold check` both say it.

Nothing here runs the code that it looks at, and nothing imports mypy.
"""
