"""An edit that was made, beside its source, on a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from editalk.cache import Cache, key, scratch
from editalk.diff import WordEdit, spoken_tokens
from editalk.errors import MediaError, SourceError
from editalk.inputs import Inputs
from editalk.markup import Token
from editalk.media import FrameReader, MediaInfo, SoundFile, decode_sound, probe
from editalk.pipeline import Edit, Listening, Result
from editalk.pipeline.edit import read_edits
from editalk.pipeline.source import known_words
from editalk.plan import EditPlan
from editalk.reporting import Reporter, Silent
from editalk.review import (
    SOUND_RATE,
    VERSION,
    edits_of,
    figures,
    near_edits,
    page,
    peaks,
    shape_of,
    spans,
    write_proxy,
)
from editalk.transcript import Transcript


def review_page(
    edit: Edit, result: Result, video: Path, report: Mapping[str, Any], cache: Cache, reporter: Reporter
) -> str:
    """The page of an edit. `video`: the edited one, wherever it is now; `report`: see `pipeline.report`.

    Raises MediaError, SourceError.
    """
    plan, inputs = result.plan, Inputs(edit.texts)
    how = Listening(language=None if plan.dubbed is not None else edit.language, track=plan.source.track)
    inputs.add(edit.video)
    info, transcript = known_words(edit.video, edit.transcript, how, cache, Silent())
    inputs.read(edit.video, info.sha256)
    if info.sha256 != plan.source.sha256:
        raise SourceError(f"{edit.video} has changed since it was edited; run again")
    with FrameReader(info) as source, scratch() as folder:
        edits, tokens = _edits(edit, plan, transcript)
        made = probe(video, result.source.sounds.index(result.source.audio) + 1)
        lasting = [float(plan.source.rate.seconds(n)) for n in (plan.source.frames, plan.frames)]
        shape = shape_of(info.video, max(lasting))
        moving = near_edits(plan)
        with reporter.stage("Making the page", source.frames + made.video.frames) as advance:
            about = [plan.source.track, vars(shape), [(s.start, s.end) for s in moving[0]]]
            name = key("proxy", VERSION, info.sha256, *about)
            before = cache.path("proxy", f"{name}.mp4")
            own = _sound(info, folder / "before.f32")
            if cache.held(before):
                advance(source.frames, cached=True)
            else:
                with cache.making(before, inputs) as part:
                    write_proxy(part, source, own, shape, moving[0], advance)
            after, new = folder / "after.mp4", _sound(made, folder / "after.f32")
            with FrameReader(made) as reader:
                write_proxy(after, reader, new, shape, moving[1], advance)
        data = figures(plan, report, result.output.name) | {
            "size": [shape.width, shape.height], "moving": [[s.start, s.end] for s in moving[1]],
            "language": transcript.language, "spans": spans(edits, tokens, plan, transcript.words),
            "peaks": {"before": peaks(own, lasting[0]), "after": peaks(new, lasting[1])},
        }  # fmt: skip
        inputs.check()
        return page(data, _film(before), after.read_bytes())


def _film(path: Path) -> bytes:
    """Of the cache, which somebody may have emptied meanwhile. Raises MediaError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path}: the source's film cannot be read ({error.strerror}); run again") from error


def _edits(
    edit: Edit, plan: EditPlan, transcript: Transcript
) -> tuple[tuple[WordEdit, ...], tuple[Token, ...]]:
    if edit.edited is None or plan.dubbed is not None:  # a dub's words are no edit of the source's
        return edits_of(plan, transcript.words)
    edited, script = read_edits(edit.edited, transcript)
    return script.edits, spoken_tokens(edited)


def _sound(info: MediaInfo, raw: Path) -> SoundFile:
    """The sound as a proxy has it: from frame 0 on, one or two channels."""
    channels = min(2, info.audio.channels)
    return decode_sound(info.path, raw, SOUND_RATE, channels, info.video.start, info.audio.index)
