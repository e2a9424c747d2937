"""How good a result is: checks of its joins."""

from editalk.quality.joins import ClickCheck, ClickWatch, JoinCheck, JoinWatch, natural_click, step_maxima

__all__ = ["ClickCheck", "ClickWatch", "JoinCheck", "JoinWatch", "natural_click", "step_maxima"]
