"""What `eval` found, as lines for people."""

from __future__ import annotations

import math
from typing import Any

Line = tuple[str, str]

MOUTH = (
    ("r", "aperture correlation", "{:.3f}"),
    ("r_at_lag", "  at the best lag", "{:.3f}"),
    ("lag_ms", "  lag", "{:+.0f} ms"),
    ("sd_ratio", "aperture SD, candidate / reference", "{:.3f}"),
    ("m_lmd", "M-LMD", "{:.2f} px"),
    ("f_lmd", "F-LMD", "{:.2f} px"),
    ("jitter_ratio", "jitter, candidate / reference", "{:.3f}"),
    ("sharpness_ratio", "mouth sharpness, candidate / reference", "{:.3f}"),
)
LEARNED = (
    ("sync_c", "Sync-C", "{:.2f}"), ("sync_d", "Sync-D", "{:.2f}"), ("sync_offset", "  offset", "{:d} frames"),
    ("csim", "CSIM", "{:.4f}"), ("lpips", "LPIPS", "{:.4f}"), ("fid", "FID", "{:.2f}"), ("fvd", "FVD", "{:.2f}"),
)  # fmt: skip


def lines(made: dict[str, Any]) -> list[Line]:
    """(what, value) of what `compare` gives; two values are reference and candidate."""
    mouth, picture, steps = made["mouth"], made["picture"], made["steps"]
    out: list[Line] = [(name, _shown(mouth[key], form)) for key, name, form in MOUTH]
    for key, name in (("sound_r", "aperture against sound"), ("sound_lag_ms", "  lag")):
        out.append((name, _shown(mouth[key], "{:+.0f} ms" if "lag" in key else "{:.3f}")))
    out += [(f"PSNR, {picture['region']}", _shown(picture["psnr"], "{:.2f} dB")),
            (f"SSIM, {picture['region']}", _shown(picture["ssim"], "{:.4f}"))]  # fmt: skip
    out += [(f"CPBD, {key.replace('_', ' ')}", _shown(value, "{:.3f}")) for key, value in made["cpbd"].items()]
    out.append(("identity (landmark shape)", _shown(made["identity"], "{:.2f} px")))
    out.append(("face steps above the reference's 99 %", str(steps["above"])))
    for step in steps["largest"][:3]:
        out.append((f"  frame {step['frame']} ({step['at']:.2f} s)",
                    f"{step['step']:.2f} against {_shown(steps['natural'], '{:.2f}')}"))  # fmt: skip
    if (closed := made["closures"]) is not None:
        recall, chance = (_shown(closed[key], "{:.2f}") for key in ("recall", "chance"))
        out.append(("closures of p, b, m", f"{recall}, {closed['closed']} of {closed['events']}; chance {chance}"))
    for key, name, form in LEARNED:
        if key not in made["missing"]:
            out.append((name, _shown(made["learned"][key], form)))
        elif not name.startswith(" "):
            out.append((name, f"– {made['missing'][key]}"))
    return out


def finite(value: Any) -> Any:
    """The same for JSON: five decimals, null where there is no number."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value


def _shown(value: Any, form: str) -> str:
    if isinstance(value, list):
        return " → ".join(_shown(v, form) for v in value)
    return "–" if value is None else form.format(value)
