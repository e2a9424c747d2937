"""Pictures between two pictures of one scene: shapes go over evenly, textures in a moment, and nothing shows twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Footage, Image
from editalk.backends.exemplar.flow import NO_MAP, Flow, Luma, Map, Motion, Points, mesh, reduced, reduction, warp
from editalk.cores import share
from editalk.face import FaceTrack

SPAN = 0.32  # share of the way over which textures go over from one side to the other, where nothing else is said
WIPE = 0.31  # of the span: how much earlier than the middle the top goes over, and later the bottom
HARD = (0.001, 0.06)  # half the share over which texture goes over where the sides differ: elsewhere, by the face
CONTRAST = 16.0  # luma difference of the two warped sides that counts as another thing, not another light
STILL = 0.03  # pixels of the reduced picture: less motion is none
TILE = 48  # pixels of the reduced picture: side of the parts that are drawn, or left alone
KEPT = 64  # pairs of pictures whose motion is remembered


class Morpher:
    """Pictures between frames of a footage; what was found out about a pair of frames is remembered for a while."""

    def __init__(self, footage: Footage, track: FaceTrack) -> None:
        self.footage, self.track = footage, track
        self.scale = 1  # pixels of the footage to a pixel of the reduced lumas, on each side
        self._lumas: OrderedDict[int, Luma] = OrderedDict()
        self._motions: OrderedDict[tuple[int, int], Motion] = OrderedDict()

    def luma(self, frame: int) -> Luma:
        """Reduced luma of a frame."""
        if frame not in self._lumas:
            image = self.footage.image(frame)
            self.scale = reduction(image.shape)
            self._lumas[frame] = reduced(image)
            if len(self._lumas) > 2 * KEPT:
                self._lumas.popitem(last=False)
        return self._lumas[frame]

    def motion(self, left: int, right: int) -> Motion:
        if (left, right) not in self._motions:
            a, b = self.luma(left), self.luma(right)
            found = _motion(a, b, self.track.at(left), self.track.at(right), self.scale)
            self._motions[left, right] = found
            if len(self._motions) > KEPT:
                self._motions.popitem(last=False)
        return self._motions[left, right]

    def picture(self, left: int, right: int, w: float, span: float = SPAN) -> Image:
        """As `morph`, of two frames."""
        if w <= 0 or w >= 1 or left == right:
            return self.footage.image(left if w < 0.5 else right)
        return drawn(self.footage.image(left), self.footage.image(right), self.motion(left, right), w, span)

    def sketch(self, left: int, right: int, w: float, span: float = SPAN) -> Luma:
        """Reduced luma of `picture`."""
        motion = self.motion(left, right)
        if w < 0.5 - span / 2:
            return np.asarray(warp(motion.lumas[0], motion.to_left(w)), np.uint8)
        if w > 0.5 + span / 2:
            return np.asarray(warp(motion.lumas[1], motion.to_right(w)), np.uint8)
        a, b = warp(motion.lumas[0], motion.to_left(w)), warp(motion.lumas[1], motion.to_right(w))
        share = right_share(a, b, motion, w, span)
        return np.asarray(cv2.blendLinear(a, b, 1 - share, share), np.uint8)


def smoothstep(x: float) -> float:
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def morph(left: Image, right: Image, w: float, left_points: Points | None = None,
          right_points: Points | None = None, span: float = SPAN) -> Image:  # fmt: skip
    """The picture at share `w` (0…1) of the way from `left` to `right`; points: [478, ≥2] pixels of either face.

    Shapes go over evenly, textures within `span` around w = 0.5; where the two sides do not fit onto each other, one of
    them shows.
    """
    if left.shape != right.shape:
        raise ValueError(f"two pictures of one size, not {left.shape} and {right.shape}")
    if w <= 0:
        return left
    if w >= 1:
        return right
    motion = _motion(reduced(left), reduced(right), left_points, right_points, reduction(left.shape))
    return drawn(left, right, motion, w, span)


def drawn(left: Image, right: Image, motion: Motion, w: float, span: float) -> Image:
    """The picture at share `w` of a motion that is known."""
    if w < 0.5 - span / 2:
        return _moved(left, motion.to_left(w))
    if w > 0.5 + span / 2:
        return _moved(right, motion.to_right(w))
    flows = motion.to_left(w), motion.to_right(w)
    a, b = (warp(luma, flow) for luma, flow in zip(motion.lumas, flows, strict=True))
    share = right_share(a, b, motion, w, span)
    return _mixed((left, right), flows, share)


def right_share(a: Luma, b: Luma, motion: Motion, w: float, span: float) -> Map:
    """[h, w] how much of the right side's texture shows: soft where the two warped sides `a` and `b` agree, else all
    or nothing. From the hair down to the body it goes over, not everywhere at once.

    On the face the sides agree in shape, so that a fade of few frames shows less than a switch.
    """
    whole = cv2.dilate(cv2.absdiff(a, b), np.ones((7, 7), np.uint8))  # things, not only their edges
    off = cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 3)
    differ = np.minimum(off / CONTRAST, 1) * (1 - motion.face(w))
    away = motion.away(w)
    if away is None:
        rows = np.linspace(-1, 1, len(a), dtype=np.float32)[:, None]
        near = np.zeros(1, np.float32)
    else:
        rows = np.clip(away[:, :1, 1], -1, 1)
        near = np.clip(4 - 4 * cv2.magnitude(away[..., 0], away[..., 1]), 0, 1)
    half = (0.5 - WIPE) * span * (1 - differ) + HARD[0] + (HARD[1] - HARD[0]) * near * min(1.0, span / SPAN)
    share = np.clip((w - 0.5 - WIPE * span * rows + half) / (2 * half), 0, 1)
    return np.asarray(cv2.GaussianBlur(share.astype(np.float32), (0, 0), 1.5), np.float32)


def _motion(a: Luma, b: Luma, pa: Points | None, pb: Points | None, k: int) -> Motion:
    """`pa`, `pb`: pixels of pictures reduced by `k`."""
    return Motion(a, b, None if pa is None else pa / k, None if pb is None else pb / k)


# ----------------------------------------------------------------------------------------------------------- drawing


class _Side:
    """One of the two pictures, seen through a flow of reduced size."""

    def __init__(self, image: Image, flow: Flow) -> None:
        self.planes = cv2.split(image)
        self.k = reduction(image.shape)
        self.flow = cv2.copyMakeBorder(flow, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        self.moves = cv2.magnitude(flow[..., 0], flow[..., 1]) > STILL
        h, w = self.planes[1].shape
        size = (w + 1) // 2, (h + 1) // 2  # colour has half the resolution in nearly all sources
        self._chroma = cv2.merge([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in self.planes[1:]])

    def tile(self, rows: slice, columns: slice) -> Image:
        """Full-size pixels of a part of the reduced picture; what does not move stays exact."""
        k = self.k
        y0, x0 = rows.start * k, columns.start * k
        h, w = self.planes[0].shape
        high, wide = min(h, rows.stop * k) - y0, min(w, columns.stop * k) - x0
        if not self.moves[rows, columns].any():
            return np.asarray(cv2.merge([p[y0 : y0 + high, x0 : x0 + wide] for p in self.planes]), np.uint8)
        part = self.flow[rows.start : rows.stop + 2, columns.start : columns.stop + 2]
        ways = cv2.resize(part, None, fx=k, fy=k, interpolation=cv2.INTER_LINEAR)[k : k + high, k : k + wide]
        grid = cv2.scaleAdd(ways, float(k), _places(high, wide, x0, y0))
        luma = cv2.remap(self.planes[0], grid, NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        coarse = cv2.resize(grid, ((wide + 1) // 2, (high + 1) // 2), interpolation=cv2.INTER_AREA) * 0.5 - 0.25
        colour = cv2.remap(self._chroma, coarse, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        full = cv2.resize(colour, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)[:high, :wide]
        return np.asarray(cv2.merge([luma, *cv2.split(full)]), np.uint8)


@lru_cache(maxsize=256)
def _places(h: int, w: int, x: int, y: int) -> Flow:
    """[h, w, 2] the places of a tile's pixels in the picture."""
    return np.asarray(mesh(h, w) + np.array([x, y], np.float32), np.float32)


def _draw(shape: tuple[int, ...], tile: Callable[[slice, slice], None]) -> None:
    """Calls `tile` for all parts of a reduced picture, on all cores."""
    tiles = [(slice(y, min(y + TILE, shape[0])), slice(x, min(x + TILE, shape[1])))
             for y in range(0, shape[0], TILE) for x in range(0, shape[1], TILE)]  # fmt: skip
    with ThreadPoolExecutor(share()) as pool:
        for _ in pool.map(lambda part: tile(*part), tiles):
            pass


def _moved(image: Image, flow: Flow) -> Image:
    """`image` seen through a flow of reduced size."""
    side, out = _Side(image, flow), image.copy()

    def tile(rows: slice, columns: slice) -> None:
        if side.moves[rows, columns].any():
            out[_full(rows, side.k), _full(columns, side.k)] = side.tile(rows, columns)

    _draw(flow.shape, tile)
    return out


def _mixed(images: tuple[Image, Image], flows: tuple[Flow, Flow], share: Map) -> Image:
    """Two pictures seen through their flows; `share`: how much of the second shows, of reduced size."""
    left, right = (_Side(image, flow) for image, flow in zip(images, flows, strict=True))
    out = np.empty_like(images[0])

    def tile(rows: slice, columns: slice) -> None:
        part = share[rows, columns]
        target = out[_full(rows, left.k), _full(columns, left.k)]
        if part.max() < 0.01:
            target[:] = left.tile(rows, columns)
        elif part.min() > 0.99:
            target[:] = right.tile(rows, columns)
        else:
            a, b = left.tile(rows, columns), right.tile(rows, columns)
            weight = _upsampled(share, rows, columns, left.k, a.shape)
            target[:] = cv2.blendLinear(a, b, 1 - weight, weight)

    _draw(share.shape, tile)
    return out


def _upsampled(share: Map, rows: slice, columns: slice, k: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    y0, x0 = max(0, rows.start - 1), max(0, columns.start - 1)
    part = cv2.resize(share[y0 : rows.stop + 1, x0 : columns.stop + 1], None, fx=k, fy=k,
                      interpolation=cv2.INTER_LINEAR)  # fmt: skip
    y, x = (rows.start - y0) * k, (columns.start - x0) * k
    return np.asarray(part[y : y + shape[0], x : x + shape[1]], np.float32)


def _full(part: slice, k: int) -> slice:
    return slice(part.start * k, part.stop * k)
