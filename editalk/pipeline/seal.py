"""An edit's ledger and signature: what was asked for, and what was made of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from editalk import __version__
from editalk.backends.base import Backend
from editalk.errors import UsageError
from editalk.inputs import digest as sha256
from editalk.media import MediaInfo
from editalk.operations import Kind
from editalk.plan import EditPlan, Origin, Piece, SoundPiece
from editalk.provenance import (
    Consent,
    Credential,
    EditRow,
    FileRef,
    FrameRow,
    Ledger,
    Output,
    Renderer,
    SoundRow,
    WordRow,
    as_text,
    definition,
    development,
    embeds,
    ingredients,
    ledger_path,
    load_credential,
    manifest_path,
    password,
    read_consent,
    sign,
    to_json,
)
from editalk.reporting import KeepingReporter, Reporter
from editalk.texts import check_text_target
from editalk.timebase import FrameRange


@dataclass(frozen=True)
class Made:
    """What was made, before it takes its place at `out`. `seeds`: that each window was rendered from, None where no
    lots are drawn. `rendered`: the timeline frames that are new.
    """

    out: Path
    plan: EditPlan
    source: MediaInfo
    backend: Backend
    seeds: tuple[int | None, ...]
    rendered: tuple[FrameRange, ...]


@dataclass(frozen=True)
class Sealed:
    """`row`: for the report. `texts`: what lies beside the file."""

    row: dict[str, Any]
    texts: dict[Path, str | bytes]


UNSEALED: dict[str, Any] = {"signature": None, "ledger": None}


@dataclass
class _Kept:
    """What the signed file has left for those beside it."""

    ledger: Ledger | None = None
    manifest: bytes = b""


@dataclass(frozen=True)
class Seal:
    """What an edit leaves about itself. `credential` None: no signature. `ledger`: whether one is written. `language`:
    the source's.
    """

    credential: Credential | None
    ledger: bool
    consent: Consent | None
    text: FileRef
    from_plan: bool
    warnings: list[str]
    language: str | None = None
    _kept: _Kept = field(default_factory=_Kept)

    def sign(
        self, made: Made, reporter: Reporter, copied: tuple[FrameRange, ...], complete: Path, signed: Path
    ) -> None:
        """`complete` signed, as `signed`. Raises OutputError."""
        kept = self._kept
        kept.ledger = self._ledger(made, copied)
        if self.credential is None:
            complete.rename(signed)
            return
        plan = made.plan
        places = (made.source.path, *(Path(ref.path) for ref in plan.voices))
        parts = dict(zip(ingredients(kept.ledger), places, strict=True))
        with reporter.stage("Signing", 1, "files") as advance:
            kept.manifest = sign(definition(kept.ledger), parts, self.credential, complete, signed,
                                 reporter.warn)  # fmt: skip
            advance(1)
        if self.credential.development:
            reporter.say("signed with a development certificate that nobody trusts; --sign-key and --sign-cert for "
                         "your own")  # fmt: skip

    def sealed(self, out: Path, complete: Path) -> Sealed:
        """What goes with the file that `sign` has made, which is at `complete` and will be at `out`."""
        kept, texts = self._kept, dict[Path, str | bytes]()
        assert kept.ledger is not None
        beside = manifest_path(out) if self.credential is not None and not embeds(out) else None
        if beside is not None:
            texts[beside] = kept.manifest
        if self.ledger:
            output = Output(as_text(out.name), sha256(complete), kept.ledger.output.frames, kept.ledger.output.rate)
            texts[ledger_path(out)] = to_json(replace(kept.ledger, output=output))
        signature = None
        if self.credential is not None:
            signature = {"signer": self.credential.name, "development": self.credential.development,
                         "algorithm": self.credential.algorithm, "manifest": str(beside or out),
                         "manifest_bytes": len(kept.manifest)}  # fmt: skip
        return Sealed({"signature": signature, "ledger": str(ledger_path(out)) if self.ledger else None}, texts)

    def _ledger(self, made: Made, copied: Sequence[FrameRange]) -> Ledger:
        plan, rate = made.plan, made.plan.source.rate
        voices = tuple(FileRef(as_text(Path(ref.path).name), ref.sha256) for ref in plan.voices)
        renderer = Renderer(made.backend.name, made.backend.key, made.backend.models,
                            made.backend.capabilities.trained)  # fmt: skip
        return Ledger(
            editalk=__version__, date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            source=FileRef(as_text(made.source.path.name), made.source.sha256),
            output=Output(as_text(made.out.name), None, plan.frames, rate),
            edited=None if self.from_plan else self.text, plan=self.text if self.from_plan else None,
            voices=voices, voice_covers=plan.voice_covers, language=self.language, dubbed=plan.dubbed,
            consent=self.consent, renderer=renderer, operations=tuple(_operations(plan)), words=tuple(_words(plan)),
            frames=tuple(frame_rows(plan, made.rendered, copied, made.seeds)), sounds=tuple(_sounds(plan)),
            warnings=tuple(map(as_text, self.warnings)),
        )  # fmt: skip


def asked(
    out: Path, text: Path, from_plan: bool, signed: bool, key: Path | None, cert: Path | None, ledger: bool,
    consent: str | None, overwrite: bool, source: Path, reporter: KeepingReporter,
) -> Seal | None:  # fmt: skip
    """Before the work, not after it; None: nothing is asked for. Raises UsageError, SigningError, OutputError."""
    given = load_credential(key, cert, password())
    if not signed and not ledger:
        if consent is not None:
            raise UsageError("--consent is recorded in the manifest and the ledger; leave out --no-sign or --no-ledger")
        return None
    stated = read_consent(consent) if consent is not None else None
    if ledger:
        check_text_target(ledger_path(out), overwrite, source)
    if signed and not embeds(out):
        check_text_target(manifest_path(out), overwrite, source)
    credential = (given or development()) if signed else None
    digest = sha256(text) if text.is_file() else ""  # the text itself is read later, and says so
    return Seal(credential, ledger, stated, FileRef(as_text(text.name), digest), from_plan, reporter.warnings)


def forget(out: Path, texts: Collection[Path]) -> None:
    """Of a file that `out` has replaced the ledger and manifest beside it, which would tell lies of the new one.
    `texts`: the new one's.
    """
    for path in (ledger_path(out), *(() if embeds(out) else (manifest_path(out),))):
        if path not in texts:
            with suppress(OSError):
                path.unlink()


def _operations(plan: EditPlan) -> Iterator[EditRow]:
    for row in plan.operations:
        source, timeline = ((round(s.start, 4), round(s.end, 4)) for s in
                            (row.source.seconds(plan.source.rate), row.timeline.seconds(plan.source.rate)))  # fmt: skip
        yield EditRow(row.kind.value, row.text, source, timeline, row.region)


def _words(plan: EditPlan) -> Iterator[WordRow]:
    """Whose sound most of each word is."""
    at = plan.source.sample_rate
    moved = [o.timeline.seconds(plan.source.rate) for o in plan.operations if o.kind is Kind.MOVE]
    first = 0
    for word in plan.captions:
        start, end = round(word.start * at), round(word.end * at)
        while first + 1 < len(plan.sound) and plan.sound[first].end <= start:
            first += 1
        under = [plan.sound[first]]
        for piece in plan.sound[first + 1 :]:
            if piece.start >= end:
                break
            under.append(piece)
        most = max(under, key=lambda p: min(p.end, end) - max(p.start, start))
        middle = (word.start + word.end) / 2
        state = "new"
        source = None
        if most.origin is Origin.SOURCE:
            state = "moved" if any(s.start <= middle < s.end for s in moved) else "kept"
            source = round(_offset(most, max(start, most.start)) / at, 4)
        yield WordRow(word.text, round(word.start, 4), round(word.end, 4), state, source)


def _offset(piece: SoundPiece, sample: int) -> float:
    """Where in its origin a timeline sample of a piece lies."""
    return piece.offset + (sample - piece.start) * piece.source_samples / max(1, piece.samples)


def _sounds(plan: EditPlan) -> Iterator[SoundRow]:
    at = plan.source.sample_rate
    for piece in plan.sound:
        yield SoundRow(round(piece.start / at, 5), round(piece.end / at, 5), piece.origin.value,
                       round(piece.offset / at, 5), piece.voice)  # fmt: skip


def frame_rows(
    plan: EditPlan, rendered: Sequence[FrameRange], copied: Sequence[FrameRange], seeds: Sequence[int | None]
) -> Iterator[FrameRow]:
    """Every frame of the timeline, in as few stretches as there are."""
    edges = {0, plan.frames}
    for span in (*rendered, *copied, *(w.span for w in plan.windows), *(s for w in plan.windows for s in w.lips),
                 *(FrameRange(p.start, p.end) for p in plan.timeline)):  # fmt: skip
        edges |= {span.start, span.end}
    inside = sorted(edge for edge in edges if 0 <= edge <= plan.frames)
    last: FrameRow | None = None
    for start, end in zip(inside, inside[1:], strict=False):
        row = _row(plan, rendered, copied, seeds, start, end)
        if last is not None and _goes_on(last, row):
            last = replace(last, end=end)
            continue
        if last is not None:
            yield last
        last = row
    if last is not None:
        yield last


def _row(
    plan: EditPlan, rendered: Sequence[FrameRange], copied: Sequence[FrameRange], seeds: Sequence[int | None],
    start: int, end: int,
) -> FrameRow:  # fmt: skip
    if any(start in span for span in rendered):
        k = next(k for k, window in enumerate(plan.windows) if start in window.span)
        lips = any(start in span for span in plan.windows[k].lips)
        return FrameRow(start, end, "generated", None, plan.windows[k].region.value, lips, seeds[k])
    piece: Piece = next(p for p in plan.timeline if p.start <= start < p.end)
    source = None if piece.source is None else piece.source + start - piece.start
    return FrameRow(start, end, "copied" if any(start in span for span in copied) else "kept", source)


def _goes_on(last: FrameRow, row: FrameRow) -> bool:
    if (last.state, last.region, last.lips, last.seed) != (row.state, row.region, row.lips, row.seed):
        return False
    return last.source is None or row.source == last.source + row.start - last.start
