"""What takes long to load, kept for the next job of a process."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The last thing that was loaded, by what it was loaded from; it goes before another one comes, as there is rarely
    room for two.
    """

    def __init__(self) -> None:
        self._held: tuple[Hashable, T] | None = None

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        if self._held is None or self._held[0] != key:
            self._held = None
            self._held = key, load()
        return self._held[1]

    def clear(self) -> None:
        self._held = None
