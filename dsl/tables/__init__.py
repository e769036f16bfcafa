"""Columns and rows of data frames, in and out."""
