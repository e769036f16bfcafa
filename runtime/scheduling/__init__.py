"""Continuous batching: requests are queued, admitted, deduplicated, run and recovered."""
