"""Frames → landmarks of one face (MediaPipe): track, pose, boxes, masks."""

from __future__ import annotations

from editalk.face.geometry import (
    Box,
    Pose,
    aperture,
    box,
    eye_distance,
    face_mask,
    head_mask,
    mouth_mask,
    pearson,
    pose,
    similarity,
    square,
    template,
)
from editalk.face.track import FaceTrack
from editalk.face.tracker import FaceTracker, Picture

__all__ = [
    "Box",
    "FaceTrack",
    "FaceTracker",
    "Picture",
    "Pose",
    "aperture",
    "box",
    "eye_distance",
    "face_mask",
    "head_mask",
    "mouth_mask",
    "pearson",
    "pose",
    "similarity",
    "square",
    "template",
]
