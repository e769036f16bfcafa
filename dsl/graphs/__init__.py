"""Rows and deferred values that wait for each other, worked out in one batch."""
