"""Reuse from step to step: what is skipped, what comes out of it, and what is kept apart."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from editalk.backends.dit.caching import (
    LTX2,
    LTX_VIDEO,
    CachedBlocks,
    Reuse,
    context,
    install,
    relative_change,
)
from editalk.backends.dit.cost import inputs
from editalk.backends.dit.precision import Precision, offload_blocks, to_precision
from tests.bench.dit import ALTERNATE, TINY

CPU = torch.device("cpu")
ALWAYS = Reuse(float("inf"))
TOKENS, FEWER = 24, 16


@pytest.fixture(scope="module", params=sorted(TINY))
def plain(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return TINY[request.param].build("cpu", torch.float32)


class Watched:
    """A transformer with reuse, whose blocks count their forwards and show what went in and came out of them all."""

    def __init__(self, transformer: Any, reuse: Reuse | None) -> None:
        self.net = copy.deepcopy(transformer)
        if reuse is not None:
            install(self.net, reuse)
        self.forwards = 0
        for block in self.net.transformer_blocks:
            block.register_forward_hook(self._count)
        self.last: Tensor | None = None
        self.net.norm_out.register_forward_pre_hook(self._leave)

    def _count(self, *_: Any) -> None:
        self.forwards += 1

    def _leave(self, _: Any, args: tuple[Tensor, ...]) -> None:
        self.last = args[0].clone()

    @torch.no_grad()
    def __call__(self, given: dict[str, Any], name: str | None) -> tuple[tuple[Tensor, ...], int]:
        """What comes out, and how many blocks were computed for it."""
        before = self.forwards
        with context(self.net, name):
            out = self.net(**given)
        return out, self.forwards - before


def step(transformer: Any, seed: int, tokens: int = TOKENS) -> dict[str, Any]:
    torch.manual_seed(seed)
    return inputs(transformer, tokens, 5, 7, "cpu")


def nudged(given: dict[str, Any], by: float) -> dict[str, Any]:
    torch.manual_seed(99)
    hidden = given["hidden_states"]
    return given | {"hidden_states": hidden + by * torch.randn_like(hidden)}


def same(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_threshold_zero_is_no_reuse(plain: Any) -> None:
    watched, bare = Watched(plain, Reuse(0.0)), Watched(plain, None)
    first = step(plain, 1)
    for given_ in (first, first, nudged(first, 1e-6), step(plain, 2)):
        out, computed = watched(given_, "0")
        assert computed == 3
        assert same(out, bare(given_, "0")[0])


def test_without_a_name_everything_is_computed_and_forgotten(plain: Any) -> None:
    watched, first = Watched(plain, ALWAYS), step(plain, 1)
    assert watched(first, None)[1] == 3
    assert watched(first, None)[1] == 3
    assert [watched(first, "0")[1] for _ in range(3)] == [3, 0, 0]
    assert watched(first, None)[1] == 3
    assert watched(first, "0")[1] == 3


def test_an_unchanged_input_skips_all_blocks_and_gives_the_same(plain: Any) -> None:
    watched, first = Watched(plain, Reuse(1e-6)), step(plain, 1)
    out, computed = watched(first, "0")
    again, skipped = watched(first, "0")
    assert (computed, skipped) == (3, 0)
    for a, b in zip(out, again, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_a_skipped_stack_is_its_input_and_the_residual(plain: Any) -> None:
    watched, first = Watched(plain, ALWAYS), step(plain, 1)
    watched(first, "0")
    blocks: Any = watched.net.transformer_blocks
    residuals = blocks._states["0"].residuals
    second = nudged(first, 0.1)
    assert watched(second, "0")[1] == 0
    assert watched.last is not None
    assert torch.equal(watched.last, watched.net.proj_in(second["hidden_states"]) + residuals[0])
    assert len(residuals) == (2 if "audio_hidden_states" in first else 1)
    watched.net.transformer_blocks.reset()
    assert watched(second, "0")[1] == 3


def test_both_streams_of_ltx2_are_reused() -> None:
    torch.manual_seed(0)
    plain = TINY["tiny-ltx-2.3"].build("cpu", torch.float32)
    watched, first = Watched(plain, ALWAYS), step(plain, 1)
    out, _ = watched(first, "0")
    again, computed = watched(first, "0")
    assert computed == 0
    assert len(again) == 2
    assert torch.allclose(out[1], again[1], atol=1e-5)


def test_names_do_not_mix(plain: Any) -> None:
    watched, one, other = Watched(plain, ALWAYS), step(plain, 1), step(plain, 2)
    expected = {name: watched(given_, name)[0] for name, given_ in (("0/cond", one), ("0/uncond", other))}
    for name, given_ in (("0/uncond", other), ("0/cond", one)):
        out, computed = watched(given_, name)
        assert computed == 0
        assert torch.allclose(out[0], expected[name][0], atol=1e-5)


def test_another_shape_under_a_name_is_computed(plain: Any) -> None:
    watched, bare = Watched(plain, ALWAYS), Watched(plain, None)
    few, many = step(plain, 1, FEWER), step(plain, 1)
    for given_ in (many, few):
        out, computed = watched(given_, "0")
        assert computed == 3
        assert same(out, bare(given_, "0")[0])
    assert watched(few, "0")[1] == 0
    assert [watched(given_, name)[1] for given_, name in ((many, "1"), (few, "0"), (many, "1"))] == [3, 0, 0]


def test_changes_add_up_until_the_threshold(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five steps that each change the input a little: the sum of the estimates decides, and begins anew."""
    first = step(plain, 1)
    steps = [nudged(first, 0.02 * k) for k in range(6)]
    probe = Watched(plain, Reuse(0.0))
    change: list[float] = []

    def noted(now: Tensor, before: Tensor) -> float:
        change.append(relative_change(now, before))
        return change[-1]

    with monkeypatch.context() as noting:
        noting.setattr("editalk.backends.dit.caching.relative_change", noted)
        for given_ in steps:
            probe(given_, "0")
    assert len(change) == 5
    assert min(change) > 0
    watched = Watched(plain, Reuse(change[0] + change[1] + change[2] / 2))
    assert [watched(given_, "0")[1] for given_ in steps] == [3, 0, 0, 3, 0, 0]
    blocks: Any = watched.net.transformer_blocks
    assert (blocks.computed, blocks.reused) == (2, 4)


def test_a_polynomial_of_one_reuses_every_other_forward(plain: Any) -> None:
    watched, first = Watched(plain, ALTERNATE), step(plain, 1)
    assert [watched(first, "0")[1] for _ in range(5)] == [3, 0, 3, 0, 3]


def test_tokens_that_stay_do_not_dilute_the_change(plain: Any) -> None:
    """A re-render of few tokens is decided as if they were alone."""
    first = step(plain, 1)
    hidden = first["hidden_states"].clone()
    hidden[:, :4] += 0.3
    blocks = CachedBlocks(list(plain.transformer_blocks))
    seen = []
    for states in (first["hidden_states"], hidden):
        projected = plain.proj_in(states)
        temb = torch.zeros(1, TOKENS, 64 * len(plain.transformer_blocks[0].scale_shift_table))
        seen.append(blocks.modulated({"hidden_states": projected, "temb": temb}))
    whole = relative_change(seen[1], seen[0])
    assert whole == pytest.approx(relative_change(seen[1][:, :4], seen[0][:, :4]), rel=1e-5)
    assert whole > 0.05


def test_what_is_compared_is_what_the_first_block_attends_with(plain: Any) -> None:
    watched = Watched(plain, ALWAYS)
    caught: list[Tensor] = []
    watched.net.transformer_blocks[0].attn1.register_forward_pre_hook(
        lambda _, args, kwargs: caught.append(kwargs["hidden_states"]), with_kwargs=True
    )
    watched(step(plain, 1), "0")
    blocks: Any = watched.net.transformer_blocks
    assert torch.allclose(blocks._states["0"].seen, caught[0], atol=1e-6)


@pytest.mark.parametrize("kind", [Precision.BF16, Precision.FP8])
def test_after_a_change_of_precision_and_with_offloading(kind: Precision, plain: Any) -> None:
    net = copy.deepcopy(plain)
    to_precision(net, kind, CPU)
    offload_blocks(net, CPU)
    first = step(net, 1)
    with torch.no_grad():
        exact = net(**first)
        install(net, ALWAYS)
        with context(net, "0"):
            assert same(net(**first), exact)
            reused = net(**first)
    assert net.transformer_blocks.reused == 1
    for a, b in zip(reused, exact, strict=True):
        assert float((a - b).norm() / b.norm()) < 0.02


def test_an_audio_adapter_is_reused_with_the_blocks() -> None:
    from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter

    torch.manual_seed(0)
    net = TINY["tiny-ltx-video"].build("cpu", torch.float32)
    adapter = AudioAdapter(AdapterConfig("mel", 50, 1, 8, 3, 64, 2, 4, 2, 16)).requires_grad_(False)
    for layer in adapter.layers:
        torch.nn.init.normal_(layer.to_out.weight)  # type: ignore[union-attr,arg-type]
    adapter.install(net)
    install(net, ALWAYS)
    first = step(net, 1)
    frame, face = torch.arange(TOKENS)[None] // 8, torch.ones(1, TOKENS)
    with torch.no_grad(), context(net, "0"):
        deaf = net(**first)[0]
        net.transformer_blocks.reset()
        with adapter.hearing(torch.randn(1, 3, 2, 16), frame, face):
            heard, again = net(**first)[0], net(**first)[0]
    assert not torch.allclose(heard, deaf, atol=1e-3)
    assert torch.allclose(heard, again, atol=1e-5)
    assert net.transformer_blocks.reused == 1


def test_state_names_and_iteration_stay(plain: Any) -> None:
    net = copy.deepcopy(plain)
    names = list(net.state_dict())
    install(net, ALWAYS)
    install(net, ALTERNATE)
    assert list(net.state_dict()) == names
    assert [type(b) for b in net.transformer_blocks] == [type(b) for b in plain.transformer_blocks]
    assert len(net.transformer_blocks[1:]) == 2


def test_without_install_a_context_does_nothing(plain: Any) -> None:
    given_ = step(plain, 1)
    with torch.no_grad(), context(plain, "0"):
        assert same(plain(**given_), plain(**given_))


def test_one_block_alone() -> None:
    torch.manual_seed(0)
    size = TINY["tiny-ltx-video"]
    size = type(size)(size.config | {"num_layers": 1}, 5, 0, 1, "")
    watched = Watched(size.build("cpu", torch.float32), ALWAYS)
    first = step(watched.net, 1)
    out, computed = watched(first, "0")
    again, skipped = watched(first, "0")
    assert (computed, skipped) == (1, 0)
    assert torch.allclose(out[0], again[0], atol=1e-5)


def test_published_polynomials_rise_with_the_change() -> None:
    for reuse in (LTX_VIDEO, LTX2):
        estimates = np.polyval(reuse.coefficients, np.linspace(0, 0.5, 20))
        assert (np.diff(estimates) > 0).all()
        assert (estimates > 0).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-100, 100), min_size=4, max_size=4), st.floats(0.015625, 8, width=32))
def test_relative_change_is_a_share(values: list[int], by: float) -> None:
    before = torch.tensor(values, dtype=torch.float32).view(1, 2, 2)
    assert relative_change(before, before) == 0
    if before.abs().sum(-1).min() > 0:
        assert relative_change(before * (1 + by), before) == pytest.approx(by, rel=1e-3)
    assert relative_change(torch.ones(1, 2, 2), torch.zeros(1, 2, 2)) == float("inf")
