"""Jobs of `typefold run`: the rows that fail, to be mended and run again, and the state of a job while it runs."""
