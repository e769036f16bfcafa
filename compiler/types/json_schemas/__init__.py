"""JSON schemas as types: a schema taken apart, and its codecs."""
