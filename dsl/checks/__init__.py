"""Checks of prompt functions from their source alone, for the mypy plugin and `typefold check`.

Nothing here runs the code that it looks at, and nothing imports mypy. The rules (`rules_*`) yield findings; a driver gives
them a file with names (`Names`), the types of template values (`Kind`), and reports the findings in its own way.
"""
