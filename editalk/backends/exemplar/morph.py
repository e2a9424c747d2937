"""Joins: pictures between two pictures of the same scene that do not ghost, and how long a join has to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Footage, Image
from editalk.face import FaceTrack, eye_distance

Luma = NDArray[np.uint8]
Flow = NDArray[np.float32]
"""[h, w, 2]: where the content of a pixel lies in the other picture, relative to the pixel, x and y."""
Points = NDArray[np.floating[Any]]

AREA = 160_000  # pixels on which motion is estimated at most
GRID = 12  # pixels between the nodes of the landmark warp
NEAR = 0.18  # inter-ocular distances: reach of one landmark
FADE = (1.2, 2.6)  # inter-ocular distances from the face's middle where the landmark warp begins and ends to fade
SWITCH = (0.34, 0.66)  # weights between which texture goes over from one side to the other
WIPE = 0.1  # how much earlier than the middle the top goes over, and later the bottom
HARD = (0.001, 0.06)  # half the weight over which texture goes over where the sides differ: elsewhere, by the face
CONTRAST = 16.0  # luma difference of the two warped sides that counts as another thing, not another light
HEAD = 1.15  # inter-ocular distances from the face's middle that surely belong to it
RESIDUAL = 0.12  # inter-ocular distances that free motion may add to the landmarks' on the face
STILL = 0.03  # pixels of the reduced picture: less motion is none
NO_MAP = np.empty(0, np.float32)  # what cv2 calls an empty matrix
MARKS = tuple(range(0, 468, 6)) + (13, 14, 61, 291, 33, 133, 263, 362, 159, 145, 386, 374, 152)


class Motion:
    """Motion between two pictures, found at reduced size and only where it is asked for."""

    def __init__(self, left: Image, right: Image, left_points: Points | None, right_points: Points | None) -> None:
        h, w = left.shape[:2]
        scale = min(1.0, (AREA / (h * w)) ** 0.5)
        size = max(16, round(w * scale)), max(16, round(h * scale))
        self.lumas = tuple(_small(x[..., 0], size) for x in (left, right))
        seen = [p is not None and bool(np.isfinite(p[0, 0])) for p in (left_points, right_points)]
        self._points = [p[:, :2] * scale for p in (left_points, right_points) if p is not None] if all(seen) else None

    def to_left(self, w: float) -> Flow:
        """Where to look in the left picture from the pixels of the picture at share `w` of the way."""
        return _source_of(self._flow(0, 1), w)

    def to_right(self, w: float) -> Flow:
        return _source_of(self._flow(1, 0), 1 - w)

    def face(self, w: float) -> NDArray[np.float32]:
        """[h, w] where the face is in the picture at share `w`: its landmarks fit onto each other."""
        mask = np.zeros(self.lumas[0].shape, np.float32)
        if self._points is not None:
            middle = (1 - w) * self._points[0] + w * self._points[1]
            cv2.fillConvexPoly(mask, cv2.convexHull(middle.astype(np.int32)), (1.0,))
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), 3), np.float32)

    def turn(self, w: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[h, 1] the weight at which each row's texture goes over: from the hair down to the body, not all at once;
        [h, w] half the weight over which it does so at least: hair may fade for a frame, hands would show twice.
        """
        h, width = self.lumas[0].shape
        if self._points is None:
            rows = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
            return 0.5 + WIPE * rows, np.full((h, width), HARD[0], np.float32)
        points = (1 - w) * self._points[0] + w * self._points[1]
        unit = 2 * float(eye_distance(points[None])[0])
        away = (_mesh(h, width) - points.mean(0)) / unit
        near = np.clip(4 - 4 * np.linalg.norm(away, axis=2), 0, 1)
        turn = 0.5 + WIPE * np.clip(away[:, :1, 1], -1, 1)
        return np.asarray(turn, np.float32), np.asarray(HARD[0] + (HARD[1] - HARD[0]) * near, np.float32)

    def _flow(self, a: int, b: int) -> Flow:
        pa, pb = (None, None) if self._points is None else (self._points[a], self._points[b])
        return _flow(self.lumas[a], self.lumas[b], pa, pb)


def smoothstep(x: float) -> float:
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def morph(left: Image, right: Image, w: float, left_points: Points | None = None,
          right_points: Points | None = None) -> Image:  # fmt: skip
    """The picture at share `w` (0…1) of the way from `left` to `right`; points: [478, ≥2] pixels of either face.

    Shapes go over evenly, textures around w = 0.5; where the two sides do not fit onto each other, one of them shows.
    """
    if left.shape != right.shape:
        raise ValueError(f"two pictures of one size, not {left.shape} and {right.shape}")
    if w <= 0:
        return left
    if w >= 1:
        return right
    motion = Motion(left, right, left_points, right_points)
    if w < SWITCH[0]:
        return _render(left, motion.to_left(w))
    if w > SWITCH[1]:
        return _render(right, motion.to_right(w))
    to_left, to_right = motion.to_left(w), motion.to_right(w)
    small = _warp(motion.lumas[0], to_left), _warp(motion.lumas[1], to_right)
    share = _right_share(*small, motion.face(w), *motion.turn(w), w)
    a, b = _render(left, to_left), _render(right, to_right)
    weight = cv2.resize(share, (left.shape[1], left.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(a, b, 1 - weight, weight), np.uint8)


# ------------------------------------------------------------------------------------------------------------ motion


def _flow(a: Luma, b: Luma, pa: Points | None, pb: Points | None) -> Flow:
    """The best of no motion, free motion and motion led by the face, place by place; on the face itself the last."""
    free = _dis(a, b)
    still_cost, free_cost = 0.85 * _misfit(a, b), _misfit(a, _warp(b, free)) + 0.5
    if pa is None or pb is None:
        return np.asarray(free * _soft(free_cost < still_cost, 2.5), np.float32)
    lead, face = _landmark_warp(a.shape, pa, pb)
    most = RESIDUAL * float(eye_distance(pa[None])[0])
    rest = _dis(a, _warp(b, lead))
    rest *= np.minimum(1, most / (np.linalg.norm(rest, axis=2, keepdims=True) + 1e-6)) * face + (1 - face)
    led = rest + _warp(lead, rest)
    led_cost = (0.9 - 0.4 * face[..., 0]) * _misfit(a, _warp(b, led)) + 0.3
    core = face[..., 0] > 0.6
    reach = float(np.percentile(np.linalg.norm(lead[core], axis=1), 90)) if core.any() else 0.0
    width = min(max(0.4 * reach, 2.5), 14.0)  # a seam as wide as the motion does not tear
    follow = _soft((led_cost < free_cost) | core, width)
    moving = _soft((np.minimum(led_cost, free_cost) < still_cost) | core, width)
    return np.asarray((free + follow * (led - free)) * moving, np.float32)


def _misfit(a: Luma, b: Luma) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(np.minimum(cv2.absdiff(a, b), 40).astype(np.float32), (0, 0), 4), np.float32)


def _soft(mask: NDArray[np.bool_], width: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), width)[..., None], np.float32)


def _dis(a: Luma, b: Luma) -> Flow:
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(finder.calc(a, b, NO_MAP), np.float32)


def _landmark_warp(shape: tuple[int, ...], pa: Points, pb: Points) -> tuple[Flow, Flow]:
    """[h, w, 2] that takes face points `pa` to `pb`, smooth between them and fading towards the background, and
    [h, w, 1] how surely a pixel belongs to the face.
    """
    h, w = shape[:2]
    marks = list(MARKS)
    p, way = pa[marks].astype(np.float32), (pb - pa)[marks].astype(np.float32)
    unit = float(eye_distance(pa[None])[0])
    ys, xs = (np.linspace(0, n - 1, max(2, round(n / GRID))).astype(np.float32) for n in (h, w))
    nodes = np.stack(np.meshgrid(xs, ys), axis=-1)
    whole, _ = cv2.estimateAffinePartial2D(p, p + way, method=cv2.LMEDS)
    whole = np.array([[1, 0, 0], [0, 1, 0]], np.float64) if whole is None else whole
    rigid = nodes @ (whole[:, :2].T - np.eye(2)) + whole[:, 2]
    own = way - (p @ (whole[:, :2].T - np.eye(2)) + whole[:, 2])
    near = np.square(nodes[:, :, None] - p[None, None]).sum(-1) / (NEAR * unit) ** 2
    kernel = np.exp(-near / 2)
    local = kernel @ own / (kernel.sum(-1, keepdims=True) + 0.1)
    middle = p.mean(0)
    away = np.linalg.norm((nodes - middle) / (1.0, 1.2), axis=-1) / unit
    hold = np.clip((FADE[1] - away) / (FADE[1] - FADE[0]), 0, 1)[..., None]
    warp = (rigid + local) * (hold * hold * (3 - 2 * hold))
    face = np.clip((HEAD - away) / 0.3 + 0.5, 0, 1)[..., None]
    both = cv2.resize(np.concatenate([warp, face], axis=2).astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    return both[..., :2], both[..., 2:]


def _source_of(flow: Flow, share: float) -> Flow:
    """Where to look from the pixels of the picture at `share` of the way along `flow` (it lives on the other end)."""
    found = -share * flow
    for _ in range(4):
        found = -share * _warp(flow, found)
    return found


# ------------------------------------------------------------------------------------------------------------- pixels


def _warp(picture: Any, flow: Flow) -> Any:
    """`picture` seen through `flow` of its own size."""
    h, w = picture.shape[:2]
    return cv2.remap(picture, _mesh(h, w) + flow, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _render(image: Image, flow: Flow) -> Image:
    """`image` seen through a flow of reduced size; what does not move stays exact."""
    h, w = image.shape[:2]
    rows, columns = (np.flatnonzero((np.abs(flow) > STILL).any(axis=(axis, 2))) for axis in (1, 0))
    if not len(rows):
        return image
    up = w / flow.shape[1], h / flow.shape[0]
    y0, y1 = _even(rows, up[1], h)
    x0, x1 = _even(columns, up[0], w)
    planes = [np.ascontiguousarray(image[..., c]) for c in range(3)]
    grid = _places(flow, up, (x0, y0, x1, y1))
    planes[0][y0:y1, x0:x1] = cv2.remap(planes[0], grid, NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # colour has half the resolution in nearly all sources: a quarter of the pixels does
    coarse = cv2.resize(grid, ((x1 - x0 + 1) // 2, (y1 - y0 + 1) // 2), interpolation=cv2.INTER_AREA) * 0.5 - 0.25
    for plane in planes[1:]:
        half = cv2.resize(plane, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)
        moved = cv2.remap(half, coarse, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        plane[y0:y1, x0:x1] = cv2.resize(moved, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.merge(planes), np.uint8)


def _even(touched: NDArray[np.int64], up: float, size: int) -> tuple[int, int]:
    """Full-size range around the touched rows or columns of the reduced picture; its start is even."""
    return max(0, int((touched[0] - 1) * up) // 2 * 2), min(size, int((touched[-1] + 2) * up) // 2 * 2 + 2)


def _places(flow: Flow, up: tuple[float, float], box: tuple[int, int, int, int]) -> Flow:
    """[y1-y0, x1-x0, 2] where the full-size pixels of a box come from."""
    x0, y0, x1, y1 = box
    around = cv2.copyMakeBorder(flow, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    whole = (_mesh(around.shape[0], around.shape[1]) - 0.5 + around) * np.array(up, np.float32) - 0.5
    shift = np.array([[1 / up[0], 0, (x0 + 0.5) / up[0] + 0.5], [0, 1 / up[1], (y0 + 0.5) / up[1] + 0.5]])
    return np.asarray(cv2.warpAffine(whole, shift, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
                      np.float32)  # fmt: skip


@lru_cache(maxsize=4)
def _mesh(h: int, w: int) -> Flow:
    return np.stack(np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)), axis=-1)


def _small(luma: NDArray[Any], size: tuple[int, int]) -> Luma:
    return np.ascontiguousarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def _right_share(a: Luma, b: Luma, face: NDArray[np.float32], turn: NDArray[np.float32],
                 hard: NDArray[np.float32], w: float) -> NDArray[np.float32]:  # fmt: skip
    """[h, w] how much of the right side's texture shows: soft where the two warped sides agree, else all or nothing.

    On the face they agree in shape, so that a fade of few frames shows less than a switch.
    """
    whole = cv2.dilate(cv2.absdiff(a, b), np.ones((7, 7), np.uint8))  # things, not only their edges
    off = cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 3)
    differ = np.clip(off / CONTRAST, 0, 1) * (1 - face)
    half = (SWITCH[1] - SWITCH[0] - 2 * WIPE) / 2 * (1 - differ) + hard
    share = np.clip((w - turn + half) / (2 * half), 0, 1)
    return np.asarray(cv2.GaussianBlur(share.astype(np.float32), (0, 0), 1.5), np.float32)


# -------------------------------------------------------------------------------------------------------------- joins

LONGEST = 8  # morphed frames on either side of a join
STEP = 0.85  # of the clip's 99th percentile: a join as still as that does not show
SKETCH = 110_000  # pixels of the pictures that a join is tried on
FACE = 256  # side of the face crop that steps are measured on, pixels


@dataclass(frozen=True)
class JoinMorph:
    """Frames to morph `before` and `after` a join; `score`: its largest step, in the clip's 99th percentile."""

    before: int
    after: int
    score: float

    def weight(self, offset: int) -> float:
        """Share of the right side `offset` frames behind the join (negative: before it)."""
        if not self.before + self.after:
            return float(offset >= 0)
        even = (offset + self.before + 1) / (self.before + self.after + 1)
        return 0.6 * even + 0.4 * smoothstep(even)  # gentle ends, and a middle that is not much faster


def morph_frames(distance: float, rate: float) -> int:
    """Frames to morph on either side of a join whose plain cut steps by `distance`, in the clip's 99th percentile.

    0 where that would not show; at most 8, and not longer than a third of a second.
    """
    if distance <= STEP:
        return 0
    return min(LONGEST, max(1, round(rate / 3)), max(1, round(1.5 * distance)))


def plan_join(footage: Footage, track: FaceTrack, left: int, right: int, natural: NDArray[np.floating[Any]],
              longest: int = LONGEST) -> JoinMorph:  # fmt: skip
    """How to join source frame `left` to source frame `right`, tried out on small pictures.

    `natural`: [n] face steps of the footage around. At most `longest` frames on either side, and only where both sides
    have footage that goes on (not over a cut of scenes).
    """
    limit = float(np.percentile(natural, 99)) if len(natural) else 4.0
    sketch = _Sketch(footage, track)
    if not sketch.usable(left) or not sketch.usable(right):
        return JoinMorph(0, 0, 0.0)
    plain = sketch.steps(JoinMorph(0, 0, 0.0), left, right) / limit
    best = JoinMorph(0, 0, plain)
    if plain <= STEP or longest <= 0:
        return best
    sketch.read(range(left - longest, left + longest + 1))
    sketch.read(range(right - longest, right + longest + 1))
    before, after = sketch.room(right - 1, -1, longest, limit), sketch.room(left + 1, 1, longest, limit)
    first = morph_frames(plain, float(footage.rate))
    for k in sorted({k for k in (first // 2, first, first + 2, first + 4, LONGEST) if 0 < k <= longest}):
        tried = JoinMorph(min(k, before), min(k, after), 0.0)
        if not tried.before + tried.after or best.score <= STEP:
            break
        score = sketch.steps(tried, left, right) / limit
        if score < 0.97 * best.score:
            best = JoinMorph(tried.before, tried.after, score)
    return best


def join_frames(footage: Footage, track: FaceTrack, left: int, right: int, join: JoinMorph) -> Iterator[Image]:
    """The pictures of a join of source frame `left` to `right`, from `before` frames before it to `after` behind it.

    The left side goes on past its end, the right side leads in; a side without footage holds its last frame.
    """
    offsets = range(-join.before, join.after)
    sides = [[min(max(start + o, 0), footage.frames - 1) for o in offsets] for start in (left + 1, right)]
    held = [footage.image(f) for f in sides[0]]  # one side after the other: no seek to and fro
    for a, b, image, offset in zip(*sides, held, offsets, strict=True):
        yield morph(image, footage.image(b), join.weight(offset), track.at(a), track.at(b))


class _Sketch:
    """Small pictures of the footage around a join."""

    def __init__(self, footage: Footage, track: FaceTrack) -> None:
        self.footage, self.track = footage, track
        self.held: dict[int, Image] = {}
        self.scale = 1.0

    def usable(self, frame: int) -> bool:
        return 0 <= frame < self.footage.frames

    def read(self, frames: range) -> None:
        """Look at frames in their order in the file, which is much faster than any other."""
        for frame in filter(self.usable, frames):
            self.image(frame)

    def image(self, frame: int) -> Image:
        frame = min(max(frame, 0), self.footage.frames - 1)
        if frame not in self.held:
            full = self.footage.image(frame)
            h, w = full.shape[:2]
            self.scale = min(1.0, (SKETCH / (h * w)) ** 0.5)
            size = max(16, round(w * self.scale)), max(16, round(h * self.scale))
            self.held[frame] = np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.uint8)
        return self.held[frame]

    def points(self, frame: int) -> Points | None:
        found = self.track.at(frame)
        return None if found is None else found * self.scale

    def room(self, start: int, way: int, most: int, limit: float) -> int:
        """Frames from `start` on that go on without a cut of scenes."""
        count, last = 0, self.image(start - way)
        for frame in range(start, start + way * most, way):
            if not self.usable(frame):
                break
            image = self.image(frame)
            if float(cv2.absdiff(image[..., 0], last[..., 0]).mean()) > max(25.0, 4 * limit):
                break
            count, last = count + 1, image
        return count

    def steps(self, join: JoinMorph, left: int, right: int) -> float:
        """The largest step on the face over a join."""
        pictures = [self.image(left - join.before)]
        pictures += list(self._morphed(join, left, right))
        pictures.append(self.image(right + join.after))
        box = self._box(left) or self._box(right)
        crops = [_face(p[..., 0], box) for p in pictures]
        return max(float(cv2.absdiff(a, b).mean()) for a, b in zip(crops, crops[1:], strict=False))

    def _morphed(self, join: JoinMorph, left: int, right: int) -> Iterator[Image]:
        for offset in range(-join.before, join.after):
            a, b = left + 1 + offset, right + offset
            yield morph(self.image(a), self.image(b), join.weight(offset), self.points(a), self.points(b))

    def _box(self, frame: int) -> tuple[int, int, int, int] | None:
        points = self.points(frame)
        if points is None:
            return None
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        side = 1.25 * float((high - low).max())
        x, y = (low + high - side) / 2
        return int(x), int(y), int(x + side), int(y + side)


def _face(luma: Luma, box: tuple[int, int, int, int] | None) -> Luma:
    x0, y0, x1, y1 = box or (0, 0, luma.shape[1], luma.shape[0])
    part = luma[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    return np.asarray(cv2.resize(part if part.size else luma, (FACE, FACE), interpolation=cv2.INTER_AREA), np.uint8)
