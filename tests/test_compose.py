"""Paste back and streams: what the mask leaves alone stays the source's, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from editalk.backends.base import Rendered
from editalk.compose import StripWriter, new_frames, paste, read_strip, timeline
from editalk.errors import MediaError
from editalk.latent import Strip
from editalk.media import FrameReader, probe, to_image, working_format
from editalk.media.image import plane_array, to_working
from editalk.plan import EditPlan, Piece, Region, RenderWindow, SourceRef
from editalk.timebase import FrameRange

Clip = Callable[[str], Path]


def plan_of(pieces: tuple[Piece, ...], windows: tuple[RenderWindow, ...], reader: FrameReader) -> EditPlan:
    ref = SourceRef("a.mp4", "0" * 64, reader.rate, reader.frames, 44100, 1, 1)
    return EditPlan(ref, (), None, (), pieces, (), windows, ())


def window_of(start: int, end: int) -> RenderWindow:
    span = FrameRange(start, end)
    return RenderWindow(span, (), (), (), Region.FRAME, span, Strip((), (), 0), ())


@dataclass(frozen=True)
class Rendering:
    window: RenderWindow
    path: Path


@pytest.mark.parametrize("name", ["25", "ten_bit", "odd_444", "full_range"])
def test_pixels_outside_the_mask_are_the_sources(clip: Clip, name: str) -> None:
    info = probe(clip(name))
    with FrameReader(info) as reader:
        base = reader.frame(3)
        image = to_image(base)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[41:63, 51:80] = 255
        image[mask > 0] = 255 - image[mask > 0] // 2
        made = paste(base, Rendered(3, image, mask, 3), info.video)
        bits = max(part.bits for part in made.format.components)
        for k in range(3):
            new, old = plane_array(made, k, bits), plane_array(base, k, bits)
            rows, columns = mask.shape[0] / new.shape[0], mask.shape[1] / new.shape[1]
            inside = np.zeros(new.shape, bool)
            inside[int(41 // rows) : int(-(-63 // rows)), int(51 // columns) : int(-(-80 // columns))] = True
            assert (new[~inside] == old[~inside]).all()
            assert (new[inside] != old[inside]).mean() > 0.9


@pytest.mark.parametrize("name", ["25", "ten_bit", "odd_444", "full_range"])
def test_a_strip_gives_its_pictures_back_bit_for_bit(clip: Clip, tmp_path: Path, name: str) -> None:
    info = probe(clip(name))
    path = tmp_path / "strip.mkv"
    numbers = [0, 1, 5, 6, 24]
    with FrameReader(info) as reader:
        writer = StripWriter(path, info.video, working_format(info.video.pix_fmt))
        for number in numbers:
            writer.write(number, to_working(reader.frame(number)))
        writer.close()
        read = list(read_strip(path))
        assert [number for number, _ in read] == numbers
        for number, frame in read:
            own = to_working(reader.frame(number))
            assert frame.format.name == own.format.name
            bits = max(part.bits for part in own.format.components)
            for k in range(3):
                assert (plane_array(frame, k, bits) == plane_array(own, k, bits)).all()


def test_the_timeline_takes_new_pictures_where_there_are_some(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("25"))
    with FrameReader(info) as reader:
        path = tmp_path / "strip.mkv"
        writer = StripWriter(path, info.video, working_format(info.video.pix_fmt))
        for number in (1, 2):
            writer.write(number, paste(None, Rendered(0, reader.image(40)), info.video))
        writer.close()
        window = window_of(4, 8)
        plan = plan_of((Piece(0, 6, 0, 6), Piece(6, 10, 20, 10)), (window,), reader)
        shown = list(timeline(plan, reader, [Rendering(window, path)]))
        assert [s.frame for s in shown] == list(range(16))
        assert [s.source for s in shown] == [0, 1, 2, 3, 4, None, None, *range(21, 30)]
        assert (to_image(shown[5].picture) == reader.image(40)).all()


def test_a_picture_that_was_not_rendered_is_an_error(clip: Clip) -> None:
    info = probe(clip("25"))
    with FrameReader(info) as reader:
        plan = plan_of((Piece(0, 3, None, 0),), (), reader)
        with pytest.raises(MediaError, match="frame 0 was not rendered"):
            list(timeline(plan, reader, []))


def test_which_frames_are_new(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip("25"))
    strips = [Rendering(window_of(5, 15), tmp_path / "a.mkv"), Rendering(window_of(15, 20), tmp_path / "b.mkv"),
              Rendering(window_of(30, 40), tmp_path / "none.mkv")]  # fmt: skip
    with FrameReader(info) as reader:
        for strip, numbers in zip(strips, ((2, 3, 4, 9), (0, 1), ()), strict=True):
            writer = StripWriter(strip.path, info.video, working_format(info.video.pix_fmt))
            for number in numbers:
                writer.write(number, to_working(reader.frame(number)))
            writer.close()
    assert new_frames(strips) == (FrameRange(7, 10), FrameRange(14, 17))
