"""Additions, removals, retimes: a window's strip encoded, edited, denoised, decoded (EditYourself, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from editalk.backends.base import Image, Rendered, WindowInput
from editalk.backends.canvas import source_frame
from editalk.backends.crops import Crop, Picture, whole_picture
from editalk.backends.dit.edits import NEW, EditedStrip, edited_strip, shown_at
from editalk.backends.dit.masks import region_mask
from editalk.backends.dit.model import Model, Scene, denoise, halved
from editalk.backends.dit.references import References
from editalk.backends.dit.vae import decoded, encoded
from editalk.backends.exemplar.morph import morph
from editalk.plan.types import Region

WHOLE = 0.05  # frames off a decoded one that are shown as it


def temporal_frames(model: Model, given: WindowInput, seed: int) -> Iterator[Rendered]:
    """New pictures for all frames of the window that are not a source frame any more; nothing where there is none."""
    step, window = model.vae.step, given.window
    strip = edited_strip(window.strip, step)
    if not any(strip.mask):
        return
    crop = whole_picture(given.video, model.vae.cell * (2 if model.upsample else 1))
    latents = denoised(model, given, strip, crop, seed)
    at = shown_at(window, strip, step)
    kept = strip.kept(step)
    wanted = {}
    for frame in range(window.span.start, window.span.end):
        place = at[frame - window.context.start]
        stays = source_frame(window.pieces, frame)
        if not np.isnan(place) and (stays is None or kept[min(max(0, round(place)), len(kept) - 1)] == NEW):
            wanted[frame] = min(max(0.0, float(place)), len(kept) - 1.0)
    for frame, picture in _resampled(decoded(model.vae, latents), wanted, crop):
        yield Rendered(frame, picture)


def denoised(model: Model, given: WindowInput, strip: EditedStrip, crop: Crop, seed: int) -> torch.Tensor:
    """[edited, c, h, w]: the strip's latents after the edit, in one pass or in a coarse and a fine one."""
    rate = float(given.footage.rate)
    scene, references = scene_of(model, given, strip, crop)
    heard = hear(model, given, strip)
    if model.upsample is None:
        return denoise(model, scene, rate, heard, seed, references)
    small = Crop(crop.box, crop.rows // 2, crop.columns // 2, crop.video)
    coarse, fewer = scene_of(model, given, strip, small)
    first = denoise(model, halved(scene, coarse.clean), rate, heard, seed, fewer)
    return denoise(model, scene, rate, heard, seed + 1, references, start=model.upsample(first), sigmas=model.second)


def scene_of(model: Model, given: WindowInput, strip: EditedStrip, crop: Crop) -> tuple[Scene, References]:
    """The edited latents at a crop's scale, and what their blocks may look at."""
    vae = model.vae
    pictures = (crop.cut(given.footage.image(frame, crop.area)) for frame in strip.frames)
    clean = strip.apply(encoded(vae, pictures))
    frames, _, high, wide = clean.shape
    mask = torch.tensor(strip.mask)[:, None, None].expand(frames, high, wide).contiguous()
    faces = torch.from_numpy(_lower_faces(model, given, strip, crop))
    scene = Scene(clean, mask, torch.where(mask > 0, 1.0, 0.0))
    tokens = scene.tokens(vae, float(given.footage.rate)).to(model.device)
    content = torch.tensor([k != NEW for k in strip.latents])
    references = References(tokens, faces.flatten().to(model.device) > 0, content, torch.tensor(strip.mask) == 0,
                            model.faces, vae.step, float(given.footage.rate))  # fmt: skip
    return scene, references


def _lower_faces(model: Model, given: WindowInput, strip: EditedStrip, crop: Crop) -> NDArray[np.float32]:
    """[edited, h, w] of 0 and 1: the lower face in latents that hold footage."""
    seen = [given.track.at(frame) for frame in strip.frames]
    none = np.full((478, 3), np.nan, np.float32)
    points = crop.points(np.stack([none if p is None else p for p in seen]))
    step, cell = model.vae.step, model.vae.cell
    found = region_mask(points, np.ones(len(points), bool), Region.MOUTH, step, cell, crop.rows, crop.columns)
    empty = np.zeros_like(found[0])
    return np.stack([found[k] if k != NEW else empty for k in strip.latents])


def hear(model: Model, given: WindowInput, strip: EditedStrip) -> object:
    """What the model hears of the window: the timeline's sound at the frames of the decoded sequence."""
    rate = float(given.footage.rate)
    at = shown_at(given.window, strip, model.vae.step)
    known = np.isfinite(at)
    timeline = np.arange(given.window.context.start, given.window.context.end)[known]
    count = len(strip.kept(model.vae.step))
    shown = np.interp(np.arange(count), at[known], timeline) if known.any() else np.arange(count)
    return model.family.hear(given.sound, shown / rate - given.sound_start, np.arange(count) / rate)


def _resampled(pictures: Iterator[Picture], wanted: dict[int, float], crop: Crop) -> Iterator[tuple[int, Image]]:
    """Timeline frames and their images, from decoded pictures at (fractional, rising) places."""
    due = iter(wanted.items())
    frame, place = next(due, (None, 0.0))
    before: Image | None = None
    for k, picture in enumerate(pictures):
        if frame is None:
            return
        if k < int(place):
            continue
        now = crop.back(picture)
        while frame is not None and place <= k + WHOLE:
            share = 1 - (k - place)
            yield frame, now if before is None or share > 1 - WHOLE else morph(before, now, max(0.0, share))
            frame, place = next(due, (None, 0.0))
        before = now
