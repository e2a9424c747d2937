"""The embedded backend: CPU, no weights. Joins by morphing, new content on the speaker's own footage, lips by
retrieving and warping mouths of the same speaker.
"""

from editalk.backends.exemplar.backend import Exemplar

__all__ = ["Exemplar"]
