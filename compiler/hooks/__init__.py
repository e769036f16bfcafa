"""The output types that typefold ships, registered in the default registry, a family a file.

Importing this package fills the registry. Within the predicates the newest is asked first, so the order of the imports
below goes from the general to the special.
"""

from typefold.compiler.hooks import aliases, choices, containers, models, records, scalars, strings, unions

__all__ = ["aliases", "choices", "containers", "models", "records", "scalars", "strings", "unions"]
