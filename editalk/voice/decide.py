"""`hear`: whether a voice says the script or its new words, and whether it says them at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from editalk.asr import recognise, understands
from editalk.audio import Samples, activity
from editalk.errors import EditalkError, VoiceError
from editalk.voice.acoustic import RATE
from editalk.voice.elsewhere import by_length
from editalk.voice.ranges import runs_of
from editalk.voice.reading import Files, Reading, read_tokens, together
from editalk.voice.types import Voice

SCRIPT, NEW_WORDS = "script", "new-words"
UNSAID = 40.0  # mean excess of old words that were not said
MARGIN = 5.0
SHORTEST = 0.05  # seconds of speech
TOO_SHORT = 0.08  # seconds of sound
UNHEARD = 3  # words none of which is heard clearly were not said
LISTEN = 30  # seconds of a wrong voice that are recognised for the message

Run = tuple[int, int]


def hear(
    files: Sequence[Samples],
    script: Sequence[str],
    new_runs: Sequence[Run],
    covers: str | None = None,
    names: Sequence[str] | None = None,
    language: str = "en",
) -> Voice:
    """Find out what voice files say.

    `files`: mono sound [n] at 16 kHz each, in order. `script`: the tokens of the edited text, as displayed; `new_runs`:
    token ranges [first, end) that are new in it, ascending. `covers`: "script" or "new-words" where the user said
    which. `names`: of the files, for messages. Raises VoiceError where the files say neither.
    """
    names = tuple(names) if names is not None else tuple(f"voice {k + 1}" for k in range(len(files)))
    if covers not in (None, SCRIPT, NEW_WORDS):
        raise VoiceError(f"a voice covers “{SCRIPT}” or “{NEW_WORDS}”, not “{covers}”")
    new_runs = tuple((a, b) for a, b in new_runs if b > a)
    _check_given(files, script, new_runs, covers, names)
    if sum(b - a for a, b in new_runs) == len(script) and covers is None and len(files) != len(new_runs):
        covers = SCRIPT
    if not understands(language):
        return by_length(files, script, new_runs, covers, language)
    choices = _choices(files, script, new_runs, covers)
    if not choices:
        raise VoiceError(_refusal(files, script, new_runs, covers, names, None))
    believed = [c for c in choices if c[2] <= 0 and not len(c[1].doubtful) == len(c[1].words) >= UNHEARD]
    if not believed:
        raise VoiceError(_refusal(files, script, new_runs, covers, names, min(choices, key=lambda c: c[2])[1]))
    best, reading = _likelier([(name, r) for name, r, _ in believed], new_runs)
    runs = runs_of(files, reading.words, new_runs) if best == NEW_WORDS else ()
    return Voice(best, reading.words, runs, reading.fit, reading.doubtful, _doubts(reading, script, names))


def _check_given(
    files: Sequence[Samples], script: Sequence[str], new_runs: Sequence[Run], covers: str | None, names: Sequence[str]
) -> None:
    if not files:
        raise VoiceError("no voice file was given")
    for file, name in zip(files, names, strict=True):
        if activity(file, RATE).sum() / 100 < SHORTEST and not (len(file) and np.abs(file).max() > 0.003):
            raise VoiceError(f"{name}: nobody speaks in it")
        if len(file) < TOO_SHORT * RATE:
            raise VoiceError(f"{name}: it lasts only {len(file) / RATE:.2f} s, too short for a word")
    if not script:
        raise VoiceError("the edited text has no words for a voice to say")
    if covers == NEW_WORDS and not new_runs:
        raise VoiceError("the edited text has no new words for a voice to say")


def _choices(
    files: Sequence[Samples], script: Sequence[str], new_runs: Sequence[Run], covers: str | None
) -> list[tuple[str, Reading, float]]:
    """All ways in which the files can be meant: what they cover, how, and how wrong that is (over 0: surely)."""
    found: list[tuple[str, Sequence[Reading | None]]] = []
    given = Files(files)
    if covers != NEW_WORDS:
        found.append((SCRIPT, [read_tokens(given, script, range(len(script)))]))
    if covers != SCRIPT and new_runs:
        wanted = [k for a, b in new_runs for k in range(a, b)]
        if len(files) == len(new_runs) > 1:
            found.append((NEW_WORDS, _one_each(files, script, new_runs)))
        else:
            found.append((NEW_WORDS, [read_tokens(given, [script[k] for k in wanted], wanted)]))
    choices = []
    for name, readings in found:
        possible = [r for r in readings if r is not None]
        if len(possible) == len(readings):
            choices.append((name, together(possible), max(r.wrong for r in possible)))
    return choices


def _likelier(believed: Sequence[tuple[str, Reading]], new_runs: Sequence[Run]) -> tuple[str, Reading]:
    """What fits best. A few short words more find a place in any sound: the script must have said its old words too."""
    best = min(believed, key=lambda c: c[1].badness)
    other = next((c for c in believed if c[0] == NEW_WORDS), None)
    if best[0] == NEW_WORDS or other is None:
        return best
    new = {k for a, b in new_runs for k in range(a, b)}
    old = [e for w, e in zip(best[1].words, best[1].excesses, strict=True) if w.token not in new and np.isfinite(e)]
    unsaid = bool(old) and float(np.mean(old)) > UNSAID
    return other if unsaid or other[1].badness < best[1].badness + MARGIN else best


def _one_each(files: Sequence[Samples], script: Sequence[str], new_runs: Sequence[Run]) -> list[Reading | None]:
    """Each file as one run."""
    return [
        read_tokens(Files([file], k), script[a:b], range(a, b))
        for k, (file, (a, b)) in enumerate(zip(files, new_runs, strict=True))
    ]


def _doubts(reading: Reading, script: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each file with words that it may not say."""
    said = []
    for k, name in enumerate(names):
        words = [f"“{script[w.token]}” at {w.start:.2f} s" for w in reading.words
                 if w.file == k and w.token in reading.doubtful]  # fmt: skip
        if words:
            more = f" and {len(words) - 8} more" if len(words) > 8 else ""
            said.append(f"{name}: these words of the script were not heard clearly: {', '.join(words[:8])}{more}")
    return tuple(said)


def _refusal(
    files: Sequence[Samples], script: Sequence[str], new_runs: Sequence[Run], covers: str | None,
    names: Sequence[str], best: Reading | None,
) -> str:  # fmt: skip
    """What was expected and what is heard instead."""
    wanted = []
    if covers != SCRIPT and new_runs:
        wanted.append("the new words, “" + "” and “".join(_short(script[a:b]) for a, b in new_runs) + "”")
    if covers != NEW_WORDS:
        wanted.append(f"the whole script, “{_short(script)}”")
    lines = [f"{', '.join(names)}: does not say {' nor '.join(wanted)}"]
    if best is not None:
        differ = [script[k] for k in best.doubtful]
        if differ:
            lines.append(f"words that were expected and not heard: {_short(differ)}")
    heard = "; ".join(filter(None, (_heard(f) for f in files[:4])))
    if heard:
        lines.append(f"heard instead, roughly: {heard}")
    if covers is None:
        lines.append("if it does, say so with --voice-covers script or --voice-covers new-words and look at the words")
    return "\n  ".join(lines)  # a message's further lines are indented, see `editalk.terminal`


def _short(words: Sequence[str], most: int = 16) -> str:
    return " ".join(words[:most]) + (" …" if len(words) > most else "")


def _heard(file: Samples) -> str:
    try:
        transcript = recognise(file[: LISTEN * RATE], say=lambda message: None)
    except EditalkError:
        return ""
    return _short([w.text for w in transcript.words])
