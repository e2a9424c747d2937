"""What is looked at and listened to while a result is written, or before, to tell candidates apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from editalk.analysis import Analysis, as_picture
from editalk.audio import Audio
from editalk.compose import Shown
from editalk.face import FaceTracker
from editalk.media.image import luma
from editalk.pipeline.source import Source
from editalk.plan import EditPlan, RenderWindow
from editalk.quality import ClickCheck, ClickWatch, JoinCheck, JoinWatch, natural_click, natural_motion, step_maxima
from editalk.quality.checks import Check
from editalk.quality.joins import Natural
from editalk.quality.loudness import LoudnessWatch, OwnSound, own_sound
from editalk.quality.pictures import OwnLooks, OwnStillness, PictureWatch, own_looks, own_stillness
from editalk.quality.sync import BESIDE, HEARD, KeptWatch, LipFit, LipWatch, OwnSpeech, own_part
from editalk.timebase import FrameRange

HEARD_SECONDS = 300  # of the source's sound that tell what it usually does
HEARD_BLOCKS = 5  # of the footage looked at whose speech tells what lips usually do: to listen costs time

Points = NDArray[np.float32]


class Usual:
    """What the source itself does, each found out when it is first asked for. Of the windows' footage: look at it
    before.
    """

    def __init__(self, source: Source, analysis: Analysis) -> None:
        self.source, self.analysis = source, analysis
        self._looks: dict[RenderWindow, OwnLooks] = {}

    @cached_property
    def motion(self) -> Natural:
        return natural_motion(self.analysis)

    @property
    def click(self) -> float:
        return self._sound[0]

    @property
    def sound(self) -> OwnSound:
        return self._sound[1]

    @cached_property
    def still(self) -> OwnStillness:
        return own_stillness(self.analysis)

    @cached_property
    def speech(self) -> OwnSpeech:
        rate, heard = self.analysis.info.video.rate, self.source.heard
        blocks = self.analysis.blocks()
        chosen = sorted({round(k) for k in np.linspace(0, len(blocks) - 1, min(HEARD_BLOCKS, len(blocks)))})
        parts = []
        for track in (blocks[k].track for k in chosen):
            times = (track.frames + 0.5) / float(rate)
            start = round((times[0] - BESIDE) * HEARD)
            sound = heard.read(max(0, start), min(heard.samples, round((times[-1] + BESIDE) * HEARD)))
            parts.append(own_part(times, track.points, sound, max(0, start) / HEARD))
        return OwnSpeech(tuple(parts))

    def looks(self, window: RenderWindow) -> OwnLooks:
        if window not in self._looks:
            self._looks[window] = own_looks(self.analysis, window)
        return self._looks[window]

    @cached_property
    def _sound(self) -> tuple[float, OwnSound]:
        sound = self.source.sound
        last = min(sound.samples, HEARD_SECONDS * sound.rate)
        maxima: list[float] = []

        def chunks() -> Iterator[Audio]:
            for start in range(0, last, 10 * sound.rate):
                chunk = sound.read(start, min(last, start + 10 * sound.rate))
                maxima.extend(step_maxima(chunk))
                yield chunk

        own = own_sound(chunks(), sound.rate, sound.channels)
        return natural_click(maxima), own


@dataclass(frozen=True)
class Inspected:
    """What was found."""

    joins: tuple[JoinCheck, ...]
    clicks: tuple[ClickCheck, ...]
    checks: tuple[Check, ...]


class Pictures:
    """Looks at the pictures of some windows of a plan, and at those around their joins; a context. `lips`: also whether
    new lips follow the sound, which `hear` takes from sample `at` of the timeline on.
    """

    def __init__(
        self, plan: EditPlan, usual: Usual, lips: bool, windows: tuple[RenderWindow, ...] | None = None, at: int = 0
    ) -> None:
        self._plan = plan if windows is None else replace(plan, windows=windows)
        self._analysis = usual.analysis
        self.joins = JoinWatch(self._plan, usual.motion)
        self._looks = PictureWatch(self._plan.windows, [usual.looks(w) for w in self._plan.windows], usual.still,
                                   plan.source.rate)  # fmt: skip
        self._lips = LipWatch(self._plan, usual.speech, at) if lips else None
        self._tracker: FaceTracker | None = None
        self._points: Points | None = None
        self._last: Shown | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Pictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def see(self, shown: Shown) -> None:
        """A picture of the timeline; call in order."""
        follows = self._last is not None and self._last.frame == shown.frame - 1
        near = self.joins.watches(shown.frame)
        if not near or not follows:
            self.joins.forget()
        if near or shown.source is None:
            self._look(shown, near, follows)
        self._last = shown
        if self._lips is not None and self._lips.wanted(shown.frame):
            self._lips.see(shown.frame, self._face(shown))

    def hear(self, chunk: Audio) -> None:
        if self._lips is not None:
            self._lips.hear(chunk)

    def fits(self) -> tuple[LipFit, ...]:
        return self._lips.fits() if self._lips is not None else ()

    def checks(self) -> tuple[Check, ...]:
        return self._looks.checks()

    def _look(self, shown: Shown, near: bool, follows: bool) -> None:
        light = luma(shown.picture)
        found = self._about(shown)
        self._points = self._points if found is None else found
        if near:
            own = follows and shown.source is not None and self._last is not None \
                and self._last.source == shown.source - 1  # fmt: skip
            self.joins.see(shown.frame, light, self._points, own, shown.source is None)
        if shown.source is None:
            self._looks.see(shown.frame, light, self._points)

    def _about(self, shown: Shown) -> Points | None:
        """The face of the footage that lies there, about where a new picture has it."""
        source = shown.source
        if source is None:
            piece = next((p for p in self._plan.timeline if p.start <= shown.frame < p.end), None)
            if piece is None or piece.source is None:
                return None
            source = min(round(piece.source_position(shown.frame)), self._plan.source.frames - 1)
        return self._analysis.track(FrameRange(source, source + 1)).at(source)

    def _face(self, shown: Shown) -> Points | None:
        if self._tracker is None:
            video = self._analysis.info.video
            self._tracker = self._stack.enter_context(
                FaceTracker(video.rotation, self._analysis.face, float(video.sample_aspect))
            )
        return self._tracker.see(shown.frame, as_picture(shown.picture))


class Inspection:
    """Everything of a result as it is written, once; a context."""

    def __init__(self, plan: EditPlan, usual: Usual, lips: bool) -> None:
        self._rate = plan.source.rate
        self.pictures = Pictures(plan, usual, lips)
        self._kept, self._loudness = KeptWatch(plan), LoudnessWatch(plan, usual.sound)
        self._clicks = ClickWatch(plan, usual.click)

    def __enter__(self) -> Inspection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pictures.__exit__(kind, error, trace)

    def watches(self, frame: int) -> bool:
        """Whether a source frame's picture is needed here, be it written anew or not."""
        return self.pictures.joins.watches(frame)

    def see(self, shown: Shown) -> None:
        self._kept.see(shown.frame, shown.source)
        self.pictures.see(shown)

    def copied(self, frame: int, source: int) -> None:
        """A frame whose packet is the source's own: not decoded."""
        self._kept.see(frame, source)

    def hear(self, chunk: Audio) -> None:
        for ear in (self._clicks, self._kept, self._loudness, self.pictures):
            ear.hear(chunk)

    def found(self) -> Inspected:
        """Once all is seen and heard."""
        lips = [check for fit in self.pictures.fits() for check in fit.checks(self._rate)]
        checks = (*self._kept.checks(), *lips, *self._loudness.checks(), *self.pictures.checks())
        return Inspected(self.pictures.joins.checks(), self._clicks.checks(), checks)
