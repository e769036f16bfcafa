"""A grammar as data, and everything that works on one: matching, counting, sampling, printing for a backend."""
