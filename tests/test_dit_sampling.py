"""The loop against a plain restatement of its formulas, and what it must never touch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from editalk.backends.dit.blocks import WIDTH
from editalk.backends.dit.model import Scene, near
from editalk.backends.dit.sampling import sample
from editalk.backends.dit.times import coordinates, referring
from editalk.backends.dit.tokens import Tokens, joined

SIGMAS = (1.0, 0.8, 0.5, 0.2, 0.0)


class Linear:
    """A family whose velocity is known: it looks at the token, the noise level and how many tokens there are."""

    name, lips = "linear", True

    def __init__(self) -> None:
        self.seen: list[tuple[int, float, str | None]] = []

    def hear(self, sound: Any, at: Any, seconds: Any) -> None:
        return None

    def velocity(self, tokens: Tokens, sigma: float, heard: Any, cache: str | None = None) -> Tensor:
        self.seen.append((len(tokens), sigma, cache))
        level = (sigma * tokens.mask)[:, None]
        return 0.3 * tokens.latent + level + 0.01 * len(tokens)


def tokens_of(frames: int, cells: int, mask: Tensor, seed: int) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randn(frames * cells, 3, generator=generator)
    coords = coordinates(frames, 1, cells, 8, 32, 25.0)
    return Tokens(clean, mask, coords, torch.arange(frames).repeat_interleave(cells), (mask > 0).float())


def restated(tokens: Tokens, seed: int) -> Tensor:
    """One block, token by token: x = clean + σ·m-noise, then x0 = (x − v·σ·m)·m + clean·(1 − m) and Euler."""
    noise = torch.randn(tokens.latent.shape, generator=torch.Generator().manual_seed(seed))
    out = torch.empty_like(tokens.latent)
    for i in range(len(tokens)):
        clean, m = tokens.latent[i], float(tokens.mask[i])
        x = (1 - m) * clean + m * ((1 - SIGMAS[0]) * clean + SIGMAS[0] * noise[i])
        for sigma, below in zip(SIGMAS, SIGMAS[1:], strict=False):
            v = 0.3 * x + sigma * m + 0.01 * len(tokens)
            x0 = (x - v * sigma * m) * m + clean * (1 - m)
            x = x + (x - x0) / sigma * (below - sigma)
        out[i] = x
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(1, WIDTH), st.integers(1, 3), st.integers(0, 99))
def test_one_block_is_the_formulas(frames: int, cells: int, seed: int) -> None:
    mask = torch.rand(frames * cells, generator=torch.Generator().manual_seed(seed))
    tokens = tokens_of(frames, cells, mask, seed)
    made = sample(Linear(), tokens, SIGMAS, None, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(made, restated(tokens, seed), atol=1e-5, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(0, 99))
def test_unmasked_tokens_stay_bit_for_bit(frames: int, seed: int) -> None:
    mask = torch.randint(0, 3, (frames * 2,), generator=torch.Generator().manual_seed(seed)) / 2
    tokens = tokens_of(frames, 2, mask, seed)
    made = sample(Linear(), tokens, SIGMAS, None, torch.Generator().manual_seed(seed))
    assert torch.equal(made[mask == 0], tokens.latent[mask == 0])
    if (mask > 0).any():
        assert not torch.equal(made[mask > 0], tokens.latent[mask > 0])


def test_frames_of_two_blocks_get_the_mean_velocity() -> None:
    """20 latent frames: blocks 0…16 and 3…19; a family whose velocity is the block's first time shows the mean."""

    class Begins(Linear):
        def velocity(self, tokens: Tokens, sigma: float, heard: Any, cache: str | None = None) -> Tensor:
            begin = float(tokens.coords[:, 0, 0].min())
            return torch.full_like(tokens.latent, begin)

    tokens = tokens_of(20, 1, torch.ones(20), 0)
    made = sample(Begins(), tokens, (1.0, 0.0), None, torch.Generator().manual_seed(0))
    noise = torch.randn(tokens.latent.shape, generator=torch.Generator().manual_seed(0))
    second = (8 * 3 - 7) / 25
    velocity = torch.tensor([0.0] * 3 + [second / 2] * 14 + [second] * 3)[:, None]
    torch.testing.assert_close(made, noise - velocity)


def test_blocks_without_anything_to_generate_are_not_computed() -> None:
    mask = torch.zeros(WIDTH * 3)
    mask[0] = 1
    family = Linear()
    sample(family, tokens_of(WIDTH * 3, 1, mask, 0), (1.0, 0.0), None, torch.Generator().manual_seed(0))
    assert [n for n, _, _ in family.seen] == [WIDTH]


def test_references_are_looked_at_and_dropped() -> None:
    tokens = tokens_of(4, 2, torch.ones(8), 0)
    family = Linear()

    def references(block: range) -> Sequence[Tokens]:
        assert block == range(4)
        return [referring(tokens[torch.arange(3)], (-9.0, -8.0))]

    made = sample(family, tokens, SIGMAS, None, torch.Generator().manual_seed(0), references)
    assert {n for n, _, _ in family.seen} == {11}
    assert made.shape == tokens.latent.shape


def test_a_second_pass_starts_from_what_the_first_made() -> None:
    tokens = tokens_of(3, 2, torch.tensor([1.0, 1, 1, 1, 0, 0]), 1)
    start = tokens.with_latent(torch.zeros_like(tokens.latent))
    made = sample(Linear(), start, (0.0001, 0.0), None, torch.Generator().manual_seed(0), clean=tokens.latent)
    assert made[:4].abs().max() < 0.01
    assert torch.equal(made[4:], tokens.latent[4:])


def test_a_seed_decides() -> None:
    tokens = tokens_of(5, 2, torch.ones(10), 0)
    one, again, other = (
        sample(Linear(), tokens, SIGMAS, None, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@given(st.integers(1, 5), st.integers(2, 12), st.integers(2, 12), st.integers(0, 4), st.integers(0, 99))
def test_sparse_tokens_are_those_near_what_changes(f: int, h: int, w: int, ring: int, seed: int) -> None:
    mask = (torch.rand(f, h, w, generator=torch.Generator().manual_seed(seed)) > 0.9).float()
    chosen = near(mask, ring)
    for row in range(h):
        for column in range(w):
            rows, columns = range(row - ring, row + ring + 1), range(column - ring, column + ring + 1)
            touched = any(mask[:, r, c].any() for r in rows for c in columns if 0 <= r < h and 0 <= c < w)
            assert bool(chosen[:, row, column].all()) == touched
            assert bool(chosen[:, row, column].any()) == touched


def test_a_scenes_tokens_know_their_place() -> None:
    clean = torch.arange(2 * 3 * 2 * 4).float().view(2, 3, 2, 4)
    scene = Scene(clean, torch.zeros(2, 2, 4), torch.zeros(2, 2, 4))

    class Vae:
        step, cell, channels = 8, 32, 3

    tokens = scene.tokens(Vae(), 25.0)  # type: ignore[arg-type]
    for i in range(len(tokens)):
        k, row, column = int(tokens.frame[i]), int(tokens.coords[i, 1, 0]) // 32, int(tokens.coords[i, 2, 0]) // 32
        assert torch.equal(tokens.latent[i], clean[k, :, row, column])
    torch.testing.assert_close(tokens.coords[-1], torch.tensor([[1 / 25, 9 / 25], [32, 64], [96, 128]]))
    assert len(joined([tokens, tokens])) == 2 * len(tokens)
