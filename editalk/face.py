"""Frames → landmarks of one face (MediaPipe): track, pose, boxes, masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FaceTrack:
    """One face through some source frames.

    `frames`: [n] int, ascending source frame indices that were looked at; `points`: [n, 478, 3] float32, pixels of the
    coded picture (x right, y down, z towards the scene in the same unit), NaN where no face was found.
    """

    frames: NDArray[np.int64]
    points: NDArray[np.float32]

    @property
    def found(self) -> NDArray[np.bool_]:
        """[n]: whether there is a face."""
        return np.isfinite(self.points[:, 0, 0])

    def row(self, frame: int) -> int | None:
        """The row of a source frame; None where it was not looked at or has no face."""
        at = int(np.searchsorted(self.frames, frame))
        if at < len(self.frames) and self.frames[at] == frame and self.found[at]:
            return at
        return None
