"""How well sound fits words: PocketSphinx's English acoustic model, frame by frame.

Its senones (tied states of phones) are scored once for every 10 ms of a sound; every wording of it is then a path
through the same scores, so that wordings can be compared with one another and with no wording at all.
A cost is in units of 1024 · ln(1.0001) ≈ 0.1 nat, 0 for the frame's best senone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from editalk.asr.pronounce import pronounce
from editalk.cache import scratch

if TYPE_CHECKING:
    from pocketsphinx import Decoder

RATE = 16000
FRAMES = 100  # per second
SILENCE = "SIL"
STATES = 3  # of a phone
BLOCK = 20 * RATE  # samples scored at once: 20 MB of scores
NEW_PHONE = 25.0  # cost of going on to another phone in the free loop
INTERNAL, BEGIN, END, SINGLE = range(4)  # where in a word a phone stands

Costs = NDArray[np.float32]
Phones = tuple[str, ...]


@dataclass(frozen=True)
class PhoneModel:
    """The senones of phones in context. `triphones`: (phone, left, right, position) → row of `senones` [rows, 3]."""

    names: tuple[str, ...]
    triphones: dict[tuple[int, int, int, int], int]
    alone: tuple[int, ...]  # the row of each phone without context
    senones: NDArray[np.int64]

    def states(self, words: Sequence[Phones]) -> list[NDArray[np.int64]]:
        """For each word, [3 · phones] senones, its neighbours' phones as context."""
        flat = [p for word in words for p in word]
        ids = {name: k for k, name in enumerate(self.names)}
        around = [ids[SILENCE], *(ids[p] for p in flat), ids[SILENCE]]
        found, at = [], 0
        for word in words:
            rows = []
            for k in range(len(word)):
                where = (SINGLE if len(word) == 1 else BEGIN if k == 0 else END if k == len(word) - 1 else INTERNAL)
                left, phone, right = around[at : at + 3]
                rows.append(self.triphones.get((phone, left, right, where), self.alone[phone]))
                at += 1
            found.append(self.senones[rows].reshape(-1))
        return found


@lru_cache(maxsize=1)
def phone_model() -> PhoneModel:
    """The phones of PocketSphinx's own model, read from its binary model definition."""
    from pocketsphinx import get_model_path

    data = Path(get_model_path(), "en-us", "en-us", "mdef").read_bytes()
    head = 12 + int.from_bytes(data[8:12], "little")
    phones, entries, states, _, _, _, sequences, _, tree, _ = np.frombuffer(data, "<i4", 10, head).tolist()
    at = head + 40
    names = data[at:].split(b"\0", phones)[:phones]
    at += sum(len(n) + 1 for n in names)
    at += -at % 4 + 8 * tree
    entry = np.dtype([("row", "<i4"), ("matrix", "<i4"), ("place", "u1"), ("of", "u1", 3)])
    table = np.frombuffer(data, entry, entries, at)
    senones = np.frombuffer(data, "<u2", sequences * states, at + 12 * entries + 4).reshape(sequences, states)
    triphones = {
        (phone, left, right, place): row
        for row, place, (phone, left, right) in zip(
            table["row"][phones:].tolist(), table["place"][phones:].tolist(), table["of"][phones:].tolist(), strict=True
        )
    }
    alone = tuple(table["row"][:phones].tolist())
    return PhoneModel(tuple(n.decode() for n in names), triphones, alone, senones.astype(np.int64))


@lru_cache(maxsize=1)
def _dictionary() -> Decoder:
    from pocketsphinx import Decoder

    return Decoder(lm=None, loglevel="FATAL")


@lru_cache(maxsize=4096)
def pronunciations(word: str) -> tuple[Phones, ...]:
    """The ways to say a spoken word: those of the dictionary, else from its spelling; never empty."""
    decoder = _dictionary()
    found = []
    for name in (word, *(f"{word}({k})" for k in range(2, 6))):
        phones = decoder.lookup_word(name)
        if phones is None:
            break
        found.append(tuple(phones.split()))
    return tuple(found) or tuple(p for p in pronounce(word) if p) or (("AH",),)


def score(samples: NDArray[np.float32]) -> Costs:
    """[n, senones] the cost of every senone in every 10 ms of mono sound at 16 kHz."""
    from pocketsphinx import Decoder

    with scratch() as folder:
        decoder = Decoder(
            lm=None, loglevel="FATAL", compallsen=True, senlogdir=str(folder), keyphrase="oh", kws_threshold=1e-20,
            bestpath=False,
        )  # fmt: skip
        decoder.start_utt()
        pcm = np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2")
        decoder.process_raw(pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        del decoder
        logs = sorted(folder.glob("*.sen"))
        data = logs[0].read_bytes() if logs else b""
    head = data.find(b"endhdr\n") + 11
    count = int(data[data.find(b"n_sen ") + 6 :].split(b"\n", 1)[0]) if data else 0
    if not count or len(data) <= head:
        return np.zeros((0, 5126), np.float32)
    rows = np.frombuffer(data[head : head + (len(data) - head) // (2 * count + 2) * (2 * count + 2)], "<i2")
    return rows.reshape(-1, count + 1)[:, 1:].astype(np.float32)


@dataclass(frozen=True)
class Way:
    """A way through a sound: for each word frames [start, end), and what every frame costs."""

    words: tuple[tuple[int, int], ...]
    costs: NDArray[np.float32]

    def cost(self, start: int, end: int) -> float:
        """Mean over frames [start, end)."""
        return float(self.costs[start:end].mean()) if end > start else 0.0


def align_phones(costs: Costs, words: Sequence[Phones]) -> Way | None:
    """The best way through all words in order, pauses allowed between them; None where the sound is too short."""
    model = phone_model()
    silence = model.senones[model.alone[model.names.index(SILENCE)]]
    states, first, owner = [], [], []
    for k, word in enumerate(model.states(words)):
        states += [silence, word]
        owner += [-1] * len(silence) + [k] * len(word)
        first.append(len(owner) - len(word))
    states.append(silence)
    owner += [-1] * len(silence)
    chain = np.concatenate(states)
    skips = np.array([*first, len(chain)]) - STATES  # a pause may be left out
    if len(costs) < len(chain) - STATES * len(skips):
        return None
    local = costs[:, chain]
    back, total = _forward(local, skips)
    end = len(chain) - 1
    if total[end - STATES] < total[end]:
        end -= STATES
    if not np.isfinite(total[end]):
        return None
    path = np.empty(len(costs), np.int64)
    for t in range(len(costs) - 1, -1, -1):
        path[t] = end
        end -= back[t, end]
    who = np.array(owner)[path]
    spans = []
    for k in range(len(words)):
        frames = np.flatnonzero(who == k)
        spans.append((int(frames[0]), int(frames[-1]) + 1))
    return Way(tuple(spans), local[np.arange(len(costs)), path])


def _forward(local: Costs, skips: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Viterbi over a chain whose pauses, three states from each of `skips`, may be left out: (steps back, costs)."""
    frames, size = local.shape
    back = np.zeros(local.shape, np.uint8)
    total = np.full(size, np.inf, np.float32)
    total[0] = local[0, 0]
    over = skips + STATES
    over = over[over < size]
    total[STATES] = local[0, STATES]  # straight into the first word
    from_ = over - STATES - 1
    inner = from_ >= 0
    over, from_ = over[inner], from_[inner]
    for t in range(1, frames):
        best = total.copy()
        step = np.zeros(size, np.uint8)
        nxt = total[:-1] < best[1:]
        best[1:][nxt] = total[:-1][nxt]
        step[1:][nxt] = 1
        better = total[from_] < best[over]
        best[over[better]] = total[from_[better]]
        step[over[better]] = STATES + 1
        total = best + local[t]
        back[t] = step
    return back, total


def loop(costs: Costs) -> Way:
    """The best way through any phones at all."""
    model = phone_model()
    rows = [r for r, name in zip(model.alone, model.names, strict=True) if not name.startswith("+")]
    local = costs[:, model.senones[rows].reshape(-1)]
    size = local.shape[1]
    entry = np.arange(0, size, STATES)
    total = np.full(size, np.inf, np.float32)
    back = np.zeros(local.shape, np.int32)
    if not len(local):
        return Way((), np.zeros(0, np.float32))
    total[entry] = local[0, entry]
    for t in range(1, len(local)):
        source = np.arange(size)
        best = total.copy()
        nxt = total[:-1] < best[1:]
        nxt[entry[1:] - 1] = False
        best[1:][nxt] = total[:-1][nxt]
        source[1:][nxt] = np.arange(size - 1)[nxt]
        exits = entry + STATES - 1
        leave = int(exits[total[exits].argmin()])
        new = total[leave] + NEW_PHONE < best[entry]
        best[entry[new]] = total[leave] + NEW_PHONE
        source[entry[new]] = leave
        total = best + local[t]
        back[t] = source
    path = np.empty(len(local), np.int64)
    at = int(total.argmin())
    for t in range(len(local) - 1, -1, -1):
        path[t] = at
        at = int(back[t, at])
    return Way((), local[np.arange(len(local)), path])


def word_cost(costs: Costs, word: Phones, left: str = SILENCE, right: str = SILENCE) -> float:
    """Mean cost of a sound [n, senones] as one word and nothing else; inf where it is too short."""
    chain = phone_model().states([(left,), word, (right,)])[1]
    if len(costs) < len(chain):
        return float("inf")
    local = costs[:, chain]
    total = np.full(len(chain), np.inf, np.float32)
    total[0] = local[0, 0]
    for t in range(1, len(local)):
        total[1:] = np.minimum(total[1:], total[:-1])
        total += local[t]
    return float(total[-1]) / len(costs)


def spelled(words: Iterable[str]) -> list[Phones]:
    """The first pronunciation of each spoken word."""
    return [pronunciations(w)[0] for w in words]
