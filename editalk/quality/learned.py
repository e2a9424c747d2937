"""Metrics that networks compute, where their weights are present; the others say what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.face import FaceTrack, square
from editalk.media import FrameReader, VideoInfo, rgb, upright
from editalk.quality.weights import Weights
from editalk.timebase import FrameRange, nearest

Picture = NDArray[np.uint8]

MOST = 256  # pictures that features are taken of, evenly spread

SYNCNET = Weights(
    "syncnet", "syncnet_v2.safetensors", "the tensors of syncnet_v2.model, saved as safetensors under their own names",
    "www.robots.ox.ac.uk/~vgg/software/lipsync, MIT; no public conversion is known",
)  # fmt: skip
FACES = Weights(
    "face-recognition", "model.safetensors", "an IR-18, -34, -50 or -101 that embeds faces of 112 pixels",
    "e.g. minchul/cvlface_adaface_ir18_vgg2 on Hugging Face, MIT", "minchul/cvlface_adaface_ir18_vgg2",
)  # fmt: skip
LPIPS = Weights(
    "lpips-vgg", "lpips_vgg.safetensors", "VGG16 and the linear layers of LPIPS 0.1",
    "nikhilr01/sen-bridge-weights on Hugging Face, BSD-2-Clause", "nikhilr01/sen-bridge-weights",
)  # fmt: skip
INCEPTION = Weights(
    "fid-inception", "fid_inception.safetensors", "the Inception-v3 of FID as pytorch-fid names it",
    "nikhilr01/sen-bridge-weights on Hugging Face, Apache-2.0", "nikhilr01/sen-bridge-weights",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two videos on a common clock, over the frames `span` of both. Tracks are in the reference's pixels; sounds are
    mono at 16 kHz, over the span.
    """

    reference: FrameReader
    candidate: FrameReader
    track: FaceTrack
    candidate_track: FaceTrack
    video: VideoInfo
    candidate_video: VideoInfo
    sound: Audio
    candidate_sound: Audio
    span: FrameRange

    def pictures(self, frames: list[int], candidate: bool) -> Iterator[Picture]:
        """[h, w, 3] red, green, blue, in the reference's size, as coded."""
        import cv2

        reader, info = (self.candidate, self.candidate_video) if candidate else (self.reference, self.video)
        for frame in frames:
            image = rgb(reader.image(frame), info)
            if image.shape[:2] != (self.video.height, self.video.width):
                size = self.video.width, self.video.height
                image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            yield image

    def with_faces(self, most: int = MOST) -> list[int]:
        """Frames in which both show a face, evenly spread."""
        seen = self.track.found & self.candidate_track.found
        frames = self.track.frames[seen]
        return [int(f) for f in frames[np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).astype(int))]]

    def crops(self, frames: list[int], candidate: bool, side: int) -> Iterator[Picture]:
        """[side, side, 3] red, green, blue, upright: the square around the reference's face in both."""
        import cv2

        for frame, image in zip(frames, self.pictures(frames, candidate), strict=True):
            points = self.track.at(frame)
            if points is not None:
                part = image[square(points).within(image.shape).slices]
                size = side, side
                yield upright(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA)), self.video.rotation)


@dataclass(frozen=True)
class Learned:
    """`figures`: what `measure` gives."""

    name: str
    figures: tuple[str, ...]
    weights: Weights | None
    measure: Callable[[Pair], dict[str, Any]]
    why: str = ""

    def missing(self) -> str | None:
        """One line, None where nothing is missing."""
        return self.weights.missing() if self.weights is not None else self.why


def _sync(pair: Pair) -> dict[str, Any]:
    from editalk.quality.syncnet import SyncNet, crops, embeddings, offsets

    net = SyncNet()
    load(net, SYNCNET)
    made: dict[str, Any] = {"sync_c": [], "sync_d": [], "sync_offset": []}
    for candidate in (False, True):
        track, sound = (pair.candidate_track, pair.candidate_sound) if candidate else (pair.track, pair.sound)
        if not track.found.all() or pair.video.rotation:
            return dict.fromkeys(made)  # needs an upright face in every picture
        frames = _at_25(pair)
        rows = [r for f in frames if (r := track.row(f)) is not None]
        boxes = np.concatenate([track.points[rows, :, :2].min(1), track.points[rows, :, :2].max(1)], 1)
        faces = crops((p[..., ::-1] for p in pair.pictures(frames, candidate)), boxes.astype(np.float64))
        seen, heard = embeddings(net, faces, 32767 * sound.mono())
        found = offsets(seen, heard) if len(seen) else None
        for name, value in (("sync_c", "confidence"), ("sync_d", "distance"), ("sync_offset", "offset")):
            made[name].append(getattr(found, value, None))
    return made


def _at_25(pair: Pair) -> list[int]:
    """The frames that are shown at 25 pictures a second."""
    from editalk.quality.syncnet import RATE

    rate = pair.video.rate.value
    count = int(len(pair.span) / rate * RATE)
    return [min(pair.span.end - 1, pair.span.start + nearest(i * rate / RATE)) for i in range(count)]


def _csim(pair: Pair) -> dict[str, Any]:
    from editalk.quality.recognise import FaceNet, aligned, embedded

    net = FaceNet.of(FACES.load())
    frames = pair.with_faces(MOST // 4)
    both = []
    for candidate in (False, True):
        track = pair.candidate_track if candidate else pair.track
        faces = [aligned(image, points) for f, image in zip(frames, pair.pictures(frames, candidate), strict=True)
                 if (points := track.at(f)) is not None]  # fmt: skip
        both.append(embedded(net, faces))
    return {"csim": float((both[0] * both[1]).sum(1).mean()) if frames else None}


def _lpips(pair: Pair) -> dict[str, Any]:
    from editalk.quality.perceptual import SIDE, PerceptualNet

    net = PerceptualNet.of(LPIPS.load())
    frames = pair.with_faces(MOST // 4)
    crops = zip(pair.crops(frames, False, SIDE), pair.crops(frames, True, SIDE), strict=True)
    values = [net.distance(a, b) for a, b in crops]
    return {"lpips": float(np.mean(values)) if values else None}


def _fid(pair: Pair) -> dict[str, Any]:
    from editalk.quality.frechet import frechet_distance
    from editalk.quality.inception import SIDE, Inception, features

    net = Inception()
    load(net, INCEPTION)
    frames = pair.with_faces()
    a, b = (features(net, pair.crops(frames, candidate, SIDE)) for candidate in (False, True))
    return {"fid": frechet_distance(a, b)}


def load(net: Any, weights: Weights) -> None:
    """Put a file's tensors into a network. Raises DeviceError where they are another network's."""
    from editalk.errors import DeviceError

    tensors = weights.load()
    own = net.state_dict()
    lacks = sorted(k for k in own if k not in tensors and not k.endswith("num_batches_tracked"))
    unlike = sorted(k for k in own if k in tensors and own[k].shape != tensors[k].shape)
    if lacks or unlike:
        wrong = (lacks + unlike)[0]
        raise DeviceError(f"{weights.path()}: not {weights.holds}; {wrong} is missing or of another shape")
    net.load_state_dict({k: v for k, v in tensors.items() if k in own}, strict=False)


def _none(pair: Pair) -> dict[str, Any]:
    return {}


NO_I3D = "its network, I3D, is published as TorchScript and pickles only, which run code; no safetensors is known"
LEARNED = (
    Learned("SyncNet", ("sync_c", "sync_d", "sync_offset"), SYNCNET, _sync),
    Learned("CSIM", ("csim",), FACES, _csim),
    Learned("LPIPS", ("lpips",), LPIPS, _lpips),
    Learned("FID", ("fid",), INCEPTION, _fid),
    Learned("FVD", ("fvd",), None, _none, f"not computed: {NO_I3D}"),
)
