"""What the mark says: four bytes of the source's hash, as a Reed–Solomon code word of one symbol a byte."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from editalk.errors import DeviceError
from editalk.watermark.pattern import SYMBOLS

BYTES = 4
ERASED = 2  # symbols that may be unreadable: the rest still has two symbols that prove it right


def check_extra() -> None:
    """Raises DeviceError where the extra is not installed."""
    if find_spec("reedsolo") is None:
        raise DeviceError("watermarks need the package reedsolo: pip install 'editalk[watermark]'")


def payload_of(sha256: str) -> bytes:
    """The payload of what is made from a source: the first `BYTES` bytes of its file's SHA-256, given in hex."""
    return bytes.fromhex(sha256[: 2 * BYTES])


def encoded(payload: bytes) -> bytes:
    """`SYMBOLS` symbols."""
    from reedsolo import RSCodec  # type: ignore[import-untyped]

    return bytes(RSCodec(SYMBOLS - BYTES).encode(payload))


def decoded(symbols: bytes, erased: Sequence[int]) -> bytes | None:
    """The payload; None where too many symbols are wrong, or more than `ERASED` of them unreadable."""
    from reedsolo import ReedSolomonError, RSCodec

    if len(erased) > ERASED:
        return None
    try:
        return bytes(RSCodec(SYMBOLS - BYTES).decode(symbols, erase_pos=list(erased))[0])
    except ReedSolomonError:
        return None
