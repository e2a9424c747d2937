"""The pictures of a window before they get new lips: a temporal backend's where it made some, else the source's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Area, Image, Rendered, WindowInput
from editalk.backends.exemplar.draw import BESIDE, KNOWN, LEAST, hidden, known
from editalk.backends.exemplar.occlusion import BARE, LowerFace, Sight
from editalk.backends.exemplar.paste import Crop as LowerFaceCrop
from editalk.backends.exemplar.paste import lower_box
from editalk.face import FaceTrack, FaceTracker
from editalk.face.geometry import Box, box
from editalk.media import VideoInfo
from editalk.plan.types import Piece

ROOM = 0.5  # of the box of all faces, around it, in which the face of a new picture is looked for

Singles = NDArray[np.float32]


class Canvases:
    """Random access to what a window shows, with the face in it; use as a context. What a backend made lies in a
    temporary file: a window may be long.
    """

    def __init__(self, given: WindowInput, made: Iterable[Rendered]) -> None:
        self.given = given
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed on leaving)
        self._made: dict[int, tuple[int, bool, int | None]] = {}  # place in the file, whether a mask follows, source
        self._points: dict[int, Singles | None] = {}
        with FaceFinder(given) as faces:
            for one in made:
                self._keep(one, faces)

    def __enter__(self) -> Canvases:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def made(self) -> tuple[int, ...]:
        """The timeline frames that the temporal backend made, ascending."""
        return tuple(sorted(self._made))

    def _keep(self, one: Rendered, faces: FaceFinder) -> None:
        self._made[one.frame] = self._file.seek(0, 2), one.mask is not None, one.source
        self._file.write(np.ascontiguousarray(one.image).tobytes())
        if one.mask is not None:
            self._file.write(np.ascontiguousarray(one.mask).tobytes())
        if one.mask is None:
            self._points[one.frame] = faces.find(one.frame, one.image)

    def rendered(self, frame: int) -> Rendered | None:
        """What the temporal backend made of a frame; None: it is a source frame."""
        if frame not in self._made:
            return None
        place, masked, source = self._made[frame]
        self._file.seek(place)
        shape = self.given.video.height, self.given.video.width
        image = np.frombuffer(self._file.read(3 * shape[0] * shape[1]), np.uint8).reshape(*shape, 3)
        mask = np.frombuffer(self._file.read(shape[0] * shape[1]), np.uint8).reshape(shape) if masked else None
        return Rendered(frame, image, mask, source)

    def source(self, frame: int) -> int | None:
        """The source frame that stands at a frame where nothing was made; None where there is none."""
        return self._made[frame][2] if frame in self._made else source_frame(self.given.window.pieces, frame)

    def image(self, frame: int, within: Area | None = None) -> Image | None:
        """The picture of a frame, whole within `within`; None where there is neither footage nor a made one."""
        made, source = self.rendered(frame), self.source(frame)
        if made is not None and (made.mask is None or source is None):
            return made.image
        if source is None:
            return None
        own = self.given.footage.image(source, within)
        if made is not None and made.mask is not None:
            np.copyto(own, made.image, where=made.mask[..., None] > 0)
        return own

    def points(self, frame: int) -> Singles | None:
        """[478, 3] of the face in a frame, pixels of the coded picture; None without."""
        if frame in self._points:
            return self._points[frame]
        source = self.source(frame)
        return None if source is None else self.given.track.at(source)

    def finished(self, frame: int, image: Image, changed: NDArray[np.uint8]) -> Rendered:
        """The picture of a frame with new pixels where `changed` is not 0."""
        made, source = self.rendered(frame), self.source(frame)
        if source is None or (made is not None and made.mask is None):
            return Rendered(frame, image)
        mask = changed if made is None or made.mask is None else np.maximum(changed, made.mask)
        return Rendered(frame, image, mask, source)


class Occluders:
    """What lies in front of the face, frame after frame of a window: hands, cups, microphones."""

    def __init__(self, given: WindowInput) -> None:
        self.given = given
        self._face: LowerFace | None = None
        self._looked, self._hidden = False, 0.0

    def look(self, image: Image, points: Singles) -> tuple[Sight, float]:
        """What is in front of the face [478, 3] of a picture, and how much of new lips may show, 0 … 1."""
        if not self._looked:
            self._face, self._looked = self._bare(), True
        if self._face is None:
            return BARE, 1.0
        sight = self._face.look(LowerFaceCrop.of(image, points))
        self._hidden = hidden(sight, self._hidden)
        return sight, 1 - self._hidden

    def _bare(self) -> LowerFace | None:
        """What this face looks like with nothing in front of it, from footage near the window."""
        track, window = self.given.track, self.given.window
        near = [p.source for p in window.pieces if p.source is not None and p.end > window.span.start]
        rows = np.flatnonzero(track.found)
        if len(rows) < LEAST:
            return None
        rows = rows[np.argsort(np.abs(track.frames[rows] - (near or [0])[0]), kind="stable")]
        crops = []
        for row in sorted(rows[:: min(max(1, len(rows) // KNOWN), BESIDE)][:KNOWN]):
            points = track.points[row]
            image = self.given.footage.image(int(track.frames[row]), lower_box(points).slices)
            crops.append(LowerFaceCrop.of(image, points))
        return known(crops)


class FaceFinder:
    """The face in pictures that a backend made; use as a context."""

    def __init__(self, given: WindowInput) -> None:
        self._video, self._area = given.video, surroundings(given.track, given.video)
        self._tracker: FaceTracker | None = None

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._tracker is not None:
            self._tracker.close()

    def find(self, frame: int, image: Image) -> Singles | None:
        """[478, 3] of the face in the picture, near where the footage's is; None without."""
        if self._area is None:
            return None
        if self._tracker is None:
            self._tracker = FaceTracker(self._video.rotation, aspect=float(self._video.sample_aspect))
        points = self._tracker.track([(frame, image[self._area.slices])]).at(frame)
        return None if points is None else points + np.array([self._area.left, self._area.top, 0], np.float32)


def lip_frames(given: WindowInput) -> Iterator[range]:
    """The runs of timeline frames of the window whose lips are to be drawn, ascending, apart from each other."""
    span = given.window.span
    last: range | None = None
    for lips in sorted(given.window.lips):
        run = range(max(lips.start, span.start), min(lips.end, span.end))
        if last is not None and run.start <= last.stop:
            last = range(last.start, max(last.stop, run.stop))
            continue
        if last:
            yield last
        last = run
    if last:
        yield last


def source_frame(pieces: Iterable[Piece], frame: int) -> int | None:
    """The source frame that a timeline frame shows as it is; None where there is none."""
    for piece in pieces:
        if piece.start <= frame < piece.end and piece.source is not None and not piece.resampled:
            return piece.source + frame - piece.start
    return None


def surroundings(track: FaceTrack, video: VideoInfo) -> Box | None:
    """Where the footage's face moves, with room around it; None without any."""
    seen = track.points[track.found]
    return box(seen.reshape(-1, 3), ROOM).within((video.height, video.width)) if len(seen) else None
