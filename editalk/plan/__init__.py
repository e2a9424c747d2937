"""Operations and media → `EditPlan`: timeline, sound, render windows; pure, versioned JSON."""

from editalk.plan.cutting import Boundaries, CutChooser, PreferredCuts
from editalk.plan.mapping import lands, shown, shown_at, source_of
from editalk.plan.serial import from_json, to_json
from editalk.plan.timeline import NewSound, Script, build_plan, build_take
from editalk.plan.types import (
    Caption,
    EditPlan,
    Join,
    Origin,
    Piece,
    Region,
    RenderWindow,
    SoundPiece,
    SourceRef,
    VoiceRef,
)
from editalk.plan.windows import joins

__all__ = [
    "Boundaries", "Caption", "CutChooser", "EditPlan", "Join", "NewSound", "Origin", "Piece", "PreferredCuts", "Region",
    "RenderWindow", "Script", "SoundPiece", "SourceRef", "VoiceRef", "build_plan", "build_take", "from_json", "joins",
    "lands", "shown", "shown_at", "source_of", "to_json",
]  # fmt: skip
