"""Optimization: prompts that improve, by a search over examples and instructions.

`optimize`, `optimized` and their like are names of `typefold` itself; those of their parts are here.
"""

from typefold.compiler.public import set_public_module
from typefold.optimization.optimized_prompts import OptimizedPrompts, StalePrompts, optimized
from typefold.optimization.optimizer import Optimization, OptimizeOptions, optimize
from typefold.optimization.proposals import Mistake
from typefold.optimization.search import Round
from typefold.prompts.definition import Instructions
from typefold.prompts.revision import Revision, StoredExample

__all__ = [
    "Instructions",
    "Mistake",
    "Optimization",
    "OptimizeOptions",
    "OptimizedPrompts",
    "Revision",
    "Round",
    "StalePrompts",
    "StoredExample",
    "optimize",
    "optimized",
]

set_public_module(__name__, [Instructions, Mistake, OptimizeOptions, Revision, Round, StoredExample])
