"""What an edit changes and what that costs, for people and for programs, before there is a voice."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from editalk.cache import Cache
from editalk.diff import DiffSpan, Tag, WordEdit, describe, estimate_seconds, spoken_tokens
from editalk.media import MediaInfo
from editalk.pipeline.edit import read_edits
from editalk.pipeline.estimate import render_seconds
from editalk.pipeline.source import Listening, known_words
from editalk.plan import (
    Caption,
    EditPlan,
    NewSound,
    PreferredCuts,
    Script,
    SourceRef,
    VoiceRef,
    build_plan,
    lands,
)
from editalk.plan.strands import strands
from editalk.reporting import Reporter
from editalk.transcript import Transcript, Word

GRID_STEP = 8  # frames, of the backends that are there


@dataclass(frozen=True)
class Change:
    """One thing that the edit does: insert, delete, replace, move, caption, pause, retime or rerender.

    `edit`: index of the word edit; None for marks. `source`: seconds of the source that it is about, None where there
    are none. `timeline`: seconds of the edited video. `new_seconds`: about how long new words take, or how long a mark
    wants a pause or words to last. `frames`: to render on its account.
    """

    kind: str
    old: str
    new: str
    edit: int | None
    source: tuple[float, float] | None
    timeline: tuple[float, float]
    new_seconds: float | None
    frames: int = 0

    @property
    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"kind": self.kind, "old": self.old, "new": self.new}
        if self.source is not None:
            row["source"] = list(self.source)
        row["timeline"] = [round(t, 3) for t in self.timeline]
        if self.new_seconds is not None:
            row["new_seconds"] = round(self.new_seconds, 2)
        return row | {"frames_to_render": self.frames}


@dataclass(frozen=True)
class Comparison:
    """`spans`: the text in reading order, parted at pauses. `labels`: who speaks from a token of the script on, where
    the text says so. `changes`: in the order of the timeline.
    """

    info: MediaInfo
    script: Script
    plan: EditPlan
    spans: tuple[DiffSpan, ...]
    labels: dict[int, str]
    changes: tuple[Change, ...]

    @property
    def frames_to_render(self) -> int:
        return sum(len(window.span) for window in self.plan.windows)

    @property
    def render_seconds(self) -> dict[str, float]:
        """By backend, see `estimate`."""
        return render_seconds(self.plan.windows, self.info.video)

    @property
    def report(self) -> dict[str, Any]:
        """The object of `diff --json`."""
        rate = self.plan.source.rate
        numbers = {change.edit: k for k, change in enumerate(self.changes) if change.edit is not None}
        return {
            "changes": [change.row for change in self.changes],
            "text": [
                {"style": span.style.value, "text": span.text, "seconds": round(span.seconds, 2),
                 "change": numbers.get(span.edit), "paragraph": span.paragraph,
                 "speaker": None if span.token is None else self.labels.get(span.token)}
                for span in self.spans
            ],
            "frame_rate": str(rate), "frames": self.plan.frames, "frames_to_render": self.frames_to_render,
            "source_frames": self.plan.source.frames, "duration": round(float(rate.seconds(self.plan.frames)), 3),
            "source_duration": round(float(rate.seconds(self.plan.source.frames)), 3),
            "render_seconds": self.render_seconds,
        }  # fmt: skip


def compared(
    video: Path, text: Path, given: Path | None, how: Listening, cache: Cache, reporter: Reporter
) -> Comparison:
    """The edited text against the video's words; of the video nothing is decoded where there is a transcript."""
    info, transcript = known_words(video, given, how, cache, reporter)
    edited, script = read_edits(text, transcript)
    plan = _estimated(info, transcript, script)
    tokens = spoken_tokens(edited)
    spans = describe(script.edits, transcript.words, tokens, {pause.before for pause in script.pauses})
    paragraphs = {token.paragraph: k for k, token in reversed(list(enumerate(tokens)))}
    labels = {paragraphs[s.paragraph]: s.name for s in edited.speakers if s.paragraph in paragraphs}
    found = [*_edits(transcript.words, script, plan), *_marks(transcript.words, script, plan)]
    changes = sorted(found, key=lambda change: change.timeline)
    return Comparison(info, script, plan, spans, labels, _with_frames(changes, transcript.words, plan))


def _estimated(info: MediaInfo, transcript: Transcript, script: Script) -> EditPlan:
    """The plan with new words as long as they may take, cut where the words say."""
    rate, heard = info.video.rate, info.audio.sample_rate
    ref = SourceRef(info.path.name, info.sha256, rate, info.video.frames, heard,
                    rate.sample(info.video.frames, heard), info.audio.channels)  # fmt: skip
    runs = strands(script.edits, script.attributes, script.pauses)
    new = [
        NewSound(run.token, run.token_end, 0, 0.0, estimate_seconds(_said(script, run.token, run.token_end)))
        for run in runs if run.new and run.pause is None
    ]  # fmt: skip
    voices = (VoiceRef("", ""),) if new else ()
    return build_plan(ref, transcript.words, script, PreferredCuts(), new, voices, GRID_STEP)


def _edits(words: Sequence[Word], script: Script, plan: EditPlan) -> Iterator[Change]:
    """One for every word edit that is more than keeping."""
    heard = _heard(script, plan)
    for k, edit in enumerate(script.edits):
        if edit.tag is Tag.EQUAL and not edit.caption:
            continue
        old = " ".join(w.text for w in words[edit.source_start : edit.source_end])
        new = _said(script, edit.target_start, edit.target_end)
        made = edit.tag in (Tag.INSERT, Tag.REPLACE)
        source = _source(words, edit)
        if new:
            timeline = heard[edit.target_start].start, heard[edit.target_end - 1].end
        else:
            timeline = (_after(plan, sum(source or (0.0, 0.0)) / 2),) * 2
        yield Change("caption" if edit.tag is Tag.EQUAL else edit.tag.value, old, new, k, source, timeline,
                     estimate_seconds(new) if made else None)  # fmt: skip


def _marks(words: Sequence[Word], script: Script, plan: EditPlan) -> Iterator[Change]:
    """One for every pause and every span that is retimed or rendered anew."""
    heard = _heard(script, plan)
    for mark in script.attributes:
        inside = [heard[t] for t in range(mark.first, mark.end) if t in heard]
        timeline = (inside[0].start, inside[-1].end) if inside else (0.0, 0.0)
        text = _said(script, mark.first, mark.end)
        if mark.retime is not None:
            yield Change("retime", text, text, None, None, timeline, mark.retime)
        if mark.rerender is not None:
            yield Change("rerender", text, text, None, None, timeline, None)
    for pause in script.pauses:
        before = heard[pause.before - 1].end if pause.before - 1 in heard else 0.0
        behind = heard[pause.before].start if pause.before in heard else float(plan.source.rate.seconds(plan.frames))
        yield Change("pause", "", f"[pause {pause.seconds:g}s]", None, None, (before, behind), pause.seconds)


def _with_frames(changes: Sequence[Change], words: Sequence[Word], plan: EditPlan) -> tuple[Change, ...]:
    """Every frame to render on the account of the change that is nearest to it."""
    rate = plan.source.rate
    places = sorted(
        (rate.frames(start), rate.frames(end), k)
        for k, change in enumerate(changes) if change.kind != "caption"
        for start, end in _places(change, words, plan)
    )  # fmt: skip
    middles = [(a[1] + b[0]) // 2 for a, b in pairwise(places)]
    edges = [0, *accumulate(middles, max), plan.frames]
    counts = [0] * len(changes)
    for (_, _, k), low, high in zip(places, edges, edges[1:], strict=False):
        counts[k] += sum(max(0, min(high, w.span.end) - max(low, w.span.start)) for w in plan.windows)
    return tuple(replace(change, frames=count) for change, count in zip(changes, counts, strict=True))


def _places(change: Change, words: Sequence[Word], plan: EditPlan) -> Iterator[tuple[float, float]]:
    """Where on the timeline a change shows; what was moved leaves a join behind, too."""
    yield change.timeline
    if change.kind == Tag.MOVE and change.source is not None:
        behind = bisect_left(words, change.source[1], key=lambda word: word.start)
        if behind < len(words):
            yield (_after(plan, words[behind].start),) * 2


def _heard(script: Script, plan: EditPlan) -> dict[int, Caption]:
    """When each token of the script is heard; events that are only shown are not."""
    tokens = (t for edit in script.edits for t in range(edit.target_start, edit.target_end))
    return dict(zip(tokens, plan.captions, strict=False))


def _after(plan: EditPlan, seconds: float) -> float:
    """The second of the timeline at which a moment of the source plays, or what follows it."""
    rate = plan.source.rate
    return lands(plan.timeline, rate.frames(seconds)) / float(rate)


def _source(words: Sequence[Word], edit: WordEdit) -> tuple[float, float] | None:
    if edit.source_end == edit.source_start:
        return None
    return words[edit.source_start].start, words[edit.source_end - 1].end


def _said(script: Script, first: int, end: int) -> str:
    return " ".join(script.tokens[first:end])
