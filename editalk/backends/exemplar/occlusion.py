"""What lies in front of a lower face: a hand, a cup, a microphone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Image
from editalk.backends.exemplar.paste import Crop, lower_box
from editalk.face.geometry import JAW, LIPS_INNER, eye_distance, template

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

FINE = 40.0  # pixels an eye distance has where colours are compared
RIM = 0.14  # eye distances within the jaw where the background may show
USUAL = 0.15  # quantile of the distances to the known frames: so many of them may show an occluder themselves
NOISE = (8.0, 3.0, 3.0)  # Y, U, V that count as one
LIGHT = (30.0, 8.0, 8.0)  # Y, U, V by which a whole face may change
NEAR = 0.12  # eye distances over which strangeness is averaged
ODD = 0.8  # mean strangeness that a hand over a face has, its skin the same; a bare face at a few places
ALIEN = 2.0  # what a bare face has nowhere but at its rim
FEW = 0.03  # of the places that may be alien
HIDDEN = (0.3, 0.42)  # of the places odd: from here on less is drawn, from there on nothing
REACH = 0.16  # eye distances around an alien place in which nothing is drawn: over the rim


@dataclass(frozen=True)
class Sight:
    """What a picture shows of a lower face. `shown`: 1 bare … 0 hidden; `alien` [q, 2]: pixels at which something else
    lies in front of it.
    """

    shown: float
    alien: Singles

    @property
    def bare(self) -> bool:
        return self.shown >= 1 and not len(self.alien)


BARE = Sight(1.0, np.zeros((0, 2), np.float32))


@dataclass(frozen=True)
class LowerFace:
    """How a speaker's lower face usually looks, at places that follow the landmarks.

    `pairs` [m, 2]: landmarks whose middle a place is; `near` [m, m]: weights of the places around each, none of the
    inner mouth's: teeth and tongue look like anything; `known` [n, m, 3]: Y, U, V; `middle` [m, 3]: their median;
    `spread` [m, 3]: how far they usually lie from it.
    """

    pairs: Ints
    near: Singles
    known: Singles
    middle: Singles
    spread: Singles

    @classmethod
    def of(cls, crops: Sequence[Crop]) -> LowerFace:
        """From some frames, of which at most one in eight shows something else in the same place."""
        pairs, near = _places(template(np.stack([c.points for c in crops])))
        known = np.stack([_colours(c, pairs) for c in crops])
        known -= _light(known - np.median(known, 0))
        middle = np.asarray(np.median(known, 0), np.float32)
        return cls(pairs, near, known, middle, np.asarray(1.5 * np.median(np.abs(known - middle), 0), np.float32))

    def look(self, crop: Crop) -> Sight:
        """A picture of the same face, compared."""
        strange = self.strangeness(crop)
        around = self.near @ strange
        odd, alien = float((around > ODD).mean()), around > ALIEN
        x = float(np.clip((odd - HIDDEN[0]) / (HIDDEN[1] - HIDDEN[0]), 0, 1))
        places = crop.points[self.pairs, :2].mean(1)
        rim = (strange > ALIEN) & (around > ODD)
        return Sight(1 - x * x * (3 - 2 * x), places[alien | rim] if alien.mean() > FEW else places[:0])

    def strangeness(self, crop: Crop) -> Singles:
        """[m]: how far each place is from what it usually looks like; about .3 is usual."""
        seen = _colours(crop, self.pairs)
        seen -= _light((seen - self.middle)[None])[0]
        off = (self.known - seen) / (np.array(NOISE, np.float32) + self.spread)
        far = np.square(off).sum(2)
        at = round(USUAL * (len(far) - 1))
        strange = np.sqrt(np.partition(far, at, axis=0)[at])
        strange[~_within(crop, crop.points[self.pairs, :2].mean(1))] = 0  # what is not seen is not strange
        return np.asarray(strange, np.float32)


def uncovered(base: Image, image: Image, mask: NDArray[np.uint8], points: Singles, sight: Sight) -> None:
    """Give `image`, drawn on `base`, and its mask back what lies in front of the face; both are changed in place."""
    import cv2

    eyes = float(eye_distance(points[None])[0])
    area = lower_box(points).within(base.shape)
    if not len(sight.alien) or not area.area:
        return
    scale = min(1.0, FINE / max(eyes, 1.0))
    high, wide = area.bottom - area.top, area.right - area.left
    shield: Any = np.zeros((max(1, round(high * scale)), max(1, round(wide * scale))), np.uint8)
    for x, y in (sight.alien - (area.left, area.top)) * scale:
        cv2.circle(shield, (round(float(x)), round(float(y))), max(1, round(REACH * eyes * scale)), (255,), -1)
    side = 2 * round(REACH * eyes * scale) + 1
    shield = cv2.morphologyEx(shield, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    shield = cv2.resize(cv2.blur(shield, (3, 3)), (wide, high)).astype(np.float32) / 255
    own, new = base[area.slices], image[area.slices]
    image[area.slices] = np.rint(new + (own.astype(np.float32) - new) * shield[..., None])
    mask[area.slices][shield >= 1] = 0


def _places(face: Floats) -> tuple[Ints, Singles]:
    """The places of `LowerFace` on a template [478, 3]: its `pairs` and `near`."""
    import cv2
    from scipy.spatial import Delaunay

    flat = face[:468, :2]
    jaw = flat[list(JAW)]
    inwards = flat[[2, 17]].mean(0) - jaw
    jaw = jaw + inwards * np.minimum(RIM / np.linalg.norm(inwards, axis=1, keepdims=True), 0.5)
    hull: Any = cv2.convexHull(np.concatenate([jaw, flat[[207, 427, 98, 327]]]).astype(np.float32))
    corners = Delaunay(flat).simplices
    edges = np.unique(np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), 1), axis=0)
    pairs = np.concatenate([edges, np.repeat(np.arange(len(flat))[:, None], 2, 1)])
    middle = flat[pairs].mean(1)
    mouth: Any = flat[list(LIPS_INNER)].astype(np.float32)
    inside, to_mouth = (_depth(polygon, middle) for polygon in (hull, mouth))
    kept = (inside > 0) & (to_mouth < -0.03)
    pairs, middle = pairs[kept], middle[kept]
    near = (np.linalg.norm(middle[:, None] - middle, axis=2) < NEAR).astype(np.float32)
    return np.asarray(pairs, np.int64), near / near.sum(1, keepdims=True)


def _depth(polygon: Any, points: Floats) -> Floats:
    """[m]: how far inside the polygon points [m, 2] lie, negative outside."""
    import cv2

    return np.array([cv2.pointPolygonTest(polygon, (float(x), float(y)), True) for x, y in points])


def _colours(crop: Crop, pairs: Ints) -> Singles:
    """[m, 3]"""
    import cv2

    at = crop.points[pairs, :2].mean(1) - (crop.left, crop.top)
    scale = min(1.0, FINE / max(float(eye_distance(crop.points[None])[0]), 1.0))
    high, wide = crop.image.shape[:2]
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    small = cv2.blur(cv2.resize(crop.image, size, interpolation=cv2.INTER_AREA), (3, 3))
    way = ((at + 0.5) * (size[0] / wide, size[1] / high) - 0.5).astype(np.float32)
    nothing: Any = None
    found = cv2.remap(small, way[None], nothing, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[0], np.float32)


def _within(crop: Crop, places: Singles) -> NDArray[np.bool_]:
    """[m]: whether the picture shows the places [m, 2]."""
    at, (high, wide) = places - (crop.left, crop.top), crop.image.shape[:2]
    return np.asarray(((at >= 0) & (at < (wide, high))).all(1))


def _light(off: Singles) -> Singles:
    """[n, 1, 3] of [n, m, 3]: by how much the whole face is brighter or another colour."""
    return np.asarray(np.median(off, 1, keepdims=True).clip(-np.array(LIGHT), LIGHT), np.float32)
