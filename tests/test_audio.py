"""Levels, joins, stretching, room tone, and the assembled soundtrack."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from editalk.audio import (
    Audio,
    Samples,
    StoredSound,
    activity,
    crossfade,
    decibels,
    fade_weights,
    find_room_tone,
    fit_channels,
    join_offset,
    loudness_gain,
    resample,
    rms_db,
    soft_limit,
    speech_bounds,
    speech_level,
    stretch,
)
from editalk.plan.types import Origin, SoundPiece
from editalk.soundtrack import assemble
from editalk.timebase import TimeRange

RATE = 16000


def noise(samples: int, level: float, seed: int = 0, channels: int = 1) -> Samples:
    """[samples, channels] white noise at a level in dB."""
    made = np.random.default_rng(seed).standard_normal((samples, channels)) * 10 ** (level / 20)
    return np.asarray(made, np.float32)


def voiced(samples: int, pitch: float = 120.0, level: float = -20.0) -> Samples:
    """[samples, 1] a buzz with the period and the bandwidth of a vowel."""
    time = np.arange(samples) / RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
    return np.asarray(wave / np.sqrt(sum(0.5 / k**2 for k in range(1, 20))) * 10 ** (level / 20), np.float32)[:, None]


def talk(seconds: int = 6, floor: float = -60.0, seed: int = 0) -> tuple[Samples, list[TimeRange]]:
    """Half a second of voice in every second, on noise; and where the voice is."""
    wave = noise(seconds * RATE, floor, seed)
    spans = []
    for k in range(seconds):
        a = k * RATE + RATE // 4
        wave[a : a + RATE // 2] += voiced(RATE // 2, 100 + 10 * k)
        spans.append(TimeRange(a / RATE, a / RATE + 0.5))
    return wave, spans


def spectrum(wave: Samples) -> NDArray[np.float64]:
    """Levels of eight octave-like bands, dB."""
    power = np.abs(np.fft.rfft(wave[:, 0])) ** 2
    edges = np.geomspace(60, 7900, 9) / (RATE / 2) * (len(power) - 1)
    return np.array([10 * np.log10(power[int(a) : int(b)].mean()) for a, b in zip(edges[:-1], edges[1:], strict=True)])


def largest_step(wave: Samples) -> float:
    return float(np.abs(np.diff(wave, axis=0)).max())


class TestLevels:
    def test_levels_of_known_sounds(self) -> None:
        assert decibels(np.full((100, 1), 0.1, np.float32)) == pytest.approx(-20, abs=0.01)
        assert decibels(np.zeros((100, 1), np.float32)) == pytest.approx(-180)
        assert decibels(np.zeros((0, 1), np.float32)) == pytest.approx(-180)

    @given(st.integers(0, 5000), st.sampled_from([0.001, 0.005, 0.02]))
    def test_a_block_for_every_hop(self, samples: int, hop: float) -> None:
        assert len(rms_db(noise(samples, -20)[:, 0], RATE, hop)) == -(-samples // round(hop * RATE))

    def test_speech_is_found_where_it_is(self) -> None:
        wave, spans = talk()
        found = activity(wave[:, 0], RATE)
        truth = np.zeros(len(found), bool)
        for span in spans:
            truth[round(span.start * 100) : round(span.end * 100)] = True
        assert found[truth].all()
        assert (found & ~truth).sum() <= len(spans) * 2 * 8  # up to 80 ms on either side

    @pytest.mark.parametrize("level", [-90.0, -50.0, -20.0])
    def test_steady_noise_is_no_speech(self, level: float) -> None:
        assert not activity(noise(RATE * 3, level)[:, 0], RATE).any()

    def test_floor_follows_the_sound(self) -> None:
        quiet, _ = talk(8, -70)
        loud, spans = talk(8, -35, 1)
        found = activity(np.concatenate([quiet, loud])[:, 0], RATE)
        gaps = [found[800 + round(s.end * 100) + 10 : 800 + round(s.end * 100) + 40].any() for s in spans[4:-1]]
        assert not any(gaps)

    def test_nothing_and_silence(self) -> None:
        assert len(activity(np.zeros(0, np.float32), RATE)) == 0
        assert not activity(np.zeros(RATE, np.float32), RATE).any()
        assert speech_bounds(np.zeros(0, np.float32), RATE) == (0, 0)

    def test_bounds_of_speech(self) -> None:
        wave = np.concatenate([noise(8000, -80), voiced(8000), noise(8000, -80)])[:, 0]
        start, end = speech_bounds(wave, RATE)
        assert abs(start - 8000) <= 320
        assert abs(end - 16000) <= 320


class TestLoudness:
    @settings(max_examples=25, deadline=None)
    @given(st.floats(-35, -16), st.floats(-35, -16))
    def test_insert_gets_the_level_around_it(self, around: float, insert: float) -> None:
        sides = [Audio(np.concatenate([voiced(RATE, level=around), noise(RATE, -70)]), RATE)] * 2
        given_ = Audio(np.concatenate([noise(3000, -75), voiced(RATE, level=insert)]), RATE)
        gain = loudness_gain(given_, sides)
        assert gain == pytest.approx(around - insert, abs=0.5)
        moved = given_.mono() * 10 ** (gain / 20)
        assert speech_level(moved, RATE) == pytest.approx(speech_level(sides[0].mono(), RATE), abs=0.5)

    def test_limits(self) -> None:
        loud, faint = Audio(voiced(RATE, level=-12), RATE), Audio(voiced(RATE, level=-60), RATE)
        assert loudness_gain(faint, [loud]) == 20
        assert loudness_gain(loud, [faint]) == -20
        assert loudness_gain(Audio(np.zeros((RATE, 1), np.float32), RATE), [loud]) == 0
        assert loudness_gain(loud, []) == 0
        spiky = voiced(RATE, level=-30)
        spiky[100] = 0.9
        assert loudness_gain(Audio(spiky, RATE), [loud]) <= 4  # the spike would be far over full scale

    def test_limiter(self) -> None:
        wave = voiced(RATE, level=-3) * 3
        limited = soft_limit(wave)
        assert np.abs(limited).max() <= 1
        small = np.abs(wave) <= 0.85
        assert np.array_equal(limited[small], wave[small])
        assert soft_limit(voiced(100, level=-30)) is not None


class TestJoins:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 900), st.integers(0, 900), st.integers(0, 400))
    def test_length_of_a_crossfade(self, a: int, b: int, fade: int) -> None:
        made = crossfade(noise(a, -20), noise(b, -20, 1), fade)
        assert len(made) == a + b - min(a, b, fade)

    def test_power_is_even_for_unrelated_and_for_equal_sides(self) -> None:
        a, b = noise(RATE, -20), noise(RATE, -20, 1)
        for left, right in ((a, b), (a, a)):
            down, up = fade_weights(left, right)
            level = rms_db((left * down + right * up)[:, 0], RATE, 0.1)
            assert np.abs(level + 20).max() < 0.6

    def test_the_offset_finds_the_pause(self) -> None:
        wave, spans = talk()
        wave = np.concatenate([wave, np.zeros((10, 1), np.float32)])
        source = StoredSound(Audio(wave, RATE))
        a, b = round(spans[1].end * RATE) - 200, round(spans[3].end * RATE) - 200  # both still in the voice
        by, fade = join_offset(source.read, a, b, 800)
        assert 200 <= by <= 800
        assert fade >= round(0.02 * RATE)

    def test_the_offset_joins_equal_waves_without_a_step(self) -> None:
        wave = voiced(RATE * 2, 100)
        source = StoredSound(Audio(wave, RATE))
        by, _ = join_offset(source.read, 4000, 4000 + 160 * 50, 200)  # whole periods apart
        joined = np.concatenate([wave[: 4000 + by], wave[4000 + 8000 + by :]])
        assert largest_step(joined) <= 1.05 * largest_step(wave)

    def test_the_offset_at_the_ends_of_a_file(self) -> None:
        source = StoredSound(Audio(noise(1000, -30), RATE))
        for a, b in ((0, 1000), (0, 0), (1000, 3)):
            by, fade = join_offset(source.read, a, b, 100)
            assert abs(by) <= 100
            assert fade > 0


class TestStretch:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 30000), st.floats(0.4, 2.5))
    def test_exact_length_and_own_edges(self, samples: int, ratio: float) -> None:
        wave = voiced(samples)
        length = max(1, round(samples * ratio))
        made = stretch(Audio(wave, RATE), length).samples
        assert made.shape == (length, 1)
        assert np.isfinite(made).all()
        if min(samples, length) >= 2000:
            assert np.array_equal(made[:100], wave[:100])
            assert np.array_equal(made[-100:], wave[-100:])

    @pytest.mark.parametrize("ratio", [0.5, 0.8, 0.98, 1.02, 1.3, 2.0])
    def test_pitch_level_and_smoothness(self, ratio: float) -> None:
        wave = voiced(RATE, 117.3)
        made = stretch(Audio(wave, RATE), round(RATE * ratio)).samples
        assert decibels(made) == pytest.approx(decibels(wave), abs=1)
        assert largest_step(made) <= 1.15 * largest_step(wave)
        size = np.abs(np.fft.rfft(made[:, 0] * np.hanning(len(made)), 1 << 18))
        low = size[: (1 << 18) * 170 // RATE]
        assert int(low.argmax()) * RATE / (1 << 18) == pytest.approx(117.3, rel=0.02)

    def test_channels_stay_together(self) -> None:
        wave = np.repeat(voiced(RATE), 2, axis=1) * np.array([1.0, 0.5], np.float32)
        made = stretch(Audio(wave, RATE), 12000).samples
        assert np.allclose(made[:, 0] * 0.5, made[:, 1], atol=1e-6)

    @pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
    def test_resampling(self, rate: int) -> None:
        time = np.arange(RATE) / RATE
        tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)[:, None] * 0.5
        made = resample(Audio(tone, RATE), rate)
        assert made.rate == rate
        assert len(made.samples) == rate
        truth = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        assert np.abs(made.samples[500:-500, 0] - truth[500:-500]).max() < 0.01


class TestRoomTone:
    def test_level_and_spectrum_of_the_take(self) -> None:
        wave, spans = talk(6, -55)
        hum = 0.004 * np.sin(2 * np.pi * 100 * np.arange(len(wave)) / RATE)
        wave = wave + hum.astype(np.float32)[:, None]
        tone = find_room_tone(StoredSound(Audio(wave, RATE)).read, len(wave), RATE, spans)
        assert tone.stretches
        made = tone.make(4 * RATE, 1).samples
        truth = noise(4 * RATE, -55, 9) + hum[: 4 * RATE].astype(np.float32)[:, None]
        assert decibels(made) == pytest.approx(decibels(truth), abs=1.5)
        assert np.abs(spectrum(made) - spectrum(truth)).max() < 4

    def test_never_silent_and_never_the_same_again(self) -> None:
        wave, spans = talk()
        made = find_room_tone(StoredSound(Audio(wave, RATE)).read, len(wave), RATE, spans).make(6 * RATE).samples[:, 0]
        level = rms_db(made, RATE, 0.01)
        assert level.min() > -66
        assert level.max() < -54
        part = made[RATE : RATE + 3200]
        like = np.correlate(made, part, "valid") / np.square(part).sum()
        like[RATE - 200 : RATE + 200] = 0
        assert np.abs(like).max() < 0.9

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 30000), st.integers(1, 9000), st.integers(0, 5))
    def test_any_part_of_an_endless_tone(self, start: int, samples: int, seed: int) -> None:
        wave, spans = talk(3)
        tone = find_room_tone(StoredSound(Audio(wave, RATE)).read, len(wave), RATE, spans)
        whole = tone.make(40000, seed).samples[start : start + samples]
        assert np.allclose(tone.make(samples, seed, start).samples[: len(whole)], whole, atol=1e-7)

    def test_a_take_without_a_pause_lends_its_quietest_moments(self) -> None:
        wave = voiced(3 * RATE) * (1 + 0.9 * np.sin(np.arange(3 * RATE) / 900)).astype(np.float32)[:, None]
        tone = find_room_tone(StoredSound(Audio(wave, RATE)).read, len(wave), RATE, [TimeRange(0, 3)])
        assert not tone.stretches
        made = tone.make(RATE).samples
        assert -60 < decibels(made) < decibels(wave) - 8
        assert decibels(made) == pytest.approx(tone.level, abs=2)

    def test_digital_silence_beside_real_pauses_does_not_count(self) -> None:
        wave, spans = talk(6, -60)
        wave[: RATE // 5] = 0
        tone = find_room_tone(StoredSound(Audio(wave, RATE)).read, len(wave), RATE, spans)
        assert tone.level == pytest.approx(-60, abs=2)

    def test_a_take_that_is_digitally_silent_between_words_stays_so(self) -> None:
        wave = np.concatenate([voiced(RATE), np.zeros((RATE, 1), np.float32), voiced(RATE)])
        spans = [TimeRange(0, 1), TimeRange(2, 3)]
        tone = find_room_tone(StoredSound(Audio(wave, RATE)).read, len(wave), RATE, spans)
        assert not tone.make(1000).samples.any()


def source_piece(start: int, samples: int, offset: int, **more: int) -> SoundPiece:
    return SoundPiece(start, samples, Origin.SOURCE, offset, **({"source_samples": samples} | more))


class TestSoundtrack:
    wave, spans = talk(8, -60)
    source = StoredSound(Audio(wave, RATE))
    tone = find_room_tone(source.read, len(wave), RATE, spans)
    voice = StoredSound(Audio(np.concatenate([voiced(RATE // 2, 140), np.zeros((800, 1), np.float32)]), RATE))

    def made(self, pieces: list[SoundPiece], seconds: float = 0.37) -> Samples:
        return np.concatenate([c.samples for c in assemble(pieces, self.source, [self.voice], self.tone, seconds)])

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 9000), st.integers(0, 90000), st.integers(0, 900), st.integers(0, 3)),
                    min_size=1, max_size=6), st.floats(0.05, 2))  # fmt: skip
    def test_chunks_tile_the_timeline(self, drawn: list[tuple[int, int, int, int]], seconds: float) -> None:
        pieces, at = [], 0
        for samples, offset, fade, kind in drawn:
            origin = (Origin.SOURCE, Origin.VOICE, Origin.ROOM_TONE, Origin.SOURCE)[kind]
            stretched = samples if kind < 3 else max(1, samples * 3 // 4)
            voice = 0 if origin is Origin.VOICE else None
            begin = offset % 8000 if kind == 1 else offset
            pieces.append(SoundPiece(at, samples, origin, begin, stretched, voice, fade))
            at += samples
        chunks = [c.samples for c in assemble(pieces, self.source, [self.voice], self.tone, seconds)]
        assert sum(map(len, chunks)) == at
        assert all(len(c) <= max(1, round(seconds * RATE)) for c in chunks)
        assert np.isfinite(np.concatenate(chunks)).all()
        assert np.allclose(np.concatenate(chunks), self.made(pieces, 100), atol=1e-6)

    def test_what_goes_on_is_untouched(self) -> None:
        pieces = [source_piece(0, 5000, 300), source_piece(5000, 7000, 5300, fade=400), source_piece(12000, 9, 12300)]
        assert np.array_equal(self.made(pieces), self.wave[300:12309])

    def test_a_removal(self) -> None:
        cut, fade = 22000, 320
        pieces = [source_piece(0, cut, 0), source_piece(cut, 30000, 60000, fade=fade)]
        made = self.made(pieces)
        assert np.array_equal(made[: cut - fade // 2], self.wave[: cut - fade // 2])
        assert np.array_equal(made[cut + fade // 2 :], self.wave[60000 + fade // 2 : 90000])
        assert largest_step(made) <= largest_step(self.wave)

    def test_room_tone_under_a_clean_voice_and_beyond_its_end(self) -> None:
        start, length = 13000, 12000  # the file has 8800 samples, the last 800 of them silent
        pieces = [
            source_piece(0, start, 0),
            SoundPiece(start, length, Origin.VOICE, 0, length, 0, 160, -3.0),
            source_piece(start + length, 20000, 13000, fade=320),
        ]
        made = self.made(pieces)
        level = rms_db(made[:, 0], RATE, 0.005)
        assert level.min() > -66
        said = made[start + 200 : start + 7800, 0]
        truth = self.voice.audio.samples[200:7800, 0] * 10 ** (-3 / 20)
        assert np.corrcoef(said, truth)[0, 1] > 0.999
        rest = made[start + 8900 : start + length - 400]
        assert decibels(rest) == pytest.approx(-60, abs=2)

    def test_a_stretched_piece_keeps_its_neighbours(self) -> None:
        pieces = [source_piece(0, 9000, 0), source_piece(9000, 12000, 9000, source_samples=10000),
                  source_piece(21000, 9000, 19000)]  # fmt: skip
        made = self.made(pieces)
        assert np.array_equal(made[:9100], self.wave[:9100])
        assert np.array_equal(made[20900:], self.wave[18900:28000])
        assert largest_step(made) <= 1.2 * largest_step(self.wave)

    def test_loud_voices_do_not_clip(self) -> None:
        made = self.made([source_piece(0, 2000, 0), SoundPiece(2000, 8000, Origin.VOICE, 0, 8000, 0, 0, 18.0)])
        assert np.abs(made).max() <= 1
        assert np.abs(np.diff(made[2100:, 0])).max() < 1

    def test_voices_on_other_channels(self) -> None:
        stereo = StoredSound(Audio(np.repeat(self.wave, 2, axis=1), RATE))
        pieces = [SoundPiece(0, 4000, Origin.VOICE, 0, 4000, 0), SoundPiece(4000, 900, Origin.ROOM_TONE, 0, 900)]
        chunks = list(assemble(pieces, stereo, [self.voice], self.tone))
        assert chunks[0].samples.shape == (4900, 2)

    def test_channel_counts(self) -> None:
        mono = noise(10, -20)
        assert np.array_equal(fit_channels(mono, 2)[:, 1], mono[:, 0])
        assert fit_channels(np.ones((5, 6), np.float32), 2).shape == (5, 2)
