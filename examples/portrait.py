"""A portrait that moves: pose, lips and eyelids of one photograph by thin-plate splines on its face mesh.

Above the line where the lips meet the picture follows one spline, below it another, so that the lips part without
tearing; between them lies the inside of the mouth: the photograph's own teeth, fixed to the skull, and the dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIZE = 512  # pixels, width and height
CROP = (96, 8, 256)  # x, y, side of the square of the photograph that is shown
OPENING = 0.31  # between the lips where they open widest, of the distance between the eyes
GRID = 4  # pixels between the points at which a spline is evaluated

UPPER_INNER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
LOWER_INNER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]
UPPER_OUTER = [185, 40, 39, 37, 0, 267, 269, 270, 409]
LOWER_OUTER = [146, 91, 181, 84, 17, 314, 405, 321, 375]
CORNERS = [61, 291]
CHIN = [148, 152, 377, 176, 400, 199, 200, 18, 208, 428]
UPPER_LIDS = [[246, 161, 160, 159, 158, 157, 173], [466, 388, 387, 386, 385, 384, 398]]
LOWER_LIDS = [[7, 163, 144, 145, 153, 154, 155], [249, 390, 373, 374, 380, 381, 382]]
EYE_CORNERS = [(33, 133), (263, 362)]
EYES = [33, 133, 263, 362, 226, 446, 243, 463, 110, 23, 112, 339, 253, 341, 27, 29, 257, 259]
FIXED = [
    10, 67, 297, 109, 338, 151, 9, 8, 168, 6, 197, 195, 4, 1, 2, 98, 327, 64, 294, 48, 278, 205, 425, 50, 280, 105,
    334, 70, 300, 107, 336, 46, 276, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 93, 323,
]  # fmt: skip
JAW = [132, 58, 172, 136, 150, 149, 361, 288, 397, 365, 379, 378]


@dataclass(frozen=True)
class Pose:
    """Radians (yaw to her left, pitch down, roll clockwise) and pixels."""

    yaw: float
    pitch: float
    roll: float
    x: float
    y: float
    torso: float  # pixels sideways


class Portrait:
    def __init__(self, photograph: NDArray[np.uint8]) -> None:
        """`photograph`: [512, 512, 3] RGB, scikit-image's `astronaut`."""
        x, y, side = CROP
        large = cv2.resize(photograph[y : y + side, x : x + side], (SIZE, SIZE), interpolation=cv2.INTER_LANCZOS4)
        soft = cv2.GaussianBlur(large, (0, 0), 1.6)
        self.picture = cv2.addWeighted(large, 1.45, soft, -0.45, 0)
        self.points = landmarks(self.picture)
        self.eyes = float(np.linalg.norm(self.points[[33, 133], :2].mean(0) - self.points[[263, 362], :2].mean(0)))
        self.upper = self.points[UPPER_INNER, :2]
        self.lower = self.points[LOWER_INNER, :2]
        self.gap = float(np.linalg.norm(self.lower[5] - self.upper[5]))
        self.hair, self.frame, self.body = self._surroundings()
        self.teeth = self._teeth()

    def _surroundings(self) -> tuple[Floats, Floats, Floats]:
        """Hair [n, 3] that turns with the head, the picture's border [n, 2] that stays, the suit [n, 2]."""
        turn = np.linspace(np.radians(150), np.radians(390), 15)
        centre, radius = np.array([263.0, 146.0]), np.array([150.0, 138.0])
        hair = np.column_stack([centre + np.column_stack([np.cos(turn), np.sin(turn)]) * radius, np.full(15, 55.0)])
        edge = np.linspace(0, SIZE - 1, 9)
        frame = [(a, b) for a in edge for b in (0.0, SIZE - 1.0)] + [
            (b, a) for a in edge[1:-1] for b in (0.0, SIZE - 1.0)
        ]
        body = np.array([(70, 330), (110, 400), (180, 470), (400, 440), (340, 400), (250, 440), (375, 365), (60, 420)])
        return hair, np.array(frame), body.astype(float)

    def _teeth(self) -> Floats:
        """[SIZE, SIZE] 0…1: where the photograph shows teeth."""
        ring = np.concatenate([self.upper + [0, -0.5], self.lower[-2:0:-1] + [0, -1.0]])
        return polygon(ring, 1.2)

    def render(self, pose: Pose, opening: float, rounding: float, tuck: float, blink: float) -> NDArray[np.uint8]:
        """[SIZE, SIZE, 3] RGB."""
        moved = self._expression(opening, rounding, tuck)
        photograph = self._blinking(blink)
        target = self._posed(moved, pose)
        upper, lower = target[UPPER_INNER], target[LOWER_INNER]
        everywhere = FIXED + EYES + sum(UPPER_LIDS, []) + sum(LOWER_LIDS, []) + CORNERS + [78, 308]
        above = self._warp(photograph, target, everywhere + UPPER_INNER[1:-1] + UPPER_OUTER + JAW + CHIN, pose)
        below = self._warp(photograph, target, everywhere + LOWER_INNER[1:-1] + LOWER_OUTER + JAW + CHIN, pose)
        blend = self._below(upper, lower, target[CORNERS])[..., None]
        picture = above * (1 - blend) + below * blend
        inside, shown = self._inside(pose, upper, lower, opening)
        return np.clip(picture * (1 - shown) + inside * shown, 0, 255).round().astype(np.uint8)

    def _expression(self, opening: float, rounding: float, tuck: float) -> Floats:
        """[478, 3]: the mesh with this mouth, facing as in the photograph."""
        points = self.points.copy()
        left, right = points[78, :2], points[308, :2]
        centre, across = (left + right) / 2, (right - left) / np.linalg.norm(right - left)
        down = np.array([-across[1], across[0]])
        half = np.linalg.norm(right - left) / 2
        gap = opening * OPENING * self.eyes
        spread = 1 - 0.2 * max(rounding, 0) - 0.03 * min(rounding, 0) - 0.1 * opening * (1 - abs(rounding)) - 0.05
        middle = (0.15 if gap < self.gap else 0.5) * (gap - self.gap)  # beyond the teeth only the lower lip gives way
        middle_curve = (self.upper + self.lower) / 2

        def lips(indices: list[int], side: int, weight: float) -> None:
            for i in indices:
                along = float((points[i, :2] - centre) @ across) / half
                bow = max(0.0, 1 - along**2) ** (0.75 if opening > 0.3 else 1.0)
                edge = np.interp(along, np.linspace(-1, 1, 11), ((middle_curve - centre) @ down))
                own = np.interp(along, np.linspace(-1, 1, 11), (((self.upper, self.lower)[side > 0] - centre) @ down))
                low = np.interp(0.0, np.linspace(-1, 1, 11), ((middle_curve - centre) @ down))
                flat = low + (edge - low) * (0.7 - 0.25 * max(rounding, 0))
                wanted = flat + middle * bow + side * gap / 2 * bow
                push = (wanted - own) * weight
                if side > 0:
                    push -= tuck * bow * 3.0
                points[i, :2] += push * down + (spread - 1) * along * half * across
                if i in UPPER_OUTER or i in LOWER_OUTER:
                    points[i, :2] += side * 2.5 * max(rounding, 0) * bow * down
                points[i, 2] -= 4 * max(rounding, 0) * bow

        lips(UPPER_INNER[1:-1], -1, 1.0)
        lips(UPPER_OUTER, -1, 0.8)
        lips(LOWER_INNER[1:-1], 1, 1.0)
        lips(LOWER_OUTER, 1, 0.9)
        lips([78, 308, *CORNERS], 0, 1.0)
        drop = 0.6 * (gap / 2 + middle - self.gap / 2)
        for indices, weight in ((CHIN, 1.0), (JAW, 0.35)):
            points[indices, :2] += drop * weight * down
        return points

    def _blinking(self, blink: float) -> NDArray[np.uint8]:
        """The photograph with the eyelids drawn down: 0 open, 1 shut."""
        if blink <= 0.02:
            return self.picture
        x, y = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
        picture = self.picture.astype(np.float32)
        for above, below, ends in zip(UPPER_LIDS, LOWER_LIDS, EYE_CORNERS, strict=True):
            lid, floor = (self._curve([ends[0], *side, ends[1]]) for side in (above, below))
            lid = np.minimum(lid, floor)
            open_ = np.clip((floor - lid) / 4, 0, 1)
            lash, crease = lid - 5.0 * open_, lid - 13.0 * open_
            edge = lid + blink * (floor - lid) * 0.97
            stretch = (lash - crease) / np.maximum(edge - lid + lash - crease, 1e-3)
            skin, lashes = crease + (y - crease) * stretch, y - edge + lid
            rows = np.where(lashes > lash, lashes, np.minimum(skin, lash))
            moved = cv2.remap(self.picture, x, rows.astype(np.float32), cv2.INTER_CUBIC)
            here = (np.clip(edge - y + 1.5, 0, 1) * (y > crease) * np.clip((floor - lid - 0.6) / 2.5, 0, 1))[..., None]
            picture = picture * (1 - here) + moved * here
        return picture.round().clip(0, 255).astype(np.uint8)

    def _curve(self, indices: list[int]) -> Floats:
        """[SIZE]: the height of a line of landmarks in each column."""
        line = self.points[sorted(indices, key=lambda i: self.points[i, 0]), :2]
        return np.interp(np.arange(SIZE), line[:, 0], line[:, 1])

    def _posed(self, points: Floats, pose: Pose) -> Floats:
        """[n, 2] in the picture, turned about the neck."""
        pivot = np.array([self.points[152, 0], self.points[152, 1] + 30, 60.0])
        turned = (points - pivot) @ rotation(pose).T
        near = 1400 / (1400 + turned[:, 2:])
        rest = 1400 / (1400 + (points - pivot)[:, 2:])
        return turned[:, :2] * near / rest + pivot[:2] + [pose.x, pose.y]

    def _warp(self, photograph: NDArray[np.uint8], target: Floats, used: list[int], pose: Pose) -> Floats:
        body = self.body + [pose.torso, 0]
        to = np.concatenate([target[used], self._posed(self.hair, pose), self.frame, body])
        own = np.concatenate([self.points[used, :2], self.hair[:, :2], self.frame, self.body])
        back = spline(to, own - to)
        x, y = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
        return cv2.remap(
            photograph, x + back[..., 0], y + back[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        ).astype(float)

    def _below(self, upper: Floats, lower: Floats, corners: Floats) -> Floats:
        """[SIZE, SIZE] 0…1: what follows the lower lip; a sharp line between the lips, a soft one beside them."""
        line = (upper + lower) / 2
        order = np.argsort(line[:, 0])
        columns = np.arange(SIZE)
        height = np.interp(columns, line[order, 0], line[order, 1])
        outside = np.maximum(corners[0, 0] - columns, columns - corners[1, 0])
        soft = np.interp(outside, [-2, 25], [0.8, 9.0])
        return 1 / (1 + np.exp(-(np.arange(SIZE)[:, None] - height[None]) / soft[None]))

    def _inside(self, pose: Pose, upper: Floats, lower: Floats, opening: float) -> tuple[Floats, Floats]:
        """The inside of the mouth [SIZE, SIZE, 3] and where it is seen [SIZE, SIZE, 1] 0…1."""
        skull = self._posed(self.points, pose)[FIXED]
        affine, _ = cv2.estimateAffine2D(skull, self.points[FIXED, :2], method=cv2.LMEDS)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        teeth = cv2.warpAffine(self.picture, affine, (SIZE, SIZE), flags=flags).astype(float)
        where = cv2.warpAffine(self.teeth, affine, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        rows = np.arange(SIZE)[:, None]
        order = np.argsort(upper[:, 0])
        top = np.interp(np.arange(SIZE), upper[order, 0], upper[order, 1])[None]
        order = np.argsort(lower[:, 0])
        floor = np.interp(np.arange(SIZE), lower[order, 0], lower[order, 1])[None]
        depth = np.clip((rows - top) / np.maximum(floor - top, 1), 0, 1)[..., None]
        dark = np.array([46.0, 18.0, 18.0]) * (1 - depth) + np.array([104.0, 46.0, 46.0]) * depth**2
        shade = np.clip(0.58 + 0.06 * (rows - top), 0, 0.97)[..., None]
        inside = dark * (1 - where[..., None]) + teeth * shade * where[..., None]
        ring = np.concatenate([upper, lower[-2:0:-1]])
        seen = polygon(ring, 0.7) * np.clip(opening / 0.06, 0, 1)
        return inside, seen[..., None]


def rotation(pose: Pose) -> Floats:
    """[3, 3]."""
    (a, b, c), (d, e, f) = np.cos([pose.yaw, pose.pitch, pose.roll]), np.sin([pose.yaw, pose.pitch, pose.roll])
    yaw = np.array([[a, 0, -d], [0, 1, 0], [d, 0, a]])
    pitch = np.array([[1, 0, 0], [0, b, -e], [0, e, b]])
    roll = np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]])
    return roll @ pitch @ yaw


def polygon(ring: Floats, soft: float) -> Floats:
    """[SIZE, SIZE] 0…1, 1 inside."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(mask, (0, 0), soft).astype(float) / 255


def spline(at: Floats, value: Floats) -> NDArray[np.float32]:
    """[SIZE, SIZE, 2]: the thin-plate spline through `value` [n, 2] at the points `at` [n, 2]."""
    n, scale = len(at), 1 / SIZE
    p = at * scale
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = kernel(p, p) + 2e-5 * np.eye(n)  # not quite through the points: keeps near neighbours calm
    system[:n, n:] = np.column_stack([np.ones(n), p])
    system[n:, :n] = system[:n, n:].T
    weights = np.linalg.solve(system, np.concatenate([value, np.zeros((3, 2))]))
    axis = np.arange(0, SIZE + GRID, GRID) * scale
    x, y = np.meshgrid(axis, axis)
    grid = np.column_stack([x.ravel(), y.ravel()])
    field = kernel(grid, p) @ weights[:n] + np.column_stack([np.ones(len(grid)), grid]) @ weights[n:]
    coarse = field.reshape(len(axis), len(axis), 2).astype(np.float32)
    step = np.arange(SIZE, dtype=np.float32) / GRID
    return cv2.remap(coarse, *np.meshgrid(step, step), cv2.INTER_CUBIC)


def kernel(a: Floats, b: Floats) -> Floats:
    square = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    return square * np.log(square + 1e-12)


def landmarks(picture: NDArray[np.uint8]) -> Floats:
    """[478, 3] pixels of the face in an RGB picture."""
    import mediapipe

    with mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        found = mesh.process(picture).multi_face_landmarks
    if not found:
        raise RuntimeError("no face in the photograph")
    height, width = picture.shape[:2]
    return np.array([(p.x * width, p.y * height, p.z * width) for p in found[0].landmark])
