"""Whether something is the very object that it was before: a live page keeps what it made of trials that are read once."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Same(Generic[T]):
    """Compares an object by identity, so that a cache can be asked for what was made of it. It must not be changed meanwhile."""

    __slots__ = ("object",)

    def __init__(self, object: T) -> None:
        self.object = object

    def __hash__(self) -> int:
        return id(self.object)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.object is self.object
