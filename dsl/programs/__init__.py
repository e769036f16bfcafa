"""Plain programs over many rows: `run`, votes, and functions called with records."""
