"""Pictures → the landmarks of one face (MediaPipe FaceMesh), followed from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from editalk.face.geometry import Box, square
from editalk.face.solutions import quiet_stderr, solution
from editalk.face.track import POINTS, FaceTrack


class Picture(Protocol):
    """[height, width, 3] uint8, Y U V at full resolution: an array, or what makes the parts asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, part: Any, /) -> Any:
        """The pixels of two slices, rows and columns, and where a third index says so one channel of them."""
        ...


DETECT = 640  # long side of the picture in which faces are looked for
FACE = 256  # a face larger than this is scaled down to it: the mesh sees 192
MARGIN = 1.0  # of the face's size, looked at in addition
GAP = 3  # missing frames in a row that are interpolated
CUT = 28.0  # mean luma step of a small picture that only a new shot makes
FORGET = 30  # frames after which a lost face may come back anywhere


class _Region:
    """A fixed part of the picture that is looked at: a box, turned upright and scaled, its pixels made square."""

    def __init__(self, box: Box, shape: tuple[int, ...], rotation: int, aspect: float, size: int) -> None:
        self.box = box.within(shape)
        self.turns = round(rotation / 90) % 4
        h, w = self.box.bottom - self.box.top, aspect * (self.box.right - self.box.left)
        self.scale = min(1.0, size / max(h, w, 1))
        self.high, self.wide = max(1, round(h * self.scale)), max(1, round(w * self.scale))

    def rgb(self, image: Picture) -> NDArray[np.uint8]:
        import cv2

        part = image[self.box.slices]
        if part.shape[:2] != (self.high, self.wide):
            # areas only where much is thrown away: they cost several times as much
            how = cv2.INTER_AREA if self.scale < 0.6 else cv2.INTER_LINEAR
            part = np.asarray(cv2.resize(part, (self.wide, self.high), interpolation=how), np.uint8)
        colour = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_YUV2RGB)
        return np.ascontiguousarray(np.rot90(colour, self.turns))

    def points(self, landmarks: Iterable[Any]) -> NDArray[np.float32]:
        """MediaPipe's shares of the upright region → pixels of the coded picture."""
        p = np.array([(q.x, q.y, q.z) for q in landmarks])
        x, y = p[:, 0], p[:, 1]
        x, y = ((x, y), (1 - y, x), (1 - x, 1 - y), (y, 1 - x))[self.turns]
        wide, high = self.box.right - self.box.left, self.box.bottom - self.box.top
        upright_wide = high if self.turns % 2 else wide
        out = np.stack([self.box.left + x * wide, self.box.top + y * high, p[:, 2] * upright_wide], 1)
        return np.asarray(out, np.float32)


class FaceTracker:
    """Follows one face. `rotation`: degrees counter-clockwise that turn the coded picture upright (a multiple of 90);
    `choose`: the N-th face from the left, from 1, in the first frame that shows so many; None: the largest. `aspect`:
    of a coded pixel, width by height.

    Use as a context, or `close` it.
    """

    def __init__(self, rotation: int = 0, choose: int | None = None, aspect: float = 1.0) -> None:
        if rotation % 90:
            raise ValueError(f"a picture is turned by quarters, not by {rotation} degrees")
        if choose is not None and choose < 1:
            raise ValueError(f"faces count from 1, not {choose}")
        self.rotation, self.choose, self.aspect = rotation, choose, aspect
        self._detector: Any = None
        self._mesh: Any = None
        self._region: _Region | None = None
        self._last: Box | None = None  # the face's place
        self._seen: int | None = None  # the frame it was seen in
        self._thumb: NDArray[np.int16] | None = None
        self._searched = -FORGET
        self._fresh = True

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the models."""
        for model in (self._detector, self._mesh):
            if model is not None:
                model.close()
        self._detector = self._mesh = self._region = None

    def track(self, frames: Iterable[tuple[int, Picture]]) -> FaceTrack:
        """Landmarks of source frames given in ascending order."""
        numbers, points, shots = [], [], []
        shot = 0
        for number, image in frames:
            if self.is_cut(image):
                shot += 1
                self._forget()
            numbers.append(number)
            points.append(self.see(number, image))
            shots.append(shot)
        rows = [np.full((POINTS, 3), np.nan, np.float32) if p is None else p for p in points]
        stacked = np.stack(rows) if rows else np.zeros((0, POINTS, 3), np.float32)
        index = np.array(numbers, np.int64)
        return FaceTrack(index, bridged(index, stacked, np.array(shots, np.int64)))

    def count(self, image: Picture) -> int:
        """How many faces a picture shows; it is looked at thoroughly where `choose` asks for more than are easily seen.

        Forgets the face that was followed.
        """
        found = sum(self._confirmed(box, image) is not None for box in self._detect(image, thorough=True))
        self._forget()
        return found

    def is_cut(self, image: Picture) -> bool:
        """Whether a new shot begins with this picture."""
        h, w = image.shape[:2]
        thumb = image[h // 32 :: max(1, h // 16), w // 32 :: max(1, w // 16), 0].astype(np.int16)
        before, self._thumb = self._thumb, thumb
        return before is not None and (before.shape != thumb.shape or float(np.abs(thumb - before).mean()) > CUT)

    def see(self, number: int, image: Picture) -> NDArray[np.float32] | None:
        """[478, 3] of the face in one picture, None without one."""
        points = None
        if self._region is not None and self._seen is not None and 0 < number - self._seen <= GAP:
            points = self._look(image)
        if points is None:
            points = self._search(number, image)
        if points is not None:
            self._last, self._seen = square(points, 0.0), number
            self._follow(image.shape)
        return points

    def _forget(self) -> None:
        self._region = self._last = self._seen = None
        self._searched = -FORGET

    def _look(self, image: Picture) -> NDArray[np.float32] | None:
        assert self._region is not None
        assert self._mesh is not None
        picture = self._region.rgb(image)
        if self._fresh:  # the first picture with a face makes it talk
            with quiet_stderr():
                found = self._mesh.process(picture).multi_face_landmarks
        else:
            found = self._mesh.process(picture).multi_face_landmarks
        self._fresh = False
        if not found:
            return None
        points = self._region.points(found[0].landmark)
        if self._last is not None and square(points, 0.0).overlap(self._last) < 0.1:
            return None  # somebody else
        return points

    def _search(self, number: int, image: Picture) -> NDArray[np.float32] | None:
        """Look for the face in the whole picture, then in parts of it, where a small face is large enough."""
        near = self._last if self._seen is not None and 0 <= number - self._seen <= FORGET else None
        found = self._detect(image, thorough=not 0 <= number - self._searched < GAP)
        if self.choose is not None and near is None:  # what only looks like a face must not count
            found = [box for box in found if self._confirmed(box, image) is not None]
        boxes = self._pick(found, near)
        self._searched = number
        for candidate in boxes:
            points = self._confirmed(candidate, image)
            if points is not None:
                return points
        self._region = None
        self._last = near
        return None

    def _confirmed(self, candidate: Box, image: Picture) -> NDArray[np.float32] | None:
        self._move_to(candidate, image.shape)
        self._last = candidate
        return self._look(image)

    def _pick(self, boxes: list[Box], near: Box | None) -> list[Box]:
        """The faces in the order in which to try them."""
        if near is not None:
            return sorted((b for b in boxes if b.overlap(near) > 0.02), key=lambda b: -b.overlap(near))
        if self.choose is not None:
            def across(b: Box) -> int:
                return (b.left, b.top, -b.left, -b.top)[round(self.rotation / 90) % 4]

            ordered = sorted(boxes, key=across)
            return ordered[self.choose - 1 : self.choose]
        return sorted(boxes, key=lambda b: -b.area)

    def _detect(self, image: Picture, thorough: bool) -> list[Box]:
        h, w = image.shape[:2]
        boxes = self._faces_in(image, Box(0, 0, w, h))
        wanted = self.choose or 1
        if len(boxes) >= wanted or not thorough:
            return boxes
        for parts in (2, 4):
            side = round(2 * min(h, w) / (parts + 1)) if parts > 2 else round(0.7 * min(h, w))
            for top in np.linspace(0, h - side, max(2, round(1.6 * h / side))).astype(int):
                for left in np.linspace(0, w - side, max(2, round(1.6 * w / side))).astype(int):
                    for found in self._faces_in(image, Box(int(left), int(top), int(left) + side, int(top) + side)):
                        if not any(_same(found, b) for b in boxes):
                            boxes.append(found)
            if len(boxes) >= wanted:
                break
        return boxes

    def _faces_in(self, image: Picture, box: Box) -> list[Box]:
        detector = self._load_detector()
        region = _Region(box, image.shape, self.rotation, self.aspect, DETECT)
        found = detector.process(region.rgb(image)).detections or []
        out = []
        for detection in found:
            corners = detection.location_data.relative_bounding_box
            low = _Share(corners.xmin, corners.ymin)
            high = _Share(corners.xmin + corners.width, corners.ymin + corners.height)
            out.append(square(region.points([low, high]), 0.0))
        return out

    def _move_to(self, face: Box, shape: tuple[int, ...]) -> None:
        """Look at a new part of the picture; the mesh must not carry its old place over."""
        side = face.right - face.left
        grow = round(MARGIN * side)
        around = Box(face.left - grow, face.top - grow, face.right + grow, face.bottom + grow)
        size = round(FACE * (1 + 2 * MARGIN))
        self._region = _Region(around, shape, self.rotation, self.aspect, size)
        mesh = self._load_mesh()
        with quiet_stderr():
            mesh.reset()
            mesh.process(np.zeros((64, 64, 3), np.uint8))
        self._fresh = True

    def _follow(self, shape: tuple[int, ...]) -> None:
        """Move the region along when the face nears its edge or changes size."""
        assert self._region is not None
        assert self._last is not None
        face, region = self._last.within(shape), self._region.box
        side = self._last.right - self._last.left
        room = max(1, round(0.25 * side))
        h, w = shape[:2]
        near_edge = (
            (face.left - region.left < room and region.left > 0)
            or (face.top - region.top < room and region.top > 0)
            or (region.right - face.right < room and region.right < w)
            or (region.bottom - face.bottom < room and region.bottom < h)
        )
        if near_edge or side * 5 < min(region.right - region.left, region.bottom - region.top):
            self._move_to(self._last, shape)

    def _load_mesh(self) -> Any:
        if self._mesh is None:
            face_mesh = solution("face_mesh")
            with quiet_stderr():
                self._mesh = face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)
        return self._mesh

    def _load_detector(self) -> Any:
        if self._detector is None:
            face_detection = solution("face_detection")
            with quiet_stderr():
                self._detector = face_detection.FaceDetection(model_selection=1)
                self._detector.process(np.zeros((64, 64, 3), np.uint8))
        return self._detector


def _same(a: Box, b: Box) -> bool:
    """Whether two boxes show one face, seen in overlapping parts of a picture."""
    wide, high = abs(a.left + a.right - b.left - b.right), abs(a.top + a.bottom - b.top - b.bottom)
    return max(wide, high) < max(a.right - a.left, b.right - b.left)


class _Share:
    def __init__(self, x: float, y: float) -> None:
        self.x, self.y, self.z = x, y, 0.0


def bridged(
    numbers: NDArray[np.int64], points: NDArray[np.float32], shots: NDArray[np.int64], gap: int = GAP
) -> NDArray[np.float32]:
    """Fill gaps of at most `gap` frames inside a shot by linear interpolation."""
    out = points.copy()
    seen = np.flatnonzero(np.isfinite(points[:, 0, 0]))
    for a, b in zip(seen[:-1], seen[1:], strict=True):
        if b - a == 1 or numbers[b] - numbers[a] > gap + 1 or shots[a] != shots[b]:
            continue
        for i in range(a + 1, b):
            share = float(numbers[i] - numbers[a]) / float(numbers[b] - numbers[a])
            out[i] = (1 - share) * points[a] + share * points[b]
    return out
