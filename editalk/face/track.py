"""One face through the frames of a video, and its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editalk.errors import ReadError

POINTS = 478


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
        return np.asarray(np.isfinite(self.points[:, 0, 0]))

    def row(self, frame: int) -> int | None:
        """The row of a source frame; None where it was not looked at or has no face."""
        at = int(np.searchsorted(self.frames, frame))
        if at < len(self.frames) and self.frames[at] == frame and self.found[at]:
            return at
        return None

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """[478, 3] of a source frame; None where it was not looked at or has no face."""
        row = self.row(frame)
        return None if row is None else np.asarray(self.points[row])

    def between(self, start: int, end: int) -> FaceTrack:
        """The rows of the source frames [start, end)."""
        first, last = np.searchsorted(self.frames, (start, end))
        return FaceTrack(self.frames[first:last], self.points[first:last])

    def save(self, path: Path) -> None:
        """Write an npz without objects; whole or not at all."""
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with beside.open("wb") as file:
                np.savez(file, frames=self.frames, points=self.points)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> FaceTrack:
        """Read what `save` wrote. Raises ReadError where the file is another or damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                frames, points = file["frames"].astype(np.int64), file["points"].astype(np.float32)
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ReadError(f"{path}: not a face track: {error}") from error
        except Exception as error:
            if type(error).__name__ != "BadZipFile":  # zipfile is not worth an import at start
                raise
            raise ReadError(f"{path}: not a face track: {error}") from error
        if frames.ndim != 1 or points.shape != (len(frames), POINTS, 3) or (np.diff(frames) <= 0).any():
            raise ReadError(f"{path}: not a face track: frames {frames.shape}, points {points.shape}")
        return cls(frames, points)

    @classmethod
    def joined(cls, parts: Sequence[FaceTrack]) -> FaceTrack:
        """Several tracks as one; where two hold the same frame the first one counts."""
        if not parts:
            return cls(np.zeros(0, np.int64), np.zeros((0, POINTS, 3), np.float32))
        frames, first = np.unique(np.concatenate([p.frames for p in parts]), return_index=True)
        return cls(frames, np.concatenate([p.points for p in parts])[first])
