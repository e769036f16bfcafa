"""A function over the rows of a Ray Dataset: many engines, on one machine or on many.

    mapping   `map`: the job as Ray runs it
    actor     an actor's work on a batch

Ray is imported when `map` is called; it comes with the extra `ray`. `docs/scale.md` tells how many actors and GPUs to ask for.
"""

from typefold.ray.mapping import map

__all__ = ["map"]
