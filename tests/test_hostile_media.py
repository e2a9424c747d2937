"""Broken and lying media through the command line: done, or refused in one clear line."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from broken_media import MP4, READ, WAV, WORDS, Run, box, commands, write_texts_of_clip
from conftest import ClipSpec, write_clip
from fuzz_media import flipped

from editalk.errors import MediaError, OutputError, TimeLimitError
from editalk.media import decode_sound, probe
from editalk.media.container import opened
from editalk.media.grid import constant_grid
from editalk.media.limits import MOST_FRAMES, check_room
from editalk.media.sound import _Block, _write
from editalk.reporting import Limited, Silent


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with commands() as given:
        yield given


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A tiny clip, its transcript, an edit that takes a word out, one that needs a voice."""
    folder = tmp_path_factory.mktemp("desk")
    spec = ClipSpec(frames=30, size=(96, 64), layout="mono", sample_rate=16000)
    write_texts_of_clip(folder)
    (folder / "new.txt").write_text("one two three new four five\n")
    return SimpleNamespace(folder=folder, clip=write_clip(folder / "clip.mp4", spec),
                           mkv=write_clip(folder / "clip.mkv", spec))  # fmt: skip


PLAN = ["plan", "--transcript", "t.json"]


@pytest.mark.parametrize("case", MP4)
def test_a_broken_mp4_is_read_or_refused_in_words(case: str, desk: SimpleNamespace, run: Run) -> None:
    path = desk.folder / "case.mp4"
    path.write_bytes(MP4[case](desk.clip.read_bytes()))
    through = [*PLAN, path, "e.txt"] if case in list(MP4)[::7] else [READ, path]  # the whole command takes longer
    ended = run(through, desk.folder)
    assert ended.clean, (ended.code, ended.err)
    assert ended.memory < 1 << 30
    if ended.code:
        assert ended.out == ""
        assert len(ended.err.splitlines()) == 1
        assert "case.mp4" in ended.err


@pytest.mark.parametrize("case", WAV)
def test_a_broken_voice_is_heard_or_refused_in_words(case: str, desk: SimpleNamespace) -> None:
    path = desk.folder / "case.wav"
    path.write_bytes(WAV[case])
    try:
        sound = decode_sound(path, desk.folder / "sound.f32")
    except MediaError as error:
        refused = str(error)
    else:
        refused = ""
        samples = sound.read(0, sound.samples).samples
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 8
    assert not refused or str(path) in refused
    assert not list(desk.folder.glob("*.part"))


@pytest.mark.parametrize("case", ["not numbers", "infinite", "255 channels"])
def test_a_broken_voice_through_the_command_line(case: str, desk: SimpleNamespace, run: Run) -> None:
    path = desk.folder / "voice.wav"
    path.write_bytes(WAV[case])
    ended = run([*PLAN, desk.clip, "new.txt", "--voice", path, "--voice-covers", "new-words"], desk.folder)
    assert ended.clean, (ended.code, ended.err)


@pytest.mark.parametrize("case", ["stsd: unknown codec", "stss: none", "media of noise", "ctts: samples"])
@pytest.mark.parametrize("command", ["apply", "review", "eval", "transcribe"])
def test_nothing_is_left_of_a_broken_one(case: str, command: str, desk: SimpleNamespace, run: Run, tmp_path: Path
                                         ) -> None:  # fmt: skip
    path = tmp_path / "case.mp4"
    path.write_bytes(MP4[case](desk.clip.read_bytes()))
    script, edited, words = tmp_path / "s.txt", desk.folder / "e.txt", desk.folder / "t.json"
    script.write_text(" ".join(WORDS))
    before = set(os.listdir(tmp_path))
    given = {"apply": [path, edited, "--transcript", words], "review": [path, edited, "--transcript", words],
             "eval": [path, desk.clip], "transcribe": [path, "--script", script]}[command]  # fmt: skip
    ended = run([command, *given], tmp_path)
    assert ended.clean, (ended.code, ended.err)
    if ended.code:
        assert set(os.listdir(tmp_path)) == before
    else:
        assert not [name for name in os.listdir(tmp_path) if "part" in name]


@pytest.mark.parametrize("seed", range(8))
def test_random_damage(seed: int, desk: SimpleNamespace, run: Run) -> None:
    """A sample; `tests/fuzz_media.py` runs as many as there is time for."""
    name, data = flipped(seed, desk.clip.read_bytes(), desk.mkv.read_bytes())
    path = desk.folder / name
    path.write_bytes(data)
    given = [desk.clip, "new.txt", "--voice", path] if path.suffix == ".wav" else [path, "e.txt"]
    ended = run([*PLAN, *given], desk.folder)
    assert ended.clean, (ended.code, ended.err)


PLAYLISTS = {
    "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nMARK\n#EXT-X-ENDLIST\n",
    "list.mp4": b"#EXTM3U\n#EXTINF:9,\nMARK\n",
    "script.txt": b"ffconcat version 1.0\nfile 'MARK'\n",
    "script.mp4": b"ffconcat version 1.0\nfile 'MARK'\n",
    "dash.mpd": b'<?xml version="1.0"?><MPD><BaseURL>MARK</BaseURL></MPD>',
    "talk.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "picture.svg": b'<?xml version="1.0"?><svg><image href="MARK"/></svg>',
    "smil.mp4": b"<smil><body><video src='MARK'/></body></smil>",
    "reference.mov": box("moov", box("rmra", box("rmda", box("rdrf", b"\0\0\0\0url \0\0\0\x20MARK\0")))),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAYLISTS)
def test_what_names_other_media_is_refused(name: str, desk: SimpleNamespace) -> None:
    """The other file is a pipe that nobody writes to: to open it would be to wait for ever."""
    mark = desk.folder / "mark.mp4"
    if not mark.exists():
        os.mkfifo(mark)
    path = desk.folder / name
    path.write_bytes(PLAYLISTS[name].replace(b"MARK", os.fsencode(mark)))
    with pytest.raises(MediaError, match=name):
        probe(path)


@pytest.mark.parametrize("case", [c for c in MP4 if c.startswith("outside")])
def test_media_in_other_files_are_refused(case: str, desk: SimpleNamespace) -> None:
    path = desk.folder / "outside.mov"
    path.write_bytes(MP4[case](desk.clip.read_bytes()))
    with pytest.raises(MediaError, match=r"outside\.mov: its media lie elsewhere, in “.*(MARK|127\.0\.0\.1).*”"):
        probe(path)


@pytest.mark.parametrize("name", ["concat:clip.mp4|clip.mp4", "subfile,,start,0,end,0,,:clip.mp4", "pipe:0", "data:,x",
                                  "http:x", "crypto:clip.mp4", "%03d.mp4"])  # fmt: skip
def test_a_name_is_a_file_and_no_protocol(name: str, desk: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"), opened(tmp_path / name):
        pass
    (tmp_path / name).write_bytes(desk.clip.read_bytes())
    with opened(tmp_path / name) as container:
        assert len(container.streams) == 2


def test_only_one_place_opens_media_of_others() -> None:
    """Whatever else calls av.open writes, or reads what this program wrote."""
    root = Path(__file__).parents[1] / "editalk"
    callers = {p.relative_to(root).as_posix() for p in root.rglob("*.py") if "av.open(" in p.read_text("utf-8")}
    assert callers == {"media/container.py", "compose.py", "mux/writer.py", "mux/spliced.py", "review/proxy.py"}
    other = ("VideoCapture", "subprocess", "soundfile", "from_file(", "torchaudio", "load_audio", "os.system", "imread")
    naming = {p.parent.name for p in root.rglob("*.py") if any(word in p.read_text("utf-8") for word in other)}
    assert naming <= {"doctor", "batch"}  # they look for what is installed and start workers


def test_too_large_a_picture_is_refused_before_there_is_room_for_it(desk: SimpleNamespace, run: Run) -> None:
    path = desk.folder / "bomb.mp4"
    path.write_bytes(MP4["picture of 8208 × 8192"](desk.clip.read_bytes()))
    ended = run([*PLAN, path, "e.txt"], desk.folder)
    assert "8208 × 8192" in ended.last
    assert ended.memory < 200 << 20


def test_too_long_a_video_is_refused(desk: SimpleNamespace) -> None:
    path = desk.folder / "long.mp4"
    path.write_bytes(MP4["stts: 2^31 samples of 2^31"](desk.clip.read_bytes()))
    with pytest.raises(MediaError, match="hours"):
        probe(path)


def test_more_frames_than_memory_are_refused() -> None:
    leaps = np.array([0, 1, 2, 3, 20_000_000_000], np.int64)  # microseconds: five and a half hours at 1 MHz
    with pytest.raises(OverflowError, match="frames"):
        constant_grid(leaps, 1, Fraction(1, 1_000_000), Fraction(1000), Fraction(1_000_000))
    assert MOST_FRAMES < 20_000_000


def test_no_room_for_the_sound_is_told_before_it_is_decoded(tmp_path: Path) -> None:
    check_room(tmp_path / "a.wav", tmp_path, 1)
    with pytest.raises(OutputError, match=r"a\.wav: its decoded sound needs 1e\+06 GB .* TMPDIR"):
        check_room(tmp_path / "a.wav", tmp_path, 10**15)


def test_sound_that_leaps_for_years_fills_no_disk(tmp_path: Path) -> None:
    blocks = [_Block(0, np.zeros((10, 1), np.float32), 16000), _Block(1 << 50, np.zeros((10, 1), np.float32), 16000)]
    out = io.BytesIO()
    with pytest.raises(MediaError, match=r"a\.wav: its sound lasts .* years"):
        _write(iter(blocks), out, tmp_path / "a.wav")
    assert len(out.getvalue()) == 40


def test_a_time_limit_ends_the_next_step(desk: SimpleNamespace, run: Run, tmp_path: Path) -> None:
    limited = Limited(Silent(), 1e-9)
    with pytest.raises(TimeLimitError, match="time limit of 1e-09 s was reached at “x”"), limited.stage("x"):
        pass
    free = Limited(Silent(), 60)
    with free.stage("x", 2) as advance:
        advance(1)
    free.warn("w")
    assert free.warnings == ["w"]
    given = ["apply", desk.clip, desk.folder / "e.txt", "--transcript", desk.folder / "t.json"]
    ended = run([*given, "-o", tmp_path / "o.mp4", "--time-limit", "0.0001"])
    assert ended.code == 1
    assert "time limit" in ended.last
    assert not os.listdir(tmp_path)
    assert run([*given, "--time-limit", "0"]).code == 2
