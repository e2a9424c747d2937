"""`editalk eval` as a user meets it, on the project's own example."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from editalk.cli import main
from editalk.quality import weights

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "talk.mp4"
Change = Callable[[int, np.ndarray[Any, Any]], np.ndarray[Any, Any]]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(cache))
    monkeypatch.setenv("EDITALK_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def same(number: int, picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return picture


def written(path: Path, frames: int, late: int = 0, change: Change = same, rate: int = 25) -> Path:
    """The example's first `frames` pictures, the first one held `late` times, with its sound."""
    with av.open(str(EXAMPLE)) as source, av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate, options={"crf": "8", "preset": "veryfast"})
        audio = out.add_stream("aac", rate=48000)
        for number, frame in enumerate(source.decode(video=0)):
            picture = change(number, frame.to_ndarray(format="yuv420p"))
            if number == 0:
                video.height, video.width, video.pix_fmt = picture.shape[0] * 2 // 3, picture.shape[1], "yuv420p"
            for _ in range(1 + late * (number == 0)):
                made = av.VideoFrame.from_ndarray(picture, format="yuv420p")
                out.mux(video.encode(made))
            if number + late + 1 == frames:
                break
        out.mux(video.encode(None))
        source.seek(0)
        for sound in source.decode(audio=0):
            if sound.time >= frames / rate:
                break
            sound.pts, sound.time_base = round(sound.time * 48000), Fraction(1, 48000)
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    return path


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["eval", *map(str, arguments)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def figures(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    code, out, err = evaluate(capsys, *arguments, "--json")
    assert code == 0, err
    made: dict[str, Any] = json.loads(out)
    return made


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("eval")

    def blurred(number: int, picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import cv2

        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.5))

    def jumping(number: int, picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(np.roll(picture, 6, axis=1) if number == 40 else picture)

    def small(number: int, picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p").reformat(384, 384)
        return np.asarray(frame.to_ndarray())

    return {
        "true": written(folder / "true.mp4", 75),
        "late": written(folder / "late.mp4", 75, late=2),
        "blurred": written(folder / "blurred.mp4", 75, change=blurred),
        "jumping": written(folder / "jumping.mp4", 75, change=jumping),
        "small": written(folder / "small.mp4", 75, change=small),
        "short": written(folder / "short.mp4", 70),
        "fast": written(folder / "fast.mp4", 75, rate=30),
    }


Clips = dict[str, Path]


def test_a_copy_is_as_good_as_the_original(capsys: pytest.CaptureFixture[str], clips: Clips) -> None:
    made = figures(capsys, EXAMPLE, clips["true"], "--to", "3")
    mouth = made["mouth"]
    assert made["frames"] == 75
    assert made["faces"] == [1, 1]
    assert mouth["r"] > 0.98
    assert abs(mouth["lag_ms"]) <= 10
    assert mouth["m_lmd"] < 1
    assert mouth["sharpness_ratio"] == pytest.approx(1, abs=0.1)
    assert mouth["sound_r"][0] > 0.3
    assert made["picture"]["psnr"] > 35
    assert made["picture"]["ssim"] > 0.95
    assert made["identity"] < 0.5
    assert made["steps"]["above"] <= 1
    assert made["closures"] is None
    assert made["notes"] == []
    assert made["learned"] == dict.fromkeys(made["missing"])
    assert {"sync_c", "csim", "lpips", "fid", "fvd"} <= set(made["missing"])


def test_late_pictures_are_late_lips(capsys: pytest.CaptureFixture[str], clips: Clips) -> None:
    mouth = figures(capsys, clips["true"], clips["late"])["mouth"]
    assert mouth["lag_ms"] == pytest.approx(80, abs=15)
    assert mouth["r_at_lag"] > 0.95 > mouth["r"]
    assert mouth["sound_lag_ms"][1] - mouth["sound_lag_ms"][0] == pytest.approx(80, abs=25)


def test_blur_is_seen(capsys: pytest.CaptureFixture[str], clips: Clips) -> None:
    made = figures(capsys, clips["true"], clips["blurred"], "--region", "frame")
    assert made["mouth"]["sharpness_ratio"] < 0.5
    assert made["cpbd"]["frame"][1] < 0.5 * made["cpbd"]["frame"][0]
    assert made["cpbd"]["lower_face"][1] < made["cpbd"]["lower_face"][0]
    assert made["picture"]["region"] == "frame"
    assert made["picture"]["ssim"] < 0.99


def test_a_jump_is_named(capsys: pytest.CaptureFixture[str], clips: Clips) -> None:
    steps = figures(capsys, clips["true"], clips["jumping"])["steps"]
    assert steps["above"] == 2
    assert steps["largest"][0]["frame"] in (40, 41)
    assert steps["largest"][0]["at"] == pytest.approx(1.6, abs=0.05)
    assert steps["largest"][0]["step"] > 2 * steps["natural"]


def test_another_size_is_scaled_and_said(capsys: pytest.CaptureFixture[str], clips: Clips) -> None:
    made = figures(capsys, clips["true"], clips["small"])
    assert made["notes"] == ["small.mp4 is 384×384: scaled to 512×512 for its pixels"]
    assert made["mouth"]["r"] > 0.95
    assert made["picture"]["psnr"] > 25


def test_closures_with_known_words(capsys: pytest.CaptureFixture[str], clips: Clips, tmp_path: Path) -> None:
    words = [{"word": f" {w}", "start": k * 0.3, "end": k * 0.3 + 0.25}
             for k, w in enumerate((EXAMPLE.parent / "talk.txt").read_text("utf-8").split())]  # fmt: skip
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"text": "", "segments": [{"start": 0, "end": 9, "text": "", "words": words}]}), "utf-8")
    closed = figures(capsys, EXAMPLE, EXAMPLE, "--transcript", path)["closures"]
    assert closed["events"] > 0
    assert closed["recall"] == 1
    assert 0 <= closed["chance"] < 1


def test_what_people_see(capsys: pytest.CaptureFixture[str], clips: Clips) -> None:
    code, out, _ = evaluate(capsys, clips["true"], clips["jumping"], "--from", "1", "--to", "2")
    assert code == 0
    shown = {line[:40].strip(): line[40:].strip() for line in out.splitlines()}
    assert float(shown["aperture correlation"]) > 0.9
    assert shown["PSNR, mouth"].endswith("dB")
    assert "frame 4" in out
    assert shown["FVD"].startswith("– not computed")
    assert shown["Sync-C"].startswith("– needs")


@pytest.mark.parametrize(
    ("other", "options", "code", "message"),
    [
        ("short", (), 4, "true.mp4 and short.mp4 have 75 and 70 frames; compare what both have with --to 2.80"),
        ("fast", (), 4, "true.mp4 and fast.mp4 have 25 and 30 frames per second"),
        ("short", ("--to", "2.9"), 4, "75 and 70 frames"),
        ("late", ("--region", "ear"), 2, "mouth, face, head, frame"),
        ("late", ("--from", "2", "--to", "1"), 2, "nothing lies between"),
    ],
)
def test_videos_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], clips: Clips, other: str, options: tuple[str, ...], code: int, message: str
) -> None:
    found, out, err = evaluate(capsys, clips["true"], clips[other], *options)
    assert (found, out) == (code, "")
    assert message in err


def test_without_a_face_the_frame_is_compared(capsys: pytest.CaptureFixture[str], clip: Callable[[str], Path]) -> None:
    made = figures(capsys, clip("25"), clip("25"), "--region", "frame")
    assert made["picture"]["psnr"] == 100
    assert made["mouth"]["r"] is None
    assert len(made["notes"]) == 2
    assert figures(capsys, clip("25"), clip("25"))["picture"]["psnr"] is None


def test_learned_metrics_with_made_up_weights(
    capsys: pytest.CaptureFixture[str], clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from editalk.quality.inception import Inception
    from editalk.quality.learned import FACES, INCEPTION, SYNCNET
    from editalk.quality.recognise import FaceNet
    from editalk.quality.syncnet import SyncNet

    torch.manual_seed(0)
    monkeypatch.setattr(weights, "load_registry", dict)
    for spec, net in ((SYNCNET, SyncNet()), (FACES, FaceNet((2, 2, 2, 2))), (INCEPTION, Inception())):
        target = tmp_path / "models" / spec.name / spec.file
        target.parent.mkdir(parents=True)
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, target)
    made = figures(capsys, clips["true"], clips["true"], "--to", "0.4")
    learned = made["learned"]
    assert learned["sync_c"][0] == learned["sync_c"][1] >= 0
    assert learned["sync_d"][0] > 0
    assert learned["csim"] == pytest.approx(1, abs=1e-4)
    assert learned["fid"] == pytest.approx(0, abs=1e-3)
    assert set(made["missing"]) == {"lpips", "fvd"}


@pytest.mark.skipif("EDITALK_CLIPS" not in os.environ, reason="EDITALK_CLIPS names no folder of real clips")
def test_a_real_clip_against_itself(capsys: pytest.CaptureFixture[str]) -> None:
    path = min(Path(os.environ["EDITALK_CLIPS"]).glob("*.mp4"), key=lambda p: p.stat().st_size)
    made = figures(capsys, path, path, "--to", "2")
    assert made["mouth"]["r"] == pytest.approx(1)
    assert made["mouth"]["m_lmd"] == 0
