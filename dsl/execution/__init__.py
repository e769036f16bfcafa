"""Calls on their way to a runtime and back: strategies, retries, streams, progress."""
