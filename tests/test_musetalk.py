"""MuseTalk: its networks against the authors' code, what it hears when, where it draws, what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_musetalk as tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from talker import Pictures, picture, talking

import editalk
from editalk.audio import Audio
from editalk.backends.base import Rendered, WindowInput
from editalk.backends.musetalk import MuseTalk, lips
from editalk.backends.musetalk.blend import CHIN_MARGIN, CONTOUR, NOSE, face_crop, shown
from editalk.backends.musetalk.hearing import AROUND, Hearing
from editalk.backends.musetalk.network import SIDE, Networks, load, places
from editalk.errors import DeviceError, ModelsError
from editalk.face import FaceTrack, FaceTracker
from editalk.face.geometry import LIPS_OUTER
from editalk.latent import Strip
from editalk.media import VideoInfo, from_rgb, probe, rgb, to_image
from editalk.media.info import Colour, PacketMap
from editalk.media.reader import FrameReader
from editalk.plan import Piece, Region, RenderWindow
from editalk.timebase import FrameRange, FrameRate

# Made with the authors' code (github.com/TMElyralab/MuseTalk, MIT, run and compared only; transformers 4.39.2,
# diffusers 0.30.2, torch 2.13 on a CPU) from the weights, faces and voice of tiny_musetalk.py. `windows`:
# AudioProcessor.get_whisper_chunk of noise_voice(3.3), written as 16-bit WAV, at 25 fps, frames 0, 40 and 81; `placed`:
# with PositionalEncoding; `latents`: VAE.get_latents_for_unet of noise_face 0 … 2, its random draw replaced by the
# mean, every fourth row and column; `faces`: VAE.decode_latents of one UNet step, before rounding, every eighth row and
# column from the fourth on. The last two with the networks in float64: their float32 is good to 1.4e-4 only.
GOLDEN = Path(__file__).parent / "golden/musetalk.safetensors"
TALK = Path(editalk.__file__).resolve().parents[1] / "examples/talk.mp4"
RATES = ("25", "24000/1001", "30000/1001", "30", "50", "60000/1001", "12", "23.7")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.written(tmp_path_factory.mktemp("weights") / "musetalk")


@pytest.fixture(scope="module")
def networks(folder: Path) -> Networks:
    return load(folder)


@pytest.fixture(scope="module")
def pass_(folder: Path) -> MuseTalk:
    return MuseTalk(folder)


# ------------------------------------------------------------------------------------------------------------ parity


def wave_file_voice() -> NDArray[np.float32]:
    whole = np.rint(tiny.noise_voice(3.3) * 32767) / 32768
    return whole.astype(np.float32)


def test_what_is_heard_is_the_authors(networks: Networks) -> None:
    golden = load_file(GOLDEN)
    hearing = Hearing(networks, Audio(wave_file_voice()[:, None], 16000), 0.0, FrameRate(Fraction(25)), 0)
    windows = hearing.around([0, 40, 81])
    placed = windows + places(windows.shape[1], windows.shape[2])
    assert float((windows - golden["windows"]).abs().max()) < 1e-5
    assert float((placed - golden["placed"]).abs().max()) < 1e-5


def test_what_is_drawn_is_the_authors(folder: Path) -> None:
    golden = load_file(GOLDEN)
    networks = load(folder, dtype=torch.float64)
    faces = np.stack([tiny.noise_face(k) for k in range(3)]).astype(np.float32) / 127.5 - 1
    assert float((networks.latents(faces)[:, :, ::4, ::4] - golden["latents"]).abs().max()) < 1e-5
    drawn = networks.drawn(faces, golden["windows"])
    assert np.abs(drawn[:, 4::8, 4::8] - golden["faces"].numpy()).max() < 1e-5


def test_the_hidden_half_does_not_matter_to_its_latents(networks: Networks) -> None:
    face = tiny.noise_face(0)[None].astype(np.float32) / 127.5 - 1
    other = face.copy()
    other[:, SIDE // 2 :] = -other[:, SIDE // 2 :]
    a, b = networks.latents(face), networks.latents(other)
    assert torch.equal(a[:, :4], b[:, :4])
    assert not torch.equal(a[:, 4:], b[:, 4:])


# ----------------------------------------------------------------------------------------------------------- hearing


@given(st.sampled_from(RATES), st.integers(0, 5000), st.integers(0, 900), st.floats(0, 3))
def test_frames_hear_what_is_around_their_middle(rate: str, first: int, offset: int, lead: float) -> None:
    unused: Any = None
    at = FrameRate.parse(rate)
    start = max(0.0, float(at.seconds(first)) - lead)
    sound = Audio(np.zeros((16000, 1), np.float32), 16000)
    hearing = Hearing(unused, sound, start, at, first)
    grid = start + (16000 - len(hearing.samples)) / 16000  # the second at which the features begin
    assert 0 <= grid - start < 0.0201
    middle = float(at.seconds(first + offset)) + 0.5 / float(at)
    assert abs(grid + hearing.place(first + offset) / 50 - middle) < 0.01 + 1e-4
    elsewhere = Hearing(unused, sound, 0.0, at, 0)
    assert hearing.place(first + offset) - hearing.before == elsewhere.place(offset)


def test_at_25_frames_a_second_windows_are_the_authors(networks: Networks) -> None:
    unused: Any = None
    hearing = Hearing(unused, Audio(np.zeros((160, 1), np.float32), 16000), 0.0, FrameRate(Fraction(25)), 0)
    assert [hearing.place(i) - AROUND // 2 for i in range(50)] == [2 * i - 4 for i in range(50)]


def test_beyond_the_sound_there_is_nothing(networks: Networks) -> None:
    sound = Audio(tiny.noise_voice(1.0)[:, None], 16000)
    heard = Hearing(networks, sound, 0.0, FrameRate(Fraction(25)), 0).around([0, 10, 24, 60])
    levels = networks.levels
    assert (heard[0, : 4 * levels] == 0).all()
    assert (heard[0, 4 * levels :] != 0).any(1).all()
    assert (heard[1] != 0).any(1).all()
    assert (heard[2, -4 * levels :] == 0).all()
    assert (heard[3] == 0).all()


def test_long_sound_is_heard_in_segments(networks: Networks) -> None:
    samples = np.random.RandomState(1).normal(0, 0.1, 31 * 16000).astype(np.float32)
    hearing = Hearing(networks, Audio(samples[:, None], 16000), 0.0, FrameRate(Fraction(25)), 0)
    around = hearing.around([750])[0].reshape(AROUND, networks.levels, networks.width)
    assert torch.equal(around[:4], networks.heard(samples[: 30 * 16000])[1496:])
    assert torch.equal(around[4:], networks.heard(samples[30 * 16000 :])[:6])


# ---------------------------------------------------------------------------------------------------------- geometry


def info(rotation: int = 0, size: tuple[int, int] = (260, 300)) -> VideoInfo:
    nothing = np.zeros(0, np.int64)
    packets = PacketMap(Fraction(1, 25), nothing, nothing, np.zeros((0, 2), np.int64))
    return VideoInfo("h264", *size, "yuv444p", FrameRate(Fraction(25)), 100, Fraction(0), Colour(1, 1, 1, 1), rotation,
                     Fraction(1), False, None, 0, packets)  # fmt: skip


def faces(count: int = 40) -> NDArray[np.float32]:
    """[n, 478, 3]: a talking face with an outline and a nose."""
    points = talking(8 + 6 * np.sin(np.arange(count) / 3))
    sway = points[:, 61, 0] - points[0, 61, 0]
    sides = [127, 234, 93, 132, 361, 323, 454, 356]
    for k, landmark in enumerate(sides):
        points[:, landmark, 0] = (62 if k < 4 else 198) + sway
        points[:, landmark, 1] = (110, 130, 150, 170)[k if k < 4 else 7 - k]
    for landmark, (x, y) in zip(NOSE, ((130, 125), (130, 150), (115, 155), (113, 150), (120, 160), (130, 162),
                                       (140, 160), (147, 150), (145, 155)), strict=True):  # fmt: skip
        points[:, landmark, 0], points[:, landmark, 1] = x + sway, y
    points[:, 5, :2] = np.stack([130 + sway, np.full(count, 140.0)], 1)
    return points


def test_the_crop_is_the_authors() -> None:
    points = faces(1)[0]
    crop = face_crop(points, info())
    assert crop is not None
    outline = points[list(CONTOUR)].astype(int)
    chin = int(outline[:, 1].max())
    assert (crop.box.left, crop.box.right) == (outline[:, 0].min(), outline[:, 0].max())
    assert crop.box.bottom == chin + CHIN_MARGIN
    assert crop.box.top == 140 - (chin - 140)
    assert (crop.rows, crop.columns) == (SIDE, SIDE)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_is_seen_upright(turns: int) -> None:
    points = faces(1)[0]
    image = picture(points)
    straight = face_crop(points, info())
    assert straight is not None
    coded, turned, size = np.rot90(image, -turns), points.copy(), (260, 300)
    for _ in range(4 - turns):
        turned[:, 0], turned[:, 1] = turned[:, 1].copy(), size[0] - turned[:, 0]
        size = size[::-1]
    crop = face_crop(turned, info(90 * turns, size))
    assert crop is not None
    assert np.allclose(crop.points(turned), straight.points(points), atol=0.01)
    assert np.abs(crop.cut(np.ascontiguousarray(coded)) - straight.cut(image)).max() < 1e-5


def test_what_is_not_seen_is_not_cropped() -> None:
    points = faces(1)[0]
    assert face_crop(points - np.float32((150, 0, 0)), info()) is None
    assert face_crop(points * np.float32(0.1), info()) is None
    low = face_crop(points + np.float32((0, 50, 0)), info())
    assert low is not None
    assert low.box.bottom == 300


def test_more_of_the_face_is_shown_where_more_is_asked_for() -> None:
    points = faces(1)[0]
    crop = face_crop(points, info())
    assert crop is not None
    mouth, face = shown(points, crop, Region.MOUTH), shown(points, crop, Region.FACE)
    x, y = crop.points(points[list(LIPS_OUTER)]).T.astype(int)
    assert mouth[y, x].min() > 0.9
    assert face[y, x].min() > 0.9
    assert face.sum() > 1.2 * mouth.sum()
    for mask in (mouth, face):
        assert mask.min() >= 0
        assert mask.max() <= 1
        assert mask[: SIDE // 4].max() == 0
        assert max(mask[:, 0].max(), mask[:, -1].max(), mask[-1].max()) == 0
    nose = crop.points(points[[4]])[0].astype(int)
    assert face[nose[1], nose[0]] < 0.1


@settings(max_examples=20)
@given(st.sampled_from([0, 1, 2]), st.sampled_from([1, 4, 9]))
def test_colours_come_back(range_: int, space: int) -> None:
    video = replace(info(), colour=Colour(range_, space, space, space))
    image = picture(faces(1)[0])
    back = from_rgb(rgb(image, video), video)
    seen = (rgb(image, video) > 0).all(2) & (rgb(image, video) < 255).all(2)
    assert np.abs(back[seen].astype(int) - image[seen]).max() <= 1


# -------------------------------------------------------------------------------------------------------------- pass


def asked(count: int = 16, lips: tuple[tuple[int, int], ...] = ((4, 13),), region: Region = Region.MOUTH,
          lost: tuple[int, ...] = (), new: tuple[int, int] = (0, 0)) -> WindowInput:  # fmt: skip
    """A window over `count` source frames whose face is lost in some; [new) is content without footage."""
    track = FaceTrack(np.arange(count), faces(count))
    track.points[list(lost)] = np.nan
    span = FrameRange(0, count)
    pieces = tuple(p for p in (Piece(0, new[0], 0, new[0]), Piece(new[0], new[1] - new[0], None, 0),
                               Piece(new[1], count - new[1], new[1], count - new[1])) if p.frames)  # fmt: skip
    window = RenderWindow(span, pieces, (), tuple(FrameRange(*x) for x in lips), region, span, Strip((), (), 0), ())
    sound = Audio(tiny.noise_voice(count / 25)[:, None], 16000)
    steps = np.ones(5, np.float32)
    thumbs = np.zeros((count, 4), np.float32)
    return WindowInput(window, Pictures(track), track, sound, 0.0, sound, 0.0, thumbs, steps, info())


@pytest.mark.parametrize("region", [Region.MOUTH, Region.FACE])
def test_source_frames_get_lips(pass_: MuseTalk, region: Region) -> None:
    window = asked(region=region, lost=(11,))
    made = list(pass_.draw(window, ()))
    assert [m.frame for m in made] == [4, 5, 6, 7, 8, 9, 10, 12]
    for one in made:
        assert one.source == one.frame
        assert one.mask is not None
        base = picture(window.track.points[one.frame])
        assert set(np.unique(one.mask)) == {0, 255}
        assert (one.image[one.mask == 0] == base[one.mask == 0]).all()
    inner = made[4]
    assert inner.mask is not None
    x, y = window.track.points[inner.frame][list(LIPS_OUTER), :2].T.astype(int)
    assert (inner.mask[y, x] == 255).all()
    assert (inner.image != picture(window.track.points[inner.frame]))[y, x].any(1).mean() > 0.8
    again = list(pass_.draw(window, ()))
    assert all((a.image == b.image).all() for a, b in zip(made, again, strict=True))


def test_lips_follow_the_sound(pass_: MuseTalk) -> None:
    window = asked(lips=((4, 11),))
    silent = replace(window, sound=Audio(np.zeros_like(window.sound.samples), 16000))
    a, b = (list(pass_.draw(w, ())) for w in (window, silent))
    assert np.mean([(x.image != y.image).any() for x, y in zip(a, b, strict=True)]) == 1


def test_masks_are_united(pass_: MuseTalk) -> None:
    window = asked(7, lips=((0, 7),))
    own = picture(window.track.points[3])
    mask = np.zeros(own.shape[:2], np.uint8)
    mask[20:60, 30:90] = 255
    mask[180:186, 125:130] = 255  # within the mouth
    image = np.where(mask[..., None] > 0, np.uint8(255) - own, np.uint8(7))
    kept = image.copy()
    first = next(m for m in pass_.draw(window, [Rendered(3, image, mask, 3)]) if m.frame == 3)
    assert (image == kept).all()
    assert first.mask is not None
    assert first.source == 3
    assert (first.mask[mask > 0] == 255).all()
    assert (first.mask > 0).sum() > (mask > 0).sum() + 500
    assert (first.image[20:60, 30:90] == image[20:60, 30:90]).all()
    plain = next(m for m in pass_.draw(window, ()) if m.frame == 3)
    assert plain.mask is not None
    assert (first.mask == np.maximum(mask, plain.mask)).all()
    assert not (first.image[180:186, 125:130] == plain.image[180:186, 125:130]).all()  # drawn on what was made


def test_what_gets_no_lips_passes(pass_: MuseTalk) -> None:
    window = asked(lips=((4, 8),), lost=(6,))
    made = [Rendered(f, picture(window.track.points[0]), np.full((300, 260), 255, np.uint8), f) for f in (2, 6, 14)]
    out = list(pass_.draw(window, made))
    assert [m.frame for m in out] == [2, 4, 5, 6, 7, 14]
    assert [m for m in out if m.frame in (2, 6, 14)] == made
    assert list(pass_.draw(asked(lips=()), made)) == made
    assert list(pass_.draw(asked(lost=tuple(range(16))), made)) == made


class Covered(Pictures):
    """Footage with a cup before the face in some frames, from column `left` on."""

    left = 85

    def image(self, frame: int, within: object = None) -> NDArray[np.uint8]:
        image = super().image(frame)
        if frame in (22, 23, 24):
            image[165:235, self.left : self.left + 95] = (215, 122, 118)
        return image


def test_nothing_is_drawn_over_what_hides_the_mouth(pass_: MuseTalk) -> None:
    window = asked(60, lips=((18, 30),))
    covered = Covered(window.track)
    bare, hid = (list(pass_.draw(replace(window, footage=f), ())) for f in (Pictures(window.track), covered))
    assert [m.frame for m in bare] == list(range(18, 30))
    assert [m.frame for m in hid] == [f for f in range(18, 30) if f not in (22, 23, 24)]
    covered.left = 148
    partly = {m.frame: m for m in pass_.draw(replace(window, footage=covered), ())}
    one = partly[23]
    assert one.mask is not None
    assert one.mask[175:225, 150:162].max() == 0
    assert (one.mask[180:200, 105:125] == 255).mean() > 0.9
    assert (partly[20].image == next(m for m in bare if m.frame == 20).image).all()


def test_pictures_stream(pass_: MuseTalk) -> None:
    window = asked(18, lips=((0, 18),))
    taken = 0

    def made() -> Iterator[Rendered]:
        nonlocal taken
        for frame in range(18):
            taken += 1
            yield Rendered(frame, picture(window.track.points[frame]), np.zeros((300, 260), np.uint8), frame)

    for count, one in enumerate(pass_.draw(window, made())):
        assert one.frame == count
        assert taken <= count + lips.BATCH + 1


def test_a_face_is_found_in_pictures_never_seen(pass_: MuseTalk) -> None:
    source = probe(TALK)
    with FrameReader(source) as reader, FaceTracker() as tracker:
        images = [to_image(reader.frame(f)) for f in range(4)]
        track = tracker.track(list(enumerate(images)))
    window = asked(lips=((10, 14),), new=(10, 14))
    window = replace(window, track=track, video=source.video, footage=NoFootage())
    fresh = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    made = list(pass_.draw(window, (Rendered(10 + k, image) for k, image in enumerate(fresh))))
    assert [m.frame for m in made] == list(range(10, 14))
    points = track.points[2].copy()
    points[:, 0] = source.video.width - points[:, 0]
    crop = face_crop(points, source.video)
    assert crop is not None
    for one, base in zip(made, fresh, strict=True):
        assert one.mask is None
        assert one.source is None
        changed = (one.image != base).any(2)
        assert changed.sum() > 500
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert crop.box.top - 20 < rows[0] < rows[-1] < crop.box.bottom + 20
        assert crop.box.left - 20 < columns[0] < columns[-1] < crop.box.right + 20


class NoFootage:
    rate, frames = FrameRate(Fraction(25)), 0

    def image(self, frame: int, within: object = None) -> NDArray[np.uint8]:
        raise AssertionError("no source frame is needed")


# ----------------------------------------------------------------------------------------------------------- loading


def copied(folder: Path, into: Path, leave: Iterable[str] = ()) -> Path:
    for file in folder.rglob("*.*"):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in leave:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(file.read_bytes())
    return into


@pytest.mark.parametrize("name", ["unet/config.json", "vae/diffusion_pytorch_model.safetensors",
                                  "whisper-tiny/preprocessor_config.json"])  # fmt: skip
def test_a_missing_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(DeviceError, match=rf"{name}.*editalk models pull musetalk-1\.5"):
        MuseTalk(copied(folder, tmp_path, [name]))


def test_pickles_are_not_read(folder: Path, tmp_path: Path) -> None:
    name = "unet/diffusion_pytorch_model.safetensors"
    copied(folder, tmp_path, [name])
    torch.save(load_file(folder / name), tmp_path / "unet/unet.pth")
    with pytest.raises(DeviceError, match="safetensors"):
        MuseTalk(tmp_path)


def test_broken_files_are_named(folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    weights = tmp_path / "vae/diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelsError, match=r"vae/diffusion.*no safetensors file.*models pull"):
        load(tmp_path)
    weights.write_bytes(whole)
    save_file({"conv_in.weight": torch.zeros(1)}, tmp_path / "unet/diffusion_pytorch_model.safetensors")
    with pytest.raises(ModelsError, match=r"unet/diffusion.*another network's tensors"):
        load(tmp_path)
    (tmp_path / "unet/config.json").write_text("{", "utf-8")
    with pytest.raises(ModelsError, match=r"unet/config\.json: no JSON"):
        load(tmp_path)
    (tmp_path / "unet/config.json").write_text(json.dumps({**tiny.UNET, "in_channels": 4}), "utf-8")
    with pytest.raises(ModelsError, match=r"in_channels is 4, MuseTalk's is 8"):
        load(tmp_path)


def test_other_weights_have_another_key(folder: Path, tmp_path: Path) -> None:
    other = MuseTalk(copied(folder, tmp_path))
    assert other.key != MuseTalk(folder).key == MuseTalk(folder).key
    assert MuseTalk(tmp_path, dtype=torch.float16).key != other.key


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(DeviceError, match="--device cuda:99"):
        MuseTalk(folder, "cuda:99")


def test_other_layouts_are_read(folder: Path, tmp_path: Path, networks: Networks, monkeypatch: Any) -> None:
    """The authors' names for the UNet, the registry's places for the rest, attention as older diffusers named it."""
    registry = tmp_path / "models"
    copied(folder / "unet", tmp_path / "x/musetalkV15")
    (tmp_path / "x/musetalkV15/config.json").rename(tmp_path / "x/musetalkV15/musetalk.json")
    (tmp_path / "x/musetalkV15/diffusion_pytorch_model.safetensors").rename(tmp_path / "x/musetalkV15/unet.safetensors")
    for own, name in (("vae", "sd-vae-ft-mse"), ("whisper-tiny", "whisper-tiny-features")):
        copied(folder / own, registry / name)
    monkeypatch.setattr("editalk.backends.musetalk.network.resolve", lambda name: registry / name)
    old = registry / "sd-vae-ft-mse/diffusion_pytorch_model.safetensors"
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(old)
    for new, before in names.items():
        state = {key.replace(new, before) if "attentions" in key else key: value for key, value in state.items()}
    assert any("proj_attn" in key for key in state)
    save_file(state, old)
    other = load(tmp_path / "x")
    face = tiny.noise_face(0)[None].astype(np.float32) / 127.5 - 1
    windows = torch.ones(1, AROUND * networks.levels, networks.width)
    assert np.array_equal(other.drawn(face, windows), networks.drawn(face, windows))
