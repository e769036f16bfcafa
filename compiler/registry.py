"""How a type becomes a codec: hooks by class and hook factories by predicate, in a registry that users can add to.

An exact class is asked first, then the predicates, the newest first. A hook gets the type and a `Context`, which knows
where it is, what limits stand there, and how to go on with the parts. Found hooks are cached until the next
registration. The registry knows no type by itself; `typefold.compiler.types` fills the default one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, get_origin

from typefold.compiler.context import Hook

__all__ = ["Registry", "default_registry"]

Predicate: TypeAlias = Callable[[Any], bool]
H = TypeVar("H", bound=Hook)


class Registry:
    """Hooks for output types.

    Args:
        parent: A registry that is asked where this one has no hook.

    Example:
        >>> from typefold.compiler import Registry, Codec, default_registry, output_type
        >>> from typefold.compiler.grammar.json_strings import json_string
        >>> from typefold.compiler.grammar.nodes import choice
        >>> class Colour:
        ...     def __init__(self, name: str) -> None:
        ...         self.name = name
        >>> mine = Registry(parent=default_registry)
        >>> @mine.hook(Colour)
        ... def colour_codec(hint: type[Colour], context: Context) -> Codec[Colour]:
        ...     return Codec(
        ...         json_string(choice("red", "blue")),
        ...         {"enum": ["red", "blue"]},
        ...         to_json=lambda colour: colour.name,
        ...         from_json=Colour,
        ...         accepts=lambda value: isinstance(value, Colour),
        ...         native=False,
        ...     )
        >>> output_type(list[Colour], registry=mine).decode('["red"]')[0].name
        'red'
    """

    def __init__(self, parent: Registry | None = None) -> None:
        self._parent = parent
        self._exact: dict[Any, Hook] = {}
        self._factories: list[tuple[Predicate, Hook]] = []
        self._found: dict[Any, Hook | None] = {}
        self._version = 0

    @property
    def version(self) -> tuple[int, ...]:
        """Changes with each registration, here or in a parent."""
        return (self._version, *(self._parent.version if self._parent else ()))

    def hook(self, *classes: Any) -> Callable[[H], H]:
        """Register a function for exactly these classes (or origins of generic types, such as `list`)."""

        def register(hook: H) -> H:
            self._exact.update(dict.fromkeys(classes, hook))
            self._changed()
            return hook

        return register

    def hook_factory(self, predicate: Predicate) -> Callable[[H], H]:
        """Register a function for every type of which `predicate` holds; the newest is asked first."""

        def register(hook: H) -> H:
            self._factories.insert(0, (predicate, hook))
            self._changed()
            return hook

        return register

    def find(self, hint: Any) -> Hook | None:
        """The hook for a type, or `None`."""
        hint = type(None) if hint is None else hint
        try:
            key = (hint, self._parent.version if self._parent else ())
            if key not in self._found:
                self._found[key] = self._search(hint)
            return self._found[key]
        except TypeError:  # unhashable, as a Literal of a list is
            return self._search(hint)

    def _search(self, hint: Any) -> Hook | None:
        for key in (hint, get_origin(hint) or hint):
            try:
                if key in self._exact:
                    return self._exact[key]
            except TypeError:
                continue
        for predicate, hook in self._factories:
            if predicate(hint):
                return hook
        return self._parent.find(hint) if self._parent else None

    def _changed(self) -> None:
        self._found.clear()
        self._version += 1


default_registry = Registry()
"""The hooks that typefold ships; a hook added here holds everywhere."""
