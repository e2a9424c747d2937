"""What of an output is copied from the source as packets, why not more, and whether it decodes as it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from editalk.errors import MediaError
from editalk.media import FrameReader, MediaInfo, probe
from editalk.media.image import plane_array, to_working
from editalk.plan import EditPlan
from editalk.reporting import Reporter
from editalk.splice import Coded, Segment, SpliceError, coded, kept, segments
from editalk.timebase import FrameRange

LOOK = 2  # frames on either side of a change between copied and encoded that are compared with the source


@dataclass(frozen=True)
class Splicing:
    """`source`: what packets are copied from; None: all is encoded. `why_not`: why not all that no edit touches is
    copied.
    """

    segments: tuple[Segment, ...]
    source: Coded | None
    why_not: str | None = None

    @property
    def copied(self) -> tuple[FrameRange, ...]:
        """The timeline frames whose packets are copied."""
        return tuple(s.span for s in self.segments if s.copy)

    @property
    def frames(self) -> int:
        return sum(len(span) for span in self.copied)

    def check(self, reader: FrameReader, path: Path) -> None:
        """Decode a complete output around every change. Raises SpliceError where copied frames are not the source's."""
        try:
            with FrameReader(probe(path)) as made:
                for segment, frame in self._looked_at(made.frames):
                    picture = made.frame(frame)
                    if segment.copy is None:
                        continue
                    own = reader.frame(segment.copy.source + frame - segment.span.start)
                    if not same(picture, own):
                        raise SpliceError(f"frame {frame} was decoded otherwise than in the source")
        except MediaError as error:
            raise SpliceError(f"the copied packets do not decode beside the new ones ({error})") from error

    def _looked_at(self, frames: int) -> Iterator[tuple[Segment, int]]:
        """In the timeline's order, so that decoding goes on over the changes."""
        if frames != self.segments[-1].span.end:
            raise SpliceError(f"{frames} of {self.segments[-1].span.end} frames were found in the file")
        for segment in self.segments:
            span = segment.span
            for frame in sorted({*range(span.start, span.end)[:LOOK], *range(span.start, span.end)[-LOOK:]}):
                yield segment, frame


def same(a: VideoFrame, b: VideoFrame) -> bool:
    """Whether two pictures have the same samples."""
    plain = to_working(a), to_working(b)
    bits = max(part.bits for part in plain[0].format.components)
    return plain[0].format.name == plain[1].format.name and all(
        np.array_equal(plane_array(plain[0], k, bits), plane_array(plain[1], k, bits)) for k in range(3)
    )


def spliced(plan: EditPlan, info: MediaInfo, watched: Callable[[int], bool], reporter: Reporter) -> Splicing:
    """All that can be copied. `watched`: a timeline frame whose picture is needed. Says so where nothing can."""
    try:
        source = coded(info)
        found = segments(kept(plan, watched), plan.frames, source, plan.source.rate)
        if not any(s.copy for s in found):
            raise SpliceError("no picture that decoding can begin at lies far enough from the edits")
    except SpliceError as error:
        return encoded(plan, str(error), reporter)
    if source.closed:
        return Splicing(found, source)
    reason = "H.264 with open GOPs can be joined only at its instantaneous refreshes"
    reporter.say(f"not all that could be is copied: {reason}")
    return Splicing(found, source, reason)


def encoded(plan: EditPlan, reason: str, reporter: Reporter) -> Splicing:
    """Nothing is copied."""
    reporter.say(f"every frame is encoded anew: {reason}")
    return Splicing((Segment(FrameRange(0, plan.frames)),), None, reason)
