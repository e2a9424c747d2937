"""Whether a file is what its manifest and its ledger say it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from editalk.errors import EditalkError, MismatchError
from editalk.inputs import digest as sha256
from editalk.media import FrameReader, probe
from editalk.media.container import check_file
from editalk.media.image import luma
from editalk.pipeline.splicing import same
from editalk.provenance import FrameRow, Ledger, Manifest, digest, ledger_path, read_ledger, read_manifest
from editalk.reporting import Reporter
from editalk.timebase import FrameRate
from editalk.watermark import detect

ALIKE_DB = 30.0  # PSNR in luma above which a picture is the source's, encoded anew


@dataclass(frozen=True)
class Question:
    """`ledger`, `source` None: those beside the video, where there are any. `trust`: authorities' certificates, PEM.
    `watermark`: whether one is looked for, which decodes the video.
    """

    video: Path
    ledger: Path | None = None
    source: Path | None = None
    trust: Path | None = None
    watermark: bool = False


def verify(asked: Question, reporter: Reporter) -> dict[str, Any]:
    """The object of `verify --json`; `problems`: what does not hold, in words.

    Raises MediaError, LedgerError, SigningError.
    """
    check_file(asked.video)
    manifest = read_manifest(asked.video, asked.trust)
    path = asked.ledger or (ledger_path(asked.video) if ledger_path(asked.video).is_file() else None)
    ledger = read_ledger(path) if path is not None else None
    made: dict[str, Any] = {"video": str(asked.video), "problems": []}
    made["manifest"] = _of_manifest(manifest, asked, made["problems"]) if manifest is not None else None
    made["ledger"] = _of_ledger(ledger, path, manifest, asked, made["problems"]) if ledger is not None else None
    made["source"] = _of_source(ledger, manifest, asked, made["problems"], reporter)
    made["watermarks"] = list(_watermarks(asked.video, reporter)) if asked.watermark else None
    return made


def failed(made: dict[str, Any]) -> EditalkError | None:
    """What the command ends with."""
    if made["problems"]:
        return MismatchError(f"{made['video']}: {'; '.join(made['problems'])}")
    if made["manifest"] is None:
        return EditalkError(f"{made['video']} has no C2PA manifest, in it or beside it; nothing vouches for it")
    return None


def _watermarks(video: Path, reporter: Reporter) -> Iterator[dict[str, Any]]:
    """The stretches that carry one. It proves nothing by itself, and its absence neither: the pattern is public."""
    with reporter.stage("Looking for watermarks"):
        found = [stretch for stretch in detect(video) if stretch.marked]
    for stretch in found:
        yield {"seconds": [round(stretch.span.start, 3), round(stretch.span.end, 3)],
               "probability": stretch.probability,
               "payload": stretch.payload.hex() if stretch.payload is not None else None}  # fmt: skip


def _of_manifest(manifest: Manifest, asked: Question, problems: list[str]) -> dict[str, Any]:
    problems += dict.fromkeys(failure.what for failure in manifest.failures)
    if asked.trust is not None and not manifest.trusted:
        problems.append(f"nobody in {asked.trust.name} vouches for the signer {manifest.signer}")
    edit = manifest.edit or {}
    return {
        "beside": str(manifest.beside) if manifest.beside else None, "valid": manifest.valid,
        "failures": [asdict(failure) for failure in manifest.failures], "trusted": manifest.trusted,
        "development": manifest.development, "signer": manifest.signer, "organisation": manifest.organisation,
        "algorithm": manifest.algorithm, "serial": manifest.serial, "generator": manifest.generator,
        "title": manifest.title,
        "ingredients": [
            {"title": row.get("title"), "relationship": row.get("relationship"),
             "manifest": row.get("active_manifest") is not None} for row in manifest.ingredients
        ],
        "generated": sorted(_generated(manifest), key=lambda row: list(row["frames"])),
        "renderer": edit.get("renderer"), "consent": _table(edit.get("consent")), "actions": list(manifest.actions),
    }  # fmt: skip


def _generated(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """The stretches of generated pictures, by the actions that tell of them."""
    rate = (manifest.edit or {}).get("frame_rate")
    for action in manifest.actions:
        parameters = _table(action.get("parameters")) or {}
        models = parameters.get("org.editalk.models")
        for start, end in _pairs(parameters.get("org.editalk.frames")):
            row = {"frames": [start, end], "region": parameters.get("org.editalk.region"),
                   "lips": parameters.get("org.editalk.lips"), "backend": parameters.get("org.editalk.backend"),
                   "models": [m for m in models if isinstance(m, dict)] if isinstance(models, list) else [],
                   "seed": parameters.get("org.editalk.seed"),
                   "source_type": action.get("digitalSourceType")}  # fmt: skip
            if isinstance(rate, str):
                row["seconds"] = [round(float(FrameRate.parse(rate).seconds(at)), 4) for at in (start, end)]
            yield row


def _table(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _pairs(value: object) -> Iterator[tuple[int, int]]:
    """Whoever signed the manifest may have put anything there."""
    for pair in value if isinstance(value, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair):
            yield pair[0], pair[1]


def _of_ledger(
    ledger: Ledger, path: Path | None, manifest: Manifest | None, asked: Question, problems: list[str]
) -> dict[str, Any]:
    own = sha256(asked.video) == ledger.output.sha256
    if not own:
        problems.append(f"{path} is the ledger of another file, or of this one as it was before it was changed")
    signed = ((manifest.edit or {}).get("ledger") or {}).get("sha256") if manifest is not None else None
    vouched = None if manifest is None else signed == digest(ledger)
    if vouched is False:
        problems.append(f"{path} is not the ledger that the manifest tells of")
    return {"path": str(path), "of_this_file": own, "of_this_manifest": vouched, "words": len(ledger.words),
            "new_words": sum(word.state == "new" for word in ledger.words),
            "edited": asdict(ledger.edited) if ledger.edited else None, "date": ledger.date}  # fmt: skip


def _of_source(
    ledger: Ledger | None, manifest: Manifest | None, asked: Question, problems: list[str], reporter: Reporter
) -> dict[str, Any] | None:
    named = (manifest.edit or {}).get("source") if manifest is not None else None
    if not isinstance(named, dict):
        named = asdict(ledger.source) if ledger is not None else None
    if named is None:
        if asked.source is not None:
            problems.append("neither manifest nor ledger tells of a source")
        return None
    path = asked.source or asked.video.with_name(Path(str(named.get("name"))).name)
    if asked.source is None and not path.is_file():
        return {"path": None, **named}
    check_file(path)
    ingredient = sha256(path) == named.get("sha256")
    row: dict[str, Any] = {"path": str(path), **named, "is_ingredient": ingredient}
    if not ingredient:
        problems.append(f"{path} is not the source that the file was made from")
    elif asked.source is not None and ledger is not None:
        row |= _pictures(ledger, asked, path, reporter)
        if row["differ"]:
            problems.append(f"{len(row['differ'])} pictures that were kept are not the source's, the first of them "
                            f"frame {row['differ'][0]}")  # fmt: skip
    return row


def _pictures(ledger: Ledger, asked: Question, source: Path, reporter: Reporter) -> dict[str, Any]:
    """Every kept picture against the source's: those of copied packets sample by sample, others by PSNR."""
    rows = [row for row in ledger.frames if row.source is not None]
    differ: list[int] = []
    least = float("inf")
    total = sum(row.end - row.start for row in rows)
    made, own = probe(asked.video), probe(source)
    with FrameReader(made) as after, FrameReader(own) as before, reporter.stage("Comparing", total) as advance:
        for frame, first, row in _frames(rows):
            if frame >= after.frames or first >= before.frames:
                differ.append(frame)
                continue
            a, b = after.frame(frame), before.frame(first)
            if row.state == "copied":
                alike = same(a, b)
            else:
                psnr = _psnr(a, b)
                least, alike = min(least, psnr), psnr >= ALIKE_DB
            if not alike:
                differ.append(frame)
            advance(1)
    return {"compared": total, "differ": differ, "least_psnr": None if least == float("inf") else round(least, 2)}


def _frames(rows: list[FrameRow]) -> Iterator[tuple[int, int, FrameRow]]:
    """(frame, source frame, row)."""
    for row in rows:
        assert row.source is not None
        for frame in range(row.start, row.end):
            yield frame, row.source + frame - row.start, row


def _psnr(a: VideoFrame, b: VideoFrame) -> float:
    one, two = luma(a).astype(np.float64), luma(b).astype(np.float64)
    if one.shape != two.shape:
        return 0.0
    return float(10 * np.log10(255**2 / max(1e-9, float(((one - two) ** 2).mean()))))
