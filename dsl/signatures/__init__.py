"""Signatures and bodies of prompt functions, read and checked."""
