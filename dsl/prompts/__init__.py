"""Prompt functions: `@prompt`, definitions, samples and tools."""
