"""The paper's audio layers for LTX-Video: an audio projection that all blocks share, and one cross-attention per block
(EditYourself, section 3.2, equations 4 and 6).

The copy of the paper at hand lost its formulas; from its words, with A~ the windows of equation 3:

    equation 4:   Â(i, j) = A~(i, j) + P(j)            P: learned, [W, B, C], one slice for each place in a window
                  E = Projection(Â)                     [F, K, D]: K embeddings of width D for each latent frame
    equation 6:   z ← z + M_face · CrossAttention(z, E)  between the text's cross-attention and the feed-forward layer

Convolutions begin as average pooling, the cross-attentions' output projections as zeros. Decided here: a token attends
to the embeddings of its own latent frame alone, since windows reach beyond it anyway; K, D and W are the
configuration's. The paper says "approximately 2B" parameters; with 0.9.7's 48 blocks of width 4096, the default D = 768
gives 1.9B.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from editalk.backends.dit.tensors import fill, read_tensors
from editalk.errors import ModelsError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
GROUP = 8  # video frames of a latent frame


@dataclass(frozen=True)
class AdapterConfig:
    """`representation`: name of the audio features, `rate` of them per second, each [`blocks`, `channels`].
    `window`: features that a video frame hears, a multiple of `embeddings`, the number for each latent frame, each
    `width` wide. `layers` blocks of a transformer that is `hidden` wide with `heads` heads.
    """

    representation: str
    rate: float
    blocks: int
    channels: int
    layers: int
    hidden: int
    heads: int
    window: int = 16
    embeddings: int = 8
    width: int = 768

    def __post_init__(self) -> None:
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("representation", "rate")}
        if wrong := next((k for k, v in counts.items() if type(v) is not int or v < 1), None):
            raise ModelsError(f"{wrong} is {counts[wrong]!r}, not a whole number from 1 on")
        if type(self.representation) is not str or type(self.rate) not in (int, float) or not self.rate > 0:
            raise ModelsError("representation is a name and rate a positive number")
        if self.window % self.embeddings or self.hidden % self.heads:
            raise ModelsError("window must be a multiple of embeddings, and hidden one of heads")

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> AdapterConfig:
        """Raises ModelsError for what is no configuration."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelsError(f"no JSON: {error}") from error
        if not isinstance(data, dict):
            raise ModelsError("not a JSON object")
        names = {f.name for f in fields(cls)}
        if odd := sorted(set(data) ^ names):
            raise ModelsError(f"key {odd[0]!r} is {'missing' if odd[0] in names else 'unknown'}")
        return cls(**data)


class AudioProjection(nn.Module):
    """Windows of features → embeddings at the rate of latent frames."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        width, kernel = config.width, config.window // config.embeddings
        self.positions = nn.Parameter(torch.randn(config.window, config.blocks, config.channels) * 0.02)
        self.mix = nn.Conv1d(config.channels, config.channels, config.blocks, groups=config.channels)
        self.enter = nn.Linear(config.channels, width)
        self.enter_norm = nn.LayerNorm(width)
        self.within = nn.Conv1d(width, width, kernel, stride=kernel)
        self.across = nn.Conv1d(width, width, GROUP, stride=GROUP)
        self.deepen = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.leave_norm = nn.LayerNorm(width)
        for convolution in (self.mix, self.within, self.across):
            _average(convolution)

    def forward(self, heard: Tensor) -> Tensor:
        """[b, 8 F, W, B, C] → [b, F, K, D]: eight video frames for each latent frame."""
        heard = heard + self.positions
        b, n, w = heard.shape[:3]
        mixed = self.mix(heard.flatten(0, 2).transpose(1, 2)).squeeze(2)  # [b n W, C]
        x = nn.functional.gelu(self.enter_norm(self.enter(mixed)))
        x = self.within(x.view(b * n, w, -1).transpose(1, 2))  # [b n, D, K]
        k = x.shape[2]
        x = x.view(b, n, -1, k).permute(0, 3, 2, 1).flatten(0, 1)  # [b K, D, n]
        x = self.across(x).view(b, k, -1, n // GROUP).permute(0, 3, 1, 2)  # [b, F, K, D]
        out: Tensor = self.leave_norm(x + self.deepen(x))
        return out


def _average(convolution: nn.Conv1d) -> None:
    """A convolution that begins as the mean over its kernel, channel by channel."""
    with torch.no_grad():
        nn.init.zeros_(convolution.weight)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
        own = torch.arange(convolution.out_channels)
        convolution.weight[own, own % convolution.weight.shape[1]] = 1 / convolution.kernel_size[0]


@dataclass(frozen=True)
class Listening:
    """What the layers need of one forward: embeddings [b, F, K, D], and which tokens of the sequence attend to what.

    Only tokens of the face are computed. They are sorted into `m` slots for each of g pairs of sample and latent frame:
    slots: [g, m] int64, places in the flattened sequence [b · n]; valid: [g, m] bool, false in slots that are not used;
    groups: [g] int64, places in the flattened latent frames [b · F]; face: [g, m].
    """

    embeddings: Tensor
    slots: Tensor
    valid: Tensor
    groups: Tensor
    face: Tensor


def listening(embeddings: Tensor, frame: Tensor, face: Tensor) -> Listening:
    """`embeddings`: [b, F, K, D]; `frame`: [b, n] int64 latent frames of the tokens, those below 0 (references) hear
    nothing; `face`: [b, n], 0 hears nothing.
    """
    chosen = ((face != 0) & (frame >= 0)).flatten().nonzero().squeeze(1)
    sample = torch.arange(len(frame), device=frame.device)[:, None] * embeddings.shape[1]
    group = (sample + frame).flatten()[chosen]
    order = torch.argsort(group, stable=True)
    chosen, group = chosen[order], group[order]
    groups, counts = torch.unique_consecutive(group, return_counts=True)
    row = torch.repeat_interleave(torch.arange(len(groups), device=frame.device), counts)
    column = torch.arange(len(chosen), device=frame.device) - (counts.cumsum(0) - counts)[row]
    shape = (len(groups), int(counts.max()) if len(counts) else 0)
    slots = torch.zeros(shape, dtype=torch.int64, device=frame.device)
    valid = torch.zeros(shape, dtype=torch.bool, device=frame.device)
    slots[row, column], valid[row, column] = chosen, True
    return Listening(embeddings, slots, valid, groups, face.flatten()[slots])


class AudioCrossAttention(nn.Module):
    """Video tokens ask the audio embeddings of their own latent frame. Zero until trained."""

    def __init__(self, hidden: int, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(hidden, hidden)
        self.to_k = nn.Linear(width, hidden)
        self.to_v = nn.Linear(width, hidden)
        self.norm_q = nn.RMSNorm(hidden, eps=1e-5)
        self.norm_k = nn.RMSNorm(hidden, eps=1e-5)
        self.to_out = nn.Linear(hidden, hidden)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, hidden: Tensor, state: Listening) -> Tensor:
        """What to add to the hidden tokens [b, n, d], already masked by the face (equation 6)."""
        flat = hidden.flatten(0, 1)
        out = torch.zeros_like(flat)
        if state.groups.numel():
            asked = flat[state.slots].to(self.to_q.weight.dtype)
            known = state.embeddings.flatten(0, 1)[state.groups]
            query, key, value = self.norm_q(self.to_q(asked)), self.norm_k(self.to_k(known)), self.to_v(known)
            query, key, value = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (query, key, value))
            answer = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
            answer = (self.to_out(answer) * state.face[..., None].to(answer.dtype)).to(out.dtype)
            out = out.index_put((state.slots[state.valid],), answer[state.valid])
        return out.view_as(hidden)


class AudioAdapter(nn.Module):
    """The audio projection and the cross-attentions of all blocks.

    `install` hangs the layers behind the text's cross-attentions of diffusers' LTXVideoTransformer3DModel. They act
    inside `hearing` alone; outside of it, they are detached and the transformer is what it was (the paper's dropped
    audio in training; audio guidance). A sample of a batch is dropped by a face of zeros.
    """

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.projection = AudioProjection(config)
        self.layers = nn.ModuleList(
            AudioCrossAttention(config.hidden, config.heads, config.width) for _ in range(config.layers)
        )
        self._state: Listening | None = None
        self._hooks: list[Any] = []

    @property
    def trained(self) -> bool:
        """Whether any layer does anything: all begin as zeros."""
        return any(bool(p.any()) for name, p in self.layers.named_parameters() if ".to_out." in name)

    def embed(self, heard: Tensor) -> Tensor:
        """Windows [b, frames, W, B, C] of the features → embeddings [b, F, K, D] for `hearing`; frames = 8 (F − 1) + 1.

        Latent frame 0 is video frame 0 alone, heard eight times over: so does the VAE's encoder see it.
        """
        heard = torch.cat([heard[:, :1].expand(-1, GROUP - 1, -1, -1, -1), heard], 1)
        out: Tensor = self.projection(heard.to(self.projection.positions.dtype))
        return out

    @contextmanager
    def hearing(self, embeddings: Tensor, frame: Tensor, face: Tensor) -> Iterator[None]:
        """The transformer's forwards inside hear: see `listening`. With gradient checkpointing, backward belongs inside
        as well, because the blocks are computed again there.
        """
        self._state = listening(embeddings, frame, face)
        try:
            yield
        finally:
            self._state = None

    def install(self, transformer: Any) -> None:
        """attn2(x) becomes attn2(x) + face · audio(x + attn2(x)) in every block, which is a residual layer between the
        text's cross-attention and the feed-forward layer. Module and parameter names stay. Raises ModelsError where the
        sizes differ.
        """
        blocks = list(getattr(transformer, "transformer_blocks", ()))
        hidden = blocks[0].attn2.query_dim if blocks else 0
        if (len(blocks), hidden) != (self.config.layers, self.config.hidden):
            raise ModelsError(
                f"the audio adapter is for {self.config.layers} blocks {self.config.hidden} wide, the transformer has "
                f"{len(blocks)} blocks {hidden} wide; use the adapter that was trained with this transformer"
            )
        for block, layer in zip(blocks, self.layers, strict=True):
            self._hooks.append(block.attn2.register_forward_hook(self._behind(layer), with_kwargs=True))

    def remove(self) -> None:
        """Undo `install`."""
        while self._hooks:
            self._hooks.pop().remove()

    def _behind(self, layer: nn.Module) -> Any:
        def add(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor:
            if self._state is None:
                return output
            hidden = args[0] if args else kwargs["hidden_states"]
            added: Tensor = output + layer(hidden + output, self._state)
            return added

        return add

    def save(self, folder: Path) -> None:
        """config.json and model.safetensors."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(self.config.to_json(), "utf-8")
        save_file({k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> AudioAdapter:
        """What `save` wrote. Raises ModelsError that names the file and what is wrong with it."""
        try:
            config = AdapterConfig.from_json((folder / CONFIG).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, ModelsError) as error:
            raise ModelsError(f"{folder / CONFIG}: {error}; it is written with the adapter's weights") from error
        with torch.device("meta"):
            adapter = cls(config)
        fill(adapter, folder / WEIGHTS, read_tensors(folder / WEIGHTS)[0], dtype, device)
        return adapter
