"""Two videos on a common clock → figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.analysis import Analysis, Box, face_box, face_step
from editalk.asr import Phone, align
from editalk.asr.sound import RATE
from editalk.cache import Cache
from editalk.errors import SourceError, UsageError
from editalk.face import FaceTrack, aperture
from editalk.media.image import luma
from editalk.pipeline.figures import finite
from editalk.pipeline.source import Source, opened
from editalk.quality.blur import cpbd
from editalk.quality.closures import closed_below, closures, during
from editalk.quality.heard import follows
from editalk.quality.landmarks import compare_landmarks, ratio
from editalk.quality.learned import LEARNED, Learned, Pair
from editalk.quality.picture import REGIONS, laplacian_variance, lip_box, psnr, region_box, ssim
from editalk.quality.steps import step_profile
from editalk.reporting import Reporter
from editalk.timebase import FrameRange, samples
from editalk.transcript import read_transcript

Luma = NDArray[np.uint8]
Floats = NDArray[np.float64]

BLUR_FRAMES = 12  # pictures of a stretch whose blur is judged, evenly spread


@dataclass(frozen=True)
class Comparison:
    """What the user asks for. `start`, `end`: seconds (None: to the end); `transcript`: of what REFERENCE says."""

    reference: Path
    candidate: Path
    region: str = "mouth"
    start: float = 0.0
    end: float | None = None
    transcript: Path | None = None
    face: int | None = None


@dataclass
class _Pixels:
    """Figures of pictures, a value a frame."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    sharp: list[tuple[float, float]] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)
    blur: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"lower_face": [], "frame": []})


def compare(wanted: Comparison, cache: Cache, reporter: Reporter) -> dict[str, Any]:
    """The object of `eval --json`: see docs/metrics.md. Raises SourceError where the two do not fit together."""
    if wanted.region not in REGIONS:
        raise UsageError(f"--region {wanted.region}: there are {', '.join(REGIONS)}")
    with ExitStack() as stack:
        sources = tuple(stack.enter_context(opened(path, reporter)) for path in (wanted.reference, wanted.candidate))
        span = _span(wanted, *sources)
        analyses = [Analysis(s.info, s.reader, s.heard, (), cache, reporter, wanted.face, s.inputs)
                    for s in sources]  # fmt: skip
        for analysis in analyses:
            stack.callback(analysis.close)
            analysis.prepare([span])
        tracks = [a.track(span).between(span.start, span.end) for a in analyses]
        tracks[1] = _scaled(tracks[1], sources[1], sources[0])
        pixels = _pixels(sources, tracks, span, wanted.region, reporter)
        made = _head(wanted, sources, tracks, span)
        made |= _figures(sources, tracks, span, pixels, wanted.region)
        made["closures"] = _closures(wanted, sources[0], analyses[0], tracks, span)
        pair = Pair(sources[0].reader, sources[1].reader, tracks[0], tracks[1], sources[0].info.video,
                    sources[1].info.video, _sound(sources[0], span), _sound(sources[1], span), span)  # fmt: skip
        made |= _learned(LEARNED, pair, reporter)
        made["notes"] = _notes(wanted, sources, tracks)
        return dict(finite(made))


# ------------------------------------------------------------------------------------------------- do they fit together


def _span(wanted: Comparison, a: Source, b: Source) -> FrameRange:
    """The frames to compare."""
    names = f"{wanted.reference.name} and {wanted.candidate.name}"
    video, other = a.info.video, b.info.video
    if video.rate != other.rate:
        rates = f"{float(video.rate):.6g} and {float(other.rate):.6g}"
        raise SourceError(f"{names} have {rates} frames per second: no common clock")
    if video.rotation != other.rotation:
        raise SourceError(f"{names} are turned by {video.rotation} and {other.rotation} degrees: turn one of them")
    shape, like = video.width / video.height, other.width / other.height
    if abs(shape / like - 1) > 0.02:
        sizes = f"{video.width}×{video.height} and {other.width}×{other.height}"
        raise SourceError(f"{names} are {sizes}: pictures of another shape")
    first = video.rate.frames(wanted.start)
    shortest = min(video.frames, other.frames)
    last = shortest if wanted.end is None else video.rate.frames(wanted.end)
    if not 0 <= first < last:
        raise UsageError(f"--from {wanted.start:g} --to {float(last / video.rate.value):g}: nothing lies between")
    if last > shortest or (wanted.end is None and video.frames != other.frames):
        raise SourceError(
            f"{names} have {video.frames} and {other.frames} frames; compare what both have with "
            f"--to {math.floor(100 * float(video.rate.seconds(shortest))) / 100:.2f}"
        )
    return FrameRange(first, last)


def _scaled(track: FaceTrack, own: Source, like: Source) -> FaceTrack:
    """Landmarks of a picture of another size in the other's pixels."""
    a, b = own.info.video, like.info.video
    if (a.width, a.height) == (b.width, b.height):
        return track
    by = np.array([b.width / a.width, b.height / a.height, b.width / a.width], np.float32)
    return FaceTrack(track.frames, track.points * by)


def _notes(wanted: Comparison, sources: tuple[Source, ...], tracks: list[FaceTrack]) -> list[str]:
    """What a reader of the figures should know."""
    notes = []
    a, b = (s.info.video for s in sources)
    if (a.width, a.height) != (b.width, b.height):
        notes.append(f"{wanted.candidate.name} is {b.width}×{b.height}: scaled to {a.width}×{a.height} for its pixels")
    for path, track in zip((wanted.reference, wanted.candidate), tracks, strict=True):
        share = float(track.found.mean()) if len(track.frames) else 0.0
        if share == 0:
            notes.append(f"{path.name}: no face was found, so only the frame is measured")
        elif share < 0.98:
            notes.append(f"{path.name}: a face in {100 * share:.0f} % of the frames only; the others do not count")
    return notes


# ------------------------------------------------------------------------------------------------------- the pictures


def _pixels(
    sources: tuple[Source, ...], tracks: list[FaceTrack], span: FrameRange, region: str, reporter: Reporter
) -> _Pixels:
    """One pass over both files; a picture of each is in memory."""
    made, box = _Pixels(), None
    before: tuple[Luma, Luma] | None = None
    blurred = set(np.linspace(span.start, span.end - 1, min(BLUR_FRAMES, len(span))).round().astype(int).tolist())
    with reporter.stage("Comparing pictures", len(span)) as advance:
        for frame, a, b in _lumas(sources, span):
            points = [t.at(frame) for t in tracks]
            box = face_box(points[0]) or box
            made.steps.append(_steps(before, (a, b), box))
            before = a, b
            _likeness(made, a, b, points[0], region)
            if points[0] is not None and points[1] is not None:
                made.sharp.append((laplacian_variance(a[lip_box(points[0], a.shape).slices]),
                                   laplacian_variance(b[lip_box(points[1], b.shape).slices])))  # fmt: skip
            if frame in blurred:
                _blur(made, a, b, points[0])
            advance(1)
    return made


def _lumas(sources: tuple[Source, ...], span: FrameRange) -> Iterator[tuple[int, Luma, Luma]]:
    import cv2

    pictures = zip(*(s.reader.iterate(span.start, span.end) for s in sources), strict=True)
    for (frame, one), (_, two) in pictures:
        a, b = (np.ascontiguousarray(luma(x)) for x in (one, two))
        if a.shape != b.shape:
            b = np.asarray(cv2.resize(b, a.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        yield frame, a, b


def _steps(before: tuple[Luma, Luma] | None, now: tuple[Luma, Luma], box: Box | None) -> tuple[float, float]:
    if before is None:
        return float("nan"), float("nan")
    return face_step(before[0], now[0], box), face_step(before[1], now[1], box)


def _likeness(made: _Pixels, a: Luma, b: Luma, points: NDArray[np.float32] | None, region: str) -> None:
    area = region_box(region, points, a.shape)
    if area is not None:
        one, two = (np.ascontiguousarray(x[area.slices]) for x in (a, b))
        made.psnr.append(psnr(one, two))
        made.ssim.append(ssim(one, two))


def _blur(made: _Pixels, a: Luma, b: Luma, points: NDArray[np.float32] | None) -> None:
    for name, region in (("lower_face", "mouth"), ("frame", "frame")):
        area = region_box(region, points, a.shape)
        if area is not None:
            made.blur[name].append((cpbd(a[area.slices]), cpbd(b[area.slices])))


# -------------------------------------------------------------------------------------------------------- the figures


def _head(
    wanted: Comparison, sources: tuple[Source, ...], tracks: list[FaceTrack], span: FrameRange
) -> dict[str, Any]:
    video = sources[0].info.video
    seconds = span.seconds(video.rate)
    return {
        "reference": str(wanted.reference), "candidate": str(wanted.candidate), "region": wanted.region,
        "frame_rate": str(video.rate), "frames": len(span), "from": seconds.start, "to": seconds.end,
        "size": [video.width, video.height], "faces": [float(t.found.mean()) for t in tracks],
    }  # fmt: skip


def _figures(
    sources: tuple[Source, ...], tracks: list[FaceTrack], span: FrameRange, pixels: _Pixels, region: str
) -> dict[str, Any]:
    rate = float(sources[0].info.video.rate)
    times = (np.arange(len(span)) + 0.5) / rate
    lips = asdict(compare_landmarks(tracks[0].points, tracks[1].points, times))
    identity = lips.pop("identity")
    sharp = np.median(np.array(pixels.sharp or [(np.nan, np.nan)]), axis=0)
    steps = np.array(pixels.steps)
    profile = step_profile(steps[:, 0], steps[:, 1], span.start)
    heard = [follows(times, aperture(t.points), _sound(s, span)) for s, t in zip(sources, tracks, strict=True)]
    return {
        "mouth": lips | {
            "sharpness_ratio": ratio(float(sharp[1]), float(sharp[0])),
            "sound_r": [r for r, _ in heard], "sound_lag_ms": [lag for _, lag in heard],
        },
        "picture": {"region": region, "psnr": _mean(pixels.psnr), "ssim": _mean(pixels.ssim)},
        "cpbd": {k: [_mean([row[i] for row in v]) for i in (0, 1)] for k, v in pixels.blur.items()},
        "identity": identity,
        "steps": asdict(profile) | {
            "largest": [asdict(s) | {"at": s.frame / rate} for s in profile.largest],
        },
    }  # fmt: skip


def _mean(values: list[float]) -> float:
    known = [v for v in values if math.isfinite(v)]
    return sum(known) / len(known) if known else float("nan")


def _sound(source: Source, span: FrameRange) -> Any:
    """What is heard during the span: mono, 16 kHz."""
    rate = source.info.video.rate
    return source.heard.read(rate.sample(span.start, RATE), rate.sample(span.end, RATE))


def _closures(
    wanted: Comparison, source: Source, analysis: Analysis, tracks: list[FaceTrack], span: FrameRange
) -> dict[str, Any] | None:
    """Recall of p, b, m; None without known words."""
    if wanted.transcript is None:
        return None
    words = [w.text for w in read_transcript(wanted.transcript).words]
    rate = source.info.video.rate
    whole = FrameRange(0, source.reader.frames)
    heard = source.heard.read(0, samples(whole.end / rate.value, RATE))
    phones: tuple[Phone, ...] = tuple(p for w in align(words, heard).words for p in w.phones)
    full = analysis.track(whole)
    clock = (full.frames + 0.5) / float(rate)
    limit = closed_below(aperture(full.points), during(clock, phones))
    times = (np.arange(span.start, span.end) + 0.5) / float(rate)
    found = closures(times, aperture(tracks[0].points), aperture(tracks[1].points), phones, limit)
    return asdict(found) | {"recall": found.recall}


def _learned(metrics: tuple[Learned, ...], pair: Pair, reporter: Reporter) -> dict[str, Any]:
    """What networks say, where their weights are present; for the others what is missing."""
    made: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for metric in metrics:
        lacks = metric.missing()
        if lacks is not None:
            missing |= dict.fromkeys(metric.figures, lacks)
            made |= dict.fromkeys(metric.figures)
            continue
        with reporter.stage(metric.name):
            made |= metric.measure(pair)
    return {"learned": made, "missing": missing}
