"""Two processes that share a window's tokens give what one alone gives."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, multiprocessing

from editalk.backends.dit import parallel
from editalk.backends.dit.parallel import Parallel, everywhere, from_environment, own_device, parallelise, share, writes
from editalk.errors import DeviceError, UsageError

CPU = torch.device("cpu")
COUNTS = (24, 25)  # tokens: even and odd
TIMEOUT = 240  # seconds for all that the two processes do
Forward = Callable[[int], tuple[Tensor, ...]]


def random(count: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(count)
    return lambda *shape: torch.randn(*shape, generator=generator)


def ltx_video() -> Any:
    from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

    torch.manual_seed(0)
    return LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=12, cross_attention_dim=48,
        num_layers=2, caption_channels=16,
    ).eval()  # fmt: skip


def ltx2(rope: str) -> Any:
    """As LTX-2.0 ("interleaved") or 2.3 ("split", gates, modulated text)."""
    from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel

    new = rope == "split"
    torch.manual_seed(0)
    return LTX2VideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=12, cross_attention_dim=48,
        audio_in_channels=6, audio_out_channels=6, audio_num_attention_heads=4, audio_attention_head_dim=8,
        audio_cross_attention_dim=32, num_layers=2, caption_channels=16, rope_type=rope, gated_attn=new,
        audio_gated_attn=new, cross_attn_mod=new, audio_cross_attn_mod=new, perturbed_attn=new,
    ).eval()  # fmt: skip


def seen(transformer: Any, count: int) -> tuple[Tensor, ...]:
    """Velocities of LTX-Video at per-token timesteps, with padding in the text."""
    given = random(count)
    out: tuple[Tensor, ...] = transformer(
        hidden_states=given(1, count, 8), encoder_hidden_states=given(1, 5, 16), timestep=given(1, count).abs() * 500,
        encoder_attention_mask=torch.tensor([[1, 1, 1, 0, 0]]), video_coords=given(1, 3, count) * 9, return_dict=False,
    )  # fmt: skip
    return out


def seen_and_heard(transformer: Any, count: int, sounds: int | None = None) -> tuple[Tensor, ...]:
    """Velocities of LTX-2 at per-token timesteps, the sound frozen at time zero; one of the counts of sound is odd."""
    from editalk.backends.dit.ltx2 import own_levels

    given, text, sounds = random(count), torch.tensor([[1, 1, 1, 0, 0]]), sounds or count - 16
    levels, still = given(1, count).abs() * 500, torch.zeros(1)
    with own_levels(transformer, share(transformer, levels)[0], still):
        out: tuple[Tensor, ...] = transformer(
            hidden_states=given(1, count, 8), audio_hidden_states=given(1, sounds, 6),
            encoder_hidden_states=given(1, 5, 16), audio_encoder_hidden_states=given(1, 5, 16),
            timestep=levels, audio_timestep=still if count % 2 else torch.zeros(1, sounds),
            sigma=torch.tensor([700.0]), audio_sigma=still, use_cross_timestep=True, encoder_attention_mask=text,
            audio_encoder_attention_mask=text, video_coords=given(1, 3, count, 2) * 9,
            audio_coords=given(1, 1, sounds, 2) * 9, return_dict=False,
        )  # fmt: skip
    return out


def adapter() -> Any:
    """The paper's audio layers with random weights."""
    from editalk.backends.dit.audio_adapter import AdapterConfig, AudioAdapter

    config = AdapterConfig("mel", 100.0, 2, 6, layers=2, hidden=48, heads=4, window=4, embeddings=2, width=8)
    torch.manual_seed(0)
    made = AudioAdapter(config).eval()
    for name, weights in made.layers.named_parameters():
        if name.endswith("to_out.weight"):
            torch.nn.init.normal_(weights)
    return made


def heard_by_adapter(transformer: Any) -> Forward:
    """LTX-Video with audio layers; some tokens are references, some not of a face."""
    layers = adapter()
    layers.install(transformer)

    def forward(count: int) -> tuple[Tensor, ...]:
        frame = torch.arange(count)[None] % 4 - 1
        face = (torch.arange(count)[None] % 3 > 0).float()
        embeddings = layers.embed(random(count)(1, 17, 4, 2, 6))
        with layers.hearing(embeddings, share(transformer, frame), share(transformer, face)):
            return seen(transformer, count)

    return forward


def denoised(family: Any, heard: Any, count: int) -> tuple[Tensor, ...]:
    """Three steps of two blocks, some tokens of which are clean and some of a face, and a reference for each."""
    from editalk.backends.dit.sampling import sample
    from editalk.backends.dit.tokens import REFERENCE, Tokens

    given = random(count)
    frame = torch.arange(count) * 20 // count  # 20 latent frames: two blocks
    start = torch.stack([frame / 3, given(count) * 9, given(count) * 9], 1)
    coords = torch.stack([start, start + 0.3], 2)
    shown, few = torch.arange(count) % 3, torch.arange(3)
    tokens = Tokens(given(count, 8), (shown / 2).float(), coords, frame, (shown > 0).float())
    reference = Tokens(given(3, 8), few * 0.0, coords[few], few * 0 + REFERENCE, few * 0.0)
    made = sample(
        family, tokens, (1.0, 0.7, 0.3, 0.0), heard, torch.Generator().manual_seed(count), lambda block: [reference]
    )
    return (made,)


def ltx_video_family(transformer: Any) -> Forward:
    from editalk.backends.dit.ltx_video import Guidance, Hearing, LtxVideo
    from editalk.backends.dit.prompts import Embeds, Prompt

    given, layers = random(5), adapter()
    features = SimpleNamespace(name="mel", rate=100.0, blocks=2, channels=6)
    prompt = Prompt(Embeds(given(5, 16)), Embeds(given(3, 16)))
    family = LtxVideo(transformer, prompt, Hearing(layers, features), Guidance(sound=2.0))  # type: ignore[arg-type]
    embeddings = layers.embed(given(1, 8 * 19 + 1, 4, 2, 6))[0].detach()
    return lambda count: denoised(family, embeddings, 4 * count + 1)


def ltx2_family(transformer: Any) -> Forward:
    from editalk.backends.dit.ltx2 import Guidance, Heard, Ltx2
    from editalk.backends.dit.prompts import Embeds, Prompt

    given = random(5)
    prompt = Prompt(Embeds(given(5, 16), given(5, 16)), Embeds(given(3, 16), given(3, 16)))
    family = Ltx2(transformer, None, prompt, Guidance(blocks=(1,)))  # type: ignore[arg-type]
    start = torch.arange(71) / 10
    heard = Heard(given(71, 6), torch.stack([start, start + 0.1], 1))
    return lambda count: denoised(family, heard, 4 * count + 1)


def flash_on_cpu(ctx: Any, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
    """Stands for the CUDA kernel that returns its softmax sums: [1, n, heads, c] → the same and [1, n, heads]."""
    out, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        *(x.transpose(1, 2).contiguous() for x in (query, key, value))
    )
    return out.transpose(1, 2), sums.transpose(1, 2)


def ring(transformer: Any, forward: Callable[[Any, int], tuple[Tensor, ...]]) -> float:
    """Ring attention as on CUDA but for the kernel."""
    from diffusers.models import attention_dispatch

    attention_dispatch._native_flash_attention_forward_op = flash_on_cpu
    return differ(lambda n: forward(transformer, n), lambda: parallel._split(transformer, Parallel(ring=2), CPU))


def ulysses(transformer: Any, forward: Forward) -> float:
    return differ(forward, lambda: parallelise(transformer, Parallel(ulysses=2), CPU))


@torch.no_grad()
def differ(forward: Forward, share_out: Callable[[], None]) -> float:
    """Largest difference that sharing makes to velocities, which are about 1."""
    alone = [forward(n) for n in COUNTS]
    share_out()
    together = [forward(n) for n in COUNTS]
    pairs = [(x, y) for a, t in zip(alone, together, strict=True) for x, y in zip(a, t, strict=True)]
    assert all(x.shape == y.shape and x.std() > 0.05 for x, y in pairs)
    return max(float((x - y).abs().max()) for x, y in pairs)


def refused(parallel: Parallel) -> str:
    with pytest.raises(UsageError) as caught:
        parallelise(ltx_video(), parallel, CPU)
    return str(caught.value)


def in_each(rank: int, environment: dict[str, str], folder: Path) -> None:
    """What one of the two processes does: everything, since starting one takes seconds."""
    os.environ |= environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    one, adapted, five = (ltx_video() for _ in range(3))
    two, three, four, six = ltx2("interleaved"), *(ltx2("split") for _ in range(3))
    found = {
        "environment": from_environment() == Parallel(ulysses=2),
        "writes": writes(),
        "everywhere": [everywhere(True), everywhere(rank == 0)],
        "too many": refused(Parallel(ulysses=4)),
        "ltx-video": ulysses(one, lambda n: seen(one, n)),
        "ltx-video and audio": ulysses(adapted, heard_by_adapter(adapted)),
        "ltx-2": ulysses(two, lambda n: seen_and_heard(two, n)),
        "ltx-2.3": ulysses(three, lambda n: seen_and_heard(three, n)),
        "ltx-2.3, too little sound to share": ulysses(four, lambda n: seen_and_heard(four, n, 1)),
        "ltx-video, sampled": ulysses(five, ltx_video_family(five)),
        "ltx-2.3, sampled": ulysses(six, ltx2_family(six)),
        "ring ltx-video": ring(ltx_video(), seen),
        "ring ltx-2.3": ring(ltx2("split"), seen_and_heard),
    }
    (folder / f"{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found, which meet as torchrun lets them."""
    folder = tmp_path_factory.mktemp("processes")
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    started = multiprocessing.spawn(in_each, (environment, folder), nprocs=2, join=False)
    deadline = time.monotonic() + TIMEOUT
    try:
        while not started.join(timeout=1):
            assert time.monotonic() < deadline, "the two processes wait for each other"
    finally:
        for process in started.processes:
            process.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize(
    "case",
    ["ltx-video", "ltx-video and audio", "ltx-2", "ltx-2.3", "ltx-2.3, too little sound to share",
     "ltx-video, sampled", "ltx-2.3, sampled", "ring ltx-video", "ring ltx-2.3"],
)
def test_sharing_changes_nothing(found: list[dict[str, Any]], case: str) -> None:
    assert max(each[case] for each in found) < 1e-5, "measured: 1.2e-6 at most"


def test_processes_know_each_other(found: list[dict[str, Any]]) -> None:
    assert all(each["environment"] for each in found)
    assert [each["writes"] for each in found] == [True, False]
    assert [each["everywhere"] for each in found] == [[True, False]] * 2
    assert all("torchrun --nproc-per-node 4" in each["too many"] for each in found)


def test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    assert from_environment() is None
    assert writes()
    assert everywhere(True)
    assert not everywhere(False)
    assert [own_device(name) for name in ("cpu", "cuda:1", None)] == ["cpu", "cuda:1", None]
    values = torch.arange(3)
    assert share(SimpleNamespace(_parallel_config=None), values, 0) is values


def test_torchrun_says_who_is_who(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "3", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    assert from_environment() == Parallel(ulysses=4)
    monkeypatch.setenv("EDITALK_PARALLEL", "ring")
    assert from_environment() == Parallel(ring=4)
    monkeypatch.setenv("EDITALK_PARALLEL", "tree")
    with pytest.raises(UsageError, match="ulysses and ring"):
        from_environment()
    monkeypatch.delenv("EDITALK_PARALLEL")
    assert not writes()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert own_device(None) is None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [own_device(name) for name in (None, "cuda", "cpu")] == ["cuda:3", "cuda:3", "cpu"]
    with pytest.raises(UsageError, match="--device cuda is one for each"):
        own_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match="--nproc-per-node 2"):
        own_device("cuda")
    monkeypatch.delenv("LOCAL_RANK")
    with pytest.raises(UsageError, match="LOCAL_RANK is not set: start them with `torchrun"):
        from_environment()


@pytest.mark.parametrize(("ulysses", "ring"), [(1, 1), (2, 2), (0, 4), (-2, 1)])
def test_degrees_that_cannot_be(ulysses: int, ring: int) -> None:
    with pytest.raises(UsageError, match="either Ulysses or ring"):
        Parallel(ulysses, ring)


def test_heads_and_devices_that_do_not_fit() -> None:
    attention = SimpleNamespace(heads=32)
    blocks = [SimpleNamespace(attn1=attention)]
    transformer = type("LTXVideoTransformer3DModel", (), {"transformer_blocks": blocks})()
    with pytest.raises(UsageError, match="3 processes cannot share 32 attention heads evenly: start 2 or 4 or 8"):
        parallelise(transformer, Parallel(ulysses=3), CPU)
    with pytest.raises(DeviceError, match="use Ulysses"):
        parallelise(transformer, Parallel(ring=3), CPU)
