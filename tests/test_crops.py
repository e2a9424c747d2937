"""What a model sees of a picture and where its pictures go; which tokens a region covers; tiles of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from editalk.backends.crops import Crop, around_faces, laid, whole_picture
from editalk.backends.dit.lips import soft_mask
from editalk.backends.dit.masks import frames_of, latent_of, region_boxes, region_mask
from editalk.backends.dit.vae import OVERLAP, TILE, decoded, encoded, floats
from editalk.face.geometry import Box
from editalk.media import Colour, VideoInfo
from editalk.media.info import PacketMap
from editalk.plan.types import Region
from editalk.timebase import FrameRate

EMPTY = np.zeros(0, np.int64)
VIDEO = VideoInfo(
    "h264", 640, 480, "yuv420p", FrameRate(Fraction(25)), 100, Fraction(0), Colour(1, 1, 1, 1), 0, Fraction(1), False,
    None, 0, PacketMap(Fraction(1, 25), EMPTY, EMPTY, np.zeros((0, 2), np.int64)),
)  # fmt: skip


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture in Y, U, V."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 100
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(0.5, 3, (3, 3))]
    return np.stack([120 + 60 * waves[0], 128 + 30 * waves[1], 128 + 30 * waves[2]], -1).astype(np.uint8)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_what_is_cut_lands_where_it_was(rotation: int) -> None:
    video = replace(VIDEO, rotation=rotation)
    crop = Crop(Box(100, 60, 356, 316), 256, 256, video)
    image = scene(480, 640)
    back = crop.back(crop.cut(image))
    assert np.abs(back.astype(int) - image[crop.area].astype(int)).mean() < 1.0
    mask = np.zeros((256, 256), np.float32)
    mask[:40, :80] = 1  # the upper left as a player shows it
    laid_mask = crop.back_mask(mask)
    turned = np.rot90(laid_mask > 0.5, rotation // 90)
    assert turned[:38, :78].all()
    assert not turned[42:, :].any()
    assert not turned[:, 82:].any()


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_points_follow_the_picture(rotation: int) -> None:
    crop = Crop(Box(100, 60, 356, 316), 128, 128, replace(VIDEO, rotation=rotation))
    image = np.full((480, 640, 3), 128, np.uint8)
    image[..., 0] = 16
    image[120:124, 180:184, 0] = 235
    seen = crop.cut(image).mean(-1)
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    (x, y), = crop.points(np.array([[182, 122, 0]], np.float32))
    assert abs(x - column) < 2
    assert abs(y - row) < 2


@given(st.integers(64, 4000), st.integers(64, 4000), st.sampled_from([16, 32, 64]), st.integers(10_000, 2_100_000))
def test_a_whole_picture_is_rounded_to_cells(width: int, height: int, cell: int, pixels: int) -> None:
    crop = whole_picture(replace(VIDEO, width=width, height=height), cell, pixels)
    scale = min(1.0, (pixels / (width * height)) ** 0.5)
    for side, whole in ((crop.rows, height), (crop.columns, width)):
        assert side % cell == 0
        assert abs(side - whole * scale) <= cell / 2 + 1e-6 or side == cell
    assert crop.box == Box(0, 0, width, height)
    assert crop.cells(cell) == crop.rows * crop.columns // cell**2


def face_at(x: float, y: float, size: float) -> np.ndarray:
    """[478, 3] points on circles about a middle."""
    turn = np.linspace(0, 2 * np.pi, 478)
    return np.stack([x + size * np.cos(turn), y + size * np.sin(turn), 0 * turn], 1).astype(np.float32)


def test_a_face_crop_holds_all_faces() -> None:
    none = np.full((478, 3), np.nan, np.float32)
    faces = np.stack([face_at(300, 200, 50), none, face_at(330, 230, 60)])
    crop = around_faces(faces, VIDEO, 32, 512)
    seen = crop.points(faces[[0, 2]])
    assert (seen >= 0).all()
    assert (seen <= (crop.columns, crop.rows)).all()
    assert abs(crop.rows / crop.columns - 1) < 0.1
    assert around_faces(faces, VIDEO, 32, 128, 256).columns > 128
    assert around_faces(faces, VIDEO, 32, 512, 768).columns == crop.columns
    with pytest.raises(ValueError, match="no face"):
        around_faces(none[None], VIDEO, 32, 512)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.sampled_from([4, 8]), st.sampled_from(list(Region)), st.integers(0, 99))
def test_a_mask_encloses_the_boxes_of_its_frames(frames: int, step: int, region: Region, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.stack([face_at(*rng.uniform(60, 190, 2), rng.uniform(10, 40)) for _ in range(frames)])[..., :2]
    points[rng.random(frames) < 0.2] = np.nan
    wanted = rng.random(frames) < 0.5
    mask = region_mask(points, wanted, region, step, 32, 256, 256)
    boxes = region_boxes(points, region)
    assert len(mask) == latent_of(frames - 1, step) + 1
    for k, plane in enumerate(mask):
        held = [f for f in frames_of(k, step) if f < frames and wanted[f]]
        if region is Region.FRAME:
            assert (plane == (1 if held else 0)).all()
            continue
        seen = [boxes[f] for f in held if np.isfinite(boxes[f, 0])]
        for row in range(8):
            for column in range(8):
                if not seen:
                    assert not plane[row, column]
                    continue
                left, top = np.min(seen, 0)[:2]
                right, bottom = np.max(seen, 0)[2:]
                inside = 32 * row < bottom and 32 * row + 32 > top and 32 * column < right and 32 * column + 32 > left
                assert bool(plane[row, column]) == inside


def test_regions_grow() -> None:
    rng = np.random.default_rng(0)
    points = (100 + 30 * rng.standard_normal((1, 478, 2))).astype(np.float32)
    mouth, face, head = (region_boxes(points, r)[0] for r in (Region.MOUTH, Region.FACE, Region.HEAD))
    assert (head[:2] < face[:2]).all()
    assert (head[2:] > face[2:]).all()
    assert not np.array_equal(mouth, face)


def test_new_pixels_only_where_the_mask_lets_them() -> None:
    crop = Crop(Box(100, 60, 356, 316), 256, 256, VIDEO)
    image = scene(480, 640)
    cells = np.zeros((8, 8), np.float32)
    cells[4:6, 2:5] = 1
    out, mask = laid(image, crop, np.ones((256, 256, 3), np.float32), soft_mask(cells, 32))
    assert (out[mask == 0] == image[mask == 0]).all()
    rows, columns = np.nonzero(mask)
    assert rows.min() >= 60 + 128
    assert rows.max() < 60 + 192
    assert columns.min() >= 100 + 64
    assert columns.max() < 100 + 160
    assert abs(int(out[60 + 160, 100 + 112, 0]) - 235) <= 2  # white in the middle


class Means:
    """A causal VAE that keeps the mean of each latent's frames; its first latent is frame 0 alone."""

    step, cell, channels = 8, 2, 3

    def __init__(self) -> None:
        self.longest = 0

    def encode(self, pictures: Tensor) -> Tensor:
        assert (len(pictures) - 1) % self.step == 0
        pictures = floats(pictures)
        self.longest = max(self.longest, len(pictures))
        parts = pictures[1:].split(self.step) if len(pictures) > 1 else ()
        groups = [pictures[0], *(p.mean(0) for p in parts)]
        return torch.nn.functional.avg_pool2d(torch.stack(groups), self.cell)

    def decode(self, latents: Tensor) -> Tensor:
        self.longest = max(self.longest, len(latents))
        full = torch.nn.functional.interpolate(latents, scale_factor=self.cell)
        return torch.cat([full[:1], full[1:].repeat_interleave(self.step, 0)])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3 * TILE), st.integers(0, 99))
def test_tiles_of_time_are_seamless(latents: int, seed: int) -> None:
    """With a VAE whose latents depend on their own frames alone tiles change nothing; none is longer than a tile."""
    rng = np.random.default_rng(seed)
    pictures = (rng.integers(0, 256, (1 + 8 * latents, 4, 4, 3)) / 127.5 - 1).astype(np.float32)
    given_one_by_one: Iterator[np.ndarray] = iter(pictures)
    vae, whole = Means(), Means()
    made = encoded(vae, given_one_by_one)
    torch.testing.assert_close(made, whole.encode(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
    back = np.stack(list(decoded(vae, made)))
    torch.testing.assert_close(torch.from_numpy(back), whole.decode(made).permute(0, 2, 3, 1))
    assert vae.longest <= 1 + 8 * TILE
    assert OVERLAP < TILE
