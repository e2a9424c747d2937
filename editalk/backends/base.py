"""What a backend is: a render window in, frames for exactly its range out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from editalk.asr import Phone
from editalk.audio import Audio
from editalk.face import FaceTrack
from editalk.media import VideoInfo
from editalk.models import Identity
from editalk.plan.types import RenderWindow
from editalk.timebase import FrameRate

Image = NDArray[np.uint8]
"""[height, width, 3] uint8: Y, U, V at full resolution, the source's own matrix and range, coded orientation."""


Area = tuple[slice, slice]
"""Rows and columns, both ends given; they may reach beyond the picture."""


class Footage(Protocol):
    """Random access to source frames by index on the constant grid; a few are remembered. Outside the rows and columns
    `within` an image may be anything: what is not asked for need not be made.
    """

    frames: int
    rate: FrameRate

    def image(self, frame: int, within: Area | None = None) -> Image: ...


@dataclass(frozen=True)
class WindowInput:
    """All that a backend sees. `sound` is the edited timeline's sound over window and context, from timeline second
    `sound_start` on; `source_sound` the source's own over the tracked stretch, from source second
    `source_sound_start` on (to learn how this mouth moves). Both are mono: [n, 1], 16000 samples per second.
    `thumbs`: [rows of track, d] luma thumbnails; `natural_steps`: [n] face steps of the footage, ascending.
    `video`: the colour and the orientation of the footage's images.
    `phones`, `source_phones`: what is said in `sound` and in `source_sound`, timeline and source seconds, where
    the words are known; `words`: those of the timeline over window and context. `seed`: of the lots that are drawn.
    """

    window: RenderWindow
    footage: Footage
    track: FaceTrack
    sound: Audio
    sound_start: float
    source_sound: Audio
    source_sound_start: float
    thumbs: NDArray[np.float32]
    natural_steps: NDArray[np.float32]
    video: VideoInfo
    phones: tuple[Phone, ...] = ()
    source_phones: tuple[Phone, ...] = ()
    words: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Rendered:
    """A new picture for one timeline frame.

    `mask`: [height, width] uint8, 255 where `image` counts and 0 where the source's own pixel stands, whatever `image`
    is there; None: all of it.
    `source`: the source frame that stands where the mask is 0 (None: the mask is None).
    """

    frame: int
    image: Image
    mask: NDArray[np.uint8] | None = None
    source: int | None = None


@dataclass(frozen=True)
class Capabilities:
    """`trained`: all its new pictures come out of a trained network, not its new lips alone."""

    temporal: bool  # inserts and removes frames
    lips: bool
    regions: frozenset[str]
    hears: bool = False  # pictures without new lips depend on the sound and the words, too
    seeded: bool = False  # draws lots: another seed gives other pictures
    trained: bool = False


class Backend(Protocol):
    """`key`: names everything its pictures depend on beside the window and the seed: its weights, its precision."""

    name: str
    key: str
    grid_step: int  # frames per latent frame
    capabilities: Capabilities

    @property
    def models(self) -> tuple[Identity, ...]:
        """The trained weights that its pictures come from."""
        ...

    def render(self, given: WindowInput) -> Iterator[Rendered]:
        """New pictures in the order of the timeline, not changed once they are given. A frame of the window that is
        left out keeps its source picture: only frames whose piece has footage and is not resampled may be left out.
        """
        ...

    def figures(self) -> dict[str, int]:
        """What all windows so far took, for the report; nothing where there is nothing to tell."""
        ...


class LipPass(Protocol):
    """Draws the lips that the sound asks for into pictures that are there already, whoever made them.

    `key`: see `Backend`; `regions`: what of the face it can draw.
    """

    name: str
    key: str
    regions: frozenset[str]

    @property
    def models(self) -> tuple[Identity, ...]:
        """See Backend."""
        ...

    def draw(self, given: WindowInput, made: Iterable[Rendered]) -> Iterator[Rendered]:
        """The pictures of `made` and, within the window's `lips`, those with new lips, in the order of the timeline.
        A frame that `made` leaves out is its source frame. Frames without a face stay as they are.
        """
        ...
