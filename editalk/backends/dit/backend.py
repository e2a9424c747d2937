"""The DiT backend: weights found at once, loaded with the first window."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from editalk.backends.base import Capabilities, Rendered, WindowInput
from editalk.backends.crops import whole_picture
from editalk.backends.kept import Kept
from editalk.errors import DeviceError
from editalk.models import Identity, identity
from editalk.plan.types import Region

if TYPE_CHECKING:
    import torch

    from editalk.backends.dit.counted import Counted
    from editalk.backends.dit.model import Model
    from editalk.backends.dit.precision import Precision

NOISY = ("torchao", "torch.utils._pytree", "diffusers", "transformers")  # say on import what does not matter here
REGIONS = frozenset(region.value for region in Region)


_models: Kept[Model] = Kept()


class Dit:
    """See `editalk.backends.base.Backend`. `folder`: weights in diffusers' layout; `precision` None:
    FP8 on a GPU, float32 on the CPU. Raises ModelsError for a folder that holds no such weights, DeviceError for a
    device that is not there or not fit for them.
    """

    name = "dit"

    def __init__(
        self, folder: Path, device: str | None = None, precision: str | None = None, offload: bool = False
    ) -> None:
        _hush()
        from editalk.backends.dit.parallel import own_device
        from editalk.backends.dit.precision import Precision, find_device
        from editalk.backends.dit.weights import fingerprint, inspect

        self.weights = inspect(folder)
        self.device: torch.device = find_device(own_device(device))
        usual = Precision.FP8 if self.device.type == "cuda" else Precision.FP32
        self.precision: Precision = Precision(precision) if precision else usual
        if offload and self.device.type == "cpu":
            raise DeviceError("--offload keeps weights in RAM for a GPU; leave it out on the CPU")
        self.offload = offload
        self.grid_step = self.weights.step
        self.key = f"dit {self.precision} {fingerprint(folder)}"
        hears = self.weights.lips
        self.capabilities = Capabilities(temporal=True, lips=hears, regions=REGIONS, hears=hears, seeded=True,
                                         trained=True)  # fmt: skip
        self._model: Model | None = None
        self._counted: Counted | None = None

    @property
    def models(self) -> tuple[Identity, ...]:
        return (identity(self.weights.folder),)

    def render(self, given: WindowInput) -> Iterator[Rendered]:
        """See Backend. New content and joins first, then lips on what that makes and on the footage."""
        from editalk.backends.dit.lips import lip_pictures
        from editalk.backends.dit.temporal import temporal_frames

        with self._memory(given):
            model = self._loaded(given)
            made = temporal_frames(model, given, given.seed)
            yield from lip_pictures(model, given, made, given.seed) if given.window.lips else made

    def figures(self) -> dict[str, int]:
        """`tokens`: sent through the network, one step after the other, references included; `tokens_full_frame`: what
        the whole picture would have taken for the same steps and latent frames.
        """
        if self._counted is None:
            return {}
        return {"tokens": self._counted.tokens, "tokens_full_frame": self._counted.whole}

    def _loaded(self, given: WindowInput) -> Model:
        from editalk.backends.dit.counted import Counted
        from editalk.backends.dit.weights import load, text_of

        text = text_of(self.weights, given.words, self.device, self.precision)
        if self._model is None:
            plain = _models.get(
                (self.key, str(self.weights.folder), str(self.device), self.offload),
                lambda: load(self.weights, text, self.device, self.precision, self.offload),
            )
            if self.weights.lips and not plain.family.lips:
                raise DeviceError(f"{self.weights.folder / 'audio_adapter'}: its output layers are all zero, nobody "
                                  "has trained it; leave it out for edits without lips")  # fmt: skip
            self._counted = Counted(plain.family)
            self._model = replace(plain, family=self._counted)
        assert self._counted is not None
        self._counted.prompt = text
        self._counted.picture = whole_picture(given.video, self._model.vae.cell).cells(self._model.vae.cell)
        return self._model

    def _memory(self, given: WindowInput) -> AbstractContextManager[None]:
        from editalk.backends.dit.precision import memory_errors, ways_out

        what = f"a window of {len(given.window.context)} frames with {self.weights.folder.name}"
        return memory_errors(what, ways_out(self.precision, self.offload), self.device)


def _hush() -> None:
    """What users read on standard error is the command line's."""
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
