"""Probing, decoding and encoding through PyAV; frames are an iterator, never a whole video in memory."""
