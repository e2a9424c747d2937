"""How good a result is: checks of its joins."""

from editalk.quality.joins import (
    ClickCheck,
    ClickWatch,
    JoinCheck,
    JoinWatch,
    natural_click,
    natural_motion,
    step_maxima,
)

__all__ = ["ClickCheck", "ClickWatch", "JoinCheck", "JoinWatch", "natural_click", "natural_motion", "step_maxima"]
