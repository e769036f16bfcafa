"""The command line `typefold`. Importing this package loads neither an engine nor a user's module."""
