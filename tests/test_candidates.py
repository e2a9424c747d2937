"""The best of several seeds: each rendered once, the best by its score written, a bad one never."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from dit_weights import ltx_video_folder
from test_cli import _own_cache, edited, report, run, talk  # noqa: F401

from editalk.cache import digest_file
from editalk.compose import StripWriter, read_strip
from editalk.inputs import digest
from editalk.media import VideoInfo, probe
from editalk.pipeline.candidates import Score

TEXT = "one two five six seven eight"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(ltx_video_folder(tmp_path_factory.mktemp("weights"), hears=False))


@pytest.fixture
def made(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: str
) -> Any:
    """Runs `apply` on a removal with these options; gives its report."""
    clip, text = str(request.getfixturevalue("talk")), edited(tmp_path, TEXT)

    def apply(*more: str) -> dict[str, Any]:
        return report(capsys, "apply", clip, text, "-y", "--backend", "dit", "--weights", weights, *more)

    return apply


def strips() -> list[Path]:
    """The rendered windows in the cache, oldest first."""
    held = (Path(os.environ["EDITALK_CACHE"]) / "window").glob("*.mkv")
    return sorted(held, key=lambda path: path.stat().st_mtime_ns)


def blacken(path: Path, like: VideoInfo) -> None:
    """A rendered window's pictures made black."""
    pictures = list(read_strip(path))
    writer = StripWriter(path, like, pictures[0][1].format.name)
    for number, picture in pictures:
        black = av.VideoFrame.from_ndarray(np.full_like(picture.to_ndarray(), 16), format=picture.format.name)
        writer.write(number, black)
    writer.close()
    digest_file(path).write_text(f"{digest(path)}  {path.name}\n")  # else the cache would find it damaged


def test_the_best_of_several_seeds_is_written(made: Any, tmp_path: Path) -> None:
    few = made("--best-of", "2")
    (row,) = few["seeds"]
    assert [s["seed"] for s in row["scores"]] == [0, 1]
    first = strips()
    pictures = [[p.to_ndarray() for _, p in read_strip(path)] for path in first]
    assert any((a != b).any() for a, b in zip(*pictures, strict=True))
    many = made("--best-of", "3")
    (row,) = many["seeds"]
    held = strips()
    assert held[:2] == first  # what was rendered is not rendered again
    assert len(held) == 3
    assert row["seed"] == min(row["scores"], key=lambda s: s["score"])["seed"]
    # the winner made black loses
    won = row["seed"]
    blacken(held[won], probe(Path(many["output"])).video)
    (row,) = made("--best-of", "3")["seeds"]
    assert row["seed"] != won
    assert any(fault.startswith("black") for fault in row["scores"][won]["failed"])
    # taken alone, it fails the gate
    assert not made("--seed", str(won))["checks"]["black"][0]["ok"]


def test_a_backend_without_lots_renders_once(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, text = str(request.getfixturevalue("talk")), edited(tmp_path, TEXT)
    code, _, err = run(capsys, "apply", clip, text, "--backend", "exemplar", "--best-of", "4")
    assert code == 0
    assert "draws no lots" in err
    assert len(strips()) == 1
    code, _, err = run(capsys, "apply", clip, text, "-y", "--best-of", "0")
    assert code == 2


@pytest.mark.parametrize(("better", "worse"), [
    (Score(0, 0.5, None, None, ()), Score(1, 0.6, None, None, ())),
    (Score(0, 3.0, None, None, ()), Score(1, 0.1, None, None, ("black: light of the face",))),
    (Score(0, 1.0, 0.8, 0.0, ()), Score(1, 1.0, 0.4, 0.0, ())),
    (Score(0, 1.0, 0.8, 0.02, ()), Score(1, 1.0, 0.8, -0.2, ())),
])  # fmt: skip
def test_what_speaks_against_a_rendering(better: Score, worse: Score) -> None:
    assert better.total < worse.total
