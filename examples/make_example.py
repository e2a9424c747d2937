"""Makes the example: talk.mp4, voice.wav and take.wav beside this file, from a portrait and a synthetic voice.

    pip install -e '.[example]' && python examples/make_example.py

Needs about five minutes on one core and always makes the same pictures and sound.
"""

from __future__ import annotations

import argparse
import re
import sys
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from mouth import movements
from numpy.typing import NDArray
from portrait import SIZE, Portrait, Pose
from speech import LEAD, PAUSE, TAIL, Speaker, Spoken, in_a_row, room_tone

HERE = Path(__file__).parent
RATE, SOUND_RATE = 25, 48000
NEW_WORDS = ("evening,", "in any editor,")  # what edited.txt adds to talk.txt, in its order
GRAIN = 1.0  # standard deviation of the sensor's noise, of 255
NOTICE = "Synthetic: an animated public-domain photograph (NASA) with a synthetic voice; nobody said this."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=HERE, help="folder that gets the files")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    speaker = Speaker()
    talk = spoken(speaker, sentences(HERE / "talk.txt"), PAUSE, seed=1)
    save_wave(folder / "voice.wav", in_a_row([speaker.say(run) for run in NEW_WORDS], [0.3], 0.15, 0.15, seed=2))
    save_wave(folder / "take.wav", spoken(speaker, sentences(HERE / "take.txt"), PAUSE, seed=3))
    save_video(folder / "talk.mp4", talk)
    return 0


def sentences(path: Path) -> list[str]:
    return re.findall(r"[^.?!]+[.?!]", " ".join(path.read_text(encoding="utf-8").split()))


def spoken(speaker: Speaker, texts: list[str], pause: float, seed: int) -> Spoken:
    pauses = [pause + 0.12 * ((i % 3) - 1) for i in range(len(texts))]
    return in_a_row([speaker.say(text) for text in texts], pauses, LEAD, TAIL, seed)


def save_wave(path: Path, sound: Spoken) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes((np.clip(sound.samples, -1, 1) * 32767).round().astype("<i2").tobytes())


def pictures(sound: Spoken) -> Iterator[NDArray[np.uint8]]:
    """[SIZE, SIZE, 3] RGB, one a frame."""
    from skimage.data import astronaut

    portrait = Portrait(astronaut())
    frames = int(sound.seconds * RATE)
    mouth = movements(sound, frames, RATE)
    blinks = blinking(frames)
    random = np.random.default_rng(4)
    for i in range(frames):
        picture = portrait.render(pose((i + 0.5) / RATE, mouth[i, 0]), *mouth[i], float(blinks[i]))
        grain = random.normal(0, GRAIN, (SIZE, SIZE, 1)) + random.normal(0, GRAIN / 3, (SIZE, SIZE, 3))
        yield np.clip(picture + grain, 0, 255).round().astype(np.uint8)
        if sys.stderr.isatty():
            print(f"\r{i + 1}/{frames}", end="", file=sys.stderr)


def pose(time: float, opening: float) -> Pose:
    """A head that is never quite still: slow sways that never repeat, and a nod with the stress of the voice."""

    def sway(*parts: tuple[float, float, float]) -> float:
        return sum(size * np.sin(2 * np.pi * time / period + phase) for size, period, phase in parts)

    return Pose(
        yaw=sway((0.045, 5.3, 0.3), (0.02, 2.3, 1.0), (0.006, 0.9, 2.0)),
        pitch=sway((0.03, 4.1, 1.2), (0.015, 1.7, 0.4)) + 0.012 * opening,
        roll=sway((0.022, 6.7, 2.0), (0.01, 2.9, 0.2)),
        x=sway((3.0, 5.9, 0.9), (0.8, 1.9, 2.5)),
        y=sway((1.6, 3.7, 0.0), (0.5, 1.3, 1.1)) + 0.8 * opening,
        torso=sway((1.2, 5.9, 0.6)),
    )


def blinking(frames: int) -> NDArray[np.float64]:
    """[frames] 0 open … 1 shut: down in two frames, up in four, every two to four seconds."""
    lids, at, random = np.zeros(frames + 8), 30, np.random.default_rng(5)
    while at < frames:
        lids[at : at + 7] = (0.45, 0.95, 1.0, 0.75, 0.45, 0.2, 0.07)
        at += int(random.integers(50, 100))
    return lids[:frames]


def save_video(path: Path, sound: Spoken) -> None:
    import av
    from scipy.signal import resample_poly

    exact = Fraction(SOUND_RATE, sound.rate)
    samples = resample_poly(sound.samples, exact.numerator, exact.denominator).astype(np.float32)
    length = int(sound.seconds * RATE) * SOUND_RATE // RATE
    samples = np.concatenate([samples, room_tone(length, 6)])[:length]
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as box:
        box.metadata["title"] = "editalk example"
        box.metadata["comment"] = NOTICE
        video = box.add_stream("libx264", rate=RATE, options={"crf": "21", "preset": "slow", "g": "100"})
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 1
        audio = box.add_stream("aac", rate=SOUND_RATE, layout="mono")
        audio.bit_rate = 96000
        heard = 0
        for i, picture in enumerate(pictures(sound)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            box.mux(video.encode(frame))
            while heard < min(length, (i + 1) * SOUND_RATE // RATE):
                block = av.AudioFrame.from_ndarray(samples[None, heard : heard + 1024], format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = SOUND_RATE, heard, Fraction(1, SOUND_RATE)
                box.mux(audio.encode(block))
                heard += 1024
        box.mux(video.encode(None))
        box.mux(audio.encode(None))


if __name__ == "__main__":
    sys.exit(main())
