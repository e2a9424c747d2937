"""What the source's footage looks and sounds like around the places of an edit; found out lazily, kept in the cache."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from editalk.cache import Cache, key
from editalk.cuts import CutEvidence, choose_cut, choose_place, face_pose, frame_levels, lid_openings, thumbnail
from editalk.face import FaceTrack, FaceTracker, Picture, square
from editalk.inputs import Inputs
from editalk.media import FrameReader, MediaInfo, SoundFile, to_image
from editalk.media.image import plane_array, to_working
from editalk.reporting import Reporter
from editalk.timebase import FrameRange
from editalk.transcript import Word

AHEAD = 4  # pictures that are decoded while the face is looked for in one
BLOCK = 8  # seconds of footage that are looked at and kept together
FACE = 256  # side of the face crop that steps are measured on, pixels (design, section 9)
LONG = 960  # pixels: long side of the pictures that steps are measured on
MIXED = 0.2  # of the way between two pictures: a third one between them that is nearer to their mix shows both
VERSION = 3

Item = TypeVar("Item")
Box = tuple[int, int, int, int]
"""left, top, width, height in pixels"""


@dataclass(frozen=True)
class Block:
    """Neighbouring source frames. `steps`: [n] mean luma difference to the frame before on the 256 px face (the whole
    picture without a face), `motion`: [n] the same on thumbnails, `thumbs`: [n, d] luma thumbnails; NaN at frame 0.
    """

    track: FaceTrack
    thumbs: NDArray[np.float32]
    motion: NDArray[np.float32]
    steps: NDArray[np.float32]


class Analysis:
    """Face track, thumbnails and frame-to-frame steps of a source, a block at a time.

    `sound`: mono, from the first frame on. `face`: the N-th face from the left, None: the largest. `inputs`: what must
    not change before anything is kept.
    """

    def __init__(
        self, info: MediaInfo, reader: FrameReader, sound: SoundFile, words: Sequence[Word], cache: Cache,
        reporter: Reporter, face: int | None = None, inputs: Inputs | None = None,
    ) -> None:  # fmt: skip
        self.info, self.reader, self.sound, self.words = info, reader, sound, words
        self.cache, self.reporter, self.face, self.inputs = cache, reporter, face, inputs
        self.size = max(1, info.video.rate.frames(BLOCK))
        self._blocks: dict[int, Block] = {}
        self._looked = 0  # blocks that were not in the cache
        self._tracker: FaceTracker | None = None

    def close(self) -> None:
        if self._tracker is not None:
            self._tracker.close()

    def prepare(self, spans: Sequence[FrameRange]) -> None:
        """Look at all blocks that the source frames of `spans` lie in."""
        wanted = sorted({k for span in spans for k in self._numbers(span)} - set(self._blocks))
        frames = {k: FrameRange(k * self.size, min((k + 1) * self.size, self.reader.frames)) for k in wanted}
        with self.reporter.stage("Looking at the face", sum(map(len, frames.values()))) as advance:
            for k in wanted:
                before = self._looked
                self._block(k)
                advance(len(frames[k]), cached=self._looked == before)

    def track(self, span: FrameRange) -> FaceTrack:
        """The face in the blocks that source frames [start, end) lie in."""
        return FaceTrack.joined([self._block(k).track for k in self._numbers(span)])

    def thumbs(self, span: FrameRange) -> NDArray[np.float32]:
        """[rows of `track(span)`, d] luma thumbnails."""
        return np.concatenate([self._block(k).thumbs for k in self._numbers(span)])

    def steps(self) -> NDArray[np.float32]:
        """The natural steps of all footage looked at so far, ascending."""
        found = np.concatenate([b.steps for b in self._blocks.values()] or [np.zeros(0, np.float32)])
        return np.sort(found[np.isfinite(found)])

    def blocks(self) -> list[Block]:
        """All footage looked at so far, in order."""
        return [self._blocks[k] for k in sorted(self._blocks)]

    @property
    def width(self) -> int:
        """Pixels across the coded picture."""
        return self.info.video.width

    def evidence(self, span: FrameRange) -> CutEvidence:
        """What speaks for and against cuts before the frames of the blocks around `span`."""
        blocks = [self._block(k) for k in self._numbers(span)]
        frames = np.concatenate([b.track.frames for b in blocks])
        first, rate = int(frames[0]), self.info.video.rate
        start, end = (rate.sample(f, self.sound.rate) for f in (first, int(frames[-1]) + 2))
        levels = frame_levels(self.sound.read(start, end).mono(), self.sound.rate, rate, frames - first)
        times = frames / float(rate.value)
        speech = np.zeros(len(frames), bool)
        for word in self.words:
            speech |= (times > word.start + 0.03) & (times < word.end - 0.03)
        motion = np.concatenate([b.motion for b in blocks])
        points = np.concatenate([b.track.points for b in blocks])
        return CutEvidence(
            frames, levels, speech, np.nan_to_num(motion, nan=float(np.nanmedian(motion)) if len(motion) > 1 else 0.0),
            face_pose(points), np.concatenate([b.thumbs for b in blocks]), lid_openings(points),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- the chooser of cuts

    def point(self, choice: FrameRange, prefer: int) -> int:
        """See `plan.CutChooser`: quiet and still."""
        where = self._known(choice)
        if len(where) <= 1:
            return prefer
        return choose_place(self.evidence(where), where, min(max(prefer, where.start), where.end - 1)).left

    def join(self, left: FrameRange, right: FrameRange, prefer: tuple[int, int]) -> tuple[int, int]:
        """See `plan.CutChooser`: quiet and still, and the two sides alike."""
        lefts, rights = self._known(left), self._known(right)
        if not len(lefts) or not len(rights) or (len(lefts) == 1 and len(rights) == 1):
            return prefer
        evidence = _together(self.evidence(lefts), self.evidence(rights))
        last, first = (min(max(p, s.start), s.end - 1) for p, s in zip(prefer, (lefts, rights), strict=True))
        try:
            cut = choose_cut(evidence, lefts, rights, last, first)
        except ValueError:
            return prefer
        return cut.left, cut.right

    def _known(self, choice: FrameRange) -> FrameRange:
        """The choices that are frames, end exclusive: the end of the source is a place to cut but no frame."""
        return FrameRange(min(choice.start, self.reader.frames), min(choice.end + 1, self.reader.frames))

    # --------------------------------------------------------------------------------------------------- the blocks

    def _numbers(self, span: FrameRange) -> range:
        last = max(span.start, span.end - 1)
        return range(max(0, span.start) // self.size, min(last, self.reader.frames - 1) // self.size + 1)

    def _block(self, k: int) -> Block:
        if k not in self._blocks:
            path = self.cache.path("face", key("face", VERSION, self.info.sha256, self.face, self.size, k) + ".npz")
            held = _load(path) if self.cache.held(path) else None
            if held is None:
                held = self._look(k)
                packed = io.BytesIO()  # a zip on a disk that fills up would complain on its own
                np.savez(packed, frames=held.track.frames, points=held.track.points, thumbs=held.thumbs,
                         motion=held.motion, steps=held.steps)  # fmt: skip
                with self.cache.making(path, self.inputs) as part:
                    part.write_bytes(packed.getbuffer())
            self._blocks[k] = held
        return self._blocks[k]

    def _look(self, k: int) -> Block:
        self._looked += 1
        start, end = k * self.size, min((k + 1) * self.size, self.reader.frames)
        video = self.info.video
        self._tracker = self._tracker or FaceTracker(video.rotation, self.face, float(video.sample_aspect))
        thumbs: list[NDArray[np.float32]] = []
        planes = _Lumas()

        def pictures() -> Iterator[tuple[int, Picture]]:
            if start:
                planes.add(as_picture(self.reader.frame(start - 1)))
            for frame, decoded in self.reader.iterate(start, end):
                image = as_picture(decoded)
                thumbs.append(thumbnail(planes.add(image)))
                yield frame, image

        # steps need the face's place, which is known only when the track is complete: small lumas wait for it
        with closing(_ahead(pictures())) as seen:  # its thread ends before the reader closes, whatever happens here
            track = self._tracker.track(seen)
        steps = planes.steps(track, first=start == 0)
        stacked = np.stack(thumbs)
        motion = np.r_[np.nan, np.abs(np.diff(stacked, axis=0)).mean(1)].astype(np.float32)
        return Block(track, stacked, motion, steps)


def _ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, made in a second thread while the first one works on those before."""
    with ThreadPoolExecutor(1) as maker:
        waiting = [maker.submit(next, items, None) for _ in range(AHEAD)]
        while (item := waiting.pop(0).result()) is not None:
            waiting.append(maker.submit(next, items, None))
            yield item


def as_picture(frame: VideoFrame) -> Picture:
    """A decoded frame; converted only where it is looked at, where that is simple."""
    plain = to_working(frame)
    return _Planes(plain) if plain.format.name == "yuv420p" else to_image(plain)


class _Planes:
    """An 8-bit frame with colour of half the resolution, as `to_image` would give it, part by part."""

    def __init__(self, frame: VideoFrame) -> None:
        self.planes = [plane_array(frame, k) for k in range(3)]
        self.frame = frame  # whose memory the planes are
        self.shape = (*self.planes[0].shape, 3)

    def __getitem__(self, part: tuple[Any, ...]) -> NDArray[np.uint8]:
        import cv2

        rows, columns = part[:2]
        luma: NDArray[np.uint8] = self.planes[0][rows, columns]
        if part[2:] == (0,):
            return luma
        (y0, y1, _), (x0, x1, _) = (p.indices(n) for p, n in zip((rows, columns), self.shape, strict=False))
        parts = [luma]
        for plane in self.planes[1:]:
            near = plane[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2]
            full = cv2.resize(near, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
            parts.append(np.asarray(full[y0 % 2 :, x0 % 2 :][: y1 - y0, : x1 - x0], np.uint8))
        return np.asarray(cv2.merge(parts), np.uint8)


class _Lumas:
    """Lumas of a block, no larger than the steps of a face need them."""

    def __init__(self) -> None:
        self.scale = 1.0
        self.held: list[NDArray[np.uint8]] = []

    def add(self, image: Picture) -> NDArray[np.uint8]:
        small, self.scale = step_luma(image[:, :, 0])
        self.held.append(small)
        return small

    def steps(self, track: FaceTrack, first: bool) -> NDArray[np.float32]:
        lumas = ([self.held[0]] if first else []) + self.held
        box: Box | None = None
        found = []
        for i, points in enumerate(track.points):
            box = face_box(points * self.scale) or box
            found.append(face_step(lumas[i], lumas[i + 1], box))
        if first and found:
            found[0] = float("nan")
        return np.array(found, np.float32)


def step_luma(luma: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """A luma no larger than steps are measured on, and its scale."""
    import cv2

    h, w = luma.shape
    scale = min(1.0, LONG / max(h, w))
    size = (round(w * scale), round(h * scale))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def face_box(points: NDArray[np.float32] | None) -> Box | None:
    """The square around a face; None without one."""
    if points is None or not np.isfinite(points[0, 0]):
        return None
    around = square(points)
    return around.left, around.top, around.right - around.left, around.bottom - around.top


def face_step(before: NDArray[np.uint8], luma: NDArray[np.uint8], box: Box | None) -> float:
    """Mean absolute luma difference of two pictures on the 256 px face (design, section 9)."""
    import cv2

    crops = []
    for picture in (before, luma):
        part = picture
        if box is not None:
            left, top, w, h = box
            part = picture[max(0, top) : max(0, top + h), max(0, left) : max(0, left + w)]
        if not part.size:
            return 0.0
        crops.append(cv2.resize(part, (FACE, FACE), interpolation=cv2.INTER_AREA))
    return float(cv2.absdiff(crops[0], crops[1]).mean())


def mere_mix(a: NDArray[np.float32], made: NDArray[np.float32], b: NDArray[np.float32], least: float = 0.0) -> bool:
    """Whether `made` shows two pictures [d] at once: it is explained by mixing `a` and `b`, and is neither of them.

    Not where those differ by no more than `least` in the mean, luma.
    """
    way = b - a
    size = float(np.square(way).sum())
    if float(np.abs(way).mean()) <= max(least, 1e-3):
        return False
    share = float(((made - a) * way).sum()) / size
    rest = float(np.square(made - a - share * way).sum()) / size
    return 0.15 < share < 0.85 and rest < MIXED**2


def _together(a: CutEvidence, b: CutEvidence) -> CutEvidence:
    frames, rows = np.unique(np.concatenate([a.frames, b.frames]), return_index=True)

    def both(name: str) -> Any:
        return np.concatenate([getattr(a, name), getattr(b, name)])[rows]

    return CutEvidence(frames, both("rms_db"), both("speech"), both("motion"), both("pose"), both("thumb"),
                       both("lids"))  # fmt: skip


def _load(path: Path) -> Block | None:
    """A kept block; None where it is not one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            track = FaceTrack(file["frames"], file["points"])
            block = Block(track, file["thumbs"], file["motion"], file["steps"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    n = len(track.frames)
    return block if n and all(len(x) == n for x in (track.points, block.thumbs, block.motion, block.steps)) else None
