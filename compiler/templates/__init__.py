"""Docstring templates: parsed, checked and rendered."""
