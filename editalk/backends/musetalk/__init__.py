"""Lips by MuseTalk 1.5 (Zhang et al. 2024, arXiv 2410.10122; weights MIT): a lip pass after any temporal backend."""

from editalk.backends.musetalk.lips import MuseTalk

__all__ = ["MuseTalk"]
