"""An exemplar's mouth drawn onto a base picture in a wanted shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Image
from editalk.backends.exemplar.shape import ANCHORS, MOVING
from editalk.face.geometry import JAW, LIPS_OUTER, Box, box, eye_distance

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Faces = NDArray[np.floating[Any]]

STEP = 0.07  # of the eye distance: the grid on which the warp is computed
INSIDE = 0.15  # eye distances within the jaw where the exemplar ends: its background must not come along
SHRINK = 0.93  # of the cheeks' and the nose's distance
FEATHER = 0.06
TINT = 0.16  # sigma, in eye distances, of what counts as lighting
BLACK = 16.0  # luma without light
GAIN = (0.6, 1.7)  # by which light may differ
STIFF = 1e-3  # smoothing of the warp
EDGE = 0.30  # eye distances around the jaw in which the warp dies out
MOVED = 0.05  # pixels that do not show
FAINT = 0.004  # opacity that does not
_CHEEKS = (207, 427, 98, 327, 2)
_AT = {landmark: row for row, landmark in enumerate(MOVING)}
_OUTER = [_AT[i] for i in LIPS_OUTER]


@dataclass(frozen=True)
class Crop:
    """The lower face of a source frame: `image` begins at pixel (`left`, `top`); `points` [478, 3] in the whole one."""

    image: Image
    left: int
    top: int
    points: Singles

    @classmethod
    def of(cls, image: Image, points: Singles) -> Crop:
        area = lower_box(points).within(image.shape)
        return cls(image[area.slices].copy(), area.left, area.top, points)

    @property
    def whole(self) -> bool:
        """Whether mouth and chin are in the picture."""
        at, (high, wide) = self.points[[*LIPS_OUTER, *JAW], :2] - (self.left, self.top), self.image.shape[:2]
        return bool(((at >= 0) & (at < (wide, high))).all())


def lower_box(points: Faces) -> Box:
    """The box in which the mouth of [478, ≥2] is drawn."""
    eyes = float(eye_distance(np.asarray(points)[None])[0])
    found = box(np.asarray(points)[[*JAW, 2, 98, 327]])
    edge = round(EDGE * eyes)
    return Box(found.left - edge, found.top - edge // 2, found.right + edge, found.bottom + edge + round(0.1 * eyes))


def united(boxes: Sequence[Box]) -> Box:
    """The box around all of them."""
    return Box(min(b.left for b in boxes), min(b.top for b in boxes), max(b.right for b in boxes),
               max(b.bottom for b in boxes))  # fmt: skip


def drawn_box(points: Singles, wanted: Floats) -> Box:
    """The box in which `paste` changes a picture."""
    around = np.array(points, np.float64)
    around[list(MOVING), :2] = wanted
    return united([lower_box(points), lower_box(around)])


def paste(base: Image, points: Singles, wanted: Floats, crop: Crop, opacity: float = 1.0) -> tuple[Image, Bytes]:
    """Draw the mouth of `crop` onto `base`.

    `points`: [478, 3] of the base's face; `wanted`: [k, 2] pixels where the moving landmarks shall be; `opacity`: 0
    moves the base's own mouth only. Returns the picture and a mask [height, width], 0 where it is the base's own.
    """
    import cv2

    mask = np.zeros(base.shape[:2], np.uint8)
    around = np.array(points, np.float64)
    around[list(MOVING), :2] = wanted
    both = np.concatenate([np.asarray(points, np.float64), around])
    area = drawn_box(points, wanted).within(base.shape)
    if area.area < 16 or not np.isfinite(both).all():
        return base.copy(), mask
    eyes = float(eye_distance(np.asarray(points)[None])[0])
    own, lent, moved = _maps(area, points, wanted, crop, eyes)
    under, over = _remap(base[area.slices], own), _remap(crop.image, lent)
    alpha, lips = _masks(area, around, wanted, eyes)
    over_lit = _lit(over, under, alpha, lips, eyes)
    alpha *= np.float32(opacity)
    part = _mixed(under, over_lit, alpha)
    drawn = np.asarray((moved > MOVED) | (alpha > FAINT), np.uint8)
    out = base.copy()
    out[area.slices] = cv2.copyTo(part, drawn, out[area.slices].copy())
    mask[area.slices] = drawn * np.uint8(255)
    return out, mask


def _remap(image: Image, way: Singles) -> Image:
    import cv2

    nothing: Any = None
    return np.asarray(cv2.remap(image, way, nothing, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _mixed(under: Image, over: Singles, alpha: Singles) -> Image:
    import cv2

    change = cv2.subtract(over, under, dtype=cv2.CV_32F)
    change = cv2.multiply(change, cv2.merge([alpha] * 3))
    return np.asarray(cv2.add(under, change, dtype=cv2.CV_8U), np.uint8)


def _maps(area: Box, points: Singles, wanted: Floats, crop: Crop, eyes: float) -> tuple[Singles, Singles, Singles]:
    """For each pixel of the area: where it lies in the base's area and in the crop, [h, w, 2] each, and by how many
    pixels the base moves, [h, w].
    """
    import cv2

    moving, still = list(MOVING), list(ANCHORS)
    rim = _rim(area, points, eyes)
    base = np.asarray(points, np.float64)[:, :2]
    lent = np.asarray(crop.points, np.float64)[:, :2]
    there = np.concatenate([wanted, base[still], rim])
    turn = _affine(base[[*still, *JAW]], lent[[*still, *JAW]])
    to_base = np.concatenate([base[moving], base[still], rim]) - there
    to_lent = np.concatenate([lent[moving], lent[still], rim @ turn[:2] + turn[2]]) - (there @ turn[:2] + turn[2])
    step = max(4.0, STEP * eyes)
    high, wide = area.bottom - area.top, area.right - area.left
    rows, columns = max(4, round(high / step)), max(4, round(wide / step))
    ys = (np.arange(rows) + 0.5) * high / rows - 0.5
    xs = (np.arange(columns) + 0.5) * wide / columns - 0.5
    grid = np.stack(np.meshgrid(xs + area.left, ys + area.top), -1).reshape(-1, 2)
    flow = _thin_plate(there, np.concatenate([to_base, to_lent], 1), grid, eyes)
    coarse = flow.reshape(rows, columns, 4).astype(np.float32)
    window = _window(wide, high, eyes)
    fine = cv2.split(cv2.resize(coarse, (wide, high), interpolation=cv2.INTER_CUBIC))
    own = [cv2.multiply(x, window) for x in fine[:2]]
    moved = np.maximum(np.abs(own[0]), np.abs(own[1])).astype(np.float32)
    x = np.broadcast_to(np.arange(wide, dtype=np.float32), (high, wide))
    y = np.broadcast_to(np.arange(high, dtype=np.float32)[:, None], (high, wide))
    corner = np.array([area.left, area.top, 1.0]) @ turn - (crop.left, crop.top)
    there_x, there_y = (fine[2 + i] + _slope(turn[0, i], turn[1, i], corner[i], wide, high) for i in (0, 1))
    return np.asarray(cv2.merge([own[0] + x, own[1] + y])), np.asarray(cv2.merge([there_x, there_y])), moved


def _slope(across: float, down: float, start: float, wide: int, high: int) -> Singles:
    """[high, wide] start + across · x + down · y"""
    columns = (across * np.arange(wide)).astype(np.float32)
    return np.asarray((start + down * np.arange(high)).astype(np.float32)[:, None] + columns)


def _rim(area: Box, points: Singles, eyes: float) -> Floats:
    """Points around the jaw that stay where they are: [m, 2]."""
    jaw = np.asarray(points, np.float64)[list(JAW), :2]
    centre = np.asarray(points, np.float64)[[2, 0], :2].mean(0)
    out = jaw - centre
    outside = jaw + out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6) * EDGE * eyes
    xs, ys = np.linspace(area.left, area.right, 5), np.linspace(area.top, area.bottom, 5)
    frame = [(x, area.bottom) for x in xs] + [(x, y) for x in (area.left, area.right) for y in ys[:-1]]
    return np.concatenate([outside, np.array(frame)])


def _affine(a: Floats, b: Floats) -> Floats:
    """[3, 2] that takes rows (x, y, 1) of a to b, least squares."""
    solved, *_ = np.linalg.lstsq(np.concatenate([a, np.ones((len(a), 1))], 1), b, rcond=None)
    return np.asarray(solved)


def _thin_plate(points: Floats, values: Floats, at: Floats, unit: float) -> Floats:
    """The thin-plate spline through `values` [n, d] at `points` [n, 2], evaluated at [m, 2]."""
    p, q = points / unit, at / unit
    centre = p.mean(0)
    p, q = p - centre, q - centre
    n = len(p)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _bend(p, p)
    system[np.arange(n), np.arange(n)] += STIFF
    system[:n, n], system[:n, n + 1 :] = 1, p
    system[n:, :n] = system[:n, n:].T
    right = np.zeros((n + 3, values.shape[1]))
    right[:n] = values
    weights = np.linalg.solve(system, right)
    single = _bend(q.astype(np.float32), p.astype(np.float32))  # coordinates are near 1: a thousandth of a pixel
    return np.asarray(single @ weights[:n].astype(np.float32) + weights[n] + q @ weights[n + 1 :])


def _bend(a: Faces, b: Faces) -> Faces:
    far = np.square(a[:, 0, None] - b[:, 0]) + np.square(a[:, 1, None] - b[:, 1]) + a.dtype.type(1e-12)
    return np.asarray(far * np.log(far)) / 2


def _window(wide: int, high: int, eyes: float) -> Singles:
    """1 inside, going smoothly to 0 at the area's edges: what lies beyond must meet it."""
    reach = max(2.0, 0.12 * eyes)

    def ramp(n: int) -> Floats:
        near = np.minimum(np.arange(n), np.arange(n)[::-1]) / reach
        x = near.clip(0, 1)
        return np.asarray(x * x * (3 - 2 * x))

    return np.asarray(ramp(high)[:, None] * ramp(wide), np.float32)


def _masks(area: Box, around: Floats, wanted: Floats, eyes: float) -> tuple[Singles, Singles]:
    """Where the exemplar counts, and where its lips and mouth are: [h, w] each, 0…1."""
    import cv2

    scale = min(1.0, 40 / max(eyes, 1.0))  # both are blurred: a coarse picture of them is enough
    high, wide = area.bottom - area.top, area.right - area.left
    shape = max(1, round(high * scale)), max(1, round(wide * scale))
    factor = np.array([shape[1] / wide, shape[0] / high])
    corner = np.array([area.left, area.top])

    def drawn(polygon: Floats, feather: float) -> Singles:
        mask: Any = np.zeros(shape, np.uint8)
        hull: Any = cv2.convexHull(np.round((polygon - corner) * factor * 16).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, (255,), cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.5, feather * scale))
        return np.asarray(cv2.resize(soft, (wide, high), interpolation=cv2.INTER_LINEAR), np.float32) / np.float32(255)

    lips = wanted[_OUTER]
    middle = lips.mean(0)
    alpha = drawn(inner_outline(around, eyes), FEATHER * eyes)
    return alpha, drawn(middle + 1.12 * (lips - middle), 0.02 * eyes)


def inner_outline(around: Floats, eyes: float) -> Floats:
    """[m, 2]: the outline within which a new mouth is drawn on the face [478, ≥2], off the jaw's edge. `eyes`: the
    eye distance in the same pixels.
    """
    jaw, cheeks = around[list(JAW), :2], around[list(_CHEEKS), :2]
    centre = np.concatenate([jaw, cheeks]).mean(0)
    in_ = centre - jaw
    far = np.linalg.norm(in_, axis=1, keepdims=True)
    return np.concatenate([jaw + in_ * np.minimum(INSIDE * eyes / np.maximum(far, 1e-6), 0.5),
                           centre + SHRINK * (cheeks - centre)])  # fmt: skip


def _lit(over: Image, under: Image, alpha: Singles, lips: Singles, eyes: float) -> Singles:
    """The exemplar in the base's light, as the skin of both tells: luma is multiplied, colour shifted.

    A sum would make the dark of the mouth grey.
    """
    import cv2

    high, wide = alpha.shape
    small = max(8, round(wide * 20 / max(eyes, 20.0))), max(8, round(high * 20 / max(eyes, 20.0)))
    sigma = TINT * small[0] * eyes / wide
    weight = (alpha * 1.25 - 0.25).clip(0) * (1 - lips)  # its rim may be background

    def spread(image: NDArray[Any]) -> Singles:
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(shrunk, (0, 0), sigma), np.float32)

    total = np.maximum(spread(weight), 0.02)[..., None]
    weights = cv2.merge([weight] * 3)
    light, own = (spread(cv2.multiply(x, weights, dtype=cv2.CV_32F)) / total for x in (under, over))
    gain = ((light[..., :1] - BLACK) / np.maximum(own[..., :1] - BLACK, 4.0)).clip(*GAIN)
    shift = np.concatenate([BLACK - gain * BLACK, light[..., 1:] - own[..., 1:]], 2)
    factor = np.concatenate([gain, np.ones_like(gain), np.ones_like(gain)], 2)
    size = wide, high
    lit = cv2.multiply(over, cv2.resize(factor, size), dtype=cv2.CV_32F)
    return np.asarray(cv2.add(lit, cv2.resize(shift, size)), np.float32)
