"""What belongs to a video beside picture and speech, brought along with an edit: chapters, captions."""

from editalk.sidecars.chapters import Followed, follow_chapters

__all__ = ["Followed", "follow_chapters"]
