"""Sound to a transcript."""

from __future__ import annotations

from editalk.asr.sound import RATE, pcm, prepared
from editalk.audio import Audio, Samples
from editalk.transcript import Segment, Transcript, Word


def recognise(
    audio: Audio | Samples, model: str = "auto", language: str = "en", rate: int = RATE
) -> Transcript:
    """Recognise speech."""
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(pcm(prepared(audio, rate)).tobytes(), full_utt=True)
    decoder.end_utt()
    heard = [s for s in decoder.seg() if s.word[0] not in "<["] if decoder.hyp() else []
    words = tuple(Word(s.word.split("(")[0], s.start_frame / 100, (s.end_frame + 1) / 100, min(1.0, s.prob)) for s in heard)
    return Transcript((Segment(words),) if words else (), "en", engine="pocketsphinx")
