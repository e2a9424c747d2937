"""Sound → the lower face's shape, learnt from this speaker's own footage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.audio import Audio
from editalk.backends.exemplar.hearing import SPEECH, Hearing, Voice
from editalk.backends.exemplar.shape import MouthSpace, aperture

Floats = NDArray[np.float64]

ROWS = 2000  # frames to learn from at most
RIDGE = 1.0
GAMMA = 1.5  # over the median squared distance
FOLDS = 6
EDGE = 0.3  # seconds left out beside what is withheld
LEADS = np.arange(-0.12, 0.161, 0.02)  # how long after the picture the sound may come
USUAL_LEAD = 0.05
QUIET = 26.0  # dB below the speech's level that count as silence
KNOWN, STRANGE = 0.2, 0.6  # distances of voices
DOUBT = 0.85  # of what was learnt, where the voice is a strange one
FEW = 5  # frames of speech: fewer tell nothing of its amplitude
OTHER = 0.3  # of the gain, for what is not the opening
LEAST_FACTOR, MOST_FACTOR = 0.75, 4.0  # by which a prediction is brought to the usual amplitude
AMPLITUDE = 0.97  # of the true aperture's SD


@dataclass(frozen=True)
class _Kernel:
    """Kernel ridge regression with a Gaussian kernel on standardised features."""

    mean: Floats
    scale: Floats
    rows: Floats
    gamma: float
    weights: Floats

    @classmethod
    def fit(cls, features: Floats, targets: Floats) -> _Kernel:
        mean, scale = features.mean(0), features.std(0) + 1e-6
        rows = (features - mean) / scale
        far = _squares(rows, rows)
        gamma = GAMMA / max(float(np.median(far)), 1e-9)
        kernel = np.exp(-gamma * far)
        kernel[np.diag_indices_from(kernel)] += RIDGE
        return cls(mean, scale, rows, gamma, np.linalg.solve(kernel, targets))

    def __call__(self, features: Floats) -> Floats:
        return np.asarray(np.exp(-self.gamma * _squares((features - self.mean) / self.scale, self.rows)) @ self.weights)


def _squares(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.maximum(0, np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T))


@dataclass(frozen=True)
class Predictor:
    """Predicts shapes. `gain`: what restores the regression's amplitude; `trust`: its share against the envelope's
    part; `fit`: correlation of the aperture with the truth, withheld parts of the footage predicted from the rest.
    """

    space: MouthSpace
    kernels: tuple[_Kernel, _Kernel]
    gain: float
    trust: float
    lead: float
    slope: Floats  # [k, 3] shape per aperture
    rest: Floats  # [k, 3] the mouth in silence
    voice: Voice
    spoken: tuple[float, float]  # mean and SD of the aperture in the source's speech
    fit: float

    @classmethod
    def learn(cls, space: MouthSpace, shapes: Floats, times: Floats, sound: Audio, start: float) -> Predictor:
        """From shapes [n, k, 3] at `times` seconds and the sound of the same clock."""
        hearing = Hearing(sound, start)
        shapes, times = shapes[:: -(-len(shapes) // ROWS)], times[:: -(-len(times) // ROWS)]
        gape = aperture(shapes)
        lead = _lead(hearing, times, gape)
        views = hearing.features(times)
        targets = (shapes - space.mean).reshape(len(shapes), -1)
        guess = _withheld(views, targets, times)
        guessed = aperture(space.mean + guess.reshape(shapes.shape)) - gape.mean()
        fit = _correlation(guessed, gape)
        gain = AMPLITUDE * float(gape.std()) / float(guessed.std()) if guessed.std() > 1e-6 else 1.0
        opening = _standard(hearing, times, lead)
        seconds = len(times) * float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        off = gape - gape.mean()
        slope = (off @ targets / max(float(off @ off), 1e-9)).reshape(shapes.shape[1:])
        quiet = (hearing.loudness(times) < -QUIET) & (hearing.loudness(times, lead) < -QUIET)
        awake = hearing.loudness(times, lead) > -SPEECH
        spoken = gape[awake] if awake.sum() > 10 else gape
        return cls(
            space, (_Kernel.fit(views[0], targets), _Kernel.fit(views[1], targets)),
            float(np.clip(gain, 1.0, 2.2)), _trust(guessed, opening, gape, seconds), lead, slope,
            _rest(shapes, gape, quiet), hearing.voice, (float(spoken.mean()), float(spoken.std())), fit,
        )  # fmt: skip

    def __call__(self, sound: Audio, start: float, times: Floats) -> Floats:
        """Shapes [n, k, 3] for frames at `times` seconds."""
        hearing = Hearing(sound, start, self.voice)
        views = hearing.features(times)
        learnt = sum(kernel(x) for kernel, x in zip(self.kernels, views, strict=True)) / 2
        learnt = self._enlarged(np.asarray(learnt).reshape(len(times), *self.space.mean.shape))
        opening = _standard(hearing, times, self.lead) * AMPLITUDE * self.space.gape[1]
        direct = opening[:, None, None] * self.slope
        strange = float(np.clip((hearing.voice.distance(self.voice) - KNOWN) / (STRANGE - KNOWN), 0, 1))
        trust = self.trust * (1 - DOUBT * strange)
        shapes = self.space.mean + trust * learnt + (1 - trust) * direct
        shapes = self._alike(shapes, hearing, times)
        return limited(self._rested(shapes, hearing, times), self.space, self.slope)

    def _enlarged(self, moves: Floats) -> Floats:
        """The regression's amplitude restored: the opening's whole, the rest's, which sound tells less of, in part."""
        opened = (aperture(self.space.mean + moves) - aperture(self.space.mean[None]))[:, None, None] * self.slope
        return np.asarray(self.gain * opened + (1 + OTHER * (self.gain - 1)) * (moves - opened))

    def _alike(self, shapes: Floats, hearing: Hearing, times: Floats) -> Floats:
        """A strange voice is not predicted boldly: bring the aperture in speech to this speaker's mean and SD."""
        awake = hearing.loudness(times, self.lead) > -SPEECH
        sure = awake.sum() / (awake.sum() + FEW)
        gape = aperture(shapes)
        if awake.sum() < FEW:
            return shapes
        mean, spread = float(gape[awake].mean()), max(float(gape[awake].std()), 1e-6)
        factor = float(np.clip(AMPLITUDE * self.spoken[1] / spread, LEAST_FACTOR, MOST_FACTOR)) ** sure
        centre = shapes[awake].mean(0)
        moved = centre + factor * (shapes - centre)
        return np.asarray(moved + sure * (self.spoken[0] - mean) * self.slope)

    def _rested(self, shapes: Floats, hearing: Hearing, times: Floats) -> Floats:
        """Where there is silence for a while, the mouth rests."""
        around = np.stack([hearing.loudness(times, self.lead + o) for o in np.arange(-0.1, 0.141, 0.04)]).max(0)
        awake = ((around + QUIET + 4) / 8).clip(0, 1)[:, None, None]
        return np.asarray(awake * shapes + (1 - awake) * self.rest)


def limited(shapes: Floats, space: MouthSpace, slope: Floats) -> Floats:
    """Shapes whose aperture stays within what this mouth did: from shut to mean + 3 SD."""
    gape = aperture(shapes)
    wanted = gape.clip(0.0, space.gape[0] + 3 * space.gape[1])
    return np.asarray(shapes + (wanted - gape)[:, None, None] * slope)


def _standard(hearing: Hearing, times: Floats, lead: float) -> Floats:
    """The envelope's root over its own mean and SD in speech."""
    root = np.sqrt(hearing.envelope[hearing.spoken])
    if len(root) < 10 or root.std() < 1e-6:
        return np.zeros(len(times))
    return np.asarray(((np.sqrt(hearing.opening(times, lead)) - root.mean()) / root.std()).clip(-2, 3))


def _lead(hearing: Hearing, times: Floats, gape: Floats) -> float:
    """How long after the picture the sound comes, seconds; the usual where the lips do not tell."""
    scores = np.array([_correlation(np.sqrt(hearing.opening(times, lead)), gape) for lead in LEADS])
    weighed = scores - 0.12 * np.square((LEADS - USUAL_LEAD) / 0.1)
    best = int(weighed.argmax())
    return float(LEADS[best]) if scores[best] > 0.15 else USUAL_LEAD


def _withheld(views: tuple[Floats, Floats], targets: Floats, times: Floats) -> Floats:
    """Every fold predicted from the others, its surroundings left out: [n, d]."""
    out = np.zeros_like(targets)
    bounds = np.linspace(times[0], times[-1] + 1e-6, FOLDS + 1)
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        test, train = (times >= a) & (times < b), (times < a - EDGE) | (times > b + EDGE)
        if train.sum() >= 10 and test.any():
            mean = targets[train].mean(0)
            parts = [_Kernel.fit(v[train], targets[train] - mean)(v[test]) for v in views]
            out[test] = mean + np.mean(parts, axis=0)
    return out


def _trust(guessed: Floats, opening: Floats, gape: Floats, seconds: float) -> float:
    """The regression's share: what fits best over the withheld parts, drawn to what is usual on little footage."""
    shares = np.linspace(0, 1, 21)
    parts = [x / max(float(x.std()), 1e-9) for x in (guessed, opening - opening.mean())]
    scores = np.array([_correlation(s * parts[0] + (1 - s) * parts[1], gape) for s in shares])
    usual = float(np.clip((seconds - 1) / 4, 0.3, 1.0))
    certain = seconds / (seconds + 30)
    return float(certain * shares[scores.argmax()] + (1 - certain) * usual)


def _rest(shapes: Floats, gape: Floats, quiet: NDArray[np.bool_]) -> Floats:
    """The mouth in silence; without any, the fifth of the frames in which it is least open."""
    if quiet.sum() < 6:
        quiet = gape <= np.percentile(gape, 20)
    order = np.argsort(gape[quiet])  # a laugh or a breath is not rest
    return np.asarray(shapes[quiet][order[: max(3, len(order) * 2 // 3)]].mean(0))


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-12 else 0.0
