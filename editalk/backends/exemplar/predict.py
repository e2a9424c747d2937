"""Sound → the lower face's shape: what any mouth does for it (`prior`), adapted to this speaker's own footage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editalk.asr import Phone
from editalk.audio import Audio
from editalk.backends.exemplar import prior
from editalk.backends.exemplar.hearing import SPEECH, Hearing, Voice
from editalk.backends.exemplar.mouth import Mouth
from editalk.backends.exemplar.phones import closing, heard, said
from editalk.backends.exemplar.shape import APERTURE, MEASURES, MouthSpace, aperture, gap, measures
from editalk.face import pearson

Floats = NDArray[np.float64]

ROWS = 2000  # frames to learn from at most
RIDGE = 0.5
GAMMA = 1.2  # over the median squared distance
FOLDS = 24
EDGE = 0.2  # seconds left out beside what is withheld
LEADS = np.arange(-0.12, 0.181, 0.02)  # how long after the picture the sound may come
USUAL_LEAD, LEAD_SPREAD, LEAD_COST = 0.02, 0.06, 0.06
FEW_FRAMES = 50.0  # of speech: with fewer the lead is drawn to the usual one
TELLING = np.array([3.0, 1.0, 1.0, 0.5, 2.0, 0.5, 2.0, 0.5])  # how much of each measure sound tells
USUAL_SHARES = np.array([0.8, 0.0, 0.1])  # of the prior, of what was learnt from this footage, of the loudness
FOREIGN_SHARES = np.array([0.0, 1.4, 0.0])  # where the prior does not fit: a language that it was not made from
NO_FIT, GOOD_FIT = 0.2, 0.7  # correlations of the prior with the lips
SECONDS_OF_FIT = 1.0  # of speech that tell half of how well the prior fits
CERTAIN, CERTAIN_FOREIGN = 0.7, 2.8  # seconds of speech that count as much as the shares expected
MATURE = 1.15  # what was learnt from all of the footage, against what was learnt with parts withheld
QUIET = 26.0  # dB below the speech's level that count as silence
KNOWN, STRANGE = 0.25, 0.5  # distances of voices
MOST_GAIN = 2.2
OTHER = 0.25  # of the gain, for what is not the opening
FEW = 25  # frames of speech that tell half of its amplitude
LEAST_FACTOR, MOST_FACTOR = 0.8, 1.5  # by which a prediction is brought to the usual amplitude
AMPLITUDE = 0.9  # of the true aperture's SD


@dataclass(frozen=True)
class _Kernel:
    """Kernel ridge regression with a Gaussian kernel on standardised features."""

    mean: Floats
    scale: Floats
    rows: Floats
    gamma: float
    weights: Floats

    @classmethod
    def fit(cls, features: Floats, targets: Floats, times: Floats) -> tuple[_Kernel, Floats]:
        """The regression, and targets [n, d] as predicted with the surroundings of each withheld."""
        mean, scale = features.mean(0), features.std(0) + 1e-6
        rows = (features - mean) / scale
        far = _squares(rows, rows)
        gamma = GAMMA / max(float(np.median(far)), 1e-9)
        kernel = np.exp(-gamma * far)
        kernel[np.diag_indices_from(kernel)] += RIDGE
        inverse = np.linalg.inv(kernel)
        weights = inverse @ targets
        return cls(mean, scale, rows, gamma, weights), _withheld(inverse, weights, targets, times)

    def __call__(self, features: Floats) -> Floats:
        return np.asarray(np.exp(-self.gamma * _squares((features - self.mean) / self.scale, self.rows)) @ self.weights)


def _squares(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.maximum(0, np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T))


@dataclass(frozen=True)
class _Heard:
    """A sound as the prior and the regression hear it: `guess` [m, MEASURES] of the prior, every 10 ms."""

    hearing: Hearing
    guess: Floats

    @classmethod
    def of(cls, sound: Audio, start: float, phones: Sequence[Phone], like: Voice | None = None) -> _Heard:
        hearing = Hearing(sound, start, like)
        count = len(hearing.level)
        seen = prior.inputs(hearing.level, hearing.swell, heard(sound, count), said(phones, start, count))
        return cls(hearing, prior.load()(seen)[0])

    def usual(self, times: Floats, lead: float) -> Floats:
        """[n, MEASURES]: what any mouth does."""
        return self.hearing.at(self.guess, times, np.array([lead]))

    def awake(self, times: Floats, lead: float) -> NDArray[np.bool_]:
        """[n]: whether there is speech."""
        return self.hearing.loudness(times, lead) > -SPEECH


@dataclass(frozen=True)
class Predictor:
    """Predicts shapes. `shares` [MEASURES, 3]: of the prior, of what was learnt from the footage and of the loudness;
    `bond` [MEASURES]: how each measure goes with the opening; `gain`: what restores the amplitude; `fit`: correlation
    of the aperture with the truth, withheld parts of the footage predicted from the rest.
    """

    space: MouthSpace
    mouth: Mouth
    kernels: tuple[_Kernel, ...]
    shares: Floats
    bond: Floats
    gain: Floats
    lead: float
    rest: Floats  # [k, 3] the mouth in silence
    voice: Voice
    fit: float

    @classmethod
    def learn(
        cls, space: MouthSpace, shapes: Floats, times: Floats, sound: Audio, start: float, phones: Sequence[Phone] = ()
    ) -> Predictor:
        """From shapes [n, k, 3] at `times` seconds and the sound of the same clock, whose phones may be known."""
        shapes, times = shapes[:: -(-len(shapes) // ROWS)], times[:: -(-len(times) // ROWS)]
        ear = _Heard.of(sound, start, phones)
        awake = ear.awake(times, USUAL_LEAD)
        awake = awake if awake.sum() > 10 else np.ones(len(times), bool)
        mouth = Mouth.of(shapes, awake)
        wanted = mouth.standard(measures(shapes))
        lead = _lead(ear, times, wanted, awake)
        learnt = [_Kernel.fit(view, wanted, times) for view in ear.hearing.features(times)]
        own = np.mean([withheld for _, withheld in learnt], axis=0)
        bond = np.array([pearson(column, wanted[:, APERTURE]) for column in wanted.T])
        swell = ear.hearing.opening(times, lead)[:, None] * bond
        parts = np.stack([ear.usual(times, lead), own, swell], 2)
        rate = 1 / max(float(np.median(np.diff(times))) if len(times) > 1 else 1.0, 1e-3)
        known = _known(parts[awake, :, 0], wanted[awake], float(awake.sum()) / rate)
        expected = known * USUAL_SHARES + (1 - known) * FOREIGN_SHARES
        doubt = rate * (known * CERTAIN + (1 - known) * CERTAIN_FOREIGN)
        shares = _shares(parts[awake], wanted[awake], expected, doubt)
        guess = (parts * shares).sum(2)
        quiet = (ear.hearing.loudness(times) < -QUIET) & (ear.hearing.loudness(times, lead) < -QUIET)
        return cls(
            space, mouth, tuple(kernel for kernel, _ in learnt), shares, bond, _gain(guess[awake]), lead,
            _rest(shapes, quiet), ear.hearing.voice, pearson(guess[awake, APERTURE], wanted[awake, APERTURE]),
        )  # fmt: skip

    def __call__(self, sound: Audio, start: float, times: Floats, phones: Sequence[Phone] = ()) -> Floats:
        """Shapes [n, k, 3] for frames at `times` seconds; `phones` of the sound where its words are known."""
        ear = _Heard.of(sound, start, phones, self.voice)
        strange = float(np.clip((ear.hearing.voice.distance(self.voice) - KNOWN) / (STRANGE - KNOWN), 0, 1))
        moves = self._alike(self._measures(ear, times, strange), ear.awake(times, self.lead), strange)
        shapes = self._rested(self.mouth.shapes(moves), ear.hearing, times)
        gape = gap(shapes) / max(float(self.mouth.mean[APERTURE]), 1e-6)
        return self.mouth.closed(shapes, *closing(phones, times + self.lead, gape))

    def _measures(self, ear: _Heard, times: Floats, strange: float) -> Floats:
        """[n, MEASURES] in SDs, their amplitude restored. What was learnt from a voice says little of a strange one."""
        own = np.mean([k(x) for k, x in zip(self.kernels, ear.hearing.features(times), strict=True)], axis=0)
        swell = ear.hearing.opening(times, self.lead)[:, None] * self.bond
        parts = np.stack([ear.usual(times, self.lead), own, swell], 2)
        known, usual = self.gain * (parts * self.shares).sum(2), parts @ USUAL_SHARES
        return np.asarray((1 - strange) * known + strange * usual)

    def _alike(self, moves: Floats, awake: NDArray[np.bool_], strange: float) -> Floats:
        """With a strange voice the opening is drawn to this speaker's mean and SD, the more the more there is of it."""
        if awake.sum() < 3 or not strange:
            return moves
        sure = strange * awake.sum() / (awake.sum() + FEW)
        centre, gape = moves[awake].mean(0), moves[awake, APERTURE]
        factor = float(np.clip(AMPLITUDE / max(float(gape.std()), 1e-6), LEAST_FACTOR, MOST_FACTOR)) ** sure
        moved = centre + factor * (moves - centre)
        moved[:, APERTURE] -= sure * centre[APERTURE]
        return np.asarray(moved)

    def _rested(self, shapes: Floats, hearing: Hearing, times: Floats) -> Floats:
        """Where there is silence for a while, the mouth rests."""
        around = np.stack([hearing.loudness(times, self.lead + o) for o in np.arange(-0.1, 0.141, 0.04)]).max(0)
        awake = ((around + QUIET + 4) / 8).clip(0, 1)[:, None, None]
        return np.asarray(awake * shapes + (1 - awake) * self.rest)


def _lead(ear: _Heard, times: Floats, wanted: Floats, awake: NDArray[np.bool_]) -> float:
    """How long after the picture the sound comes, seconds: where the prior and the loudness fit the lips best."""
    scores = []
    for lead in LEADS:
        usual = ear.usual(times, float(lead))
        fits = [pearson(a, b) for a, b in zip(usual.T, wanted.T, strict=True)]
        swell = pearson(ear.hearing.opening(times, float(lead)), wanted[:, APERTURE])
        scores.append((TELLING @ fits / TELLING.sum() + 0.5 * swell) / 1.5)
    doubt = LEAD_COST * (1 + FEW_FRAMES / max(1, int(awake.sum())))
    return float(LEADS[np.argmax(scores - doubt * np.square((LEADS - USUAL_LEAD) / LEAD_SPREAD))])


def _withheld(inverse: Floats, weights: Floats, targets: Floats, times: Floats) -> Floats:
    """Every fold of the targets [n, d] predicted from the others, its surroundings left out; 0 where hardly any are.

    Without learning anew: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.12, for blocks.
    """
    out = np.zeros_like(targets)
    bounds = np.linspace(times[0], times[-1] + 1e-6, FOLDS + 1)
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        away = np.flatnonzero((times >= a - EDGE) & (times < b + EDGE))
        if len(away) and len(times) - len(away) >= 10:
            guess = targets[away] - np.linalg.solve(inverse[np.ix_(away, away)], weights[away])
            fold = (times[away] >= a) & (times[away] < b)
            out[away[fold]] = guess[fold]
    return out


def _known(usual: Floats, wanted: Floats, seconds: float) -> float:
    """0…1: how well the prior [n, MEASURES] fits these lips; where little speech tells, that it does."""
    fits = [pearson(a, b) for a, b in zip(usual.T, wanted.T, strict=True)]
    fit = float(np.clip((TELLING @ fits / TELLING.sum() - NO_FIT) / (GOOD_FIT - NO_FIT), 0, 1))
    return 1 - (1 - fit) * seconds / (seconds + SECONDS_OF_FIT)


def _shares(parts: Floats, wanted: Floats, expected: Floats, doubt: float) -> Floats:
    """[MEASURES, parts]: least squares over the withheld parts [n, MEASURES, parts], drawn to the expected shares
    [parts] as if `doubt` frames had spoken for them; never against a part.
    """
    from scipy.optimize import nnls

    rows = []
    for x, y in zip(parts.transpose(1, 0, 2), wanted.T, strict=True):
        held = np.sqrt(doubt * (np.square(x).mean(0) + 1e-6))
        rows.append(nnls(np.vstack([x, np.diag(held)]), np.append(y, held * expected))[0])
    return np.asarray(rows) * (1.0, MATURE, 1.0)


def _gain(guess: Floats) -> Floats:
    """[MEASURES]: what brings the guess to the amplitude of 1; the opening's whole, the rest's, which sound tells less
    of, in part.
    """
    whole = (AMPLITUDE / np.maximum(guess.std(0), 1e-3)).clip(1, MOST_GAIN)
    part = np.where(np.arange(MEASURES) == APERTURE, 1.0, OTHER)
    return np.asarray(1 + part * (whole - 1))


def _rest(shapes: Floats, quiet: NDArray[np.bool_]) -> Floats:
    """The mouth in silence; without any, the fifth of the frames in which it is least open."""
    gape = aperture(shapes)
    if quiet.sum() < 6:
        quiet = gape <= np.percentile(gape, 20)
    order = np.argsort(gape[quiet])  # a laugh or a breath is not rest
    return np.asarray(shapes[quiet][order[: max(3, len(order) * 2 // 3)]].mean(0))
