"""Windows through a backend onto disk: each once, whatever else changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from av.video.frame import VideoFrame

from editalk.analysis import Analysis
from editalk.asr import understands
from editalk.asr.phones import phones_within
from editalk.backends.base import Backend, Rendered, WindowInput
from editalk.backends.dit.parallel import everywhere
from editalk.cache import Cache, key
from editalk.compose import StripWriter, paste
from editalk.errors import MediaError
from editalk.inputs import Input
from editalk.media import working_format
from editalk.pipeline.behind import behind
from editalk.pipeline.source import Source
from editalk.plan import EditPlan, RenderWindow
from editalk.reporting import Advance, Reporter
from editalk.soundtrack import Soundtrack
from editalk.timebase import FrameRange, FrameRate, samples
from editalk.watermark import VERSION as WATERMARK
from editalk.watermark import Embedder, payload_of

VERSION = 13  # counts up when backends render otherwise
LEARN = 25  # seconds of footage on either side of the edit that a mouth is learnt from
NEAR = 8  # seconds on either side of a mere join that tell how its speaker moves
SPEECH_RATE = 16000  # samples per second of what backends hear
LISTEN = 0.5  # seconds of sound before and behind the context that a backend may hear


@dataclass(frozen=True)
class RenderedWindow:
    """`seed`: that it was rendered from, None where the backend draws no lots."""

    window: RenderWindow
    path: Path
    held: Input
    seed: int | None = None


def check_strips(strips: Sequence[RenderedWindow], cache: Cache) -> None:
    """Raises MediaError where one is no longer what was rendered; another process may have made it, too."""
    for strip in strips:
        if strip.held.changed() and not cache.held(strip.path):
            raise MediaError(f"{strip.path}: a rendered window was damaged while it was being used; run again")


def render(
    plan: EditPlan, source: Source, track: Soundtrack, analysis: Analysis, backend: Backend, cache: Cache,
    seeds: Sequence[int], watermark: bool, reporter: Reporter,
) -> tuple[tuple[RenderedWindow, ...], ...]:  # fmt: skip
    """All windows of the plan, each from every seed, those that the cache does not hold rendered now; a backend that
    draws no lots renders each once. `watermark`: whether new pictures are marked.
    """
    made, info = [], source.info
    marked = Embedder(payload_of(info.sha256), info.video) if watermark else None
    asked: Sequence[int | None] = seeds if backend.capabilities.seeded else [None]
    total = sum(len(w.span) for w in plan.windows) * len(asked)
    with reporter.stage("Rendering", total) as advance:
        for window in plan.windows:
            strips = []
            for seed in asked:
                name = _key(window, plan, source, backend, analysis, seed or 0, watermark)
                path = cache.path("window", name + ".mkv")
                if everywhere(cache.held(path)):
                    advance(len(window.span), cached=True)
                else:
                    with cache.making(path, source.inputs) as part:
                        _render(window, plan, source, track, analysis, backend, seed or 0, marked, part, advance)
                strips.append(RenderedWindow(window, path, Input.of(path), seed))
            made.append(tuple(strips))
    return tuple(made)


def _render(
    window: RenderWindow, plan: EditPlan, source: Source, track: Soundtrack, analysis: Analysis, backend: Backend,
    seed: int, marked: Embedder | None, path: Path, advance: Advance,
) -> None:  # fmt: skip
    video = source.info.video
    writer, done = StripWriter(path, video, working_format(video.pix_fmt)), 0

    def write(made: Rendered, base: VideoFrame | None) -> None:
        writer.write(made.frame - window.span.start, paste(base, marked(made) if marked else made, video))

    with behind() as later:
        for made in backend.render(replace(window_input(window, plan, source, track, analysis), seed=seed)):
            base = source.reader.frame(made.source) if made.source is not None else None
            later(partial(write, made, base))
            advance(made.frame + 1 - window.span.start - done)
            done = made.frame + 1 - window.span.start
    writer.close()
    advance(len(window.span) - done)


def window_input(
    window: RenderWindow, plan: EditPlan, source: Source, track: Soundtrack, analysis: Analysis
) -> WindowInput:
    """What a backend sees of a window."""
    rate = plan.source.rate
    span = footage_of(window, rate, plan.source.frames)
    start = max(0.0, float(rate.seconds(window.context.start)) - LISTEN)
    end = float(rate.seconds(window.context.end)) + LISTEN
    own = float(rate.seconds(span.start))
    heard = source.heard
    learnt = heard.read(samples(own, heard.rate), samples(float(rate.seconds(span.end)), heard.rate))
    sound = track.mono(start, end, SPEECH_RATE)
    said = [(c.text, c.start, c.end) for c in plan.captions] if window.lips and _placed(plan) else []
    own_words = [(w.text, w.start, w.end) for w in analysis.words] if window.lips else []
    words = " ".join(c.text for c in plan.captions if c.start < end - LISTEN and start + LISTEN < c.end)
    return WindowInput(
        window=window, footage=source.reader, track=analysis.track(span), sound=sound, sound_start=start,
        source_sound=learnt, source_sound_start=own, thumbs=analysis.thumbs(span), natural_steps=analysis.steps(),
        video=source.info.video,
        phones=phones_within(said, sound, start), source_phones=phones_within(own_words, learnt, own),
        words=words,
    )  # fmt: skip


def _placed(plan: EditPlan) -> bool:
    """Whether the phones of the timeline's words can be found in its sound: not those of a dub in another language."""
    return plan.dubbed is None or understands(plan.dubbed)


def footage_of(window: RenderWindow, rate: FrameRate, frames: int) -> FrameRange:
    """The source frames that a backend may learn from and take footage of: around those that the window shows."""
    shown = [f for p in window.pieces if p.source is not None for f in (p.source, p.source_end)]
    centres = [min(max(f, 0), frames) for f in _clipped(window, shown)]
    retrieved = window.lips or any(p.source is None for p in window.pieces)
    reach = rate.frames(LEARN if retrieved else NEAR)
    if not centres:
        return FrameRange(0, frames)
    return FrameRange(max(0, min(centres) - reach), min(frames, max(centres) + reach))


def _clipped(window: RenderWindow, shown: Sequence[int]) -> list[int]:
    """Source frames at the window's ends and at its joins; a long piece that merely ends in it does not count."""
    near = []
    for piece in window.pieces:
        if piece.source is not None:
            start, end = max(piece.start, window.span.start), min(piece.end, window.span.end)
            if start <= end:
                near += [round(piece.source_position(f)) for f in (start, end)]
    return near or list(shown)


def _key(
    window: RenderWindow, plan: EditPlan, source: Source, backend: Backend, analysis: Analysis, seed: int,
    watermark: bool,
) -> str:  # fmt: skip
    """What a window's pictures depend on, wherever on the timeline it lies."""
    at, rate = plan.source.sample_rate, plan.source.rate
    begin = window.span.start
    first, last = (rate.sample(f, at) for f in (window.context.start, window.context.end))
    sounds = [
        (round((p.start - rate.sample(begin, at)) / at, 2), round(p.samples / at, 2), p.origin.value,
         round(p.offset / at, 2), round(p.source_samples / at, 2), round(p.gain_db, 1),
         plan.voices[p.voice].sha256 if p.voice is not None else None)
        for p in plan.sound if p.start < last + at and first - at < p.end
    ]  # fmt: skip
    words = _words(window, plan, analysis)
    if not window.lips and not backend.capabilities.hears:
        sounds, words = [], []
    pieces = [asdict(replace(p, start=p.start - begin)) for p in window.pieces]
    lips = [(s.start - begin, s.end - begin) for s in window.lips]
    file = source.info.sha256, source.info.audio.index
    return key("window", VERSION, backend.key, seed, *file, analysis.face, len(window.span), pieces, sounds,
                lips, window.region.value, window.lip_region.value, words, _placed(plan),
                *(["watermark", WATERMARK] if watermark else []))  # fmt: skip


def _words(window: RenderWindow, plan: EditPlan, analysis: Analysis) -> list[list[tuple[str, float, float]]]:
    """What is said in the window and in the footage that it learns from, seconds from the start of either."""
    rate = plan.source.rate
    begin, first, last = (float(rate.seconds(f)) for f in (window.span.start, window.context.start, window.context.end))
    learnt = footage_of(window, rate, plan.source.frames)
    start, end = float(rate.seconds(learnt.start)), float(rate.seconds(learnt.end))
    said = [(c.text, c.start, c.end) for c in plan.captions]
    own = [(w.text, w.start, w.end) for w in analysis.words]
    return [
        [(text, round(a - zero, 2), round(b - zero, 2)) for text, a, b in words if a < until and since < b]
        for words, zero, since, until in ((said, begin, first - LISTEN, last + LISTEN), (own, 0.0, start, end))
    ]
