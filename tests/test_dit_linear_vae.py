"""The linear video VAE: what it keeps, how it counts frames, its folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from editalk.backends.dit.linear_vae import LinearVae, blocks, fit
from editalk.backends.dit.vae import OVERLAP, TILE, decoded, encoded
from editalk.errors import ModelsError

STEP, CELL = 4, 2
SIZE = STEP * 3 * CELL * CELL


def whole(seed: int = 0) -> LinearVae:
    """One that loses nothing: as many channels as numbers."""
    rng = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(SIZE, SIZE, generator=rng))[0]
    return LinearVae(STEP, CELL, basis, torch.randn(SIZE, generator=rng), torch.rand(SIZE, generator=rng) + 0.5)


def pictures(frames: int, rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(frames, 3, rows, columns, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_nothing_is_lost_with_all_channels(latents: int, high: int, wide: int) -> None:
    vae, given_ = whole(), pictures(1 + STEP * latents, high * CELL, wide * CELL)
    found = vae.encode(given_)
    assert found.shape == (1 + latents, SIZE, high, wide)
    assert torch.allclose(vae.decode(found), given_, atol=1e-4)


def test_first_latent_is_its_frame_alone_and_a_latent_its_own_frames() -> None:
    vae, given_ = whole(), pictures(1 + 3 * STEP, 4, 4)
    found = vae.encode(given_)
    other = given_.clone()
    other[1 : 1 + STEP] = 0  # what latent 1 holds
    apart = (vae.encode(other) != found).flatten(1).any(1)
    assert apart.tolist() == [False, True, False, False]
    assert torch.equal(vae.encode(given_[:1]), found[:1])


def test_whole_strips_go_through_in_tiles() -> None:
    vae = whole()
    given_ = pictures(1 + STEP * (2 * TILE - OVERLAP + 3), 4, 4)
    found = encoded(vae, given_.permute(0, 2, 3, 1).numpy())
    whole_bytes = (127.5 * (given_ + 1)).round().clamp(0, 255).to(torch.uint8)
    assert torch.allclose(found, vae.encode(whole_bytes), atol=1e-4)
    back = np.stack(list(decoded(vae, found)))
    assert np.allclose(back, given_.permute(0, 2, 3, 1).clamp(-1, 1).numpy(), atol=0.01)  # half a byte's step


@pytest.mark.parametrize("shape", [(4, 3, 4, 4), (5, 3, 5, 4), (5, 3, 4, 3)])
def test_what_does_not_fill_cells_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cells of 2 pixels"):
        whole().encode(torch.zeros(shape))


def test_fit_keeps_what_moves_before_what_stands() -> None:
    """Blocks that stand differ a lot, those that move a little: one channel goes to the movement all the same."""
    rng = torch.Generator().manual_seed(0)
    still = torch.randn(400, 1, generator=rng) * 0.5 * torch.ones(1, SIZE) / SIZE**0.5
    wave = torch.tensor([1.0, -1, 1, -1]).repeat_interleave(SIZE // STEP) / SIZE**0.5
    moving = torch.randn(400, 1, generator=rng) * wave
    vae = fit([still, moving], STEP, CELL, 1)
    assert abs(float(vae.basis[0] @ wave)) > 0.99


def test_fit_is_deterministic_orthonormal_and_scaled() -> None:
    samples = [torch.randn(300, SIZE, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    a, b = (fit(samples, STEP, CELL, 8) for _ in range(2))
    assert torch.equal(a.basis, b.basis)
    assert torch.equal(a.scale, b.scale)
    assert torch.allclose(a.basis @ a.basis.T, torch.eye(8), atol=1e-5)
    latents = a.project(torch.cat(samples))
    assert float(latents.square().mean()) == pytest.approx(1, abs=0.01)
    assert torch.allclose(latents.mean(0), torch.zeros(8), atol=1e-4)


def test_blocks_are_cells_in_time() -> None:
    given_ = pictures(2 * STEP, 4, 6)
    found = blocks(given_, STEP, CELL)
    assert found.shape == (2, 2, 3, SIZE)
    assert torch.equal(found[1, 0, 2], given_[STEP:, :, :2, 4:6].flatten())


def test_folder(tmp_path: Path) -> None:
    vae = whole()
    vae.save(tmp_path / "vae")
    back = LinearVae.load(tmp_path / "vae")
    assert (back.step, back.cell, back.channels) == (STEP, CELL, SIZE)
    assert torch.equal(back.encode(pictures(5, 4, 4)), vae.encode(pictures(5, 4, 4)))


@pytest.mark.parametrize("change", [{"_class_name": "AutoencoderKLLTXVideo"}, {"cell": 3}, {"step": None}])
def test_a_wrong_folder_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    whole().save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(ModelsError):
        LinearVae.load(tmp_path)
    with pytest.raises(ModelsError):
        LinearVae.load(tmp_path / "nothing")
