"""Which words a voice says: the whole edited script or only its new words, and where they are."""

from editalk.voice.decide import NEW_WORDS, SCRIPT, hear
from editalk.voice.types import SpokenWord, Voice, VoiceRun

__all__ = ["NEW_WORDS", "SCRIPT", "SpokenWord", "Voice", "VoiceRun", "hear"]
