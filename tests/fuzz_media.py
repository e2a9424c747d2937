"""Random damage to tiny media through the command line: python tests/fuzz_media.py 500 [FIRST].

Prints what did not end as it should, and keeps that file.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

from broken_media import WAV, commands, place


def flipped(seed: int, mp4: bytes, mkv: bytes) -> tuple[str, bytes]:
    """(file name, damaged bytes): of an MP4 (index or all), a Matroska file (head or all) or a WAV (head)."""
    dice = random.Random(seed)
    sound = WAV["riff of 0"]
    name, data, low, high = [
        ("f.mp4", mp4, place(mp4, "moov")[0], len(mp4)), ("f.mkv", mkv, 0, len(mkv)), ("f.wav", sound, 0, 60),
        ("f.mp4", mp4, 0, len(mp4)), ("f.mkv", mkv, 0, 1200),
    ][seed % 5]  # fmt: skip
    made = bytearray(data)
    for _ in range(dice.choice((1, 2, 4, 16))):
        made[dice.randrange(low, high)] = dice.choice((0, 255, 127, 128, dice.randrange(256)))
    return name, bytes(made)


def main(count: int, first: int) -> int:
    from conftest import ClipSpec, write_clip

    folder, bad = Path(tempfile.mkdtemp(prefix="editalk-fuzz-")), 0
    spec = ClipSpec(frames=30, size=(96, 64), layout="mono", sample_rate=16000)
    clip, other = (write_clip(folder / f"clip{s}", spec) for s in (".mp4", ".mkv"))
    words = [{"word": w, "start": 0.1 + k * 0.2, "end": 0.3 + k * 0.2} for k, w in enumerate(("one", "two", "three"))]
    (folder / "t.json").write_text(json.dumps({"text": "one two three", "language": "en", "segments": [
        {"id": 0, "start": 0.1, "end": 0.7, "text": "one two three", "words": words}]}))  # fmt: skip
    (folder / "e.txt").write_text("one three\n")
    (folder / "new.txt").write_text("one two new three\n")
    with commands() as run:
        for seed in range(first, first + count):
            name, data = flipped(seed, clip.read_bytes(), other.read_bytes())
            path = folder / name
            path.write_bytes(data)
            heard = [clip, "new.txt", "--voice", path] if path.suffix == ".wav" else [path, "e.txt"]
            apply = seed % 2 and path.suffix != ".wav"
            ended = run([*(["apply", "-y", "-o", "out.mp4"] if apply else ["plan"]), "--transcript", "t.json", *heard],
                        folder)  # fmt: skip
            if not ended.clean or ended.memory > 1 << 30 or ended.seconds > 30:
                bad += 1
                kept = folder / f"bad{seed}{path.suffix}"
                kept.write_bytes(data)
                print(f"{kept}: {ended.code}, {ended.seconds:.1f} s, {ended.memory >> 20} MB: {ended.last}", flush=True)
    print(f"{count} damaged files, {bad} not ended as they should")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
