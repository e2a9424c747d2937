from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editalk.backends.base import Area, Image
from editalk.backends.exemplar.flow import reduced, reduction, winks
from editalk.backends.exemplar.joins import JoinMorph, morph_frames, plan_join
from editalk.backends.exemplar.morph import Morpher, morph, smoothstep
from editalk.face import FaceTrack
from editalk.timebase import FrameRate


def texture(h: int, w: int, seed: int = 0) -> NDArray[np.uint8]:
    """Soft noise in 40…200."""
    import cv2

    rough = np.random.default_rng(seed).normal(size=(h, w)).astype(np.float32)
    soft = cv2.GaussianBlur(rough, (0, 0), 3)
    return np.clip(120 + 40 * soft / soft.std(), 40, 200).astype(np.uint8)


BACK, HEAD = texture(144, 192), texture(72, 64, 1)


def scene(x: int, y: int = 40) -> Image:
    """A textured head at (x, y) before a textured wall that stands still."""
    image = np.full((144, 192, 3), 128, np.uint8)
    image[..., 0] = BACK
    image[y : y + 72, x : x + 64, 0] = HEAD
    image[y : y + 72, x : x + 64, 1] = 100
    return image


def face_at(x: float, y: float = 40) -> NDArray[np.float32]:
    """[478, 3] points spread over the head of a scene, with eyes where a face has them."""
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 1, (478, 3)).astype(np.float32) * (56, 64, 0) + (4, 4, 0)
    points[[33, 133]], points[[263, 362]] = (18, 26, 0), (46, 26, 0)
    return np.asarray(points + (x, y, 0), np.float32)


def luma_gap(a: Image, b: Image) -> float:
    return float(np.abs(a[..., 0].astype(float) - b[..., 0]).mean())


def place(image: Image) -> float:
    """Where the head of a scene is, from left to right."""
    scores = {x: luma_gap(image[48:104], scene(x)[48:104]) for x in range(30, 90)}
    return min(scores, key=lambda x: scores[x])


def test_the_ends_are_the_two_sides() -> None:
    a, b = scene(40), scene(52)
    np.testing.assert_array_equal(morph(a, b, 0.0), a)
    np.testing.assert_array_equal(morph(a, b, 1.0), b)
    with pytest.raises(ValueError, match="one size"):
        morph(a, b[:100], 0.5)


@pytest.mark.parametrize("w", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("faces", [True, False])
def test_shapes_move_and_are_not_mixed(w: float, faces: bool) -> None:
    a, b = scene(48), scene(60)
    made = morph(a, b, w, *((face_at(48), face_at(60)) if faces else ()))
    assert place(made) == pytest.approx(48 + 12 * w, abs=2)
    mixed = ((1 - w) * a + w * b).astype(np.uint8)
    true = scene(round(48 + 12 * w))
    inner = np.s_[48:104, 66:106]
    assert luma_gap(made[inner], true[inner]) < 0.6 * luma_gap(mixed[inner], true[inner])


def test_a_wall_that_stands_still_is_untouched() -> None:
    made = morph(scene(48), scene(60), 0.3, face_at(48), face_at(60))
    np.testing.assert_array_equal(made[:, :8], scene(48)[:, :8])
    np.testing.assert_array_equal(made[:, -8:], scene(48)[:, -8:])


def test_equal_sides_stay_what_they_are() -> None:
    for w in (0.3, 0.5, 0.7):
        assert luma_gap(morph(scene(48), scene(48), w), scene(48)) < 0.5


def test_what_does_not_fit_is_not_mixed_for_long() -> None:
    a, b = scene(48), scene(48)
    b[100:140, 10:50, 0] = 250
    doubled = 0
    for w in np.linspace(0.05, 0.95, 15):
        spot = float(morph(a, b, float(w))[110:130, 20:40, 0].mean())
        doubled += abs(spot - float(a[110:130, 20:40, 0].mean())) > 25 and abs(spot - 250) > 25
    assert doubled <= 2


def test_points_of_no_face_do_not_matter() -> None:
    nobody = np.full((478, 3), np.nan, np.float32)
    a, b = scene(48), scene(52)
    np.testing.assert_array_equal(morph(a, b, 0.4, nobody, face_at(52)), morph(a, b, 0.4))


def test_a_wink_is_one_sides_or_the_others() -> None:
    """Lids of an open and a shut eye are not morphed into half a blink."""
    open_eyes, shut = face_at(48), face_at(48)
    for (left, right), (top, bottom), x in (((33, 133), (159, 145), 66), ((362, 263), (386, 374), 94)):
        for points, gap in ((open_eyes, 4.0), (shut, 0.2)):
            points[left], points[right] = (x - 8, 66, 0), (x + 8, 66, 0)
            points[top], points[bottom] = (x, 66 - gap, 0), (x, 66 + gap, 0)
    assert winks(open_eyes, open_eyes) == [0, 0]
    assert winks(open_eyes, shut) == winks(shut, open_eyes) == [1, 1]
    a, b = scene(48), scene(48)
    for x in (66, 94):
        a[62:71, x - 8 : x + 8, 0], b[62:71, x - 8 : x + 8, 0] = 250, 40
    for w in np.linspace(0.1, 0.9, 9):
        eye = float(morph(a, b, float(w), open_eyes, shut, span=0.1)[64:69, 60:72, 0].mean())
        assert eye > 220 or eye < 70 or abs(w - 0.5) < 0.1, "open or shut"


@pytest.mark.parametrize("size", [(144, 192), (1080, 1920), (721, 407)])
def test_reduced_pictures_are_whole_parts(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 90, np.uint8)
    k, small = reduction(image.shape), reduced(image)
    assert small.shape == (-(-size[0] // k), -(-size[1] // k))
    assert (small == 90).all()


def test_large_pictures_are_drawn_as_small_ones() -> None:
    import cv2

    a, b = (np.asarray(cv2.resize(x, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)) for x in (scene(48), scene(56)))
    assert reduction(a.shape) > 1
    for w in (0.3, 0.5):
        made = cv2.resize(morph(a, b, w, face_at(48) * 5, face_at(56) * 5), (192, 144), interpolation=cv2.INTER_AREA)
        assert place(np.asarray(made, np.uint8)) == pytest.approx(48 + 8 * w, abs=2)


@given(st.integers(0, 8), st.integers(0, 8))
def test_weights_rise_inside_a_join(before: int, after: int) -> None:
    join = JoinMorph(before, after, 0.0)
    weights = [join.weight(k) for k in range(-before, after)]
    assert all(0 < w < 1 for w in weights)
    assert weights == sorted(weights)
    if not before + after:
        assert (join.weight(-1), join.weight(0)) == (0.0, 1.0)


@given(st.floats(-2, 3))
def test_smoothstep_is_bounded(x: float) -> None:
    assert 0 <= smoothstep(x) <= 1


def test_morphs_are_as_long_as_the_sides_differ() -> None:
    lengths = [morph_frames(d, 25.0) for d in (0.0, 0.5, 1.0, 2.0, 5.0, 50.0)]
    assert lengths == sorted(lengths)
    assert lengths[:2] == [0, 0]
    assert lengths[-1] == 8
    assert morph_frames(50.0, 12.0) == 4


RATE = FrameRate(Fraction(25))


@dataclass
class Sway:
    """A head that drifts a pixel a frame; from `cut` on in another place and scene."""

    frames: int = 60
    rate: FrameRate = RATE
    cut: int = 999

    def image(self, frame: int, within: Area | None = None) -> Image:
        assert 0 <= frame < self.frames
        image = scene(40 + frame // 2)
        return image if frame < self.cut else np.asarray(255 - image, np.uint8)


def track(frames: int = 60) -> FaceTrack:
    return FaceTrack(np.arange(frames), np.stack([face_at(40 + f // 2) for f in range(frames)]))


NATURAL = np.array([3.0, 4.0, 5.0])


def test_a_join_of_equal_sides_is_a_plain_cut() -> None:
    join = plan_join(Morpher(Sway(), track()), 20, 21, np.array([40.0]))
    assert (join.before, join.after) == (0, 0)
    assert join.score < 0.85


def test_a_join_of_distant_sides_is_morphed_and_gets_stiller() -> None:
    footage = Sway()
    plain = luma_gap(footage.image(12), footage.image(40))
    join = plan_join(Morpher(footage, track()), 12, 40, NATURAL)
    assert join.before > 0
    assert join.after > 0
    morpher = Morpher(footage, track())
    between = [morpher.picture(13 + k, 40 + k, join.weight(k), join.span) for k in range(-join.before, join.after)]
    pictures = [footage.image(12 - join.before), *between, footage.image(40 + join.after)]
    assert len(pictures) == join.before + join.after + 2
    assert max(luma_gap(a, b) for a, b in zip(pictures, pictures[1:], strict=False)) < 0.7 * plain


def test_a_side_without_footage_is_not_asked_to_go_on() -> None:
    footage = Sway()
    assert plan_join(Morpher(footage, track()), 59, 20, NATURAL).after == 0
    assert plan_join(Morpher(footage, track()), 40, 0, NATURAL).before == 0


def test_no_morph_goes_over_a_cut_of_scenes() -> None:
    join = plan_join(Morpher(Sway(cut=23), track()), 20, 10, NATURAL)
    assert join.after <= 2


def test_the_longest_join_is_the_callers() -> None:
    join = plan_join(Morpher(Sway(), track()), 12, 40, NATURAL, longest=2)
    assert max(join.before, join.after) <= 2
