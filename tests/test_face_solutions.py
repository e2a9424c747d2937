"""MediaPipe's solutions without the rest of it, and the rest where somebody else wants it."""

from __future__ import annotations

import subprocess
import sys

TOLD = """
import sys
from editalk.face.solutions import solution
mesh = solution("face_mesh")
assert "matplotlib" not in sys.modules
assert solution("face_mesh") is mesh
import mediapipe
assert mediapipe.solutions.face_mesh is mesh
assert mediapipe.__version__
assert mediapipe.solutions.drawing_utils.DrawingSpec
assert mediapipe.tasks.vision.FaceLandmarker
assert mediapipe.Image
"""


def test_others_still_get_the_whole_of_mediapipe() -> None:
    subprocess.run([sys.executable, "-c", TOLD], check=True)


def test_mediapipe_that_is_there_is_used() -> None:
    told = ("import mediapipe; from editalk.face.solutions import solution; "
            "print(solution('pose') is mediapipe.solutions.pose)")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True).stdout == "True\n"
