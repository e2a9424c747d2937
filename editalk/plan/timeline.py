"""Strands, cuts and voices → the plan: timeline, sound, operations, windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from editalk.diff import WordEdit
from editalk.errors import PlanError, VoiceError
from editalk.markup import Attribute, Pause
from editalk.operations import Kind, Operation
from editalk.plan.cutting import Boundaries, CutChooser, Footage, footage
from editalk.plan.strands import Strand, strands
from editalk.plan.types import Caption, EditPlan, Origin, Piece, Region, SoundPiece, SourceRef, VoiceRef
from editalk.plan.windows import windows
from editalk.reading import brief
from editalk.timebase import FrameRange, TimeRange, samples
from editalk.transcript import Word

FADE = Fraction(12, 1000)  # seconds of equal-power crossfade where unrelated sounds meet (design: 5 to 30 ms)
SLOWER, FASTER = 2.2, 1.5  # replaced footage is resampled up to there, beyond it gains or loses frames in one place
RETIME = 3.0  # a retimed span lasts at most so many times, at least this part of what it lasted


@dataclass(frozen=True)
class NewSound:
    """Where the words of script tokens [token, token_end) are heard: seconds [start, end) of voice file `voice`.
    `words`: start and end of each token there; where they are not known, tokens share the time by their length.
    """

    token: int
    token_end: int
    voice: int
    start: float
    end: float
    gain_db: float = 0.0
    words: tuple[TimeRange, ...] = ()


@dataclass(frozen=True)
class Script:
    """The edited script: its words as displayed, what became of the source's, and its marks."""

    tokens: tuple[str, ...]
    edits: tuple[WordEdit, ...]
    attributes: tuple[Attribute, ...] = ()
    pauses: tuple[Pause, ...] = ()


def build_plan(
    source: SourceRef,
    words: Sequence[Word],
    script: Script,
    chooser: CutChooser,
    new_sounds: Sequence[NewSound] = (),
    voices: tuple[VoiceRef, ...] = (),
    grid_step: int = 8,
    region: Region = Region.MOUTH,
) -> EditPlan:
    """The plan of an edit whose kept words keep the source's own sound; new words get new pixels in `region`.

    Raises VoiceError, PlanError.
    """
    parts = strands(script.edits, script.attributes, script.pauses)
    boundaries = Boundaries(words, source.rate.seconds(source.frames), source.rate, source.frames)
    ranges, head, tail = footage(parts, boundaries, chooser)
    layout = _Layout(source, words, script, {(s.token, s.token_end): s for s in new_sounds}, region)
    layout.source(head)
    for i, (part, shown) in enumerate(zip(parts, ranges, strict=True)):
        if part.pause is not None:
            layout.pause(part.pause - _quiet(parts, ranges, i, boundaries, head, tail), part.pause)
            layout.shortened(part.pause, _left_out(parts, ranges, i, head, tail, source.frames))
        elif part.new:
            layout.new(part, shown)
        elif shown is not None:
            layout.kept(part, shown)
    layout.source(tail)
    return layout.plan(voices, grid_step)


def build_take(
    source: SourceRef,
    script: Script,
    spoken: Sequence[Caption],
    voices: tuple[VoiceRef, ...],
    lengths: Sequence[int],
    grid_step: int = 8,
    region: Region = Region.MOUTH,
) -> EditPlan:
    """The plan of a new take: the voices' sound throughout, new lips throughout, footage of just their length.

    `spoken`: every word of the script, seconds of the voices one after the other; `lengths`: samples of each voice at
    the source's sample rate. Footage plays on from its start; a take longer than all of it is new content, whose
    footage the backend lays out.
    """
    rate, at = source.rate, source.sample_rate
    total = sum(lengths)
    frames = max(1, rate.frames(Fraction(total, at)))
    shown = min(frames, source.frames)
    pieces = [Piece(0, frames, 0, frames) if frames == shown else Piece(0, frames, None, 0)]
    sound: list[SoundPiece] = []
    for voice, length in enumerate(lengths):
        start = sound[-1].end if sound else 0
        if voice == len(lengths) - 1:
            length = rate.sample(frames, at) - start
        fade = samples(FADE, at) if sound else 0
        sound.append(SoundPiece(start, length, Origin.VOICE, 0, length, voice, fade))
    whole = FrameRange(0, frames)
    text = " ".join(script.tokens)
    operations = (Operation(Kind.RERENDER, text, FrameRange(0, shown), whole, region),)
    return EditPlan(
        source, voices, "script", operations, tuple(pieces), tuple(sound),
        windows(pieces, [(whole, region)], operations, grid_step), tuple(spoken),
    )  # fmt: skip


class _Layout:
    """Lays pieces of picture and sound behind each other, in step: a sound piece begins and ends with a frame."""

    def __init__(
        self, source: SourceRef, words: Sequence[Word], script: Script, voices: dict[tuple[int, int], NewSound],
        region: Region,
    ) -> None:  # fmt: skip
        self.ref, self.words, self.script, self.voices, self.region = source, words, script, voices, region
        self.frame = 0
        self.pieces: list[Piece] = []
        self.sounds: list[SoundPiece] = []
        self.lips: list[tuple[FrameRange, Region]] = []
        self.operations: list[Operation] = []
        self.captions: list[Caption] = []

    def source(self, shown: Footage, stretch_to: int | None = None) -> None:
        """Footage with its own sound."""
        if shown.end > shown.start:
            frames = stretch_to or shown.end - shown.start
            rate, heard = self.ref.rate, self.ref.sample_rate
            offset = rate.sample(shown.start, heard)
            length = rate.sample(shown.end, heard) - offset if stretch_to else 0
            self._sound(frames, Origin.SOURCE, offset, length)
            self._picture(frames, shown.start, shown.end - shown.start)

    def kept(self, part: Strand, shown: Footage) -> None:
        start, old = self.frame, shown.end - shown.start
        frames = old if part.retime is None else max(1, self.ref.rate.frames(part.retime))
        text = _text(self.script.tokens, part)
        if not old / RETIME <= frames <= old * RETIME:
            raise PlanError(
                f"retime={part.retime:g}s of “{brief(text)}”, which lasts {float(self.ref.rate.seconds(old)):.2f} s: "
                f"a span can become at most {RETIME:g} times as long or as short"
            )
        self.source(shown, frames if frames != old else None)
        self._kept_captions(part, shown, start, frames)
        if frames != old:
            self._operation(Kind.RETIME, text, shown, start)
        if part.moved:
            self._operation(Kind.MOVE, text, shown, start)
        if part.rerender is not None:
            region = Region(part.rerender)
            self.lips.append((FrameRange(start, self.frame), region))
            self._operation(Kind.RERENDER, text, shown, start, region)

    def new(self, part: Strand, shown: Footage | None) -> None:
        start, text = self.frame, _text(self.script.tokens, part)
        heard = self.voices.get((part.token, part.token_end))
        if heard is None:
            raise VoiceError(f"no voice says “{brief(text)}”")
        rate, at = self.ref.rate, self.ref.sample_rate
        spoken = samples(heard.end, at) - samples(heard.start, at)
        lasting = heard.end - heard.start
        frames = max(1, rate.frames_to_cover(lasting) if part.retime is None else rate.frames(part.retime))
        length = rate.sample(start + frames, at) - rate.sample(start, at)
        if part.retime is None:  # the rest of under a frame is the voice file's own quiet on either side
            offset = samples(heard.start, at) - (length - spoken) // 2
            self._sound(frames, Origin.VOICE, offset, 0, heard.voice, heard.gain_db)
        else:
            self._sound(frames, Origin.VOICE, samples(heard.start, at), spoken, heard.voice, heard.gain_db)
        self._footage(frames, shown)
        self.lips.append((FrameRange(start, self.frame), Region(part.rerender or self.region)))
        self._new_captions(part, heard, start, frames)
        replaced = shown or Footage(*(self._shown_until(start),) * 2)
        kind = Kind.RERENDER if shown and frames == shown.end - shown.start else Kind.ADDITION
        self._operation(kind, text, replaced, start, self.lips[-1][1])

    def _footage(self, frames: int, shown: Footage | None) -> None:
        """Picture for new words: the replaced words' own footage, plus or minus the net duration."""
        old = shown.end - shown.start if shown else 0
        if shown is None or frames > old * SLOWER:
            self._picture(frames, None, 0)
        elif old / FASTER <= frames <= old * SLOWER:
            self._picture(frames, shown.start, old)
        else:
            first = frames - frames // 2
            self._picture(first, shown.start, first)
            if frames > first:
                self._picture(frames - first, shown.end - (frames - first), frames - first)

    def pause(self, missing: float, wanted: float) -> None:
        """Room tone for the seconds that the footage's own quiet falls short of a pause."""
        start, frames = self.frame, self.ref.rate.frames(max(0.0, missing))
        if frames:
            place = self._shown_until(start)
            self._sound(frames, Origin.ROOM_TONE, 0, 0)
            self._picture(frames, None, 0)
            self.lips.append((FrameRange(start, self.frame), self.region))
            self._operation(Kind.ADDITION, f"[pause {wanted:g}s]", Footage(place, place), start)

    def shortened(self, wanted: float, gone: Footage) -> None:
        """Footage of a pause that is left out."""
        if gone.end > gone.start:
            self._operation(Kind.REMOVAL, f"[pause {wanted:g}s]", gone, self.frame)

    def _picture(self, frames: int, source: int | None, source_frames: int) -> None:
        last = self.pieces[-1] if self.pieces else None
        if last and source is not None and last.continues(source) and source_frames == frames:
            self.pieces[-1] = Piece(last.start, last.frames + frames, last.source, last.source_frames + frames)
        else:
            self.pieces.append(Piece(self.frame, frames, source, source_frames))
        self.frame += frames

    def _sound(
        self, frames: int, origin: Origin, offset: int, stretched: int, voice: int | None = None, gain: float = 0.0
    ) -> None:
        """A sound piece for the next `frames` frames; call before their picture."""
        rate, at = self.ref.rate, self.ref.sample_rate
        start, end = rate.sample(self.frame, at), rate.sample(self.frame + frames, at)
        last = self.sounds[-1] if self.sounds else None
        plain = origin is Origin.SOURCE and not stretched
        going_on = last and plain and last.origin is origin and last.source_samples == last.samples
        # a frame is not a whole number of samples at every rate: what continues, continues to the sample
        if last and going_on and abs(last.offset + last.samples - offset) <= 1:
            length = end - last.start
            self.sounds[-1] = SoundPiece(last.start, length, origin, last.offset, length, fade=last.fade)
            return
        fade = samples(FADE, at) if last else 0
        self.sounds.append(SoundPiece(start, end - start, origin, offset, stretched or end - start, voice, fade, gain))

    def _operation(
        self, kind: Kind, text: str, shown: Footage, start: int, region: Region | None = None
    ) -> None:
        timeline = FrameRange(start, self.frame)
        self.operations.append(Operation(kind, text, FrameRange(shown.start, shown.end), timeline, region))

    def _kept_captions(self, part: Strand, shown: Footage, start: int, frames: int) -> None:
        rate, ratio = self.ref.rate, frames / (shown.end - shown.start)
        begin, origin = float(rate.seconds(start)), float(rate.seconds(shown.start))
        count = part.end - part.first
        for token in range(part.token, part.token_end):
            k = token - part.token
            tokens = part.token_end - part.token
            first = self.words[part.first + k * count // tokens]
            last = self.words[part.first + max(k * count // tokens, (k + 1) * count // tokens - 1)]
            times = [max(begin, begin + (t - origin) * ratio) for t in (first.start, last.end)]
            self.captions.append(Caption(self.script.tokens[token], *times))

    def _new_captions(self, part: Strand, heard: NewSound, start: int, frames: int) -> None:
        """New words when the voice says them, else in the run's time by their length."""
        begin, end = (float(self.ref.rate.seconds(f)) for f in (start, start + frames))
        tokens = self.script.tokens[part.token : part.token_end]
        if len(heard.words) == len(tokens):
            lasting = heard.end - heard.start
            pace = 1.0 if part.retime is None else (end - begin) / lasting
            lead = begin + max(0.0, end - begin - lasting * pace) / 2  # the voice is in the middle of its frames
            for token, word in zip(tokens, heard.words, strict=True):
                times = (min(max(begin, lead + (t - heard.start) * pace), end) for t in (word.start, word.end))
                self.captions.append(Caption(token, *times))
            return
        edges = [0, *accumulate(len(t) + 1 for t in tokens)]
        for token, a, b in zip(tokens, edges, edges[1:], strict=False):
            self.captions.append(Caption(token, *(begin + (end - begin) * x / edges[-1] for x in (a, b))))

    def plan(self, voices: tuple[VoiceRef, ...], grid_step: int) -> EditPlan:
        operations = tuple(sorted([*self.operations, *self._removals()], key=lambda o: o.timeline))
        return EditPlan(
            source=self.ref,
            voices=voices,
            voice_covers="new-words" if voices else None,
            operations=operations,
            timeline=tuple(self.pieces),
            sound=tuple(self.sounds),
            windows=windows(self.pieces, self.lips, operations, grid_step),
            captions=tuple(self.captions),
        )

    def _removals(self) -> list[Operation]:
        """Source words that no strand shows or replaces."""
        gone: list[Operation] = []
        for edit in self.script.edits:
            if edit.target_start == edit.target_end and edit.source_end > edit.source_start:
                span = self.words[edit.source_start].start, self.words[edit.source_end - 1].end
                frames = FrameRange(*sorted(self.ref.rate.frames(t) for t in span))
                if any(o.source.start < frames.end and frames.start < o.source.end for o in self.operations):
                    continue  # replaced: an operation of its own says so
                text = " ".join(w.text for w in self.words[edit.source_start : edit.source_end])
                gone.append(Operation(Kind.REMOVAL, text, frames, FrameRange(*(self._place(frames.end),) * 2)))
        return gone

    def _place(self, source: int) -> int:
        """The timeline frame at which the footage behind a source frame goes on."""
        behind = [p for p in self.pieces if p.source is not None and p.source_end >= source]
        return min(behind, key=lambda p: max(p.source or 0, source)).start if behind else self.frame

    def _shown_until(self, frame: int) -> int:
        """The source frame at which the footage before a timeline frame ended."""
        ends = [p.source_end for p in self.pieces if p.source is not None and p.end <= frame]
        return ends[-1] if ends else 0


def _quiet(
    parts: Sequence[Strand], ranges: Sequence[Footage | None], i: int, at: Boundaries, head: Footage, tail: Footage
) -> float:
    """Seconds without words in the footage on either side of the pause that is strand i."""
    rate, last = at.rate, len(parts) - 1
    quiet = float(rate.seconds(head.end - head.start)) if i == 0 else 0.0
    quiet += float(rate.seconds(tail.end - tail.start)) if i == last else 0.0
    before, behind = ranges[i - 1] if i > 0 else None, ranges[i + 1] if i < last else None
    if before is not None and not parts[i - 1].new:
        quiet += at.quiet_behind(parts[i - 1].end, before.end)
    if behind is not None and not parts[i + 1].new:
        quiet += at.quiet_before(parts[i + 1].first, behind.start)
    return quiet


def _left_out(
    parts: Sequence[Strand], ranges: Sequence[Footage | None], i: int, head: Footage, tail: Footage, frames: int
) -> Footage:
    """The source frames that the pause of strand i goes without, where no words go with them."""
    if i == 0:
        return Footage(0, head.start)
    if i + 1 == len(parts):
        return Footage(tail.end, frames)
    before, behind = ranges[i - 1], ranges[i + 1]
    if before is None or behind is None or parts[i - 1].end != parts[i + 1].first:
        return Footage(0, 0)
    return Footage(before.end, behind.start)


def _text(tokens: Sequence[str], part: Strand) -> str:
    return " ".join(tokens[part.token : part.token_end])
