"""`editalk apply --backend dit` with weights of random numbers: files in, files out, exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dit_weights import ltx_video_folder
from test_cli import _own_cache, edited, numbers, report, run, spoken, talk  # noqa: F401

HOME = ("EDITALK_MODELS", "HF_HOME", "XDG_CACHE_HOME")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(ltx_video_folder(tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(ltx_video_folder(tmp_path_factory.mktemp("deaf"), hears=False))


def test_a_removal_leaves_all_but_its_neighbours(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], deaf: str
) -> None:
    """Frames outside the re-noised latents are the source's own; so says the report, and so do the pictures."""
    clip = str(request.getfixturevalue("talk"))
    text = edited(tmp_path, "one two five six seven eight")
    made = report(capsys, "apply", clip, text, "--backend", "dit", "--weights", deaf)
    shown = numbers(Path(made["output"]))
    plain = report(capsys, "apply", clip, text, "-y", "--backend", "exemplar")
    assert made["frames"] == plain["frames"]
    join = round(made["joins"][0]["at"] * 25)
    assert made["frames_rendered"] <= 8 + 15
    for frame in (*range(join - 8), *range(join + 15, made["frames"])):
        assert shown[frame] == (frame if frame < join else frame + 50 - made["frames"])
    assert made["backend"] == "dit"
    assert made["backend_figures"]["tokens"] > 0


def test_lips_of_weights_that_do_not_hear(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], deaf: str
) -> None:
    clip, said = str(request.getfixturevalue("talk")), spoken(tmp_path, 0.3 * np.sin(np.arange(9600) * 0.08))
    text = edited(tmp_path, "one two three four new five six seven eight")
    asked = ("apply", clip, text, "--voice", said, "--voice-covers", "new-words", "--language", "xx",
             "--backend", "dit")  # fmt: skip
    code, out, err = run(capsys, *asked, "--weights", deaf)
    assert (code, out) == (5, "")
    assert "no lips" in err
    assert "--lip-pass musetalk" in err
    assert not (tmp_path / "talk.edited.mp4").exists()


@pytest.mark.parametrize("more", [["--weights", "nowhere/at/all"], ["--device", "cuda"], ["--offload"]])
def test_what_the_machine_cannot_do(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: str, more: list[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine can")
    asked = more if "--weights" in more else [*more, "--weights", weights]
    code, _, err = run(capsys, "apply", str(request.getfixturevalue("talk")), edited(tmp_path, "one two"),
                       "--backend", "dit", *asked)  # fmt: skip
    assert code == 5
    assert err.splitlines()[-1].startswith("editalk: ")


def test_without_weights(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in HOME:
        monkeypatch.setenv(name, str(tmp_path))
    asked = ("apply", str(request.getfixturevalue("talk")), edited(tmp_path, "one two"))
    code, _, err = run(capsys, *asked, "--backend", "dit")
    assert code == 5
    assert "editalk models pull ltx-2.3-distilled" in err
    code, _, err = run(capsys, *asked, "--lip-pass", "musetalk")
    assert code == 5
    assert "editalk models pull musetalk-1.5" in err
