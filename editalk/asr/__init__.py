"""Sound to words: recognition (Whisper, PocketSphinx) and forced alignment of a known script."""

from __future__ import annotations

from editalk.asr.align import align, understands
from editalk.asr.openai_whisper import whisper_available
from editalk.asr.recognise import recognise
from editalk.asr.types import AlignedWord, Alignment, Phone

__all__ = ["AlignedWord", "Alignment", "Phone", "align", "recognise", "understands", "whisper_available"]
