"""The mark found in a video, whatever encoded it since.

What is left of a picture after its neighbourhood is taken away is folded onto one tile, for the whole picture and for
parts of it, and compared with the tile's phases. Were the footage any other, the phases would be as good as drawn by
lot: a sum of cosines of random angles exceeds z of its standard deviations with a probability below exp(−z²/2),
whatever the footage. That bound, times the number of comparisons, is the probability that is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from numpy.typing import NDArray

from editalk.errors import MediaError
from editalk.media.container import describe, opened
from editalk.media.image import luma
from editalk.timebase import TimeRange
from editalk.watermark.pattern import BAND, STEP, SYMBOLS, TILE, Floats, grid_size, spectrum, tile
from editalk.watermark.payload import check_extra, decoded

LIKELY = 1e-6  # probability of a false alarm below which a stretch counts as marked
CELL = 0.5  # seconds: what is looked at where no spans are given, alone and in stretches of
STRETCHES = (1, 2, 8)  # cells
BLOCK = TILE // 2  # grid points; parts of the picture are squares of
PARTS = (2, 4)  # blocks a side
CLEAR = 3.3  # standard deviations above which a symbol is read
SCALES = np.exp(np.arange(np.log(0.55), np.log(1.3), 0.004))  # short sides against the original's, tried in a search
TURNS = [(turns, mirrored) for mirrored in (False, True) for turns in range(4)]

Spectra = NDArray[np.complex64]


@dataclass(frozen=True)
class Detection:
    """A stretch of a video, seconds. `probability`: at most that of such a finding where there is no mark.
    `payload`: None: not readable, or not there, see `Embedder`.
    """

    span: TimeRange
    probability: float
    payload: bytes | None = None

    @property
    def marked(self) -> bool:
        return self.probability < LIKELY


def detect(path: Path, spans: Sequence[TimeRange] | None = None, search: bool = False) -> tuple[Detection, ...]:
    """Each span of a video, seconds from its first picture, with what was found in it; without spans the shortest
    stretches that are marked. The file need not have sound.

    `search`: also where the picture was cropped or padded since, which takes seconds a stretch.
    Raises MediaError for what cannot be decoded, DeviceError without the extra.
    """
    check_extra()
    if spans is None:
        return tuple(_stretches(_pictures(path), search))
    sums = [_Sum() for _ in spans]
    for at, picture in _pictures(path, spans):
        for span, total in zip(spans, sums, strict=True):
            if span.start <= at < span.end:
                total.add(picture)
    return tuple(
        replace(_look(total.mean, search), span=span) if total.count else Detection(span, 1.0)
        for span, total in zip(spans, sums, strict=True)
    )


class _Sum:
    """Grid pictures added up: what stands still grows against what moves, and the mark stands still."""

    def __init__(self) -> None:
        self.count, self._total = 0, np.zeros(0, np.float32)

    def add(self, picture: Floats, count: int = 1) -> None:
        """A picture, or the mean of `count`; one of another size than the first's is left out."""
        if not self.count:
            self._total = count * picture
        elif picture.shape == self._total.shape:
            self._total = self._total + count * picture
        else:
            return
        self.count += count

    @property
    def mean(self) -> Floats:
        return np.asarray(self._total / self.count, np.float32)


def _pictures(path: Path, spans: Sequence[TimeRange] | None = None) -> Iterator[tuple[float, Floats]]:
    """Seconds from the first picture on, and the lumas on the grid; of `spans` alone, where there are some."""
    last = max((span.end for span in spans), default=0.0) if spans is not None else np.inf
    with opened(path) as container:
        stream = next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)
        if stream is None:
            raise MediaError(f"{path} has no picture; name a video")
        stream.thread_type = "AUTO"
        aspect = float(stream.sample_aspect_ratio or 1)
        first: float | None = None
        try:
            for frame in container.decode(stream):
                if frame.pts is None:
                    continue
                first = frame.time if first is None else first
                at = frame.time - first
                if at >= last:
                    return
                if spans is None or any(span.start <= at < span.end for span in spans):
                    yield at, on_grid(luma(frame), aspect)
        except FFmpegError as error:
            raise MediaError(f"{path}: its picture cannot be decoded ({describe(error)})") from error


def _stretches(pictures: Iterator[tuple[float, Floats]], search: bool) -> Iterator[Detection]:
    """The marked stretches in order, from cells of CELL seconds."""
    longest = max(STRETCHES)
    for group, timed in groupby(pictures, lambda row: int(row[0] // (CELL * longest))):
        sums = [_Sum() for _ in range(longest)]
        end = 0.0
        for at, picture in timed:
            sums[min(int(at // CELL) - longest * group, longest - 1)].add(picture)
            end = at
        yield from _marked(longest * group, sums, end, search)


def _marked(first: int, sums: Sequence[_Sum], last: float, search: bool) -> Iterator[Detection]:
    """The marked stretches of a group of cells that begins with cell `first`, its last picture shown at `last`; a
    longer stretch only where none within it is.
    """
    seen: dict[int, Detection] = {}
    covered: set[int] = set()
    for count in STRETCHES:
        for begin in range(0, len(sums), count):
            within = [k for k in range(begin, begin + count) if sums[k].count]
            if len(within) <= count // 2 or covered & set(within):
                continue
            total = _Sum()
            for k in within:
                total.add(sums[k].mean, sums[k].count)
            made = _look(total.mean, search and count == len(sums))
            if made.marked:
                covered.update(within)
                end = min(CELL * (first + within[-1] + 1), max(last, CELL * (first + begin)))
                seen[begin] = replace(made, span=TimeRange(CELL * (first + begin), end))
    yield from (seen[begin] for begin in sorted(seen))


def on_grid(picture: NDArray[np.uint8], aspect: float) -> Floats:
    """[rows, columns] a luma [h, w] on the grid, its pixels `aspect` times as wide as high."""
    import cv2

    h, w = picture.shape
    columns, rows = (round(n) for n in grid_size(w, h, aspect))
    way = cv2.INTER_AREA if h >= rows else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (columns, rows), interpolation=way), np.float32)


def residual(picture: Floats) -> Floats:
    """[rows, columns] what the pattern's periods hold of a grid picture, everywhere about as strong, edges cut off."""
    import cv2

    band = cv2.GaussianBlur(picture, (0, 0), 0.75) - cv2.GaussianBlur(picture, (0, 0), 2.8)
    level = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 8.0) + 0.05)
    return np.asarray(np.clip(band / level, -2.5, 2.5), np.float32)


def _look(picture: Floats, search: bool) -> Detection:
    """What is found in an average of grid pictures; the span is to be set."""
    left = residual(picture)
    folded = parts(left)
    scores = _scores(_spectra(folded), turned(*left.shape))
    part, turn = np.unravel_index(int(scores.argmax()), scores.shape)
    found = Detection(_NOWHERE, probability(float(scores[part, turn]), scores.size))
    if found.marked:
        turns, mirrored = TURNS[turn]
        upright = np.rot90(left, -turns)
        upright = upright[:, ::-1] if mirrored else upright
        return replace(found, payload=_payload(_whole(upright)))
    return _searched(left, found) if search else found


_NOWHERE = TimeRange(0.0, 0.0)


def _searched(left: Floats, found: Detection) -> Detection:
    """The same for a picture of which a part was cut off or added, upright."""
    import cv2
    import scipy.fft

    best, place, tried = 0.0, (_whole(left), 0, 0), 0
    for scale in SCALES:
        rows, columns = (round(n * scale) for n in left.shape)
        smaller = cv2.resize(left, (columns, rows), interpolation=cv2.INTER_AREA)
        folded = parts(np.asarray(smaller, np.float32), (4,))
        spectra = _spectra(folded)
        crossed = np.zeros((len(folded), *BAND.shape), np.complex64)
        crossed[:, BAND] = spectra * np.conj(spectrum("presence")[BAND])
        scores = scipy.fft.irfft2(crossed, (TILE, TILE)) * (TILE * TILE / 2) / _deviation(spectra)[:, None, None]
        tried += scores.size
        if scores.max() > best:
            best = float(scores.max())
            part, y, x = (int(n) for n in np.unravel_index(int(scores.argmax()), scores.shape))
            place = folded[part], y, x
    chance = probability(best, tried)
    if chance >= found.probability:
        return found
    shifted, y, x = place
    return Detection(_NOWHERE, chance, _payload(np.roll(shifted, (-y, -x), (0, 1))) if chance < LIKELY else None)


def probability(score: float, tried: int) -> float:
    """At most that of a best score as great among `tried` ones where there is no mark."""
    return float(min(1.0, tried * np.exp(-(max(score, 0.0) ** 2) / 2)))


def parts(left: Floats, sides: Sequence[int] = PARTS) -> Floats:
    """[n, TILE, TILE] a grid picture folded onto the tile: all of it, then squares of so many blocks a side."""
    rows, columns = (-(-n // BLOCK) for n in left.shape)
    padded = np.zeros((rows * BLOCK, columns * BLOCK), np.float32)
    padded[: left.shape[0], : left.shape[1]] = left
    blocks = padded.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    made = [_whole(left)]
    for side in sides:
        for y in range(0, rows - side + 1, side // 2):
            for x in range(0, columns - side + 1, side // 2):
                folded = np.zeros((2, BLOCK, 2, BLOCK), np.float32)
                for dy in range(2):
                    for dx in range(2):
                        own = blocks[y + (y + dy) % 2 : y + side : 2, x + (x + dx) % 2 : x + side : 2]
                        folded[dy, :, dx] = own.sum(axis=(0, 1))
                made.append(folded.reshape(TILE, TILE))
    return np.stack(made)


def _whole(left: Floats) -> Floats:
    rows, columns = (-(-n // TILE) for n in left.shape)
    padded = np.zeros((rows * TILE, columns * TILE), np.float32)
    padded[: left.shape[0], : left.shape[1]] = left
    return np.asarray(padded.reshape(rows, TILE, columns, TILE).sum(axis=(0, 2)), np.float32)


def _spectra(folded: Floats) -> Spectra:
    """[n, frequencies of BAND] of tiles, strong ones held back: they are the footage's."""
    import scipy.fft

    made = scipy.fft.rfft2(folded)[:, BAND]
    size = np.abs(made)
    floor = 0.05 * np.sqrt((size**2).mean(axis=1, keepdims=True)) + 1e-6
    return np.asarray(made / np.sqrt(np.maximum(size, floor)), np.complex64)


def _deviation(spectra: Spectra) -> Floats:
    """[n] of a score before it is divided by it, were the phases random; in sums over `BAND` of unit phases."""
    scale = float(np.abs(spectrum("presence")[BAND][0]))
    return np.asarray(scale * np.sqrt((np.abs(spectra) ** 2).sum(axis=1) / 2) + 1e-9, np.float32)


def _scores(spectra: Spectra, references: Spectra) -> Floats:
    """[n, references] how well they fit, in standard deviations."""
    return np.asarray((spectra @ np.conj(references).T).real / _deviation(spectra)[:, None], np.float32)


@lru_cache
def turned(rows: int, columns: int) -> Spectra:
    """[TURNS, frequencies of BAND] of the tile in pictures of that grid size that were turned and mirrored since."""
    import scipy.fft

    made = []
    for turns, mirrored in TURNS:
        size = (columns, rows) if turns % 2 else (rows, columns)
        plain = tile(b"")
        whole = np.tile(plain, tuple(-(-n // TILE) for n in size))[: size[0], : size[1]]
        whole = np.rot90(whole[:, ::-1] if mirrored else whole, turns)
        made.append(scipy.fft.rfft2(whole[:TILE, :TILE])[BAND])
    return np.asarray(np.stack(made), np.complex64)


def _payload(folded: Floats) -> bytes | None:
    """Of a whole picture on a tile, upright and in its place."""
    import scipy.fft

    spectra = _spectra(folded[None])
    symbols, erased = bytearray(), []
    for place in range(SYMBOLS):
        crossed = np.zeros(BAND.shape, np.complex64)
        crossed[BAND] = spectra[0] * np.conj(spectrum(f"symbol {place}")[BAND])
        scores = scipy.fft.irfft2(crossed, (TILE, TILE))[::STEP, ::STEP] * (TILE * TILE / 2) / _deviation(spectra)[0]
        symbols.append(int(scores.argmax()))
        if scores.max() < CLEAR:
            erased.append(place)
    return decoded(bytes(symbols), erased)
