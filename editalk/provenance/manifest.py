"""A ledger as the definition of a C2PA manifest (C2PA 2.2, actions version 2); pure.

What was cut out is said by place and length alone: a manifest goes out with the file, the ledger need not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from editalk.plan.serial import plain
from editalk.provenance.consent import FileRef
from editalk.provenance.ledger import EditRow, FrameRow, Ledger, digest

ACTIONS = "c2pa.actions.v2"
EDIT = "org.editalk.edit"
"""Our own assertion, and the head of our own parameters."""
PREFIX = "org.editalk."
VERSION = 1
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = IPTC + "compositeWithTrainedAlgorithmicMedia"  # “enhancement using a Generative AI model, such as inpainting”
COMPOSITE = IPTC + "composite"  # “mix of several elements, any of which may or may not be generative AI”
UNKNOWN = "und"

NAMES = {
    "addition": "c2pa.edited", "removal": "c2pa.deleted", "retime": "c2pa.changedSpeed", "rerender": "c2pa.edited",
    "move": "c2pa.edited",
}  # fmt: skip
_ABOUT = {
    "addition": "New words, said by a voice: “{}”", "removal": "Words were taken out here",
    "retime": "Another duration: “{}”", "rerender": "Another sound, and new pixels for it: “{}”",
    "move": "Moved here from elsewhere in the source: “{}”",
}  # fmt: skip


@dataclass(frozen=True)
class Ingredient:
    """`label`: by which actions name it; `file`: what it is of; `relationship`: parentOf or componentOf."""

    label: str
    file: FileRef
    relationship: str

    @property
    def json(self) -> dict[str, Any]:
        return {"title": self.file.name, "relationship": self.relationship, "label": self.label,
                "description": f"sha256 {self.file.sha256}"}  # fmt: skip


def ingredients(ledger: Ledger) -> tuple[Ingredient, ...]:
    """The source, then the voices."""
    voices = [Ingredient(f"voice-{k}", file, "componentOf") for k, file in enumerate(ledger.voices)]
    return Ingredient("source", ledger.source, "parentOf"), *voices


def definition(ledger: Ledger) -> dict[str, Any]:
    """What c2pa's Builder takes, but for the ingredients."""
    return {
        "claim_generator_info": [{"name": "editalk", "version": ledger.editalk}],
        "title": ledger.output.name,
        "assertions": [
            {"label": ACTIONS, "created": True, "data": {"actions": list(_actions(ledger)),
                                                         "allActionsIncluded": True}},
            {"label": EDIT, "created": True, "kind": "Json", "data": _edit(ledger)},
        ],
    }  # fmt: skip


def _edit(ledger: Ledger) -> dict[str, Any]:
    return {
        "version": VERSION,
        "ledger": {"sha256": digest(ledger)},
        "source": plain(ledger.source),
        "voices": plain(ledger.voices),
        "edited": plain(ledger.edited or ledger.plan),
        "renderer": plain(ledger.renderer),
        "frames": {state: sum(r.end - r.start for r in ledger.frames if r.state == state)
                   for state in ("copied", "kept", "generated")},
        "generated": [[r.start, r.end] for r in ledger.generated],
        "frame_rate": str(ledger.output.rate),
        "consent": plain(ledger.consent),
    }  # fmt: skip


def _actions(ledger: Ledger) -> Iterator[dict[str, Any]]:
    agent = {"name": "editalk", "version": ledger.editalk}
    common = {"when": ledger.date, "softwareAgent": agent}
    yield {"action": "c2pa.opened", **common, "parameters": {"ingredientIds": ["source"]}}
    for row in ledger.operations:
        yield _operation(row) | common
    for k, file in enumerate(ledger.voices):
        heard = [(row.start, row.end) for row in ledger.sounds if row.voice == k]
        if heard:
            yield {"action": "c2pa.placed", **common, "description": f"The voice of {file.name}",
                   "parameters": {"ingredientIds": [f"voice-{k}"]}, "changes": _changes(heard)}  # fmt: skip
    if ledger.dubbed is not None:
        yield from ({**action, **common} for action in _dub(ledger))
    rows = sorted(ledger.generated, key=lambda row: (row.region or "", row.lips, row.seed or 0, row.start))
    for (region, lips, _), group in groupby(rows, key=lambda row: (row.region, row.lips, row.seed)):
        yield _generated(ledger, region or "frame", lips, tuple(group)) | common


def _operation(row: EditRow) -> dict[str, Any]:
    parameters: dict[str, Any] = {f"{PREFIX}operation": row.kind, f"{PREFIX}source": list(row.source)}
    if row.region is not None:
        parameters[f"{PREFIX}region"] = row.region
    start, end = row.timeline
    return {"action": NAMES[row.kind], "description": _ABOUT[row.kind].format(row.text), "parameters": parameters,
            "changes": _changes([(start, end)])}  # fmt: skip


def _dub(ledger: Ledger) -> Iterator[dict[str, Any]]:
    yield {"action": "c2pa.dubbed", "description": "Another language's voice takes the place of the source's"}
    known = [tag for tag in (ledger.language, ledger.dubbed) if tag and tag != UNKNOWN]
    if len(known) == 2:  # the specification wants both
        yield {"action": "c2pa.translated", "parameters": {"sourceLanguage": known[0], "targetLanguage": known[1]}}


def _generated(ledger: Ledger, region: str, lips: bool, rows: Sequence[FrameRow]) -> dict[str, Any]:
    renderer = ledger.renderer
    rate = ledger.output.rate
    spans = [(float(rate.seconds(row.start)), float(rate.seconds(row.end))) for row in rows]
    what = f"Generated pictures ({region}{', lips of another sound' if lips else ''})"
    return {
        "action": "c2pa.edited",
        "description": f"{what} by {renderer.name}",
        "digitalSourceType": source_type(lips, renderer.trained),
        "parameters": {
            f"{PREFIX}backend": renderer.name,
            f"{PREFIX}models": [_short(plain(model)) for model in renderer.models],
            f"{PREFIX}seed": rows[0].seed, f"{PREFIX}region": region, f"{PREFIX}lips": lips,
            f"{PREFIX}frames": [[row.start, row.end] for row in rows],
        },
        "changes": _changes(spans, what),
    }  # fmt: skip


def source_type(lips: bool, trained: bool) -> str:
    """IPTC's digital source type of generated pictures.

    New lips are called AI-made whoever draws them: of `exemplar` a trained network says how the mouth moves, and that
    its pixels are the speaker's own makes what is seen no less synthetic. Only its joins, morphed from two real
    pictures, are a mere composite.
    """
    return TRAINED if lips or trained else COMPOSITE


def _changes(spans: Iterable[tuple[float, float]], name: str | None = None) -> list[dict[str, Any]]:
    """Regions of interest: stretches of normal play time."""
    return [
        {"region": [{"type": "temporal", "time": {"type": "npt", "start": _npt(start), "end": _npt(end)}}]}
        | ({"name": name} if name else {})
        for start, end in spans
    ]  # fmt: skip


def _npt(seconds: float) -> str:
    return f"{seconds:.4f}".rstrip("0").rstrip(".")


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}
