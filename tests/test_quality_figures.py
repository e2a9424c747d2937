"""Classic figures against libraries and values worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.stats import pearsonr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from editalk.asr import Phone
from editalk.audio import Audio
from editalk.face import Pose, aperture, pearson
from editalk.face.geometry import EYES, INNER_PAIRS, JAW, LIPS, OVAL, STILL
from editalk.quality.blur import cpbd
from editalk.quality.closures import closed_below, closures, during
from editalk.quality.heard import envelope, follows
from editalk.quality.landmarks import compare_landmarks, lagged, mean_face, posed, second_difference
from editalk.quality.picture import laplacian_variance, lip_box, psnr, region_box, ssim
from editalk.quality.steps import step_profile

Floats = NDArray[np.float64]
RATE = 25.0
LOWER = [b for _, b in INNER_PAIRS]


def face() -> Floats:
    """[478, 3] points strewn over a face 200 pixels high, eyes, mouth and jaw where they belong."""
    points = np.random.default_rng(3).normal(0, 1, (478, 3)) * (50, 60, 20) + (320, 240, 0)
    points[[10, 152]] = (320, 140, 0), (320, 340, 0)
    for (outer, inner), x in zip(EYES, (290, 350), strict=True):
        points[[outer, inner], :2] = (x - 10, 210), (x + 10, 210)
    for k, (a, b) in enumerate(INNER_PAIRS):
        points[[a, b]] = (312 + 8 * k, 290, 0), (312 + 8 * k, 290, 0)
    return points


def talking(opening: Floats) -> NDArray[np.float32]:
    """[n, 478, 3]: the face with its lower lip so many pixels down."""
    points = np.repeat(face()[None], len(opening), axis=0)
    points[:, LOWER, 1] += opening[:, None]
    return np.asarray(points, np.float32)


def speech(n: int, seed: int = 0) -> Floats:
    """[n] openings that vary like lips, 0 to about 20 pixels."""
    noise = gaussian_filter1d(np.random.default_rng(seed).normal(0, 1, n), 2.0)
    return np.asarray(8 + 5 * noise / noise.std()).clip(0)


def times(n: int) -> Floats:
    return (np.arange(n) + 0.5) / RATE


# ---------------------------------------------------------------------------------------------------------- landmarks


def test_a_face_compared_with_itself() -> None:
    points = talking(speech(100))
    found = compare_landmarks(points, points, times(100))
    assert (found.frames, found.lag_ms) == (100, 0.0)
    assert found.r == pytest.approx(1)
    assert (found.sd_ratio, found.jitter_ratio) == (pytest.approx(1), pytest.approx(1))
    assert found.m_lmd == found.f_lmd == found.identity == 0


def test_correlation_is_scipys() -> None:
    a, b = speech(80, 1), speech(80, 2)
    assert pearson(a, b) == pytest.approx(pearsonr(a, b).statistic)
    assert compare_landmarks(talking(a), talking(b), times(80)).r == pytest.approx(pearsonr(a, b).statistic, abs=1e-4)


@pytest.mark.parametrize("frames", [-3, 0, 2])
def test_a_late_mouth_has_a_positive_lag(frames: int) -> None:
    opening = speech(140)
    found = compare_landmarks(talking(opening[20:120]), talking(opening[20 - frames : 120 - frames]), times(100))
    assert found.lag_ms == pytest.approx(1e3 * frames / RATE)
    assert found.r_at_lag == pytest.approx(1, abs=0.04)


def test_a_lag_of_a_part_of_a_frame() -> None:
    clock = times(200)
    values = np.sin(2 * np.pi * 1.3 * clock)
    _, lag = lagged(clock, np.sin(2 * np.pi * 1.3 * (clock - 0.03)), clock, values)
    assert lag == pytest.approx(0.03, abs=0.006)


def test_distances_are_in_pixels_of_a_256_pixel_face() -> None:
    """The face is 200 pixels high. Three of the 40 lip landmarks lie 5 pixels lower: 5 · 256/200 · 3/40."""
    opening = speech(60)
    found = compare_landmarks(talking(opening), talking(opening + 5), times(60))
    assert found.m_lmd == pytest.approx(5 * 1.28 * 3 / 40, rel=1e-3)
    assert found.f_lmd == pytest.approx(5 * 1.28 * 3 / 468, rel=1e-3)
    assert found.identity == pytest.approx(0, abs=1e-3)
    assert found.sd_ratio == pytest.approx(1, abs=1e-4)


def test_the_heads_own_movement_does_not_count() -> None:
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(4)
    points = talking(speech(50))
    turns = Rotation.from_rotvec(rng.normal(0, 0.15, (50, 3))).as_matrix()
    moved = Pose(rng.uniform(0.7, 1.4, 50), turns, rng.normal(0, 40, (50, 3))).forward(points)
    found = compare_landmarks(points, moved, times(50))
    assert found.m_lmd == pytest.approx(0, abs=0.01)
    assert found.f_lmd == pytest.approx(0, abs=0.01)
    assert found.jitter_ratio == pytest.approx(1, abs=0.01)
    assert found.identity == pytest.approx(0, abs=0.01)


def test_another_face_is_another() -> None:
    points = talking(speech(50))
    other = points.copy()
    firm = [i for i in range(468) if i not in {*LIPS, *JAW, *STILL, 10, 152}]
    other[:, firm, 0] += 10
    assert compare_landmarks(points, other, times(50)).identity == pytest.approx(12.8 * len(firm) / 413, rel=0.02)


def test_jitter_is_the_second_difference() -> None:
    points = np.zeros((6, 1, 2))
    points[:, 0, 0] = [0, 1, 4, 9, 16, 25]
    assert second_difference(points) == 2.0
    assert math.isnan(second_difference(points[:2]))


def test_frames_without_a_face_do_not_count() -> None:
    a, b = talking(speech(60)), talking(speech(60))
    a[5], b[9] = np.nan, np.nan
    found = compare_landmarks(a, b, times(60))
    assert found.frames == 58
    assert found.r == pytest.approx(1)
    assert math.isnan(compare_landmarks(a * np.nan, b, times(60)).r)


def test_the_template_is_the_pose_of_the_first_face() -> None:
    points = talking(speech(20))
    assert np.abs(mean_face(points)[list(STILL)] - points[0, list(STILL)]).max() < 1e-3
    assert posed(points, mean_face(points)).shape == (20, 468, 2)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.2, 3), st.floats(-5, 5), st.integers(0, 1000))
def test_correlation_knows_no_scale(scale: float, move: float, seed: int) -> None:
    a, b = speech(40, seed), speech(40, seed + 1)
    assert pearson(a, scale * b + move) == pytest.approx(pearson(a, b), abs=1e-9)


# ------------------------------------------------------------------------------------------------------------- pixels


def pictures(seed: int = 0, shape: tuple[int, int] = (90, 120)) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    a = gaussian_filter(rng.uniform(0, 255, shape), 2)
    a = np.interp(a, (a.min(), a.max()), (10, 245))
    return np.rint(a).astype(np.uint8), np.rint(a + rng.normal(0, 12, shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1])
def test_likeness_is_skimages(seed: int) -> None:
    a, b = pictures(seed)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255))
    reference = structural_similarity(a, b, data_range=255, gaussian_weights=True, sigma=1.5,
                                      use_sample_covariance=False)  # fmt: skip
    assert ssim(a, b) == pytest.approx(reference, abs=1e-5)


def test_equal_pictures() -> None:
    a, _ = pictures()
    assert psnr(a, a) == 100.0
    assert ssim(a, a) == pytest.approx(1)
    assert math.isnan(ssim(a[:8], a[:8]))


def test_psnr_by_hand() -> None:
    a = np.full((10, 10), 100, np.uint8)
    assert psnr(a, a + np.uint8(5)) == pytest.approx(10 * math.log10(255**2 / 25))


def test_laplacian_by_hand() -> None:
    """One bright pixel of 10 in a 9 × 9 picture: −40 there, 10 at its four neighbours; mean 0, variance 2000/81."""
    luma = np.zeros((9, 9), np.uint8)
    luma[4, 4] = 10
    assert laplacian_variance(luma) == pytest.approx(2000 / 81)
    assert laplacian_variance(luma[:0]) == 0


def test_regions() -> None:
    points = talking(np.zeros(1))[0]
    shape = (480, 640)
    boxes = {name: region_box(name, points, shape) for name in ("mouth", "face", "head", "frame")}
    mouth, around, head, frame = (boxes[k] for k in ("mouth", "face", "head", "frame"))
    assert mouth is not None
    assert around is not None
    assert head is not None
    assert frame is not None
    assert (frame.left, frame.top, frame.right, frame.bottom) == (0, 0, 640, 480)
    low, high = points[[*JAW, 2], :2].min(0), points[[*JAW, 2], :2].max(0)
    edge = 0.05 * (high - low)
    assert (mouth.left, mouth.top) == tuple(np.floor(low - edge).clip(0).astype(int))
    assert around.left == math.floor(points[list(OVAL), 0].min())
    assert head.area > around.area
    assert region_box("mouth", None, shape) is None
    assert region_box("face", np.full((478, 3), np.nan, np.float32), shape) is None
    assert lip_box(points, shape).area > 0


# --------------------------------------------------------------------------------------------------------------- blur


def waves(blur: float) -> NDArray[np.uint8]:
    """[192, 256] stripes and squares."""
    y, x = np.mgrid[0:192, 0:256]
    image = (128 + 60 * np.sin(x / 9.0 + np.sin(y / 17.0)) + 40 * ((x // 37 + y // 29) % 2)).clip(0, 255)
    return np.rint(gaussian_filter(image, blur, mode="mirror")).clip(0, 255).astype(np.uint8)


def test_cpbd_is_the_published_programs() -> None:
    """The figures are those of the package cpbd 1.0.7 (PyPI), run on the same pictures."""
    from skimage import data

    camera = data.camera()
    assert cpbd(camera) == pytest.approx(0.74817, abs=0.002)
    for sigma, expected in ((0.7, 0.54623), (1.0, 0.34437), (1.5, 0.10807), (2.0, 0.01846)):
        import cv2

        assert cpbd(np.asarray(cv2.GaussianBlur(camera, (0, 0), sigma))) == pytest.approx(expected, abs=0.002)


def test_cpbd_falls_with_blur() -> None:
    found = [cpbd(waves(sigma)) for sigma in (0.5, 1.0, 1.5, 2.0, 3.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]
    assert math.isnan(cpbd(np.full((128, 128), 90, np.uint8)))


def test_cpbd_of_one_edge_by_hand() -> None:
    """A step of 100 levels over 2 pixels is sharp: its blur is noticed with 1 − exp(−(2/3)^3.6) = 0.21, at most 0.63;
    over 4 it is not: 1 − exp(−(4/3)^3.6) = 0.94.
    """
    for between, expected in (((110,), 1.0), ((70, 120, 150), 0.0)):
        row = np.array([60] * 30 + [*between] + [160] * 31, np.uint8)
        assert cpbd(np.repeat(row[None], 64, axis=0)) == expected


# ----------------------------------------------------------------------------------------------------- steps, closures


def test_steps_beyond_the_references_own() -> None:
    rng = np.random.default_rng(0)
    own = rng.uniform(1, 2, 200)
    own[0] = np.nan
    other = own.copy()
    other[[50, 52, 120]] = 9.0, 8.0, 5.0
    own[120] = 4.9  # the footage itself jumps there
    found = step_profile(own, other, first=1000)
    assert [s.frame for s in found.largest[:1]] == [1050]
    assert found.above == 2
    assert found.largest[0].percentile == 100
    assert found.natural == pytest.approx(np.percentile(own[1:], 99))
    assert step_profile(own, own).above == 0
    assert step_profile(np.full(3, np.nan), own[:3]).largest == ()


def test_closures_by_hand() -> None:
    """Three p, b, m: the reference closes at two of them, the candidate at one of those."""
    clock = times(100)
    open_mouth = np.full(100, 0.1)
    reference, candidate = open_mouth.copy(), open_mouth.copy()
    reference[[24, 49]] = 0.0
    candidate[50] = 0.0
    phones = [Phone("P", 0.96, 1.0), Phone("B", 1.96, 2.0), Phone("M", 3.0, 3.04), Phone("AA", 1.0, 1.96)]
    limit = closed_below(reference, during(clock, phones))
    assert 0.0 < limit <= 0.1
    found = closures(clock, reference, candidate, phones, 0.05)
    assert (found.events, found.closed, found.recall) == (2, 1, 0.5)
    assert 0 < found.chance < 0.5
    assert math.isnan(closures(clock, open_mouth, candidate, phones, 0.05).recall)


def test_closed_is_the_lower_seventh_or_a_third_of_the_median() -> None:
    values = np.linspace(0, 1, 101)
    everything = np.ones(101, bool)
    assert closed_below(values, everything) == pytest.approx(max(0.15, 0.35 * 0.5))
    assert closed_below(values + 10, everything) == pytest.approx(10.15)
    assert closed_below(values, ~everything) == pytest.approx(0.175)


def test_lips_against_sound() -> None:
    """Noise between 1 and 3.5 kHz whose amplitude is the aperture, 40 ms later than the lips."""
    rate, n = 16000, 200
    opening = speech(n, 5)
    sample = np.arange(8 * rate) / rate
    loud = np.interp(sample - 0.04, times(n), opening)
    wave = loud * np.random.default_rng(1).normal(0, 0.01, len(sample))
    r, lag = follows(times(n), opening, Audio(wave[:, None].astype(np.float32), rate))
    assert r > 0.85
    assert lag == pytest.approx(-40, abs=15)
    assert len(envelope(Audio(np.zeros((100, 1), np.float32), rate))[0]) == 0
    assert aperture(talking(opening)).std() > 0
