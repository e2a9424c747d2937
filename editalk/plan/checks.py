"""Whether a plan that was read can be rendered: it may have been written by another program, or to harm.

After it nothing that is made of a plan can fail, hang or need more memory than its timeline's length asks for. What the
timeline says is checked; what follows from it, the windows, is made anew and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from editalk.errors import PlanError
from editalk.operations import Operation
from editalk.plan.types import Caption, EditPlan, Origin, Piece, Region, SoundPiece, SourceRef
from editalk.plan.windows import Laid, windows_agree
from editalk.timebase import FrameRange

LONGEST = 24 * 3600  # seconds of a source or a timeline
FASTEST, LEAST_RATE = 1000, 8000  # frames a second at most, samples a second at least
MOST_RATE, MOST_CHANNELS, MOST_TRACKS = 768_000, 64, 1000
LONGEST_FADE = 1  # seconds
BESIDE = 1  # seconds that sound may be taken from beyond the ends of its file: there it is silent
LOUDEST = 60.0  # dB of gain, either way
COVERS = (None, "script", "new-words")


class Check:
    """Raises PlanError with the place of the first thing that is wrong; `name` is the plan's file."""

    def __init__(self, plan: EditPlan, name: str) -> None:
        self.plan, self.name = plan, name

    def __call__(self) -> None:
        self._source(self.plan.source)
        self._need(self.plan.voice_covers in COVERS, "voice_covers", "is script, new-words or null")
        self._timeline(self.plan.timeline)
        self._sound(self.plan.sound)
        for k, operation in enumerate(self.plan.operations):
            self._operation(operation, f"operations[{k}]")
        for k, caption in enumerate(self.plan.captions):
            self._caption(caption, f"captions[{k}]")
        self._windows()

    def _need(self, holds: bool, place: str, what: str) -> None:
        if not holds:
            raise PlanError(f"{self.name}: {place} {what}")

    def _source(self, ref: SourceRef) -> None:
        self._need(ref.rate.value <= FASTEST, "source.rate", f"is above {FASTEST} frames a second")
        self._need(0 < ref.frames <= LONGEST * ref.rate.value, "source.frames", "are none or more than a day's")
        self._need(LEAST_RATE <= ref.sample_rate <= MOST_RATE, "source.sample_rate",
                   f"is not between {LEAST_RATE} and {MOST_RATE}")  # fmt: skip
        self._need(ref.samples == ref.rate.sample(ref.frames, ref.sample_rate), "source.samples",
                   "do not last as long as source.frames")  # fmt: skip
        self._need(0 < ref.channels <= MOST_CHANNELS and 0 < ref.track <= MOST_TRACKS, "source",
                   "has no such channels or track")  # fmt: skip

    def _timeline(self, pieces: Sequence[Piece]) -> None:
        ref = self.plan.source
        self._tiled("timeline", [(p.start, p.end) for p in pieces])
        self._need(0 < self.plan.frames <= LONGEST * ref.rate.value, "timeline", "is empty or longer than a day")
        for k, piece in enumerate(pieces):
            if piece.source is None:
                self._need(piece.source_frames == 0, f"timeline[{k}]", "is new content and has source_frames")
            else:
                self._need(0 <= piece.source < piece.source_end <= ref.frames, f"timeline[{k}]",
                           "shows frames that the source does not have")  # fmt: skip

    def _sound(self, pieces: Sequence[SoundPiece]) -> None:
        ref = self.plan.source
        self._tiled("sound", [(p.start, p.end) for p in pieces])
        self._need(self.plan.samples == ref.rate.sample(self.plan.frames, ref.sample_rate), "sound",
                   "does not last as long as the timeline")  # fmt: skip
        beside, longest = BESIDE * ref.sample_rate, LONGEST * ref.sample_rate
        for k, piece in enumerate(pieces):
            place = f"sound[{k}]"
            if piece.origin is Origin.VOICE:
                self._need(piece.voice is not None and 0 <= piece.voice < len(self.plan.voices), place,
                           f"is of voice {piece.voice}, the plan has {len(self.plan.voices)}")  # fmt: skip
            else:
                self._need(piece.voice is None, place, f"is of {piece.origin.value} and names a voice")
            end = ref.samples if piece.origin is Origin.SOURCE else longest
            inside = -beside <= piece.offset and piece.offset + piece.source_samples <= end + beside
            self._need(inside and piece.source_samples > 0, place, "is not within its file")
            self._need(0 <= piece.fade <= LONGEST_FADE * ref.sample_rate, place, "has a fade of more than a second")
            self._need(abs(piece.gain_db) <= LOUDEST, place, f"has a gain of more than {LOUDEST:g} dB")

    def _operation(self, operation: Operation, place: str) -> None:
        second = ceil(self.plan.source.rate.value)  # words end up to half a second behind the last frame
        self._need(operation.source.start >= 0 and operation.source.end <= self.plan.source.frames + second, place,
                   "is about frames that the source does not have")  # fmt: skip
        self._need(operation.timeline.start >= 0 and operation.timeline.end <= self.plan.frames, place,
                   "lies outside the timeline")  # fmt: skip
        self._need(operation.region is None or operation.region in {r.value for r in Region}, place, "has no region")

    def _caption(self, caption: Caption, place: str) -> None:
        end = float(self.plan.source.rate.seconds(self.plan.frames)) + 1
        self._need(0 <= caption.start <= caption.end <= end, place, "lies outside the timeline")

    def _windows(self) -> None:
        spans = [window.span for window in self.plan.windows]
        at = 0
        for k, span in enumerate(spans):
            self._need(at <= span.start < span.end <= self.plan.frames, f"windows[{k}]",
                       "lies outside the timeline or in the window before it")  # fmt: skip
            at = span.end
        for k, window in enumerate(self.plan.windows):
            lips = all(window.span.start <= s.start < s.end <= window.span.end for s in window.lips)
            self._need(lips, f"windows[{k}].lips", "lie outside the window")
        wrong = windows_agree(self.plan.windows, Laid(self.plan.timeline, self.plan.operations), self.plan.frames)
        self._need(wrong is None, f"windows[{wrong}]", "is not what the timeline makes of it")
        self._drawn(spans)

    def _drawn(self, spans: Sequence[FrameRange]) -> None:
        """Whether all that no footage shows as it is lies in a window."""
        windows = iter(spans)
        window = next(windows, None)
        for k, piece in enumerate(self.plan.timeline):
            while window is not None and window.end <= piece.start:
                window = next(windows, None)
            whole = window is not None and window.start <= piece.start and piece.end <= window.end
            self._need(whole or not (piece.source is None or piece.resampled), f"timeline[{k}]",
                       "needs new pictures and lies in no window")  # fmt: skip

    def _tiled(self, what: str, spans: Sequence[tuple[int, int]]) -> None:
        at = 0
        for k, (start, end) in enumerate(spans):
            self._need(start == at < end, f"{what}[{k}]",
                       f"begins at {start} and ends at {end}, the piece before it ends at {at}")  # fmt: skip
            at = end
