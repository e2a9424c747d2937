"""How this mouth moves: from measures in its own SDs to shapes, how far it opens, how it closes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.backends.exemplar.shape import APERTURE, LOWER, MEASURES, UPPER, aperture, gap, measures

Floats = NDArray[np.float64]

RIDGE = 0.02  # of the frames' number: measures go together
SHUT, SHUT_SHARE = 2.0, 0.1  # a closed mouth: the percentile of the gap, or the share of its median, if less
TOUCHING = 0.05  # of the frames: those in which the lips are closest
TEETH = 0.5  # of the way from closed to the mean: the lower lip at the teeth
LEAST_WAY = 0.2  # of the gap by which a slope opens: less is a mouth that never opened
WIDEST = 3.0  # SDs above the mean that this mouth may open


@dataclass(frozen=True)
class Mouth:
    """`mean`, `spread` [MEASURES] in speech, eye distances; `centre` [k, 3] the mean shape in speech; `basis`
    [MEASURES, k, 3] what an SD of each measure adds; `slope` [k, 3] shape per gap; `shut`: the closed gap; `touch`
    [pairs, 3]: from the upper to the lower inner lip where they are closest.
    """

    mean: Floats
    spread: Floats
    centre: Floats
    basis: Floats
    slope: Floats
    shut: float
    touch: Floats

    @classmethod
    def of(cls, shapes: Floats, speech: NDArray[np.bool_]) -> Mouth:
        """From shapes [n, k, 3], some of them in speech [n]. Geometry alone: a second of footage is enough."""
        found = measures(shapes)
        mean, spread = found[speech].mean(0), found[speech].std(0) + 1e-3
        wanted = (found - mean) / spread
        centre = shapes[speech].mean(0)
        off = (shapes - centre).reshape(len(shapes), -1)
        basis = np.linalg.solve(wanted.T @ wanted + RIDGE * len(wanted) * np.eye(MEASURES), wanted.T @ off)
        gape = found[:, APERTURE] - found[:, APERTURE].mean()
        slope = gape @ off / max(float(gape @ gape), 1e-9)
        spoken = found[speech, APERTURE]
        shut = max(0.0, min(float(np.percentile(spoken, SHUT)), SHUT_SHARE * float(np.median(spoken))))
        least = shapes[np.argsort(aperture(shapes))[: max(3, round(TOUCHING * len(shapes)))]]
        touch = np.median(least[:, LOWER] - least[:, UPPER], axis=0)
        basis, slope = basis.reshape(MEASURES, *centre.shape), slope.reshape(centre.shape)
        return cls(mean, spread, centre, basis, slope, shut, touch)

    def standard(self, found: Floats) -> Floats:
        """[n, MEASURES] in eye distances → in SDs from the mean in speech."""
        return np.asarray((found - self.mean) / self.spread)

    def shapes(self, moves: Floats) -> Floats:
        """[n, MEASURES] in SDs → [n, k, 3], the opening exact and within what this mouth does."""
        wanted = self.mean[APERTURE] + self.spread[APERTURE] * moves[:, APERTURE]
        wanted = wanted.clip(0, self.mean[APERTURE] + WIDEST * self.spread[APERTURE])
        return self._opened(self.centre + np.tensordot(moves, self.basis, 1), wanted)

    def closed(self, shapes: Floats, lips: Floats, teeth: Floats) -> Floats:
        """Shapes open at most as far as closures (`lips` [n], 0…1) and the lower lip at the teeth (`teeth`) allow."""
        gape = gap(shapes)
        small = self.shut + TEETH * max(0.0, float(self.mean[APERTURE]) - self.shut)
        wanted = gape + teeth * np.minimum(0, small - gape)
        wanted = wanted + lips * np.minimum(0, self.shut - wanted)
        return self._met(self._opened(shapes, wanted), lips)

    def _met(self, shapes: Floats, lips: Floats) -> Floats:
        """Closed lips beside and before each other no more than seen: the opening is drawn by a distance in space."""
        off, most = shapes[:, LOWER] - shapes[:, UPPER], np.abs(self.touch)
        away = off.clip(-most, most) - off
        away[..., 1] = 0
        moved, half = shapes.copy(), lips[:, None, None] * away / 2
        moved[:, LOWER] += half
        moved[:, UPPER] -= half
        return moved

    def _opened(self, shapes: Floats, wanted: Floats) -> Floats:
        """By the gap, not the aperture: a distance would push lips that have just met through each other."""
        way = float(gap(self.slope[None])[0])
        return shapes + ((wanted - gap(shapes)) / way)[:, None, None] * self.slope if way > LEAST_WAY else shapes
