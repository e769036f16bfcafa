"""Registries of hooks, which make codecs for types: hooks by class, and hook factories by predicate.

A hook for the exact class comes first, then the predicates, the newest first. A hook gets the type and a `Context` with its
path and limits, and compiles parts through it. Found hooks are cached until the next registration. A new registry is
empty; `typefold.compiler.types` fills the default one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, get_origin

from typefold.compiler.context import Hook

Predicate: TypeAlias = Callable[[Any], bool]
H = TypeVar("H", bound=Hook)


class Registry:
    """Hooks for output types.

    Args:
        parent: The registry for types without a hook here, such as `default_registry`; `None` for no other.

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
        """A number that changes with each registration, here and in each parent."""
        return (self._version, *(self._parent.version if self._parent else ()))

    def hook(self, *classes: Any) -> Callable[[H], H]:
        """Register a hook for exact classes.

        Args:
            classes: Classes, or origins of generic types such as `list`; not their subclasses.

        Returns:
            A decorator, which returns the hook unchanged.
        """

        def register(hook: H) -> H:
            self._exact.update(dict.fromkeys(classes, hook))
            self._changed()
            return hook

        return register

    def hook_factory(self, predicate: Predicate) -> Callable[[H], H]:
        """Register a hook for all types that fulfil a predicate.

        Args:
            predicate: Called with a type that has no hook by its class. The newest predicate is called first.

        Returns:
            A decorator, which returns the hook unchanged.
        """

        def register(hook: H) -> H:
            self._factories.insert(0, (predicate, hook))
            self._changed()
            return hook

        return register

    def find(self, hint: Any) -> Hook | None:
        """Return the hook for the type `hint`, here or in a parent, or `None`."""
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
