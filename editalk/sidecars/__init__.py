"""What belongs to a video beside picture and speech, brought along with an edit: chapters and captions."""

from editalk.sidecars.captions import Retimed, retime
from editalk.sidecars.chapters import Followed, follow_chapters
from editalk.sidecars.embedded import captions_of, retime_subtitles

__all__ = ["Followed", "Retimed", "captions_of", "follow_chapters", "retime", "retime_subtitles"]
