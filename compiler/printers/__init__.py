"""Printers: a language of the wire algebra as the text that a backend reads, one dialect a file."""
