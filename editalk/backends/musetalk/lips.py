"""The lip pass: pictures that are there already, a batch of faces at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from editalk.backends.base import Image, Rendered, WindowInput
from editalk.backends.canvas import FaceFinder, Occluders, lip_frames, source_frame
from editalk.backends.crops import Crop, laid
from editalk.backends.exemplar.backend import BEYOND
from editalk.backends.exemplar.occlusion import BARE, Sight, uncovered
from editalk.backends.exemplar.paste import lower_box, united
from editalk.backends.exemplar.path import ramps
from editalk.backends.kept import Kept
from editalk.backends.musetalk.blend import Singles, face_crop, shown
from editalk.errors import DeviceError
from editalk.face.geometry import Box
from editalk.models import Identity, identity
from editalk.plan.types import RenderWindow

if TYPE_CHECKING:
    import torch

    from editalk.backends.musetalk.hearing import Hearing
    from editalk.backends.musetalk.network import Networks

BATCH = 8  # faces drawn at once, the authors' default


_networks: Kept[Networks] = Kept()


class MuseTalk:
    """See `editalk.backends.base.LipPass`. The weights lie in `folder` (see `network.Parts`) and are read when the
    first lips are drawn. Raises DeviceError where one or the device is missing.
    """

    name = "musetalk"
    regions = frozenset({"mouth", "face"})

    def __init__(self, folder: Path, device: str = "cpu", dtype: torch.dtype | None = None) -> None:
        from editalk.backends.musetalk.network import Parts, check

        check(device)
        self.key = f"musetalk {dtype} {Parts.of(folder).key}"
        self.folder, self.device, self.dtype = folder, device, dtype
        self._networks: Networks | None = None

    @property
    def models(self) -> tuple[Identity, ...]:
        return (identity(self.folder),)

    def draw(self, given: WindowInput, made: Iterable[Rendered]) -> Iterator[Rendered]:
        """See the protocol. Raises DeviceError, ModelsError."""
        waiting: list[_Canvas] = []
        with _Faces(given) as faces:
            hearing: Hearing | None = None
            for frame, one in _together(given, made):
                canvas = faces.canvas(frame, one)
                if canvas is not None:
                    hearing = hearing or self._hearing(given)
                    waiting.append(canvas)
                if waiting and (canvas is None or len(waiting) == BATCH):
                    yield from self._drawn(waiting, hearing, given.window)
                    waiting = []
                if canvas is None and one is not None:
                    yield one
        if waiting:
            yield from self._drawn(waiting, hearing, given.window)

    def _hearing(self, given: WindowInput) -> Hearing:
        import torch

        from editalk.backends.musetalk.hearing import Hearing
        from editalk.backends.musetalk.network import load

        if self._networks is None:
            self._networks = _networks.get(
                (self.key, str(self.folder), self.device),
                lambda: load(self.folder, self.device, self.dtype or torch.float32),
            )
        span = given.window.span
        return Hearing(self._networks, given.sound, given.sound_start, given.footage.rate, span.start)

    def _drawn(self, canvases: list[_Canvas], hearing: Hearing | None, window: RenderWindow) -> Iterator[Rendered]:
        import torch

        assert hearing is not None
        faces = np.stack([canvas.crop.cut(canvas.image) for canvas in canvases])
        try:
            drawn = hearing.networks.drawn(faces, hearing.around([canvas.frame for canvas in canvases]))
        except torch.OutOfMemoryError as error:
            raise DeviceError(f"{self.device} is out of memory for {len(faces)} faces of MuseTalk; free some of it, "
                              "or name another --device") from error  # fmt: skip
        start = window.span.start
        weights = ramps([(s.start - start, s.end - start) for s in window.lips], len(window.span))
        for canvas, face in zip(canvases, drawn, strict=True):
            alpha = shown(canvas.points, canvas.crop, window.lip_region)
            alpha *= np.float32(canvas.share * weights[canvas.frame - start])
            image, mask = laid(canvas.image, canvas.crop, face, alpha)
            uncovered(canvas.image, image, mask, canvas.points, canvas.sight)
            yield canvas.finished(image, mask)


@dataclass(frozen=True)
class _Canvas:
    """A picture that gets new lips. `mask`, `source`: see `Rendered`; the image is whole around the face. `sight`: what
    lies in front of the face; `share`: how much of the new lips shows, 0 … 1.
    """

    frame: int
    image: Image
    mask: NDArray[np.uint8] | None
    source: int | None
    points: Singles
    crop: Crop
    sight: Sight = BARE
    share: float = 1.0

    def finished(self, image: Image, changed: NDArray[np.uint8]) -> Rendered:
        if self.source is None:
            return Rendered(self.frame, image)
        mask = changed if self.mask is None else np.maximum(changed, self.mask)
        return Rendered(self.frame, image, mask, self.source)


class _Faces:
    """Where the face is in the pictures of a window; use as a context."""

    def __init__(self, given: WindowInput) -> None:
        self.given, self._occluders = given, Occluders(given)
        self._finder = FaceFinder(given)

    def __enter__(self) -> _Faces:
        return self

    def __exit__(self, *_: object) -> None:
        self._finder.close()

    def canvas(self, frame: int, made: Rendered | None) -> _Canvas | None:
        """A frame of the timeline as it shall be drawn on; None where no lips are asked for or no face is seen."""
        if not any(frame in lips for lips in self.given.window.lips):
            return None
        if made is not None and made.source is None:
            points = self._finder.find(frame, made.image)
        else:
            source = source_frame(self.given.window.pieces, frame) if made is None else made.source
            points = None if source is None else self.given.track.at(source)
        crop = None if points is None else face_crop(points, self.given.video)
        if points is None or crop is None:
            return None
        if made is not None and made.source is None:
            return self._seen(_Canvas(frame, made.image, None, None, points, crop))
        assert source is not None
        area = _around(crop, points)
        own = self.given.footage.image(source, area.slices)
        if made is None or made.mask is None:
            return self._seen(_Canvas(frame, own, None, source, points, crop))
        image, part = made.image.copy(), area.within(made.image.shape).slices
        np.copyto(image[part], own[part], where=made.mask[part][..., None] == 0)
        return self._seen(_Canvas(frame, image, made.mask, source, points, crop))

    def _seen(self, canvas: _Canvas) -> _Canvas | None:
        """The canvas with what lies in front of the face; None where that hides the mouth."""
        sight, share = self._occluders.look(canvas.image, canvas.points)
        return replace(canvas, sight=sight, share=share) if share > 0 else None


def _together(given: WindowInput, made: Iterable[Rendered]) -> Iterator[tuple[int, Rendered | None]]:
    """What was made and, in their place, the frames that are to get lips and were not."""
    lips = (frame for run in lip_frames(given) for frame in run)
    due = next(lips, None)
    for one in made:
        while due is not None and due <= one.frame:
            if due < one.frame:
                yield due, None
            due = next(lips, None)
        yield one.frame, one
    while due is not None:
        yield due, None
        due = next(lips, None)


def _around(crop: Crop, points: Singles) -> Box:
    """What is looked at of a picture, with the chroma samples that reach beyond it."""
    inner = united([crop.box, lower_box(points)])
    return Box(inner.left - BEYOND, inner.top - BEYOND, inner.right + BEYOND, inner.bottom + BEYOND)
