"""An invisible mark in generated pictures that survives encoding, and its detector."""

from editalk.watermark.detector import Detection, detect
from editalk.watermark.embed import VERSION, Embedder
from editalk.watermark.payload import check_extra, payload_of

__all__ = ["VERSION", "Detection", "Embedder", "check_extra", "detect", "payload_of"]
