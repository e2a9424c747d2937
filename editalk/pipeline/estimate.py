"""About how long rendering takes, from figures of the documentation: nothing is measured here."""

from __future__ import annotations

from collections.abc import Sequence

from editalk.media import VideoInfo
from editalk.plan import Region, RenderWindow

FULL_HD = 1920 * 1080  # pixels that the figures are for

# frames a second on two cores at 1080p: README, "Speed"
EXEMPLAR_LIPS = 17.0
EXEMPLAR_JOINS = 14.0
# the part of it that no smaller picture saves: 170 frames of examples/talk.mp4 (512 × 512) with examples/edited.txt
# took 8.3 s of processor time
EXEMPLAR_FIXED = 0.3
# frames of windows with their context a second, the transformer of LTX-Video 0.9.7 in bfloat16 alone, measured on one
# H200: docs/dit.md, "face crop, sparse tokens" and "1 s Addition, full frame"; a crop costs the same at any size
DIT_CROP = (250 + 2 * 17) / 4.5
DIT_WHOLE = (25 + 2 * 24) / 13.4


def render_seconds(windows: Sequence[RenderWindow], video: VideoInfo) -> dict[str, float]:
    """Seconds by backend: `exemplar` on two cores, `dit` on one H200; without loading, tracking, VAE, encoding."""
    share = video.width * video.height / FULL_HD
    slow = EXEMPLAR_FIXED + (1 - EXEMPLAR_FIXED) * share
    exemplar = dit = 0.0
    for window in windows:
        lips = min(len(window.span), sum(len(span) for span in window.lips))
        exemplar += (lips / EXEMPLAR_LIPS + (len(window.span) - lips) / EXEMPLAR_JOINS) * slow
        cropped = window.region in (Region.MOUTH, Region.FACE)
        dit += len(window.context) * (1 / DIT_CROP if cropped else share / DIT_WHOLE)
    return {"exemplar": round(exemplar, 2), "dit": round(dit, 2)}
