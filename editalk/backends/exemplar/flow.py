"""Motion between two pictures of one scene, estimated on reduced lumas: free, led by the face, or none at all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Image
from editalk.face import eye_distance

Luma = NDArray[np.uint8]
Map = NDArray[np.float32]
"""[h, w]"""
Flow = NDArray[np.float32]
"""[h, w, 2]: where the content of a pixel lies in the other picture, relative to the pixel, x and y."""
Points = NDArray[np.floating[Any]]

AREA = 100_000  # pixels on which motion is estimated, about
GRID = 12  # pixels between the nodes of the landmark warp
NEAR = 0.18  # inter-ocular distances: reach of one landmark
FADE = (1.2, 2.6)  # inter-ocular distances from the face's middle where the landmark warp begins and ends to fade
HEAD = 1.15  # inter-ocular distances from the face's middle that surely belong to it
RESIDUAL = 0.12  # inter-ocular distances that free motion may add to the landmarks' on the face
NO_MAP = np.empty(0, np.float32)  # what cv2 calls an empty matrix
MARKS = tuple(range(0, 468, 6)) + (13, 14, 61, 291, 33, 133, 263, 362, 159, 145, 386, 374, 152)
LIDS = (
    (33, 133, (7, 163, 144, 145, 153, 154, 155, 173, 157, 158, 159, 160, 161, 246), (159, 145)),
    (362, 263, (249, 390, 373, 374, 380, 381, 382, 398, 384, 385, 386, 387, 388, 466), (386, 374)),
)
"""Of either eye: its corners, the other points of its contour, the middles of its lids."""
WINK = (0.03, 0.1)  # difference of lid opening over eye width from which, and from which on fully, lids are not morphed
EYE = 0.32  # inter-ocular distances: reach of an eye


def reduction(shape: tuple[int, ...]) -> int:
    """Pixels of a picture [h, w, …] that one pixel of the reduced one stands for, on each side."""
    return int(max(1, round((shape[0] * shape[1] / AREA) ** 0.5)))


def reduced(image: Image) -> Luma:
    """[ceil(h / k), ceil(w / k)] luma of a picture, k = `reduction`."""
    luma, k = cv2.extractChannel(image, 0), reduction(image.shape)
    h, w = luma.shape
    if h % k or w % k:
        luma = cv2.copyMakeBorder(luma, 0, -h % k, 0, -w % k, cv2.BORDER_REPLICATE)
    return np.asarray(luma if k == 1 else cv2.resize(luma, (luma.shape[1] // k, luma.shape[0] // k),
                                                     interpolation=cv2.INTER_AREA), np.uint8)  # fmt: skip


class Motion:
    """Motion between two pictures. `left`, `right`: reduced lumas; points: [478, ≥2] of either face in their pixels."""

    def __init__(self, left: Luma, right: Luma, left_points: Points | None, right_points: Points | None) -> None:
        self.lumas = left, right
        seen = [p for p in (left_points, right_points) if p is not None and np.isfinite(p[0, 0])]
        self._points = [np.asarray(p[:, :2], np.float32) for p in seen] if len(seen) == 2 else None
        self._found: dict[int, Flow] = {}

    def to_left(self, w: float) -> Flow:
        """Where to look in the left picture from the pixels of the picture at share `w` of the way."""
        return _source_of(self._flow(0), w)

    def to_right(self, w: float) -> Flow:
        return _source_of(self._flow(1), 1 - w)

    def face(self, w: float) -> Map:
        """[h, w] where the face is in the picture at share `w`: its landmarks fit onto each other; not open eyes onto
        closed ones.
        """
        mask = np.zeros(self.lumas[0].shape, np.float32)
        if self._points is None:
            return mask
        middle = (1 - w) * self._points[0] + w * self._points[1]
        cv2.fillConvexPoly(mask, cv2.convexHull(middle.astype(np.int32)), (1.0,))
        for eye, unlike in zip(LIDS, winks(*self._points), strict=True):
            if unlike:
                at = middle[[*eye[:2]]].mean(0)
                cv2.circle(mask, (round(float(at[0])), round(float(at[1]))), _eye_reach(middle), (1 - unlike,), -1)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), 3), np.float32)

    def away(self, w: float) -> Flow | None:
        """[h, w, 2] from the middle of the face in the picture at share `w`, in two inter-ocular distances."""
        if self._points is None:
            return None
        points = (1 - w) * self._points[0] + w * self._points[1]
        unit = 2 * float(eye_distance(points[None])[0])
        return np.asarray((mesh(*self.lumas[0].shape) - points.mean(0)) / unit, np.float32)

    def _flow(self, side: int) -> Flow:
        if side not in self._found:
            a, b = self.lumas[side], self.lumas[1 - side]
            if self._points is None:
                self._found[side] = _free_flow(a, b)
            else:
                self._found[side] = _led_flow(a, b, self._points[side], self._points[1 - side])
        return self._found[side]


def winks(a: Points, b: Points) -> list[float]:
    """How little the lids of either eye of two faces fit onto each other: 0 alike … 1 open and closed."""
    out = []
    for inner, outer, _, (top, bottom) in LIDS:
        gaps = [float(np.linalg.norm(p[top, :2] - p[bottom, :2]) / (np.linalg.norm(p[inner, :2] - p[outer, :2]) + 1e-6))
                for p in (a, b)]  # fmt: skip
        out.append(min(1.0, max(0.0, (abs(gaps[0] - gaps[1]) - WINK[0]) / (WINK[1] - WINK[0]))))
    return out


def warp(picture: Any, flow: Flow) -> Any:
    """`picture` seen through `flow` of its own size."""
    h, w = picture.shape[:2]
    return cv2.remap(picture, mesh(h, w) + flow, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=8)
def mesh(h: int, w: int) -> Flow:
    """[h, w, 2] every pixel's own x and y."""
    return np.stack(np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)), axis=-1)


def _free_flow(a: Luma, b: Luma) -> Flow:
    """Free motion where it explains more than none."""
    free = _dis(a, b)
    moving = _misfit(a, warp(b, free)) + 0.5 < 0.85 * _misfit(a, b)
    return np.asarray(free * _soft(moving, 2.5, a.shape), np.float32)


def _led_flow(a: Luma, b: Luma, pa: Points, pb: Points) -> Flow:
    """The best of no motion, free motion and motion led by the face, place by place; on the face itself the last."""
    free = _dis(a, b)
    still_cost, free_cost = 0.85 * _misfit(a, b), _misfit(a, warp(b, free)) + 0.5
    lead, face = _landmark_warp(a.shape, pa, _lids_held(pa, pb))
    rest = _dis(a, warp(b, lead))
    most = RESIDUAL * float(eye_distance(pa[None])[0])
    size = cv2.magnitude(rest[..., 0], rest[..., 1])
    rest *= ((np.minimum(1, most / (size + 1e-6)) * face + (1 - face)) * (1 - _eyes(a.shape, pa, pb)))[..., None]
    led = rest + warp(lead, rest)
    sure = cv2.resize(face, still_cost.shape[::-1], interpolation=cv2.INTER_AREA)
    led_cost = (0.9 - 0.4 * sure) * _misfit(a, warp(b, led)) + 0.3
    core = sure > 0.6
    inside = lead[face > 0.6]
    reach = float(np.percentile(np.hypot(inside[:, 0], inside[:, 1]), 90)) if len(inside) else 0.0
    width = min(max(0.4 * reach, 2.5), 14.0)  # a seam as wide as the motion does not tear
    follow = _soft((led_cost < free_cost) | core, width, a.shape)
    moving = _soft((np.minimum(led_cost, free_cost) < still_cost) | core, width, a.shape)
    return np.asarray((free + follow * (led - free)) * moving, np.float32)


def _misfit(a: Luma, b: Luma) -> Map:
    """[h/2, w/2] how little two pictures are alike around each place; half the size is fine enough."""
    _, off = cv2.threshold(cv2.absdiff(a, b), 40, 0, cv2.THRESH_TRUNC)
    half = cv2.resize(off, (max(1, a.shape[1] // 2), max(1, a.shape[0] // 2)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(half.astype(np.float32), (0, 0), 2), np.float32)


def _soft(mask: NDArray[np.bool_], width: float, shape: tuple[int, ...]) -> Flow:
    """[h, w, 1] of a mask of half the size; `width`: of its seams, full-size pixels."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), width / 2)
    return np.asarray(cv2.resize(soft, shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None], np.float32)


def _dis(a: Luma, b: Luma) -> Flow:
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(finder.calc(a, b, NO_MAP), np.float32)


def _lids_held(pa: Points, pb: Points) -> Points:
    """`pb` with the lids as `pa` has them, where one face blinks and the other does not: half a blink is none."""
    out = pb.copy()
    for (inner, outer, lids, _), unlike in zip(LIDS, winks(pa, pb), strict=True):
        rows = list(lids)
        (ax, ay), (bx, by) = pa[outer] - pa[inner], pb[outer] - pb[inner]
        turn = complex(bx, by) / (complex(ax, ay) or 1e-6)
        moved = (pa[rows] - pa[inner]) @ np.array([[turn.real, turn.imag], [-turn.imag, turn.real]]) + pb[inner]
        out[rows] += unlike * (moved - pb[rows])
    return out


def _eyes(shape: tuple[int, ...], pa: Points, pb: Points) -> Map:
    """[h, w] 1 around eyes that blink in one of the two pictures only."""
    mask = np.zeros(shape[:2], np.float32)
    for (inner, outer, _, _), unlike in zip(LIDS, winks(pa, pb), strict=True):
        at = pa[[inner, outer]].mean(0)
        cv2.circle(mask, (round(float(at[0])), round(float(at[1]))), _eye_reach(pa), (unlike,), -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5), np.float32)


def _eye_reach(points: Points) -> int:
    return max(2, round(EYE * float(eye_distance(points[None])[0])))


def _landmark_warp(shape: tuple[int, ...], pa: Points, pb: Points) -> tuple[Flow, Map]:
    """[h, w, 2] that takes face points `pa` to `pb`, smooth between them and fading towards the background, and
    [h, w] how surely a pixel belongs to the face.
    """
    h, w = shape[:2]
    marks = list(MARKS)
    p, way = pa[marks].astype(np.float32), (pb - pa)[marks].astype(np.float32)
    unit = float(eye_distance(pa[None])[0])
    ys, xs = (np.linspace(0, n - 1, max(2, round(n / GRID))).astype(np.float32) for n in (h, w))
    nodes = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    whole, _ = cv2.estimateAffinePartial2D(p, p + way, method=cv2.LMEDS)
    whole = np.array([[1, 0, 0], [0, 1, 0]], np.float64) if whole is None else whole
    rigid = nodes @ (whole[:, :2].T - np.eye(2)) + whole[:, 2]
    own = way - (p @ (whole[:, :2].T - np.eye(2)) + whole[:, 2])
    near = np.square(nodes).sum(1)[:, None] + np.square(p).sum(1)[None] - 2 * nodes @ p.T
    kernel = np.exp(-np.maximum(near, 0) / (2 * (NEAR * unit) ** 2))
    local = kernel @ own / (kernel.sum(-1, keepdims=True) + 0.1)
    offset = (nodes - p.mean(0)) / (1.0, 1.2)
    away = np.hypot(offset[:, 0], offset[:, 1]) / unit
    hold = np.clip((FADE[1] - away) / (FADE[1] - FADE[0]), 0, 1)[:, None]
    moved = (rigid + local) * (hold * hold * (3 - 2 * hold))
    face = np.clip((HEAD - away) / 0.3 + 0.5, 0, 1)[:, None]
    both = np.concatenate([moved, face], axis=1).reshape(len(ys), len(xs), 3).astype(np.float32)
    both = np.asarray(cv2.resize(both, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.ascontiguousarray(both[..., :2]), np.ascontiguousarray(both[..., 2])


def _source_of(flow: Flow, share: float) -> Flow:
    """Where to look from the pixels of the picture at `share` of the way along `flow` (it lives on the other end)."""
    found = np.asarray(-share * flow, np.float32)
    for _ in range(3):
        found = np.asarray(-share * warp(flow, found), np.float32)
    return found
