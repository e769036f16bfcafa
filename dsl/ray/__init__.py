"""A function over the rows of a Ray Dataset: many engines, on one machine or on many.

    mapping   `map`: what is asked of Ray
    actor     what each actor does with a batch

Ray is imported when `map` is called; it comes with the extra `ray`. How many of what to ask for is in `docs/scale.md`.
"""

from typefold.ray.mapping import map

__all__ = ["map"]
