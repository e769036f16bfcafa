"""The laws of output types, put to generated types, to real engines' matchers, and to hooks that are broken on purpose."""
