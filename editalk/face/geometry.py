"""Geometry of face landmarks (MediaPipe FaceMesh, 478 points): pose, sizes, boxes, masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]

LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
LIPS = LIPS_OUTER + LIPS_INNER
INNER_PAIRS = ((13, 14), (82, 87), (312, 317))  # upper and lower inner lip
EYES = ((33, 133), (263, 362))  # outer and inner corner of each eye
STILL = (10, 67, 297, 109, 338, 151, 9, 8, 168, 6, 197, 195, 33, 133, 362, 263, 127, 356, 234, 454, 54, 284, 103, 332,
         21, 251, 162, 389)  # fmt: skip  # what speech does not move
JAW = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
CHEEKS = (132, 93, 234, 127, 162, 356, 454, 323, 361)


@dataclass(frozen=True)
class Pose:
    """Where faces stand against a template: picture = scale · rotation @ template + move.

    `scale` [n], `rotation` [n, 3, 3], `move` [n, 3] pixels; NaN where there is no face.
    """

    scale: NDArray[np.float64]
    rotation: NDArray[np.float64]
    move: NDArray[np.float64]

    def forward(self, shapes: Points) -> NDArray[np.float64]:
        """Template coordinates [n, k, 3] → picture."""
        turned = np.einsum("nij,nkj->nki", self.rotation, shapes)
        return np.asarray(self.scale[:, None, None] * turned + self.move[:, None])

    def backward(self, points: Points) -> NDArray[np.float64]:
        """Picture [n, k, 3] → template coordinates."""
        turned = np.einsum("nji,nkj->nki", self.rotation, points - self.move[:, None])
        return np.asarray(turned / self.scale[:, None, None])

    def turn(self) -> NDArray[np.float64]:
        """[n, 3] rotation vectors, radians (x: nod, y: shake, z: tilt)."""
        from scipy.spatial.transform import Rotation

        out = np.full((len(self.scale), 3), np.nan)
        ok = np.isfinite(self.scale)
        if ok.any():
            out[ok] = Rotation.from_matrix(self.rotation[ok]).as_rotvec()
        return out


def similarity(source: Points, target: Points) -> Pose:
    """The similarities that take [k, 3] or [n, k, 3] `source` to [n, k, 3] `target` (Umeyama 1991), least squares."""
    source = np.broadcast_to(np.asarray(source, np.float64), target.shape)
    target = np.asarray(target, np.float64)
    n = len(target)
    scale, rotation, move = np.full(n, np.nan), np.full((n, 3, 3), np.nan), np.full((n, 3), np.nan)
    ok = np.isfinite(target).all((1, 2)) & np.isfinite(source).all((1, 2))
    if ok.any():
        a, b = source[ok], target[ok]
        ca, cb = a.mean(1, keepdims=True), b.mean(1, keepdims=True)
        u, s, vt = np.linalg.svd(np.einsum("nki,nkj->nij", b - cb, a - ca))
        flip = np.ones_like(s)
        flip[:, 2] = np.sign(np.linalg.det(u @ vt))
        turn = (u * flip[:, None]) @ vt
        size = (s * flip).sum(1) / np.square(a - ca).sum((1, 2))
        scale[ok], rotation[ok] = size, turn
        move[ok] = cb[:, 0] - size[:, None] * np.einsum("nij,nj->ni", turn, ca[:, 0])
    return Pose(scale, rotation, move)


def template(points: Points) -> NDArray[np.float64]:
    """[478, 3]: this person's mean face of [n, 478, 3], upright and frontal, the eyes' centre at 0, their distance 1.

    x runs to the picture's right, y down, z away from the camera. ValueError without any face.
    """
    seen = np.asarray(points, np.float64)[np.isfinite(points[:, 0, 0])]
    if not len(seen):
        raise ValueError("no face in the track")
    seen = seen[:: max(1, len(seen) // 400)]
    mean = seen[len(seen) // 2]
    for _ in range(2):
        pose = similarity(mean[list(STILL)], seen[:, list(STILL)])
        mean = pose.backward(seen).mean(0)
    left, right = (mean[list(eye)].mean(0) for eye in EYES)
    across = (right - left) / np.linalg.norm(right - left)
    down = mean[152] - mean[10]
    down = down - (down @ across) * across
    down /= np.linalg.norm(down)
    axes = np.stack([across, down, np.cross(across, down)])
    return np.asarray((mean - (left + right) / 2) @ axes.T / np.linalg.norm(right - left))


def pose(points: Points, face: Points) -> Pose:
    """Poses of [n, 478, 3] against a `template`, from the upper face, which speech does not move."""
    return similarity(np.asarray(face)[list(STILL)], np.asarray(points)[:, list(STILL)])


def eye_distance(points: Points) -> NDArray[np.float64]:
    """[n, 478, 3] → [n]: distance of the eyes' centres in space, pixels; NaN without a face."""
    left, right = (points[:, list(eye)].mean(1) for eye in EYES)
    return np.asarray(np.linalg.norm(left - right, axis=1), np.float64)


def aperture(points: Points) -> NDArray[np.float64]:
    """[n, 478, ≥2] → [n]: opening of the inner lips over the distance of the eyes, as seen in the picture."""
    gap = np.mean([np.linalg.norm(points[:, a, :2] - points[:, b, :2], axis=1) for a, b in INNER_PAIRS], 0)
    left, right = (points[:, list(eye), :2].mean(1) for eye in EYES)
    return np.asarray(gap / np.linalg.norm(left - right, axis=1), np.float64)


def pearson(a: Points, b: Points) -> float:
    """Correlation where both are finite; 0 where one does not vary."""
    ok = np.isfinite(a) & np.isfinite(b)
    if not ok.any():
        return float("nan")
    x, y = a[ok] - a[ok].mean(), b[ok] - b[ok].mean()
    power = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / power if power > 1e-12 else 0.0


@dataclass(frozen=True)
class Box:
    """Pixels [left, right) × [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, columns)"""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def area(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0…1."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        both = max(0, wide) * max(0, high)
        return both / max(1, self.area + other.area - both)

    def within(self, shape: tuple[int, ...]) -> Box:
        """The part of it inside a picture [height, width, …]."""
        h, w = shape[:2]
        left, top = min(max(0, self.left), w), min(max(0, self.top), h)
        return Box(left, top, max(left, min(w, self.right)), max(top, min(h, self.bottom)))


def box(points: Points, grow: float = 0.0) -> Box:
    """The box of [k, ≥2] points, grown on every side by a share of its width and height."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    edge = grow * (high - low)
    left, top = np.floor(low - edge).astype(int)
    right, bottom = np.ceil(high + edge).astype(int)
    return Box(int(left), int(top), int(right), int(bottom))


def square(points: Points, grow: float = 0.25) -> Box:
    """The square around the middle of the points' box whose side is (1 + grow) × the longer side."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    side = round((1 + grow) * float((high - low).max()))
    left, top = ((low + high - side) / 2).round().astype(int)
    return Box(int(left), int(top), int(left) + side, int(top) + side)


def filled(outline: Points, shape: tuple[int, ...], feather: float = 0.0) -> NDArray[np.uint8]:
    """[height, width]: 255 inside the convex hull of the points, falling to 0 over ± `feather` pixels."""
    import cv2

    mask: Any = np.zeros(shape[:2], np.uint8)
    hull: Any = cv2.convexHull(np.round(outline[:, :2] * 16).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, (255,), cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), feather / 2) if feather > 0 else mask, np.uint8)


def _grown(outline: Points, by: float) -> NDArray[np.float64]:
    centre = outline[:, :2].mean(0)
    return np.asarray(centre + (1 + by) * (outline[:, :2] - centre))


def mouth_mask(points: Points, shape: tuple[int, ...], grow: float = 0.35) -> NDArray[np.uint8]:
    """The lips of [478, 3] with some skin around: [height, width], 0…255."""
    feather = 0.08 * float(eye_distance(points[None])[0])
    return filled(_grown(points[list(LIPS_OUTER)], grow), shape, feather)


def face_mask(points: Points, shape: tuple[int, ...], grow: float = 0.0) -> NDArray[np.uint8]:
    """The face within its oval: [height, width], 0…255."""
    feather = 0.08 * float(eye_distance(points[None])[0])
    return filled(_grown(points[list(OVAL)], grow), shape, feather)


def head_mask(points: Points, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The head with hair and neck, by proportion: [height, width], 0…255."""
    oval = points[list(OVAL), :2]
    up = points[10, :2] - points[152, :2]
    crown = _grown(oval, 0.25) + 0.2 * up
    neck = _grown(oval, 0.1) - 0.15 * up
    feather = 0.1 * float(eye_distance(points[None])[0])
    return filled(np.concatenate([crown, neck]), shape, feather)
