"""What travels beside the pictures: fields, mirrors, grey and RGB, deep samples, gaps, pixels that are not square."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import ClipSpec, write_clip

from editalk.backends.base import Rendered
from editalk.compose import paste
from editalk.media import Colour, FieldOrder, FrameReader, probe
from editalk.media.fields import FieldMarker, field_order
from editalk.media.image import plane_array, rgb, to_image, to_working
from editalk.media.sidedata import mirrored, rotation

Clip = Callable[[str], Path]


class Turned:
    """A frame that carries a display matrix."""

    def __init__(self, matrix: tuple[int, ...] | None) -> None:
        from av.sidedata.sidedata import Type

        self.side_data: Any = {} if matrix is None else {Type.DISPLAYMATRIX: struct.pack("=9i", *matrix)}


ONE, END = 1 << 16, 1 << 30


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "turn", "mirror"),
    [
        (1, 0, 0, 1, 0, False),
        (0, 1, -1, 0, 270, False),
        (-1, 0, 0, -1, 180, False),
        (0, -1, 1, 0, 90, False),
        (-1, 0, 0, 1, 0, True),
        (1, 0, 0, -1, 180, True),
        (0, 1, 1, 0, 270, True),
    ],
)
def test_turns_and_mirrors(a: int, b: int, c: int, d: int, turn: int, mirror: bool) -> None:
    matrix = (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, END)
    frame: Any = Turned(matrix)
    assert rotation(frame) == turn
    assert mirrored(frame) == (matrix if mirror else None)
    assert rotation(Turned(None)) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("order", list(FieldOrder))
def test_new_pictures_are_marked_as_the_source_is(order: FieldOrder) -> None:
    frame = av.VideoFrame(64, 48, "yuv422p10le")
    frame.pts, frame.time_base = 7, Fraction(1, 25)
    plane_array(frame, 0, 10)[:] = np.arange(64)
    assert field_order(frame) is None
    marker = FieldMarker(order)
    for _ in range(3):
        marked = marker.marked(frame)
        assert (marked.pts, marked.time_base) == (7, Fraction(1, 25))
        assert np.array_equal(plane_array(marked, 0, 10)[5], np.arange(64))
    assert field_order(marked) is order


def test_grey_keeps_its_values() -> None:
    for name, bits in (("gray", 8), ("gray10le", 10)):
        frame = av.VideoFrame(32, 16, name)
        plane_array(frame, 0, bits)[:] = np.arange(32) * (1 << (bits - 8))
        plain = to_working(frame)
        assert plain.format.name == ("yuv420p" if bits == 8 else "yuv420p10le")
        image = to_image(plain)
        assert np.array_equal(image[3, :, 0], np.arange(32))
        assert (image[..., 1:] == 128).all()


def test_rgb_comes_out_in_the_colours_it_went_in(tmp_path: Path) -> None:
    spec = ClipSpec(suffix=".mov", codec="qtrle", pix_fmt="rgb24", options=(), frames=3, audio="pcm_s16le")
    info = probe(write_clip(tmp_path / "a.mov", spec))
    assert info.video.colour == Colour(1, 2, 2, 1)
    with FrameReader(info) as reader:
        truth = reader.frame(1).to_ndarray(format="rgb24")
        assert np.abs(rgb(reader.image(1), info.video).astype(int) - truth).mean() < 1.5


def test_ten_bits_stay_outside_the_mask(clip: Clip) -> None:
    info = probe(clip("ten_bit"))
    draw = np.random.default_rng(0)
    with FrameReader(info) as reader:
        base = reader.frame(3)
        for k in range(3):  # low bits that eight would lose
            plane = plane_array(base, k, 10)
            plane[:] = draw.integers(64, 940, plane.shape)
        mask = np.zeros((info.video.height, info.video.width), np.uint8)
        mask[41:60, 33:70] = 255
        made = paste(base, Rendered(0, np.full((*mask.shape, 3), 90, np.uint8), mask, 3), info.video)
        unmasked = paste(base, Rendered(0, np.full((*mask.shape, 3), 90, np.uint8), 0 * mask, 3), info.video)
    assert to_working(base) is base
    for k in range(3):
        old, new = plane_array(base, k, 10), plane_array(made, k, 10)
        assert np.array_equal(plane_array(unmasked, k, 10), old)
        inside = np.zeros(old.shape, bool)
        inside[(41 if not k else 20) : (60 if not k else 30), (33 if not k else 16) : (70 if not k else 35)] = True
        assert np.array_equal(new[~inside], old[~inside])
        assert (new[inside] == 360).all()


def test_dropped_frames_of_avi_keep_their_places(tmp_path: Path) -> None:
    spec = ClipSpec(suffix=".avi", codec="mpeg4", options=(), frames=40, gaps=(1, 1, 1, 3), audio="pcm_s16le")
    info = probe(write_clip(tmp_path / "a.avi", spec))
    assert info.video.rate.value == 25
    assert info.video.frames == 58  # the last one begins at 57
    assert info.audio.layout == "stereo"


def test_landmarks_do_not_depend_on_the_shape_of_pixels() -> None:
    import cv2

    from editalk.face import FaceTracker

    with av.open(str(Path(__file__).resolve().parent.parent / "examples" / "talk.mp4")) as box:
        image = to_image(next(box.decode(video=0)))
    h, w = image.shape[:2]
    narrow = cv2.resize(image, (round(w * 45 / 64), h), interpolation=cv2.INTER_AREA)
    found = []
    for picture, aspect in ((image, 1.0), (narrow, 64 / 45)):
        with FaceTracker(aspect=aspect) as tracker:
            points = tracker.track([(0, picture)]).at(0)
        assert points is not None
        found.append(points[:, :2] * np.array([w / picture.shape[1], 1]))
    eyes = float(np.linalg.norm(found[0][33] - found[0][263]))
    assert float(np.linalg.norm(found[0] - found[1], axis=1).mean()) < 0.01 * eyes
