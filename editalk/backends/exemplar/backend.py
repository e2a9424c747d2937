"""A render window → pictures: base footage first, then the mouth."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.backends.base import Area, Capabilities, Footage, Image, Rendered, WindowInput
from editalk.backends.exemplar.draw import LipRenderer
from editalk.backends.exemplar.footage import Shot, base_footage, picture, points, resample
from editalk.backends.exemplar.joins import LONGEST, JoinMorph, plan_join
from editalk.backends.exemplar.lips import LipSync
from editalk.backends.exemplar.map import cells_without_mouth, footage_map
from editalk.backends.exemplar.morph import Morpher
from editalk.backends.exemplar.paste import united
from editalk.backends.exemplar.path import plan_path, ramps
from editalk.backends.exemplar.prior import RECIPE, WEIGHTS
from editalk.backends.exemplar.steady import steadied, step_limit
from editalk.cuts import face_pose, lid_openings
from editalk.face import FaceTrack
from editalk.face.geometry import square
from editalk.models import Identity, sha256
from editalk.plan.types import Piece, RenderWindow
from editalk.timebase import samples

HELD_BYTES = 320 * 2**20
BEYOND = 4  # pixels around what is looked at: a chroma sample may reach beyond
BESIDE = 0.12  # seconds of sound around new lips that their shapes depend on


class Exemplar:
    """See `editalk.backends.base.Backend`."""

    name = key = "exemplar"
    grid_step = 8
    capabilities = Capabilities(temporal=True, lips=True, regions=frozenset({"mouth"}))

    def __init__(self) -> None:
        self._learnt: tuple[WindowInput, LipSync | None] | None = None  # windows of one short clip learn the same

    @property
    def models(self) -> tuple[Identity, ...]:
        """What lips move by; the pixels are the speaker's own."""
        return (Identity("exemplar-prior", RECIPE, sha256(WEIGHTS)),)

    def render(self, given: WindowInput) -> Iterator[Rendered]:
        """New pictures for the frames of the window that do not show a source frame as it is."""
        span, footage = given.window.span, Held(given.footage)
        morpher = Morpher(footage, given.track)
        shots = base_shots(given, footage, morpher)
        plain = [p for p in given.window.pieces if p.source is not None and not p.resampled]
        kept = {frame for p in plain for frame in range(p.start, p.end)}
        faces = _faces(given.track, shots)
        lips = _lips(given, faces, self._learn(given)) if given.window.lips else None
        limit = step_limit(given.natural_steps)
        before: tuple[Image, Image] | None = None  # the picture before, without and with its new mouth
        for i, shot in enumerate(shots):
            own = _own(shot) if span.start + i in kept else None
            if own is None:
                footage.hold(f for s in shots[i : i + LONGEST] for f in _needs(s))
            elif lips is None or not lips.path.drawn[i]:
                before = None
                continue
            base = footage.image(own, _looked_at(lips, faces, i)) if own is not None else picture(morpher, shot)
            drawn = lips.draw(i, base) if lips is not None else None
            if drawn is None:
                yield Rendered(span.start + i, base, None if own is None else np.zeros(base.shape[:2], np.uint8), own)
                before = base, base
                continue
            image, mask = drawn
            if before is None and i > 0:
                before = (picture(morpher, shots[i - 1]),) * 2
            if before is not None:
                image = steadied(before, (base, image), mask, faces[i], limit)
            yield Rendered(span.start + i, image, None if own is None else mask, own)
            before = base, image

    def figures(self) -> dict[str, int]:
        return {}

    def _learn(self, given: WindowInput) -> LipSync | None:
        """The mouth of the footage; None where there is no face to learn from."""
        if self._learnt is None or not _same_footage(self._learnt[0], given):
            self._learnt = given, LipSync.fit(
                given.track, given.source_sound, given.source_sound_start, given.footage.rate, given.source_phones
            )
        return self._learnt[1]


def _same_footage(a: WindowInput, b: WindowInput) -> bool:
    """Whether two windows learn from the same."""
    return (
        a.source_sound_start == b.source_sound_start and a.source_phones == b.source_phones
        and np.array_equal(a.source_sound.samples, b.source_sound.samples)
        and np.array_equal(a.track.frames, b.track.frames)
        and np.array_equal(a.track.points, b.track.points, equal_nan=True)
    )  # fmt: skip


class Held:
    """Footage whose pictures for the next few frames are decoded in order, once: they may lie far apart in the file."""

    def __init__(self, footage: Footage) -> None:
        self.footage, self.frames, self.rate = footage, footage.frames, footage.rate
        self._held: OrderedDict[int, Image] = OrderedDict()

    def image(self, frame: int, within: Area | None = None) -> Image:
        held = self._held.get(frame)
        return self.footage.image(frame, within) if held is None else held

    def hold(self, frames: Iterable[int]) -> None:
        """Decode these frames now and let go of others where the memory is needed."""
        for frame in sorted({f for f in frames if 0 <= f < self.frames}):
            image = self._held.pop(frame, None)
            self._held[frame] = self.footage.image(frame) if image is None else image
            while len(self._held) > max(2 * LONGEST, HELD_BYTES // self._held[frame].nbytes):
                self._held.popitem(last=False)


# ------------------------------------------------------------------------------------------------------ base footage


def base_shots(given: WindowInput, footage: Held, morpher: Morpher) -> list[Shot]:
    """What every frame of the window shows before any lips are drawn."""
    window = given.window
    shown: dict[int, Shot] = {}
    face = given.track.points
    seen = cells_without_mouth(face, footage.image(int(given.track.frames[0])).shape[1], given.thumbs.shape[1])
    known = footage_map(given.track.frames, face_pose(face), given.thumbs, lid_openings(face), seen)

    def planner(left: int, right: int, most: int) -> JoinMorph:
        return _planned(given, footage, morpher, left, right, most)

    for k, piece in enumerate(window.pieces):
        if piece.source is None:
            before, behind = _neighbour(window.pieces[:k][::-1], -1), _neighbour(window.pieces[k + 1 :], 0)
            made = base_footage(known, before, behind, piece.frames, float(footage.rate), planner)
        elif piece.resampled:
            made = resample(piece.source, piece.source_frames, piece.frames)
        else:
            made = tuple(Shot(float(piece.source + i)) for i in range(piece.frames))
        shown.update(zip(range(piece.start, piece.end), made, strict=True))
    for frame, shot in _morphs(given, footage, morpher):
        if frame in shown:
            shown[frame] = shot
    return [shown[frame] for frame in range(window.span.start, window.span.end)]


def _neighbour(pieces: Iterable[Piece], side: int) -> int | None:
    """The source frame that the nearest footage ends (-1) or begins (0) with."""
    nearest = next((p for p in pieces if p.source is not None), None)
    if nearest is None or nearest.source is None:
        return None
    return nearest.source_end - 1 if side else nearest.source


def _morphs(given: WindowInput, footage: Held, morpher: Morpher) -> Iterator[tuple[int, Shot]]:
    """Timeline frames around joins of kept footage: from the left side, going on, to the right side, leading in."""
    cuts = [(j.frame, j.left, j.right) for j in given.window.joins if j.left is not None and j.right is not None]
    for frame, left, right in cuts:
        longest = min([LONGEST, *(abs(other - frame) // 2 for other, _, _ in cuts if other != frame)])
        join = _planned(given, footage, morpher, left, right, longest)
        for offset in range(-join.before, join.after):
            a, b = (float(min(max(f, 0), footage.frames - 1)) for f in (left + 1 + offset, right + offset))
            yield frame + offset, Shot(a, b, join.weight(offset), join.span)


def _planned(given: WindowInput, footage: Held, morpher: Morpher, left: int, right: int, longest: int) -> JoinMorph:
    footage.hold([*range(left - LONGEST, left + LONGEST + 2), *range(right - LONGEST - 1, right + LONGEST + 1)])
    return plan_join(morpher, left, right, given.natural_steps, longest)


def _own(shot: Shot) -> int | None:
    """The source frame that a shot is, untouched; None where it is none."""
    whole = shot.other is None or shot.weight <= 0
    return int(shot.frame) if whole and shot.frame == int(shot.frame) else None


def _needs(shot: Shot) -> list[int]:
    """The source frames that the picture of a shot is made of."""
    positions = [shot.frame] if shot.other is None else [shot.frame, shot.other]
    return [int(p) + k for p in positions for k in (0, 1) if k == 0 or p != int(p)]


# -------------------------------------------------------------------------------------------------------------- lips


def _lips(given: WindowInput, faces: NDArray[np.float32], sync: LipSync | None) -> LipRenderer | None:
    """Who draws the mouths of the window; None where nothing could be learnt."""
    if sync is None:
        return None
    path = plan_path(sync.space, sync.pool, _shapes(given, sync), faces, _weights(given.window, len(faces)))
    return LipRenderer(sync.pool, sync.rate, path, given.footage)


def _shapes(given: WindowInput, sync: LipSync) -> NDArray[np.float64]:
    """[n, k, 3] the mouth of every frame of the window.

    Each stretch of new lips is heard by itself: the footage's own voice beside it must not tell what its voice is like.
    """
    rate, span = given.footage.rate, given.window.span
    times = np.array([float(rate.seconds(f)) + 0.5 / float(rate) for f in range(span.start, span.end)])
    shapes = np.repeat(sync.space.mean[None], len(times), axis=0)
    for lips in given.window.lips:
        first, last = max(lips.start, span.start), min(lips.end, span.end)
        start, end = (float(rate.seconds(f)) for f in (first, last))
        low, high = (samples(t - given.sound_start, given.sound.rate) for t in (start - BESIDE, end + BESIDE))
        low = max(0, low)
        heard = Audio(given.sound.samples[low:high], given.sound.rate)
        rows = slice(first - span.start, last - span.start)
        shapes[rows] = sync.predictor(heard, given.sound_start + low / given.sound.rate, times[rows], given.phones)
    return shapes


def _looked_at(lips: LipRenderer | None, faces: NDArray[np.float32], i: int) -> Area | None:
    """What new lips need of the base picture of frame i: for themselves, and for those of the next frame, which must
    not move too fast.
    """
    drawn = {k: lips.box(k) for k in range(i, min(i + 2, len(faces)))} if lips is not None else {}
    boxes = [b for k, own in drawn.items() if own is not None for b in (own, square(faces[k]))]
    if not boxes:
        return None
    box = united(boxes)
    return slice(box.top - BEYOND, box.bottom + BEYOND), slice(box.left - BEYOND, box.right + BEYOND)


def _faces(track: FaceTrack, shots: list[Shot]) -> NDArray[np.float32]:
    """[n, 478, 3] where the face is in every base picture, NaN without one."""
    nobody = np.full((478, 3), np.nan, np.float32)
    found = [points(track, shot) for shot in shots]
    return np.stack([nobody if p is None else np.asarray(p, np.float32) for p in found])


def _weights(window: RenderWindow, count: int) -> NDArray[np.float64]:
    start = window.span.start
    return ramps([(s.start - start, s.end - start) for s in window.lips], count)
