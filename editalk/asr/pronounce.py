from __future__ import annotations
def pronounce(word: str) -> tuple[tuple[str, ...], ...]:
    return (("AH",),)
