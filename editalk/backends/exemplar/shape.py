"""The lower face as a shape: which landmarks, freed from the head's pose, and their principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.face.geometry import INNER_PAIRS, JAW, LIPS, Pose, pose, template

Floats = NDArray[np.float64]

SKIN = (18, 200, 199, 43, 106, 182, 406, 335, 273, 212, 432, 216, 436, 214, 434, 202, 422, 210, 430)
MOVING = LIPS + JAW + SKIN  # what speech moves
ANCHORS = (1, 2, 4, 5, 195, 98, 327, 50, 280, 101, 330, 36, 266, 123, 352, 116, 345, 93, 323, 132, 361, 203, 423)
COMPONENTS = 8
_LIP = np.array([i in LIPS for i in MOVING])
WEIGHTS = np.where(_LIP, 1.0, 0.5)  # of a landmark in the distance of two shapes
_AT = {landmark: row for row, landmark in enumerate(MOVING)}
UPPER = [_AT[a] for a, _ in INNER_PAIRS]  # the inner lips' landmarks that face each other
LOWER = [_AT[b] for _, b in INNER_PAIRS]


def aperture(shapes: Floats) -> Floats:
    """[n, k, 3] → [n]: opening of the inner lips in eye distances."""
    return np.asarray(np.linalg.norm(shapes[:, UPPER] - shapes[:, LOWER], axis=2).mean(1))


def gap(shapes: Floats) -> Floats:
    """[n, k, 3] → [n]: how far the lower inner lip lies below the upper one; less than 0 where the lips cross."""
    return np.asarray((shapes[:, LOWER, 1] - shapes[:, UPPER, 1]).mean(1))


MEASURES = 8
APERTURE, WIDTH, PROTRUSION = 0, 1, 3  # columns


def measures(shapes: Floats) -> Floats:
    """[n, k, 3] → [n, MEASURES], eye distances: the inner lips' `gap`; the outer and inner lips' width; how far the
    inner lips stand out; the height of the chin, of the upper and the lower lip's rim and of the corners.
    """

    def at(landmark: int) -> Floats:
        return np.asarray(shapes[:, _AT[landmark]])

    columns = [
        gap(shapes), np.linalg.norm(at(61) - at(291), axis=1), np.linalg.norm(at(78) - at(308), axis=1),
        -(at(13)[:, 2] + at(14)[:, 2]) / 2, at(152)[:, 1], at(0)[:, 1], at(17)[:, 1],
        (at(61)[:, 1] + at(291)[:, 1]) / 2,
    ]  # fmt: skip
    return np.stack(columns, 1)


@dataclass(frozen=True)
class MouthSpace:
    """How this speaker's lower face varies.

    `face`: [478, 3] template; `mean`: [k, 3] mean shape; `axes`: [c, k·3] principal axes of the weighted shapes;
    `spread`: SD along the first of them; `gape`: mean and SD of the aperture. Shapes are in eye distances.
    """

    face: Floats
    mean: Floats
    axes: Floats
    spread: float
    gape: tuple[float, float]

    @classmethod
    def of(cls, points: NDArray[np.float32]) -> MouthSpace:
        """From [n, 478, 3] found faces."""
        face = template(points)
        shapes = canonical(points, face)
        mean = shapes.mean(0)
        flat = ((shapes - mean) * WEIGHTS[:, None]).reshape(len(shapes), -1)
        _, size, axes = np.linalg.svd(flat[:: max(1, len(flat) // 1500)], full_matrices=False)
        spread = float(size[0] / np.sqrt(len(flat[:: max(1, len(flat) // 1500)]))) or 1.0
        gape = aperture(shapes)
        return cls(face, mean, axes[:COMPONENTS], spread, (float(gape.mean()), max(float(gape.std()), 1e-3)))

    def shapes(self, points: NDArray[np.float32]) -> Floats:
        """[n, 478, 3] → [n, k, 3]; NaN without a face."""
        return canonical(points, self.face)

    def pose(self, points: NDArray[np.float32]) -> Pose:
        return pose(points, self.face)

    def coordinates(self, shapes: Floats) -> Floats:
        """[n, c + 1]: components over the first one's SD, then the aperture over its own: a space of distances."""
        flat = ((shapes - self.mean) * WEIGHTS[:, None]).reshape(len(shapes), -1)
        gape = (aperture(shapes) - self.gape[0]) / self.gape[1]
        return np.concatenate([flat @ self.axes.T / self.spread, gape[:, None]], 1)


def canonical(points: NDArray[np.float32], face: Floats) -> Floats:
    """The moving landmarks in the template's pose: [n, 478, 3] → [n, k, 3]."""
    return pose(points, face).backward(np.asarray(points, np.float64)[:, list(MOVING)])
