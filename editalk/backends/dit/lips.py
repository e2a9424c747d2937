"""Lips by inpainting: the mouth's tokens of a face crop denoised to the sound (EditYourself, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from editalk.backends.base import Rendered, WindowInput
from editalk.backends.canvas import Canvases, Occluders, lip_frames
from editalk.backends.crops import Crop, Picture, around_faces, laid, whole_picture
from editalk.backends.dit.masks import latent_of, region_mask
from editalk.backends.dit.model import Model, Scene, denoise
from editalk.backends.dit.references import References
from editalk.backends.dit.vae import decoded, encoded
from editalk.backends.exemplar.occlusion import uncovered
from editalk.backends.exemplar.path import ramps
from editalk.plan.types import Region

BESIDE = 17  # frames of the clip on either side of new lips that are encoded with them: what came before, what follows
CROPPED = (Region.MOUTH, Region.FACE)  # regions that are seen at a scale of their own
SOFT = 0.5  # cells inside a mask's edge over which new pixels go over into the old ones


def lip_pictures(model: Model, given: WindowInput, made: Iterable[Rendered], seed: int) -> Iterator[Rendered]:
    """The pictures of `made` and, within the window's `lips`, those with new pixels in its `lip_region`."""
    with Canvases(given, made) as canvases:
        left = list(canvases.made)
        for run in lip_frames(given):
            while left and left[0] < run.start:
                yield _as_made(canvases, left.pop(0))
            drawn = _drawn(model, given, canvases, run, seed)
            for frame in run:
                again = bool(left) and left[0] == frame
                if again:
                    left.pop(0)
                one = next(drawn)
                if one is not None:
                    yield one
                elif again:
                    yield _as_made(canvases, frame)
        for frame in left:
            yield _as_made(canvases, frame)


def _as_made(canvases: Canvases, frame: int) -> Rendered:
    one = canvases.rendered(frame)
    assert one is not None
    return one


def _drawn(
    model: Model, given: WindowInput, canvases: Canvases, run: range, seed: int
) -> Iterator[Rendered | None]:
    """The frames of the run with a new region; None where no face is seen that it could belong to."""
    frames, region = _surrounded(given, canvases, run), given.window.lip_region
    points = np.stack([_face(canvases, frame) for frame in frames])
    seen = np.isfinite(points[:, 0, 0]) | (region is Region.FRAME)
    wanted = np.array([frame in run for frame in frames]) & seen
    if not wanted.any():
        yield from [None] * len(run)
        return
    vae = model.vae
    crop = (
        around_faces(points, given.video, vae.cell, *model.sides) if region in CROPPED
        else whole_picture(given.video, vae.cell)
    )  # fmt: skip
    masks = region_mask(crop.points(points), wanted, region, vae.step, vae.cell, crop.rows, crop.columns)
    frames += frames[-1:] * (-(len(frames) - 1) % vae.step)  # the last latent is filled with the last frame
    scene, references = _scene(model, given, canvases, frames, points, crop, masks)
    shown, rate = np.array(frames, np.float64), float(given.footage.rate)
    heard = model.family.hear(given.sound, shown / rate - given.sound_start, np.arange(len(frames)) / rate)
    latents = denoise(model, scene, rate, heard, seed, references, sparse=True)
    weights = ramps([(0, len(run))], len(run))
    occluders = Occluders(given)
    for k, picture in enumerate(decoded(vae, latents)):
        if frames[k] not in run or (k and frames[k] == frames[k - 1]):
            continue
        if not wanted[k]:
            yield None
            continue
        alpha = soft_mask(masks[latent_of(k, vae.step)], vae.cell) * np.float32(weights[frames[k] - run.start])
        image = canvases.image(frames[k])
        assert image is not None
        if region not in CROPPED:
            yield canvases.finished(frames[k], *laid(image, crop, picture, alpha))
            continue
        sight, share = occluders.look(image, points[k])
        out, changed = laid(image, crop, picture, alpha * np.float32(share))
        uncovered(image, out, changed, points[k], sight)  # a hand before the mouth stays
        yield canvases.finished(frames[k], out, changed)


def _surrounded(given: WindowInput, canvases: Canvases, run: range) -> list[int]:
    """The timeline frames to encode: the run, and as much beside it as can be had."""
    first, last = run.start, run.stop - 1
    context = given.window.context
    while first > max(context.start, run.start - BESIDE) and _there(canvases, first - 1):
        first -= 1
    while last + 1 < min(context.end, run.stop + BESIDE) and _there(canvases, last + 1):
        last += 1
    return list(range(first, last + 1))


def _there(canvases: Canvases, frame: int) -> bool:
    return frame in canvases.made or canvases.source(frame) is not None


def _face(canvases: Canvases, frame: int) -> NDArray[np.float32]:
    points = canvases.points(frame)
    return np.full((478, 3), np.nan, np.float32) if points is None else points


def _scene(
    model: Model, given: WindowInput, canvases: Canvases, frames: list[int], points: NDArray[np.float32], crop: Crop,
    masks: NDArray[np.float32],
) -> tuple[Scene, References]:  # fmt: skip
    vae, rate = model.vae, float(given.footage.rate)
    clean = encoded(vae, (_seen(canvases, crop, frame) for frame in frames))
    mask = torch.from_numpy(masks)
    scene = Scene(clean, mask, mask.clone())
    everywhere = np.ones(len(points), bool)
    mouths = region_mask(crop.points(points), everywhere, Region.MOUTH, vae.step, vae.cell, crop.rows, crop.columns)
    tokens = scene.tokens(vae, rate).to(model.device)
    whole = torch.ones(len(clean), dtype=torch.bool)
    faces = torch.from_numpy(mouths).flatten().to(model.device) > 0
    return scene, References(tokens, faces, whole, mask.flatten(1).amax(1) == 0, model.faces, vae.step, rate)


def _seen(canvases: Canvases, crop: Crop, frame: int) -> Picture:
    image = canvases.image(frame, crop.area)
    assert image is not None
    return crop.cut(image)


def soft_mask(cells: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """[h, w] of 0 and 1 → [h · cell, w · cell] in 0 … 1: 0 wherever the cells are, rising inwards."""
    import cv2

    full = np.kron(cells, np.ones((cell, cell), np.float32))
    inwards = cv2.distanceTransform((full > 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    x = np.clip(inwards / (SOFT * cell), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)
