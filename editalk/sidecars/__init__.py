"""What belongs to a video beside picture and speech, brought along with an edit: chapters and captions."""

from editalk.sidecars.captions import Retimed, retime
from editalk.sidecars.chapters import Followed, follow_chapters

__all__ = ["Followed", "Retimed", "follow_chapters", "retime"]
