"""Lines of a dub → the plan: footage retimed under each sentence, the voice on the source's room tone, new lips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

from editalk.dub.hearing import Said
from editalk.dub.isochrony import MOST, NOTICED, PAUSE, Cell, Timed, isochronous
from editalk.operations import Kind, Operation
from editalk.plan import (
    Caption,
    CutChooser,
    EditPlan,
    Origin,
    Piece,
    Region,
    SoundPiece,
    SourceRef,
    VoiceRef,
    lands,
    shown,
)
from editalk.plan.timeline import FADE
from editalk.plan.windows import windows
from editalk.timebase import FrameRange, FrameRate, TimeRange, samples

BETWEEN = Fraction(1, 4)  # seconds between sentences of one line that come from different files
USUAL_PAUSE = 0.4  # seconds behind a sentence that the source does not say
OWN_QUIET = 1  # seconds of a recording's own quiet that are kept around a sentence
LIP_MARGIN = 0.16  # seconds of new lips around speech, the dub's and the source's
LIP_GAP = 0.5  # seconds between new lips that get new lips too
CUT_REACH = 0.12  # seconds in which the cut before or behind a sentence left out is chosen


@dataclass(frozen=True)
class Line:
    """What the dub says over a stretch of the source. `source`: seconds of the source's speech, None where it says no
    such thing; `said`: the dub's sentences, none where they leave it out.
    """

    text: str
    source: TimeRange | None
    said: tuple[Said, ...]


@dataclass(frozen=True)
class _Clip:
    """Timeline samples [start, start + samples) are those from `offset` on of a voice file."""

    start: int
    samples: int
    file: int
    offset: int

    @property
    def end(self) -> int:
        return self.start + self.samples

    @property
    def offset_end(self) -> int:
        return self.offset + self.samples


def build_dub(
    source: SourceRef, lines: Sequence[Line], texts: Sequence[str], heard: Sequence[TimeRange], chooser: CutChooser,
    voices: tuple[VoiceRef, ...], lengths: Sequence[int], language: str, gain_db: float = 0.0, grid_step: int = 8,
    region: Region = Region.MOUTH,
) -> EditPlan:  # fmt: skip
    """The plan of a dub: every sentence on the footage of the sentence that it translates.

    `texts`: the dub's words as displayed; `heard`: where somebody speaks in the source, seconds; `lengths`: samples of
    each voice at the source's sample rate; `gain_db` for all of them.
    """
    rate = source.rate
    cells, spoken, gone = _cells(source, lines, chooser)
    timed = isochronous(cells, rate)
    pieces, operations = _footage(timed), list[Operation]()
    clips, captions = list[_Clip](), list[Caption]()
    for cell, line in zip(timed, spoken, strict=True):
        operations += _operations(line, cell, region)
        if line is not None:
            laid, words = _voiced(line, cell.onset, texts, source)
            clips += laid
            captions += words
    for text, span in gone:
        at = floor(lands(pieces, span.end))
        operations.append(Operation(Kind.REMOVAL, text, span, FrameRange(at, at)))
    operations.sort(key=lambda o: o.timeline)
    lips = [(span, region) for span in _lips(pieces, timed, heard, rate)]
    sound = _sound(clips, lengths, rate.sample(pieces[-1].end, source.sample_rate), source.sample_rate, gain_db)
    return EditPlan(
        source, voices, "script", tuple(operations), tuple(pieces), sound,
        windows(pieces, lips, operations, grid_step), tuple(captions), language,
    )  # fmt: skip


def duration(line: Line) -> Fraction:
    """Seconds that a line's sentences last, pauses between them included."""
    takes = _takes(line)
    return sum((Fraction(t[-1].end - t[0].start) for t in takes), Fraction()) + BETWEEN * max(0, len(takes) - 1)


def _takes(line: Line) -> list[list[Said]]:
    """The sentences of a line that follow each other in one file."""
    takes: list[list[Said]] = []
    for said in line.said:
        if takes and takes[-1][-1].file == said.file:
            takes[-1].append(said)
        else:
            takes.append([said])
    return takes


# ------------------------------------------------------------------------------------------------------------- cells


def _cells(
    source: SourceRef, lines: Sequence[Line], chooser: CutChooser
) -> tuple[list[Cell], list[Line | None], list[tuple[str, FrameRange]]]:
    """The cells of a dub, the line that each of them says, and the footage of what it leaves out."""
    rate, end, kept = source.rate, 0, 0
    cells = [Cell(FrameRange(0, 0), FrameRange(0, 0), 0)]
    spoken: list[Line | None] = [None]
    left_out: list[tuple[str, FrameRange]] = []
    gone: list[tuple[str, FrameRange]] = []

    def close(until: int) -> None:
        """The pause behind the last sentence with footage reaches up to frame `until`."""
        pause, out = _pause(end, until, left_out, chooser, rate)
        cells[kept] = Cell(cells[kept].sentence, pause, cells[kept].speech)
        if out is not None:
            gone.append((" ".join(text for text, _ in left_out), out))
        left_out.clear()

    for line in lines:
        speech = max(1, rate.frames_to_cover(duration(line))) if line.said else 0
        if line.source is None:
            cells.append(Cell(None, FrameRange(end, end), speech, rate.frames(USUAL_PAUSE)))
            spoken.append(line)
            continue
        last = left_out[-1][1].end if left_out else end
        first = min(max(last, rate.frames(line.source.start)), source.frames - 1)
        span = FrameRange(first, min(max(first + 1, rate.frames(line.source.end)), source.frames))
        if not line.said:
            left_out.append((line.text, span))
            continue
        close(span.start)
        kept, end = len(cells), span.end
        cells.append(Cell(span, FrameRange(end, end), speech))
        spoken.append(line)
    close(source.frames)
    return cells, spoken, gone


def _pause(
    end: int, until: int, left_out: Sequence[tuple[str, FrameRange]], chooser: CutChooser, rate: FrameRate
) -> tuple[FrameRange, FrameRange | None]:
    """The footage of the pause between frames `end` and `until`, and what goes of it: of the pauses before and behind
    sentences left out the longer one stays.
    """
    if not left_out:
        return FrameRange(end, until), None
    before, behind = FrameRange(end, left_out[0][1].start), FrameRange(left_out[-1][1].end, until)
    reach = rate.frames(CUT_REACH)
    if len(before) >= len(behind):
        choice = FrameRange(max(end, before.end - reach), before.end)
        cut = chooser.join(choice, FrameRange(until, until), (before.end, until))[0]
        return FrameRange(end, cut), FrameRange(cut, until)
    choice = FrameRange(behind.start, min(until, behind.start + reach))
    cut = chooser.join(FrameRange(end, end), choice, (end, behind.start))[1]
    return FrameRange(cut, until), FrameRange(end, cut)


# ----------------------------------------------------------------------------------------------------------- picture


@dataclass(frozen=True)
class _Retimed:
    """Source frames `footage` for timeline frames `place`: of these `shown` in `where`, the rest of either is taken out
    or new. That happens between speech and pause: behind the speech, before what is left of the pause.
    """

    footage: FrameRange
    place: FrameRange
    shown: FrameRange
    where: FrameRange

    def operations(self, text: str) -> Iterator[Operation]:
        if self.shown and len(self.shown) != len(self.where):
            yield Operation(Kind.RETIME, text, self.shown, self.where)
        for start, end in _rests(self.footage, self.shown):
            at = self.where.end if start >= self.shown.end else self.where.start
            yield Operation(Kind.REMOVAL, text, FrameRange(start, end), FrameRange(at, at))
        for start, end in _rests(self.place, self.where):
            at = self.shown.end if start >= self.where.end else self.shown.start
            yield Operation(Kind.ADDITION, text, FrameRange(at, at), FrameRange(start, end))


def _speech(timed: Timed) -> _Retimed | None:
    """The footage of a cell's speech; None where the source has none."""
    sentence, place = timed.cell.sentence, FrameRange(timed.onset, timed.onset + timed.cell.speech)
    if sentence is None:
        return None
    footage = FrameRange(sentence.start, sentence.end + timed.lent)
    count, frames = _stretched(len(footage), len(place), MOST)
    shown, where = (FrameRange(s.start, s.start + n) for s, n in ((footage, count), (place, frames)))
    return _Retimed(footage, place, shown, where)


def _silence(timed: Timed) -> _Retimed | None:
    """The same of as much of its pause, from its beginning on, as must be retimed; the rest plays as it is."""
    if timed.cell.sentence is None:
        return None
    source, frames = len(timed.cell.pause) - timed.lent, timed.pause
    longer = frames - source
    few = min(source, frames, ceil(abs(longer) / (NOTICED - 1)))
    first, start = timed.cell.pause.start + timed.lent, timed.span.end - frames
    footage = FrameRange(first, first + few + max(0, -longer))
    place = FrameRange(start, start + few + max(0, longer))
    count, most = _stretched(len(footage), len(place), PAUSE * MOST)
    shown, where = (FrameRange(s.end - n, s.end) for s, n in ((footage, count), (place, most)))
    return _Retimed(footage, place, shown, where)


def _stretched(source: int, frames: int, most: float) -> tuple[int, int]:
    """How many of `source` and of `frames` frames go together where footage becomes `most` times as long or short."""
    if source == 0 or frames == 0:
        return 0, 0
    return min(source, max(1, floor(most * frames))), min(frames, max(1, floor(most * source)))


def _rests(whole: FrameRange, part: FrameRange) -> list[tuple[int, int]]:
    """What a range has before and behind a part of it."""
    return [(a, b) for a, b in ((whole.start, part.start), (part.end, whole.end)) if a < b]


def _footage(timed: Sequence[Timed]) -> list[Piece]:
    """Pieces of picture that tile the timeline."""
    pieces: list[Piece] = []

    def add(frames: int, first: int | None, count: int) -> None:
        start = pieces[-1].end if pieces else 0
        last = pieces[-1] if pieces else None
        if frames and last and first is not None and last.continues(first) and frames == count:
            pieces[-1] = Piece(last.start, last.frames + frames, last.source, last.source_frames + frames)
        elif frames and last and first is None and last.source is None:
            pieces[-1] = Piece(last.start, last.frames + frames, None, 0)
        elif frames:
            pieces.append(Piece(start, frames, first, count))

    for cell in timed:
        speech, silence = _speech(cell), _silence(cell)
        if speech is None or silence is None:
            add(len(cell.span), None, 0)
            continue
        add(len(speech.where), speech.shown.start, len(speech.shown))
        add(silence.where.start - speech.where.end, None, 0)
        add(len(silence.where), silence.shown.start, len(silence.shown))
        rest = cell.span.end - silence.place.end
        add(rest, silence.footage.end, rest)
    return pieces


def _operations(line: Line | None, timed: Timed, region: Region) -> Iterator[Operation]:
    """What becomes of a cell's footage; `line` says what is said over it."""
    speech, silence, sentence = _speech(timed), _silence(timed), timed.cell.sentence
    if line is not None and sentence is not None and speech is not None:
        yield from speech.operations(line.text)
        yield Operation(Kind.RERENDER, line.text, sentence, speech.place, region)
    elif line is not None:
        at, place = timed.cell.pause.start, FrameRange(timed.onset, timed.onset + timed.cell.speech)
        yield Operation(Kind.ADDITION, line.text, FrameRange(at, at), place, region)
    if silence is not None:
        yield from silence.operations("[pause]")


def _lips(
    pieces: Sequence[Piece], timed: Sequence[Timed], heard: Sequence[TimeRange], rate: FrameRate
) -> list[FrameRange]:
    """Timeline frames whose mouth must follow the dub: where it speaks, and where the source did or nobody knows."""
    spans = [FrameRange(c.onset, c.onset + c.cell.speech) for c in timed if c.cell.speech]
    spans += [FrameRange(p.start, p.end) for p in pieces if p.source is None]
    for range_ in heard:
        spans += shown(pieces, FrameRange(rate.frame_at(range_.start), rate.frames_to_cover(range_.end)))
    margin, gap, end = rate.frames(LIP_MARGIN), rate.frames(LIP_GAP), pieces[-1].end
    made: list[FrameRange] = []
    for span in sorted(spans):
        wide = FrameRange(max(0, span.start - margin), min(end, span.end + margin))
        if made and wide.start <= made[-1].end + gap:
            made[-1] = FrameRange(made[-1].start, max(made[-1].end, wide.end))
        else:
            made.append(wide)
    return made


# ------------------------------------------------------------------------------------------------------------- sound


def _voiced(line: Line, onset: int, texts: Sequence[str], source: SourceRef) -> tuple[list[_Clip], list[Caption]]:
    """A line's voice from frame `onset` on, and its words."""
    rate, at = source.rate, source.sample_rate
    clips, words = [], []
    begin = Fraction(rate.sample(onset, at), at)
    for take in _takes(line):
        first, last = take[0], take[-1]
        offset = samples(first.start, at)
        clips.append(_Clip(samples(begin, at), samples(last.end, at) - offset, first.file, offset))
        shift = float(begin) - first.start
        words += [Caption(texts[w.token], w.start + shift, w.end + shift) for said in take for w in said.words]
        begin += Fraction(last.end - first.start) + BETWEEN
    return clips, words


def _sound(
    clips: Sequence[_Clip], lengths: Sequence[int], total: int, at: int, gain_db: float
) -> tuple[SoundPiece, ...]:
    """Clips with as much of their recording's own quiet as there is and fits, room tone between them."""
    made: list[SoundPiece] = []
    fade = samples(FADE, at)

    def add(end: int, origin: Origin, offset: int = 0, voice: int | None = None) -> None:
        start = made[-1].end if made else 0
        if end > start:
            gain = gain_db if voice is not None else 0.0
            made.append(SoundPiece(start, end - start, origin, offset, end - start, voice, fade if made else 0, gain))

    ends = [0, *(c.end for c in clips)]
    starts = [*(c.start for c in clips), total]
    quiet = _quiet(clips, lengths, at)
    for k, clip in enumerate(clips):
        lead = min(quiet[k][0], (clip.start - ends[k]) // (2 if k else 1))
        tail = min(quiet[k][1], (starts[k + 1] - clip.end) // (2 if k + 1 < len(clips) else 1))
        add(clip.start - lead, Origin.ROOM_TONE)
        add(min(total, clip.end + tail), Origin.VOICE, clip.offset - lead, clip.file)
    add(total, Origin.ROOM_TONE)
    return tuple(made)


def _quiet(clips: Sequence[_Clip], lengths: Sequence[int], at: int) -> list[tuple[int, int]]:
    """Samples of a recording's quiet that belong to each clip, before and behind: half of the pause to the next one."""
    before, behind = [c.offset for c in clips], [lengths[c.file] - c.offset_end for c in clips]
    order = sorted(range(len(clips)), key=lambda k: (clips[k].file, clips[k].offset))
    for a, b in pairwise(order):
        if clips[a].file == clips[b].file:
            behind[a] = before[b] = (clips[b].offset - clips[a].offset_end) // 2
    most = OWN_QUIET * at
    return [(min(most, max(0, x)), min(most, max(0, y))) for x, y in zip(before, behind, strict=True)]
